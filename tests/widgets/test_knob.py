"""Slider and box always say the same number."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from workbench.widgets.knob import Knob
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox


@pytest.fixture
def temperature(qtbot: QtBot) -> Knob:
    knob = Knob("playground.temperature", "temperature", 0.05, 3.0, 0.7, step=0.05, off=1.0, tip="usually 0.2 to 1.5")
    qtbot.addWidget(knob)
    knob.show()
    return knob


def wheel(widget: QWidget) -> bool:
    """Turn the wheel over a widget; whether it kept the event."""
    place = QPointF(widget.rect().center())
    event = QWheelEvent(
        place, widget.mapToGlobal(place), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def test_the_names_are_the_public_interface(temperature: Knob) -> None:
    assert temperature.spin.objectName() == "playground.temperature"
    assert temperature.spin.accessibleName() == temperature.label.text() == "temperature"
    assert temperature.slider.objectName() == "playground.temperature_slider"


def test_the_slider_moves_the_box(qtbot: QtBot, temperature: Knob) -> None:
    with qtbot.waitSignal(temperature.value_changed) as heard:
        temperature.slider.setValue(temperature.slider.maximum())
    assert heard.args == [3.0]
    assert temperature.spin.value() == temperature.value == 3.0


def test_the_box_moves_the_slider(qtbot: QtBot, temperature: Knob) -> None:
    with qtbot.waitSignal(temperature.value_changed):
        temperature.spin.setValue(0.05)
    assert temperature.slider.value() == 0


def test_a_value_set_stays_exactly_what_it_is(temperature: Knob) -> None:
    heard: list[float] = []
    temperature.value_changed.connect(heard.append)
    temperature.set_value(0.37)
    temperature.set_value(0.37)
    assert temperature.value == 0.37
    assert heard == [0.37]


def test_values_are_clamped(temperature: Knob) -> None:
    temperature.set_value(99)
    assert temperature.value == 3.0


def test_off_is_a_word(qtbot: QtBot, temperature: Knob) -> None:
    temperature.set_value(1.0)
    assert temperature.spin.text() == "off"
    temperature.set_value(0.5)
    assert temperature.spin.text() == "0.50"
    temperature.spin.selectAll()
    for key in "off":
        qtbot.keyClick(temperature.spin, key)
    qtbot.keyClick(temperature.spin, Qt.Key.Key_Return)
    assert temperature.value == 1.0


def test_a_number_can_be_typed_and_is_taken_on_enter(qtbot: QtBot, temperature: Knob) -> None:
    heard: list[float] = []
    temperature.value_changed.connect(heard.append)
    temperature.spin.selectAll()
    for key in "1.25":
        qtbot.keyClick(temperature.spin, key)
    assert heard == []
    qtbot.keyClick(temperature.spin, Qt.Key.Key_Return)
    assert heard == [1.25]


def test_reset_goes_back_to_the_default(temperature: Knob) -> None:
    temperature.set_value(2)
    temperature.reset()
    assert temperature.value == 0.7


def test_whole_numbers_stay_whole(qtbot: QtBot) -> None:
    knob = Knob("playground.top_k", "top_k", 0, 500, 50, step=1, decimals=0, off=0)
    qtbot.addWidget(knob)
    for position in range(knob.slider.maximum() + 1):
        knob.slider.setValue(position)
        assert knob.value == int(knob.value)
    assert knob.spin.text() == "500"
    knob.set_value(0)
    assert knob.spin.text() == "off"


def test_a_logarithmic_slider_spreads_powers_of_ten(qtbot: QtBot) -> None:
    knob = Knob("trainer.learning_rate", "learning rate", 1e-6, 1e-2, 5e-5, decimals=8, log=True)
    qtbot.addWidget(knob)
    assert knob.value == 5e-5
    assert knob.spin.text() == "5e-05"
    knob.slider.setValue(knob.slider.maximum() // 2)
    assert knob.value == pytest.approx(1e-4, rel=0.02)
    knob.slider.setValue(0)
    assert knob.value == 1e-6


def test_steps_of_a_logarithmic_knob_of_whole_numbers_always_move(qtbot: QtBot) -> None:
    knob = Knob("playground.max_new_tokens", "max_new_tokens", 1, 4096, 1, decimals=0, log=True)
    qtbot.addWidget(knob)
    before = 0.0
    while knob.value < 4096:
        assert knob.value > before
        before = knob.value
        knob.spin.stepBy(1)


def test_the_wheel_scrolls_the_page_until_a_control_has_the_focus(qtbot: QtBot, temperature: Knob) -> None:
    combo = QuietComboBox()
    combo.addItems(["a", "b"])
    combo.setCurrentIndex(1)
    box = QuietSpinBox()
    for widget in (combo, box):
        qtbot.addWidget(widget)
        widget.show()
    for widget in (temperature.spin, temperature.slider, combo, box):
        widget.clearFocus()
        assert not wheel(widget)
    assert (temperature.value, combo.currentIndex(), box.value()) == (0.7, 1, 0)
    with qtbot.waitActive(temperature):
        temperature.activateWindow()
    temperature.slider.setFocus()
    qtbot.waitUntil(temperature.slider.hasFocus)
    wheel(temperature.slider)
    assert temperature.value != 0.7


@pytest.mark.parametrize(("low", "high", "log"), [(1, 1, False), (2, 1, False), (0, 1, True)])
def test_a_range_that_is_none_is_refused(qtbot: QtBot, low: float, high: float, log: bool) -> None:
    with pytest.raises(ValueError, match="no range"):
        Knob("a.b", "b", low, high, high, log=log)

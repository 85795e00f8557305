"""The window: every control named, panes and layouts, zoom, the palette, errors, and closing while work runs."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt, QTimer
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QMessageBox,
    QPlainTextEdit,
    QScrollBar,
    QTextEdit,
    QToolBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from workbench.app import Workbench
from workbench.engine.task import Task
from workbench.entries import ENTRIES
from workbench.runtime.jobs import Job, Lane, State
from workbench.runtime.settings import Settings
from workbench.widgets import theme
from workbench.window import LAYOUTS

PUBLIC = (
    "playground.files", "playground.num_beams",
    "playground.prompt", "playground.generate", "playground.stop", "playground.temperature", "playground.top_k",
    "playground.top_p", "playground.min_p", "playground.repetition_penalty", "playground.max_new_tokens",
    "playground.seed", "playground.output", "probabilities.table", "tokenizer.text", "tokenizer.table", "hub.search",
    "hub.results", "hub.local", "hub.download", "hub.load", "tasks.task", "tasks.run", "tasks.result",
    "compare.prompt", "compare.run", "compare.stop", "compare.what", "compare.table", "compare.step", "compare.chat",
    "score.text", "score.run", "score.stop", "score.strip", "score.table", "score.alternatives",
    "trainer.dataset", "trainer.start", "trainer.stop", "trainer.pause", "trainer.eval_now", "trainer.save_now",
    "trainer.discard", "trainer.loss_plot", "jobs.table",
)  # fmt: skip

_CONTROLS = (
    QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QListWidget,
    QPlainTextEdit, QTextEdit,
)  # fmt: skip


@pytest.fixture
def workbench(qtbot: QtBot, tmp_path: Path) -> Iterator[Workbench]:
    settings = Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    workbench = Workbench(settings)
    workbench.window.show()
    qtbot.waitUntil(lambda: workbench.is_warm, timeout=120_000)
    yield workbench
    for job in workbench.runner.active:
        job.cancel()
    qtbot.waitUntil(lambda: not workbench.runner.active, timeout=30_000)
    workbench.window.close()
    workbench.window.deleteLater()


def _own_controls(window: QWidget) -> Iterator[QWidget]:
    """Controls a person can use: those that belong to no other control."""
    for widget in window.findChildren(QWidget):
        if not isinstance(widget, _CONTROLS) or isinstance(widget, QScrollBar):
            continue
        parent = widget.parentWidget()
        inside = False
        while parent is not None and parent is not window:
            inside = inside or isinstance(parent, _CONTROLS) or parent.objectName().startswith("qt_")
            parent = parent.parentWidget()
        if not inside and not widget.objectName().startswith("qt_"):
            yield widget


def test_every_control_has_a_name_for_people_and_one_for_machines(workbench: Workbench) -> None:
    for entry in ENTRIES:
        workbench.window.show_pane(entry.name)
    wrong = []
    for widget in _own_controls(workbench.window):
        name, label = widget.objectName(), widget.accessibleName()
        if not re.fullmatch(r"[a-z]+(\.[a-z0-9_]+)+", name) or not label or not widget.toolTip():
            wrong.append(f"{type(widget).__name__} {name!r} label {label!r} tip {bool(widget.toolTip())}")
    assert wrong == []


def test_the_public_names_are_there_once(workbench: Workbench) -> None:
    for entry in ENTRIES:
        workbench.window.pane(entry.name)
    for name in PUBLIC:
        assert len(workbench.window.findChildren(QWidget, name)) == 1, name


def test_a_visible_label_equals_the_accessible_name(workbench: Workbench) -> None:
    for entry in ENTRIES:
        workbench.window.pane(entry.name)
    for button in workbench.window.findChildren(QAbstractButton):
        if re.fullmatch(r"[a-z]+(\.[a-z0-9_]+)+", button.objectName()) and button.text():
            assert button.text().replace("&", "").rstrip("…") == button.accessibleName().rstrip("…"), (
                button.objectName()
            )


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_shortcut_opens_its_pane_alone_and_shift_opens_it_beside(workbench: Workbench, entry: object) -> None:
    window = workbench.window
    number = [e.name for e in ENTRIES].index(entry.name) + 1  # type: ignore[attr-defined]
    action = next(a for a in window.actions() if a.shortcut().toString() == f"Ctrl+{number}")
    other = "jobs" if entry.name != "jobs" else "hub"  # type: ignore[attr-defined]
    window.show_pane(other)
    action.trigger()
    assert entry.name in window.visible_panes()  # type: ignore[attr-defined]
    assert other not in window.visible_panes()
    window.show_pane(other, beside=True)
    assert {other, entry.name} <= set(window.visible_panes())  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_shows_its_panes_and_no_others(workbench: Workbench, name: str) -> None:
    workbench.window.arrange(LAYOUTS[name])
    assert set(workbench.window.visible_panes()) == {pane for column in LAYOUTS[name] for pane in column}


def test_zoom_scales_the_font_stays_in_bounds_and_is_remembered(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    at_100 = window.font().pointSizeF()
    for _ in range(20):
        window.zoom_in()
    assert workbench.settings.zoom == 3.0
    qtbot.waitUntil(lambda: window.font().pointSizeF() == pytest.approx(3 * at_100, rel=0.05))
    for _ in range(30):
        window.zoom_out()
    assert workbench.settings.zoom == 0.6
    window.zoom_reset()
    qtbot.waitUntil(lambda: window.font().pointSizeF() == pytest.approx(at_100) and window.updatesEnabled())


def test_the_names_of_the_rail_begin_at_one_place_beside_their_pictures(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    window.resize(1440, 900)
    window.set_presenting(True)
    rail = window.findChild(QToolBar, "window.rail")
    qtbot.waitUntil(lambda: rail.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    buttons = [window.findChild(QAbstractButton, f"window.{entry.name}") for entry in ENTRIES]
    qtbot.waitUntil(lambda: len({(button.x(), button.width()) for button in buttons}) == 1)
    assert all(button.width() >= button.sizeHint().width() for button in buttons)


def test_present_folds_the_menus_and_comes_back(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    before = window.font().pointSizeF()
    window.set_presenting(True)
    assert window.isFullScreen()
    assert not window.menuBar().isVisible()
    qtbot.waitUntil(lambda: window.font().pointSizeF() >= 1.45 * before and window.updatesEnabled())
    window.set_presenting(False)
    assert not window.isFullScreen()
    assert window.menuBar().isVisible()
    qtbot.waitUntil(lambda: window.font().pointSizeF() == pytest.approx(before) and window.updatesEnabled())


def test_the_palette_finds_a_command_and_runs_it(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    window.open_palette()
    search = window.findChild(QLineEdit, "palette.search")
    search.setText("layout teach")
    assert window.findChild(QListWidget, "palette.list").count() == 1
    qtbot.keyPress(search, Qt.Key.Key_Return)
    assert set(window.visible_panes()) == {"tokenizer", "playground", "probabilities"}


def test_the_layout_and_the_prompt_come_back_after_a_restart(qtbot: QtBot, workbench: Workbench) -> None:
    workbench.session.set_prompt("Not to be lost: 你好")
    workbench.window.arrange(LAYOUTS["Teach"])
    workbench.window.remember()
    again = Workbench(workbench.settings)
    qtbot.addWidget(again.window)
    assert again.session.prompt == "Not to be lost: 你好"
    assert set(again.window.visible_panes()) == set(workbench.window.visible_panes())
    again.runner.shut_down()


def test_an_exception_nobody_expected_is_shown_and_the_window_goes_on(qtbot: QtBot, workbench: Workbench) -> None:
    workbench.window.show_pane("hub")
    with qtbot.captureExceptions():
        workbench.window.show_error("Something failed that nobody expected.", "ZeroDivisionError", "Traceback …")
    qtbot.waitUntil(lambda: workbench.window.findChild(QWidget, "hub.notice").isVisible())


def _endless(*, task: Task) -> None:
    never = threading.Event()
    while not never.wait(0.005):
        task.check()


def test_closing_while_work_runs_asks_by_name_and_keeping_on_keeps_on(qtbot: QtBot, workbench: Workbench) -> None:
    job = Job("Fine-tuning everything", _endless)
    with qtbot.waitSignal(job.started):
        workbench.runner.start(job, Lane.TRAIN)
    asked: list[str] = []

    def answer() -> None:
        box = workbench.window.findChild(QMessageBox, "window.close_question")
        asked.append(box.text())
        next(b for b in box.buttons() if b.text() == "Keep working").click()

    QTimer.singleShot(50, answer)
    assert workbench.window.close() is False
    assert "Fine-tuning everything" in asked[0]
    assert job.state is State.RUNNING
    assert workbench.window.isVisible()


def test_stop_and_close_stops_the_work_first(qtbot: QtBot, workbench: Workbench) -> None:
    job = Job("Fine-tuning everything", _endless)
    with qtbot.waitSignal(job.started):
        workbench.runner.start(job, Lane.TRAIN)

    def answer() -> None:
        box = workbench.window.findChild(QMessageBox, "window.close_question")
        next(b for b in box.buttons() if b.text() == "Stop and close").click()

    QTimer.singleShot(50, answer)
    workbench.window.close()
    qtbot.waitUntil(lambda: not workbench.window.isVisible())
    assert job.state is State.CANCELLED


def test_the_flow_strip_says_what_is_loaded(workbench: Workbench) -> None:
    assert "no checkpoint" in workbench.window.flow_strip.accessibleDescription()


def test_the_status_bar_shows_running_work_and_cancels_it(qtbot: QtBot, workbench: Workbench) -> None:
    job = Job("Downloading things", _endless)
    with qtbot.waitSignal(job.started):
        workbench.runner.start(job, Lane.IO)
    button = workbench.window.findChild(QAbstractButton, "window.cancel_0")
    qtbot.waitUntil(button.isVisible)
    with qtbot.waitSignal(job.cancelled_):
        button.click()
    qtbot.waitUntil(lambda: not button.isVisible())


@pytest.mark.parametrize("height", [900, 520])
def test_every_pane_stays_on_the_rail_when_the_window_is_low(qtbot: QtBot, workbench: Workbench, height: int) -> None:
    window = workbench.window
    window.resize(1200, height)
    last = window.findChild(QWidget, f"window.{ENTRIES[-1].name}")
    assert last is not None
    qtbot.waitUntil(lambda: window.height() == height and last.isVisible())
    qtbot.waitUntil(lambda: last.mapTo(window, last.rect().bottomLeft()).y() <= height)


def test_a_pane_opened_while_the_theme_changes_wears_all_of_the_new_one(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    window.settings.theme = "light"
    window.apply_theme()
    window.show_pane("trainer")
    qtbot.waitUntil(window.updatesEnabled)
    window.show_pane("hub")
    window.settings.theme = "dark"
    window.apply_theme()
    window.show_pane("trainer")
    qtbot.waitUntil(window.updatesEnabled)
    look = theme.current()
    assert look.dark
    pane = window.pane("trainer")
    plain = [label for label in pane.findChildren(QLabel) if not label.property("role") and label.text()]
    assert plain
    inks = {label.palette().color(QPalette.ColorRole.WindowText).name() for label in plain}
    assert inks == {QColor(look.text).name()}
    picture = pane.grab().toImage()
    plot = window.findChild(QWidget, "trainer.loss_plot")
    assert plot is not None
    corner = plot.mapTo(pane, plot.rect().center())
    assert picture.pixelColor(corner).lightness() < 128, "the plot is dark as well"


def test_a_recommended_checkpoint_is_looked_for_in_the_hub(qtbot: QtBot, workbench: Workbench) -> None:
    window = workbench.window
    workbench.session.set_offline(True)
    window.pane("tasks").checkpoint_requested.emit("google/flan-t5-small")
    assert "hub" in window.visible_panes()
    assert window.pane("hub").findChild(QLineEdit, "hub.search").text() == "google/flan-t5-small"
    qtbot.waitUntil(lambda: not workbench.runner.active)
    workbench.session.set_offline(False)

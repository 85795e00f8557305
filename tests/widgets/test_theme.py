"""The looks can be read, and everything grows with the zoom."""

from __future__ import annotations

import gc
import re

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from workbench.widgets import icons, style_sheet, theme
from workbench.widgets.assets import folder
from workbench.widgets.chip import mark_ink

PAIRS = (
    ("WindowText", "Window"), ("Text", "Base"), ("ButtonText", "Button"), ("Text", "AlternateBase"),
    ("HighlightedText", "Highlight"), ("PlaceholderText", "Base"), ("Link", "Base"),
)  # fmt: skip
LOOKS = pytest.mark.parametrize("look", theme.THEMES, ids=lambda look: look.name)


@LOOKS
def test_text_has_a_contrast_of_four_and_a_half(look: theme.Theme) -> None:
    for ground in (look.window, look.surface, look.sunken):
        for ink in (look.text, look.muted, look.faint, look.accent, look.error, look.warning, look.info, look.success):
            assert theme.contrast(ink, ground) >= 4.5, (ink, ground)
        for kind, ink in look.code.items():
            assert theme.contrast(ink, ground) >= 4.5, (kind, ground)
    for ground in (*look.tints, look.accent_soft):
        assert theme.contrast(look.text, ground) >= 4.5, ground
    assert theme.contrast(look.muted, look.accent_soft) >= 4.5
    assert theme.contrast(look.accent, look.accent_soft) >= 4.5
    assert theme.contrast(look.accent_text, look.accent) >= 4.5


@LOOKS
def test_the_signs_of_blanks_read_on_every_chip(look: theme.Theme) -> None:
    for ground in (*look.tints, *(theme.strength_color(step / 20, look).name() for step in range(21))):
        ink = theme.ink_on(QColor(ground))
        assert theme.contrast(mark_ink(ink.rgb(), QColor(ground).rgb()), ground) >= 4.5, ground


@pytest.mark.parametrize("kind", [QLineEdit, QPlainTextEdit])
@LOOKS
def test_what_to_write_into_a_field_can_be_read(
    qtbot: QtBot, qapp: QApplication, look: theme.Theme, kind: type[QWidget]
) -> None:
    theme.apply(qapp, look.dark, high_contrast=look.high_contrast)
    field = kind()
    qtbot.addWidget(field)
    field.show()
    ink = field.palette().color(QPalette.ColorRole.PlaceholderText)
    assert ink.alpha() == 255 and theme.contrast(ink, look.surface) >= 4.5


@LOOKS
def test_lines_and_outlines_have_a_contrast_of_three(look: theme.Theme) -> None:
    for ink in (*look.series, look.accent):
        assert theme.contrast(ink, look.surface) >= 3, ink
    assert theme.contrast(look.strong_border, look.surface) >= 3


@LOOKS
def test_words_read_on_every_shade_of_the_scale(look: theme.Theme) -> None:
    for step in range(101):
        shade = theme.strength_color(step / 100, look)
        assert theme.contrast(theme.ink_on(shade), shade) >= 4.5, step


@LOOKS
def test_surprising_is_strong(look: theme.Theme) -> None:
    distances = [theme.contrast(theme.strength_color(step / 50, look), look.surface) for step in range(51)]
    assert distances == sorted(distances)


@pytest.mark.parametrize("ground", ["#000000", "#777777", "#767676", "#ffffff", "#ff0000", "#00ff00", "#0000ff"])
def test_ink_reads_on_any_ground(ground: str) -> None:
    assert theme.contrast(theme.ink_on(QColor(ground)), ground) >= 4.5


@LOOKS
def test_the_palette_tells_the_theme(qapp: QApplication, look: theme.Theme) -> None:
    assert theme.apply(qapp, look.dark, high_contrast=look.high_contrast) is look
    assert theme.current() is look
    palette = qapp.palette()
    for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive):
        for ink, ground in PAIRS:
            one, other = (palette.color(group, QPalette.ColorRole[name]) for name in (ink, ground))
            assert theme.contrast(one, other) >= 4.5, (ink, ground)


@pytest.mark.parametrize(("asked", "given"), [(1.0, 1.0), (1.5, 1.5), (0.1, 0.6), (9.0, 3.0)])
def test_zoom_is_kept_in_its_range_and_scales_the_font(qapp: QApplication, asked: float, given: float) -> None:
    theme.apply(qapp, dark=False, zoom=asked)
    assert qapp.font().pointSizeF() == pytest.approx(10 * given)


def test_controls_grow_with_the_zoom(qtbot: QtBot, qapp: QApplication) -> None:
    widgets = [QPushButton("Run"), QCheckBox("special"), QLabel("text")]
    for widget in widgets:
        qtbot.addWidget(widget)
        widget.show()
    icons.put(widgets[0], "play")
    before = [widget.sizeHint().height() for widget in widgets]
    icon_before = widgets[0].iconSize().width()
    theme.apply(qapp, dark=True, zoom=2.0)
    for widget, height in zip(widgets, before, strict=True):
        assert widget.sizeHint().height() >= 1.8 * height, type(widget)
    assert widgets[0].iconSize().width() == 2 * icon_before


def test_an_icon_takes_the_ink_of_the_theme(qtbot: QtBot, qapp: QApplication) -> None:
    button = QPushButton()
    qtbot.addWidget(button)
    icons.put(button, "stop")

    def ink() -> QColor:
        image = button.icon().pixmap(48, 48).toImage()
        return max((image.pixelColor(x, 24) for x in range(48)), key=lambda color: color.alpha())

    assert theme.contrast(ink(), theme.current().surface) > 4.5
    theme.apply(qapp, dark=True)
    assert theme.contrast(ink(), theme.current().surface) > 4.5


def test_every_icon_can_be_drawn(qapp: QApplication) -> None:
    names = sorted(path.stem for path in folder("icons").glob("*.svg"))
    asked = "hub tokenizer playground probabilities tasks trainer jobs play stop copy save close code settings offline"
    assert {*asked.split(), "search", "download", "folder", "trash", "sun", "moon", "present"} <= set(names)
    for name in names:
        image = icons.pixmap(name, 24, "#ff0000").toImage()
        assert any(image.pixelColor(x, y).alpha() > 128 for x in range(24) for y in range(24)), name


@LOOKS
def test_every_picture_of_the_style_sheet_exists(look: theme.Theme) -> None:
    sheet = style_sheet.build(look, points=10, pixel=1)
    pictures = re.findall(r'url\("([^"]+)"\)', sheet)
    assert pictures
    for picture in pictures:
        assert folder("theme").joinpath(*picture.split("/")[-2:]).is_file(), picture


def test_no_widget_is_collected_while_the_application_is_dressed(qtbot: QtBot, qapp: QApplication) -> None:
    heard: list[bool] = []

    class Listening(QWidget):
        def changeEvent(self, event: QEvent) -> None:
            super().changeEvent(event)
            heard.append(gc.isenabled())

    widget = Listening()
    qtbot.addWidget(widget)
    collects = gc.isenabled()
    gc.enable()
    try:
        theme.apply(qapp, dark=True, zoom=1.5)
        assert gc.isenabled()
        assert heard and not any(heard), "Qt walks over all widgets then, and none may go"
    finally:
        theme.apply(qapp, dark=False)
        if not collects:
            gc.disable()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("role", ["", "fold"])
def test_the_keyboard_is_seen_on_a_button_that_is_switched_on_and_moves_nothing(
    qtbot: QtBot, qapp: QApplication, dark: bool, role: str
) -> None:
    theme.apply(qapp, dark=dark)
    window = QWidget()
    qtbot.addWidget(window)
    row = QHBoxLayout(window)
    button, other = QToolButton(), QToolButton()
    for each in (button, other):
        each.setText("Trace")
        each.setProperty("role", role)
        each.setCheckable(True)
        each.setChecked(True)
        row.addWidget(each)
    with qtbot.waitActive(window):
        window.show()
    other.setFocus(Qt.FocusReason.TabFocusReason)
    without, place = button.grab().toImage(), button.geometry()
    button.setFocus(Qt.FocusReason.TabFocusReason)
    assert button.hasFocus()
    assert button.grab().toImage() != without
    assert button.sizeHint() == other.sizeHint()
    assert button.geometry() == place

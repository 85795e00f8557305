"""A chip that leans to a side has the colour of that side, and what is written on it can be read."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.chip import Chip, ChipPainter
from workbench.widgets.token_strip import TokenStrip


def ground(chip: Chip) -> QColor:
    picture = QImage(60, 24, QImage.Format.Format_RGB32)
    painter = QPainter(picture)
    ChipPainter(painter, 1.0, 6.0).draw(chip, QRectF(0, 0, 60, 24), tint=None, selected=False, hovered=False)
    painter.end()
    return picture.pixelColor(12, 12)


@pytest.mark.parametrize("dark", [False, True])
def test_the_two_sides_differ_grow_stronger_and_can_be_read(qapp: QApplication, dark: bool) -> None:
    look = theme.apply(qapp, dark)
    grounds = [ground(Chip("", lean=lean)) for lean in (-1.0, -0.3, 0.0, 0.3, 1.0)]
    assert len({each.name() for each in grounds}) == 5
    assert grounds[2] == QColor(look.surface)
    for each in grounds:
        assert theme.contrast(theme.ink_on(each), each) >= 4.5
    away = [theme.contrast(each, look.surface) for each in grounds]
    assert away[0] > away[1] > away[2]
    assert away[4] > away[3] > away[2]
    assert ground(Chip("", lean=2.0)) == grounds[4]


def test_leaning_has_a_say_before_strength_and_not_before_padding(qapp: QApplication) -> None:
    look = theme.apply(qapp, False)
    assert ground(Chip("", strength=1.0, lean=0.0)) == QColor(look.surface)
    assert ground(Chip("", muted=True, lean=1.0)) == QColor(look.surface)


def test_chips_of_a_group_share_its_tint_wherever_they_stand(qapp: QApplication, qtbot: QtBot) -> None:
    look = theme.apply(qapp, False)
    strip = TokenStrip()
    qtbot.addWidget(strip)
    strip.resize(300, 60)
    strip.set_tokens([Chip("aaaa", group=2), Chip("bbbb", special=True, group=2), Chip("cccc", special=True)])
    picture = strip.grab().toImage()
    colors = [picture.pixelColor(x, y).name() for x in range(picture.width()) for y in range(picture.height())]
    tint, sunken = QColor(look.tints[2]).name(), QColor(look.sunken).name()
    strip.set_tokens([Chip("aaaa", group=2)])
    picture = strip.grab().toImage()
    alone = [picture.pixelColor(x, y).name() for x in range(picture.width()) for y in range(picture.height())]
    assert colors.count(tint) > 1.6 * alone.count(tint) > 0
    assert colors.count(sunken) > alone.count(sunken)

"""Lines go from a point of one picture to the same point of the other, at any size."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.match_view import Line, MatchView
from workbench.widgets.picture_view import to_image

GREY = to_image(np.full((50, 50, 3), 200, np.uint8))


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> MatchView:
    theme.apply(qapp, dark=False)
    view = MatchView()
    qtbot.addWidget(view)
    view.resize(208, 100)
    lines = [Line((25, 25), (25, 25), "0.9", 0.9), Line((5, 45), (45, 5), "0.1", 0.1)]
    view.set_matches((GREY, GREY), ((50, 50), (50, 50)), lines)
    return view


def at(view: MatchView, x: int, y: int) -> QColor:
    return view.grab().toImage().pixelColor(x, y)


def test_a_line_goes_from_picture_to_picture(view: MatchView) -> None:
    series = QColor(theme.current().series[0])
    assert at(view, 50, 50) == series and at(view, 158, 50) == series
    assert at(view, 50, 10) == QColor(200, 200, 200)


def test_pictures_of_different_shapes_stand_at_one_height(view: MatchView) -> None:
    view.resize(308, 100)
    view.set_matches((GREY, GREY), ((500, 500), (1000, 500)), [Line((250, 250), (500, 250), "", 1.0)])
    series = QColor(theme.current().series[0])
    assert at(view, 50, 50) == series and at(view, 208, 50) == series


def test_the_chosen_line_is_thick(view: MatchView) -> None:
    before = at(view, 50, 52)
    view.choose(0)
    assert view.chosen == 0
    assert at(view, 50, 52) != before
    view.choose(None)
    assert at(view, 50, 52) == before


def test_the_tooltip_names_the_line_that_begins_there(qtbot: QtBot, view: MatchView) -> None:
    view.show()
    qtbot.waitExposed(view)
    QApplication.sendEvent(view, QHelpEvent(QHelpEvent.Type.ToolTip, QPoint(51, 51), view.mapToGlobal(QPoint(51, 51))))
    assert QToolTip.text() == "0.9"
    QToolTip.hideText()


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 3)])
def test_odd_sizes_and_no_lines_are_drawn(view: MatchView, size: tuple[int, int]) -> None:
    view.set_matches((GREY, GREY), (size, (50, 50)), [])
    assert not view.grab().isNull()
    view.resize(1, 1)
    assert not view.grab().isNull()

"""Small pictures of matrices are drawn by their own largest value, and chosen by mouse and keyboard."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.matrix_grid import MatrixGrid


@pytest.fixture
def drawn(qtbot: QtBot) -> MatrixGrid:
    widget = MatrixGrid()
    qtbot.addWidget(widget)
    widget.resize(260, 400)
    with qtbot.waitExposed(widget):
        widget.show()
    matrices = np.zeros((5, 2, 2), np.float32)
    matrices[:, 0, 1] = (1.0, 0.5, 0.1, 0.01, 0.0)
    widget.set_matrices([f"head {number}" for number in range(5)], matrices)
    return widget


def test_each_is_drawn_by_its_own_largest_value(drawn: MatrixGrid) -> None:
    image = drawn.grab().toImage()
    for number in range(4):
        place = drawn.place(number)
        strong = place.center() + QPointF(place.width() / 4, -place.height() / 4)
        weak = place.center() - QPointF(place.width() / 4, place.height() / 4)
        assert image.pixelColor(strong.toPoint()).name() == theme.strength_color(1.0).name()
        assert image.pixelColor(weak.toPoint()).name() == theme.strength_color(0.0).name()


def test_they_stand_in_rows_as_wide_as_there_is_room(qtbot: QtBot, drawn: MatrixGrid) -> None:
    assert drawn.place(2).top() == drawn.place(0).top()
    assert drawn.place(3).top() > drawn.place(0).bottom()
    drawn.resize(120, 400)
    qtbot.waitUntil(lambda: drawn.place(1).top() > drawn.place(0).bottom())
    assert drawn.minimumHeight() > drawn.place(4).bottom()


def test_a_click_and_the_arrow_keys_choose(qtbot: QtBot, drawn: MatrixGrid) -> None:
    with qtbot.waitSignal(drawn.chosen_changed) as chosen:
        qtbot.mouseClick(drawn, Qt.MouseButton.LeftButton, pos=drawn.place(1).center().toPoint())
    assert chosen.args == [1]
    with qtbot.waitSignal(drawn.chosen_changed) as chosen:
        qtbot.keyClick(drawn, Qt.Key.Key_Down)
    assert chosen.args == [4]
    with qtbot.assertNotEmitted(drawn.chosen_changed):
        qtbot.keyClick(drawn, Qt.Key.Key_Right)
        drawn.choose(0)
        drawn.choose(99)
    assert drawn.chosen is None


def test_it_follows_the_theme_and_can_be_empty(qapp: QApplication, drawn: MatrixGrid) -> None:
    theme.apply(qapp, True)
    place = drawn.place(0)
    strong = place.center() + QPointF(place.width() / 4, -place.height() / 4)
    assert drawn.grab().toImage().pixelColor(strong.toPoint()).name() == theme.strength_color(1.0).name()
    drawn.set_matrices([], np.zeros((0, 1, 1), np.float32))
    assert drawn.count == 0
    assert not drawn.grab().isNull()

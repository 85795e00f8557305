"""Points keep their distances, are told by name, and are chosen by mouse and keyboard."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from workbench.widgets.point_map import PointMap


@pytest.fixture
def drawn(qtbot: QtBot) -> PointMap:
    widget = PointMap()
    qtbot.addWidget(widget)
    widget.resize(400, 300)
    widget.show()
    widget.set_points(("one", "two", "three"), np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]), "a triangle")
    return widget


def length(one: QPointF, other: QPointF) -> float:
    return float(np.hypot(one.x() - other.x(), one.y() - other.y()))


def test_distances_keep_their_ratios_and_up_is_up(drawn: PointMap) -> None:
    places = [drawn.place(number) for number in range(3)]
    assert length(places[0], places[2]) / length(places[0], places[1]) == pytest.approx(4 / 3)
    assert places[2].y() < places[0].y()
    assert all(drawn.rect().contains(place.toPoint()) for place in places)


def test_a_click_and_the_arrow_keys_choose(qtbot: QtBot, drawn: PointMap) -> None:
    with qtbot.waitSignal(drawn.point_chosen) as chosen:
        qtbot.mouseClick(drawn, Qt.MouseButton.LeftButton, pos=drawn.place(1).toPoint())
    assert chosen.args == [1]
    with qtbot.waitSignal(drawn.point_chosen) as chosen:
        qtbot.keyClick(drawn, Qt.Key.Key_Right)
    assert chosen.args == [2]
    assert "three" in drawn.accessibleDescription()
    with qtbot.assertNotEmitted(drawn.point_chosen):
        drawn.choose(0)
    assert drawn.chosen == 0


@pytest.mark.parametrize(
    "points", [np.zeros((0, 2)), np.zeros((3, 2)), np.full((2, 2), np.nan), np.array([[1e30, 0.0]])]
)
def test_degenerate_points_are_drawn_all_the_same(drawn: PointMap, points: np.ndarray) -> None:
    drawn.set_points([f"\ud800 {number}" for number in range(len(points))], points)
    assert not drawn.grab().isNull()


def test_a_caption_takes_the_lines_it_needs_and_covers_no_point(drawn: PointMap) -> None:
    drawn.set_points(("one", "two"), np.array([[0.0, 0.0], [0.0, 1.0]]), "the two directions that differ most " * 2)
    below = drawn.height() - drawn.place(0).y()
    drawn.resize(180, 300)
    assert drawn.height() - drawn.place(0).y() >= below + drawn.fontMetrics().height()


def test_without_points_it_says_what_fills_it(drawn: PointMap) -> None:
    drawn.set_points((), np.zeros((0, 2)))
    before = drawn.grab().toImage()
    drawn.set_empty_text("press Go")
    assert drawn.accessibleDescription() == "press Go"
    assert drawn.grab().toImage() != before
    drawn.set_points(("one",), np.zeros((1, 2)), "alone")
    assert drawn.accessibleDescription() == "1 points. alone"

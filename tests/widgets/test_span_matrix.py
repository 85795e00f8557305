"""A matrix of spans shows the part around the best one, and names what lies under the pointer."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.naming import named
from workbench.widgets.span_matrix import SpanMatrix


@pytest.fixture
def matrix(qtbot: QtBot, qapp: QApplication) -> SpanMatrix:
    theme.apply(qapp, dark=False)
    matrix = named(SpanMatrix(), "test.matrix", "Scores")
    qtbot.addWidget(matrix)
    matrix.resize(400, 400)
    return matrix


def scores(count: int, best: tuple[int, int]) -> np.ndarray:
    values = np.triu(np.full((count, count), 0.01, np.float32))
    values[best] = 0.8
    return values


def test_all_of_a_short_text_is_shown(matrix: SpanMatrix) -> None:
    matrix.set_scores(["a", "b", "c"], scores(3, (0, 2)))
    assert matrix.tokens == ("a", "b", "c")
    assert matrix.best == (0, 2)
    assert not matrix.grab().isNull()


@pytest.mark.parametrize("best", [(0, 0), (150, 155), (383, 383)])
def test_of_a_long_text_the_part_around_the_best_span_is_shown(matrix: SpanMatrix, best: tuple[int, int]) -> None:
    tokens = [f"t{index}" for index in range(384)]
    matrix.set_scores(tokens, scores(384, best))
    row, column = matrix.best
    assert (matrix.tokens[row], matrix.tokens[column]) == (tokens[best[0]], tokens[best[1]])
    assert len(matrix.tokens) == 24
    assert "of 384" in matrix.accessibleDescription()


def test_nothing_is_drawn_of_nothing(matrix: SpanMatrix) -> None:
    matrix.set_scores([], np.zeros((0, 0)))
    assert not matrix.grab().isNull()


def test_the_tooltip_names_the_span(qtbot: QtBot, matrix: SpanMatrix) -> None:
    matrix.set_scores(["Paris", "is"], scores(2, (0, 1)))
    with qtbot.waitExposed(matrix):
        matrix.show()
    found = set()
    for x in range(0, 400, 10):
        for y in range(0, 400, 40):
            point = QPoint(x, y)
            QApplication.sendEvent(matrix, QHelpEvent(QHelpEvent.Type.ToolTip, point, matrix.mapToGlobal(point)))
            found.add(QToolTip.text())
    QToolTip.hideText()
    assert {"from “Paris” to “is”: 80.00 %", "ends before it starts"} <= found
    qtbot.waitUntil(lambda: not QToolTip.isVisible())

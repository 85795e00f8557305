"""The grid shows texts as one rectangle and tells tokens, padding and nothing apart."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.token_grid import WORD, TokenGrid

ROWS = (("a", " b", "[PAD]"), ("c",))


@pytest.fixture
def grid(qtbot: QtBot) -> TokenGrid:
    grid = TokenGrid()
    qtbot.addWidget(grid)
    grid.set_rows((3, 1), lambda row, column: (ROWS[row][column], f"id {column}", ROWS[row][column] == "[PAD]"))
    return grid


def test_blanks_are_visible_and_missing_cells_are_empty(grid: TokenGrid) -> None:
    model = grid.model()
    assert grid.shape == (2, 3)
    assert [model.index(0, column).data() for column in range(3)] == ["a", "·b", "[PAD]"]
    assert [model.index(1, column).data() for column in range(3)] == ["c", None, None]


def test_padding_is_greyed(grid: TokenGrid) -> None:
    look = theme.current()
    ink = [grid.model().index(0, column).data(Qt.ItemDataRole.ForegroundRole) for column in range(3)]
    assert ink == [QColor(look.text), QColor(look.text), QColor(look.muted)]
    ground = grid.model().index(0, 2).data(Qt.ItemDataRole.BackgroundRole)
    assert theme.contrast(ink[2], ground) >= 4.5


def test_a_cell_moved_to_is_announced_and_one_selected_by_the_program_is_not(qtbot: QtBot, grid: TokenGrid) -> None:
    with qtbot.waitSignal(grid.token_selected) as moved:
        grid.setCurrentIndex(grid.model().index(0, 1))
    assert moved.args == [0, 1]
    with qtbot.assertNotEmitted(grid.token_selected):
        grid.select(1, 0)
        grid.select(1, None)
        grid.select(0, 99)
        grid.setCurrentIndex(grid.model().index(1, 2))
        grid.set_rows((), lambda row, column: ("", "", False))
    assert grid.shape == (0, 0)


def test_the_cells_of_a_word_share_a_tint_and_say_its_number(grid: TokenGrid) -> None:
    words = ((0, 0, None), (1,))
    plain = grid.verticalHeader().defaultSectionSize()
    cell = lambda row, column: (ROWS[row][column], "", ROWS[row][column] == "[PAD]")  # noqa: E731
    grid.set_rows((3, 1), cell, lambda row, column: words[row][column])
    model, look = grid.model(), theme.current()
    said = [[model.index(row, column).data(WORD) for column in range(3)] for row in range(2)]
    assert said == [[0, 0, None], [1, None, None]]
    ground = [model.index(*place).data(Qt.ItemDataRole.BackgroundRole) for place in ((0, 0), (0, 1), (0, 2), (1, 0))]
    assert ground == [QColor(look.tints[0]), QColor(look.tints[0]), QColor(look.sunken), QColor(look.tints[1])]
    assert grid.verticalHeader().defaultSectionSize() > plain
    grid.set_rows((3, 1), cell)
    assert model.index(0, 0).data(WORD) is None
    assert grid.verticalHeader().defaultSectionSize() == plain

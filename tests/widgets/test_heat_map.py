"""A heat map shows the numbers it was given, leaves out what is none, and is read by mouse and keyboard."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.heat_map import HeatMap

VALUES = np.array([[0.0, 1.0, 2.0], [3.0, np.nan, 10.0]], np.float32)
ROWS, COLUMNS = ("low", "high"), ("a", "b", "c")
WORDS = [[f"{row}/{column}" for column in range(3)] for row in range(2)]


@pytest.fixture
def drawn(qtbot: QtBot) -> HeatMap:
    widget = HeatMap("test.heat", "Heat", "position", "layer", upward=True)
    qtbot.addWidget(widget)
    widget.resize(500, 400)
    with qtbot.waitExposed(widget):
        widget.show()
    widget.set_cells(VALUES, ROWS, COLUMNS, "degrees", words=WORDS)
    qtbot.waitUntil(lambda: widget.place(0, 2).x() > widget.place(0, 0).x() + 50)
    return widget


def color_at(widget: HeatMap, row: int, column: int) -> QColor:
    canvas = widget._plot
    place = widget.place(row, column) + QPointF(0, 25)
    return QImage(canvas.grab().toImage()).pixelColor(place.toPoint())


def near(one: QColor, other: QColor) -> bool:
    return max(abs(one.red() - other.red()), abs(one.green() - other.green()), abs(one.blue() - other.blue())) <= 6


def test_importing_the_module_does_not_import_pyqtgraph() -> None:
    code = "import sys, workbench.widgets.heat_map; sys.exit('pyqtgraph' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_colours_go_from_the_smallest_to_the_largest_and_what_is_no_number_has_none(drawn: HeatMap) -> None:
    assert near(color_at(drawn, 0, 0), theme.strength_color(0.0))
    assert near(color_at(drawn, 1, 2), theme.strength_color(1.0))
    assert near(color_at(drawn, 1, 0), theme.strength_color(0.3))
    assert near(color_at(drawn, 1, 1), QColor(theme.current().surface))


def test_a_range_and_a_logarithm_move_the_colours(drawn: HeatMap) -> None:
    drawn.set_cells(VALUES, ROWS, COLUMNS, "degrees", reach=(0.0, 20.0))
    assert near(color_at(drawn, 1, 2), theme.strength_color(0.5))
    drawn.set_cells(np.array([[1.0, 10.0], [100.0, 0.0]]), ROWS, COLUMNS[:2], "degrees", log=True)
    assert near(color_at(drawn, 0, 1), theme.strength_color(0.5))
    assert near(color_at(drawn, 1, 1), theme.strength_color(0.0)), "what has no logarithm takes the first colour"


def test_the_first_row_stands_where_it_was_asked_for(qtbot: QtBot, drawn: HeatMap) -> None:
    assert drawn.place(0, 0).y() > drawn.place(1, 0).y()
    other = HeatMap("test.other", "Other", "to", "from")
    qtbot.addWidget(other)
    other.resize(400, 300)
    with qtbot.waitExposed(other):
        other.show()
    other.set_cells(VALUES, ROWS, COLUMNS, "degrees")
    qtbot.waitUntil(lambda: other.place(0, 0).y() < other.place(1, 0).y() - 20)


def test_every_row_and_column_is_named_where_there_is_room(drawn: HeatMap) -> None:
    for axis, names in ((drawn._across, COLUMNS), (drawn._down, ROWS)):
        for low, high in ((0, len(names)), (len(names), 0)):
            ((_, places),) = axis.tickValues(low, high, 400)
            assert axis.tickStrings(places, 1.0, 1.0) == list(names)
        ((stride, places),) = axis.tickValues(0, len(names), 5)
        assert stride > 1
        assert len(places) == 1


def test_a_click_chooses_a_cell_and_reads_it(qtbot: QtBot, drawn: HeatMap) -> None:
    with qtbot.waitSignal(drawn.cell_chosen) as chosen:
        qtbot.mouseClick(drawn._plot.viewport(), Qt.MouseButton.LeftButton, pos=drawn.place(1, 2).toPoint())
    assert chosen.args == [1, 2]
    assert drawn.chosen == (1, 2)
    assert drawn.readout == "high · 2 “c”: 10"


def test_the_arrow_keys_go_through_the_cells_and_stay_inside(qtbot: QtBot, drawn: HeatMap) -> None:
    seen: list[tuple[int, int]] = []
    drawn.cell_chosen.connect(lambda row, column: seen.append((row, column)))
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left):
        qtbot.keyClick(drawn, key)
    assert seen == [(0, 0), (1, 0), (1, 0), (1, 1), (0, 1), (0, 0)]


def test_what_was_not_computed_is_read_as_such(drawn: HeatMap) -> None:
    drawn.choose(1, 1)
    assert drawn.readout == "high · 1 “b”: not computed"


def test_a_row_a_column_or_nothing_can_be_marked_silently(qtbot: QtBot, drawn: HeatMap) -> None:
    with qtbot.assertNotEmitted(drawn.cell_chosen):
        for row, column in ((1, None), (None, 2), (None, None), (9, 9)):
            drawn.choose(row, column)
    assert drawn.chosen == (None, None)
    assert drawn.readout == ""


def test_keys_zoom_and_show_all(qtbot: QtBot, drawn: HeatMap) -> None:
    def width() -> float:
        return float(np.ptp(drawn._box.viewRange()[0]))

    qtbot.keyClick(drawn, Qt.Key.Key_Plus)
    assert width() == pytest.approx(3 * 0.8)
    qtbot.keyClick(drawn, Qt.Key.Key_Home)
    assert width() == pytest.approx(3)


def test_other_numbers_of_the_same_shape_keep_the_zoom(qtbot: QtBot, drawn: HeatMap) -> None:
    qtbot.keyClick(drawn, Qt.Key.Key_Plus)
    zoomed = drawn._box.viewRange()
    drawn.choose(1, 2)
    drawn.set_cells(VALUES + 1, ROWS, COLUMNS, "degrees")
    assert drawn._box.viewRange() == zoomed
    assert drawn.chosen == (1, 2)
    drawn.set_cells(VALUES[:1], ROWS[:1], COLUMNS, "degrees")
    assert drawn.chosen == (None, None)


def test_words_stand_in_cells_that_are_large_enough(drawn: HeatMap) -> None:
    def dark() -> int:
        place, image = drawn.place(0, 0).toPoint(), drawn._plot.grab().toImage()
        reach = [(place.x() + x, place.y() + y) for x in range(-20, 20) for y in range(-8, 8)]
        return sum(image.pixelColor(x, y).lightness() < 100 for x, y in reach)

    with_words = dark()
    drawn.set_cells(VALUES, ROWS, COLUMNS, "degrees")
    assert with_words > 10
    assert dark() == 0


def test_the_csv_holds_what_was_computed(drawn: HeatMap) -> None:
    rows = list(csv.reader(io.StringIO(drawn.as_csv())))
    assert rows[0] == ["layer", "row", "position", "column", "degrees"]
    assert len(rows) == 1 + 5
    assert ["high", "1", "c", "2", "10.0"] in rows


@pytest.mark.parametrize("ending", [".png", ".svg", ".csv"])
def test_it_is_exported(drawn: HeatMap, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"heat{ending}"
    drawn.export(str(path))
    assert path.stat().st_size > 100
    if ending == ".svg":
        assert "0/0" in path.read_text("utf-8")
    with pytest.raises(OSError, match="missing"):
        drawn.export(str(tmp_path / "missing" / f"heat{ending}"))


def test_nothing_and_foreign_names_can_be_shown(drawn: HeatMap) -> None:
    drawn.set_cells(np.full((1, 2), np.nan), ["a\nb"], ["\ud800", "x" * 500], "nothing")
    drawn.choose(0, 0)
    assert "not computed" in drawn.readout
    drawn.set_cells(np.zeros((0, 0)), (), (), "nothing")
    assert drawn.readout == ""


def test_it_follows_the_theme(qtbot: QtBot, qapp: QApplication, drawn: HeatMap) -> None:
    theme.apply(qapp, True, 1.5)
    qtbot.waitUntil(lambda: near(color_at(drawn, 1, 2), theme.strength_color(1.0)))
    assert near(color_at(drawn, 1, 1), QColor(theme.current().surface))


def test_without_cells_it_says_what_fills_it_in_place_of_axes(qtbot: QtBot, drawn: HeatMap) -> None:
    [words] = [label for label in drawn.findChildren(QLabel) if label.wordWrap()]
    axes = [drawn._item.getAxis(side) for side in ("bottom", "left")]
    export = drawn.findChild(QToolButton, "test.heat_export")
    assert not words.isVisible() and all(axis.isVisible() for axis in axes) and export.isEnabled()
    drawn.set_empty_text("press Go")
    drawn.set_cells(np.zeros((0, 0), np.float32), (), (), "degrees")
    assert words.isVisible() and words.text() == "press Go" == drawn.accessibleDescription()
    assert words.rect().contains(words.mapFrom(drawn, drawn.rect().center()))
    assert not any(axis.isVisible() for axis in axes) and not export.isEnabled()
    drawn.set_cells(VALUES, ROWS, COLUMNS, "degrees")
    assert not words.isVisible() and all(axis.isVisible() for axis in axes) and export.isEnabled()

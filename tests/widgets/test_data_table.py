"""Rows are asked for when they are seen, and what is exported is what was given."""

from __future__ import annotations

import csv
import errno
import io
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.saving import write_or_tell

ROWS = [('a,"b"\n', 1, 0.25, None), ("你好 שלום 🙂", -3, 1 / 3, True), ("", 0, 0.0, False)]
COLUMNS = ("text", "id", "share", "special")


@pytest.fixture
def table(qtbot: QtBot) -> DataTable:
    table = DataTable()
    qtbot.addWidget(table)
    table.resize(500, 200)
    table.set_rows(COLUMNS, ROWS)
    with qtbot.waitExposed(table):
        table.show()
    return table


def text(table: DataTable, row: int, column: int) -> str:
    return table.model().index(row, column).data()


def test_the_columns_take_the_room_that_there_is_until_the_person_arranges_them(qtbot: QtBot) -> None:
    table = DataTable()
    qtbot.addWidget(table)
    long = "a sentence that takes more room than there is in a narrow window"
    table.set_rows(("number", "text", "more"), [(number, long, "word") for number in range(40)])
    table.resize(360, 200)
    table.show()
    qtbot.waitExposed(table)
    narrow = table.columnWidth(1)
    assert table.horizontalScrollBar().maximum() == 0, "the bar of the rows is reckoned with"
    table.resize(800, 200)
    qtbot.waitUntil(lambda: table.columnWidth(1) > narrow + 100)
    table._arranged = True
    table.setColumnWidth(1, 50)
    table.resize(820, 200)
    assert table.columnWidth(1) == 50


def test_a_table_has_room_for_some_rows_at_any_zoom(qtbot: QtBot, qapp: QApplication, table: DataTable) -> None:
    for zoom in (1.0, 2.0):
        theme.apply(qapp, dark=False, zoom=zoom)
        rows = table.minimumSizeHint().height() - table.horizontalHeader().height()
        assert rows >= 2 * table.rowHeight(0)


def test_only_rows_in_view_are_asked_for(qtbot: QtBot) -> None:
    asked: set[int] = set()

    def row(number: int) -> tuple[str, int]:
        asked.add(number)
        return (f"row {number}", number)

    table = DataTable()
    qtbot.addWidget(table)
    table.resize(400, 300)
    table.set_rows(("name", "number"), 1_000_000, row)
    table.show()
    table.grab()
    assert table.model().rowCount() == 1_000_000
    assert 0 < len(asked) < 200
    table.scrollToBottom()
    table.grab()
    assert 999_999 in asked
    assert len(asked) < 400


def test_cells_are_one_line_and_numbers_stand_right(table: DataTable) -> None:
    assert text(table, 0, 0) == 'a,"b"⏎'
    assert text(table, 0, 3) == ""
    for row in range(3):
        assert table.model().index(row, 1).data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight
        assert table.model().index(row, 0).data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignLeft
    header = table.model().headerData(1, Qt.Orientation.Horizontal, Qt.ItemDataRole.TextAlignmentRole)
    assert header & Qt.AlignmentFlag.AlignRight


def test_csv_gives_the_values_in_full(table: DataTable, tmp_path: Path) -> None:
    table.export_csv(tmp_path / "rows.csv")
    read = list(csv.reader(io.StringIO((tmp_path / "rows.csv").read_bytes().decode("utf-8"))))
    assert read == [list(COLUMNS), *[["" if value is None else str(value) for value in row] for row in ROWS]]
    assert float(read[2][2]) == 1 / 3


def test_csv_of_half_a_character_is_still_utf8(table: DataTable, tmp_path: Path) -> None:
    table.set_rows(("text",), [("\ud800",)])
    table.export_csv(tmp_path / "half.csv")
    assert "\\ud800" in (tmp_path / "half.csv").read_text(encoding="utf-8")


def test_copy_takes_the_selected_rows(qtbot: QtBot, table: DataTable) -> None:
    table.select_row(1)
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text().startswith("你好 שלום 🙂\t-3\t")


def test_the_person_selects_aloud_and_the_program_silently(qtbot: QtBot, table: DataTable) -> None:
    with qtbot.assertNotEmitted(table.row_selected):
        table.select_row(2)
    assert table.selected_row == 2
    with qtbot.waitSignal(table.row_selected) as heard:
        place = table.visualRect(table.model().index(0, 0)).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert heard.args == [0]
    table.select_row(None)
    assert table.selected_row is None


def test_headers_are_never_cut(qtbot: QtBot, table: DataTable) -> None:
    table.set_rows(("a rather long header", "another long header", "x"), [(1, 2, "word " * 200)])
    header = table.horizontalHeader()
    for column in range(3):
        assert header.sectionSize(column) >= header.sectionSizeFromContents(column).width()


def test_columns_fit_where_there_is_room(qtbot: QtBot, table: DataTable) -> None:
    table.set_rows(("name", "text"), [("n" * 30, "word " * 200)])
    assert table.horizontalScrollBar().maximum() == 0


def test_rows_follow_the_zoom(qtbot: QtBot, qapp: QApplication, table: DataTable) -> None:
    before = table.rowHeight(0)
    theme.apply(qapp, dark=False, zoom=2.0)
    qtbot.waitUntil(lambda: table.rowHeight(0) >= 1.8 * before)


def test_an_empty_table_says_what_is_missing(table: DataTable) -> None:
    table.set_rows(COLUMNS, [])
    before = table.viewport().grab().toImage()
    table.set_empty_text("no checkpoint on this machine yet")
    assert table.viewport().grab().toImage() != before


def test_a_file_that_cannot_be_written_is_a_notice_of_the_pane(qtbot: QtBot, table: DataTable, tmp_path: Path) -> None:
    pane = PaneFrame("hub", "Hub")
    qtbot.addWidget(pane)
    inner = DataTable()
    pane.body.addWidget(inner)
    inner.set_rows(COLUMNS, ROWS)
    path = tmp_path / "missing" / "rows.csv"
    assert not write_or_tell(inner, path, inner.export_csv)
    assert str(path) in pane.notices[0].what
    with pytest.raises(OSError, match="missing"):
        write_or_tell(table, path, table.export_csv)


def test_all_of_a_million_rows_are_selected_and_the_first_of_them_is_told(qtbot: QtBot, table: DataTable) -> None:
    asked: set[int] = set()

    def row(number: int) -> tuple[int]:
        asked.add(number)
        return (number,)

    table.set_rows(("number",), 1_000_000, row)
    told: list[int] = []
    table.row_selected.connect(told.append)
    table.selectAll()
    assert told == [0]
    assert table.selected_rows == [range(1_000_000)]
    table.select_row(999_999)
    assert table.selected_row == 999_999
    assert len(asked) < 400


def test_a_long_copy_goes_on_in_later_turns_and_has_the_rows_of_its_beginning(qtbot: QtBot) -> None:
    pane = PaneFrame("some", "Some")
    qtbot.addWidget(pane)
    table = DataTable()
    pane.body.addWidget(table)
    table.set_rows(("number", "text"), 40_000, lambda number: (number, "x"))
    QApplication.clipboard().setText("before")
    table.selectAll()
    table.copy_selection()
    assert QApplication.clipboard().text() == "before"
    assert [card.what for card in pane.notices] == ["Copying 40,000 rows …"]
    table.set_rows(("number", "text"), [(1, "other")])
    qtbot.waitUntil(lambda: [card.what for card in pane.notices] == ["Copied 40,000 rows."])
    assert QApplication.clipboard().text().splitlines() == [f"{number}\tx" for number in range(40_000)]


def test_a_long_export_can_be_stopped_and_leaves_no_half_a_file(qtbot: QtBot, tmp_path: Path) -> None:
    pane = PaneFrame("some", "Some")
    qtbot.addWidget(pane)
    table = DataTable()
    pane.body.addWidget(table)
    table.set_rows(("number",), 40_000, lambda number: (number,))
    (tmp_path / "rows.csv").write_text("kept")
    table.export_csv(tmp_path / "rows.csv")
    pane.findChild(QPushButton, "some.notice_action").click()
    assert pane.notices == []
    assert [file.name for file in tmp_path.iterdir()] == ["rows.csv"]
    assert (tmp_path / "rows.csv").read_text() == "kept"
    table.export_csv(tmp_path / "rows.csv")
    qtbot.waitUntil(lambda: [card.what for card in pane.notices] == ["Saved 40,000 rows in rows.csv."])
    assert (tmp_path / "rows.csv").read_text().splitlines() == ["number", *map(str, range(40_000))]


def test_a_disk_that_fills_up_during_a_long_export_is_told_in_the_pane(qtbot: QtBot, tmp_path: Path) -> None:
    pane = PaneFrame("some", "Some")
    qtbot.addWidget(pane)
    table = DataTable()
    pane.body.addWidget(table)

    def row(number: int) -> tuple[int]:
        if number == 39_999:
            raise OSError(errno.ENOSPC, "No space left on device")
        return (number,)

    table.set_rows(("number",), 40_000, row)
    table.export_csv(tmp_path / "rows.csv")
    qtbot.waitUntil(lambda: [card.why for card in pane.notices] == ["No space left on device."])
    assert list(tmp_path.iterdir()) == []

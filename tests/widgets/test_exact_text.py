"""The exact editor hands back every character it was given, typed or pasted."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QElapsedTimer, QEvent, QMimeData, Qt
from PySide6.QtGui import QKeyEvent, QTextCursor, QTextOption
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit, document_offsets


@pytest.fixture
def edit(qtbot: QtBot) -> ExactTextEdit:
    edit = ExactTextEdit()
    qtbot.addWidget(edit)
    edit.resize(400, 200)
    return edit


def paste(edit: ExactTextEdit, text: str) -> None:
    source = QMimeData()
    source.setText(text)
    edit.insertFromMimeData(source)


@pytest.mark.parametrize(
    "text",
    ["", "a\u00a0b", "a\u2028b", "a\0b", "🦊\n\n👩‍👩‍👧", "\u202eשלום", "a\r\nb\rc", "\ufeffa", "a\ud83eb", "\ufdd0"],
)
def test_a_text_that_was_set_comes_back_unchanged(edit: ExactTextEdit, text: str) -> None:
    edit.set_text(text)
    assert edit.text() == text


def test_what_is_marked_can_be_read_after_a_change_of_theme(edit: ExactTextEdit, qapp: QApplication) -> None:
    edit.set_text("sleep furiously")
    edit.show()
    edit.mark(6, 15)
    for dark in (True, False):
        theme.apply(qapp, dark=dark)
        marks = edit.extraSelections()
        assert theme.contrast(theme.current().text, marks[0].format.background().color()) >= 4.5
    assert edit.marked() == "furiously"


def test_edited_text_keeps_blanks_and_separators_apart(edit: ExactTextEdit) -> None:
    edit.set_text("a\u00a0b\u2028c\n")
    edit.moveCursor(QTextCursor.MoveOperation.End)
    edit.insertPlainText("🦊")
    assert edit.text() == "a\u00a0b\u2028c\n🦊"


def test_half_a_character_survives_an_edit_around_it(edit: ExactTextEdit) -> None:
    edit.set_text("a\ud83eb")
    edit.moveCursor(QTextCursor.MoveOperation.End)
    edit.insertPlainText("c")
    assert edit.text() == "a\ud83ebc"


def test_shift_enter_breaks_the_line(edit: ExactTextEdit) -> None:
    press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier, "\n")
    QApplication.sendEvent(edit, press)
    assert edit.text() == "\n"


@pytest.mark.parametrize("text", ["a🦊b", "a\r\nb", "\ufeffab", "plain"])
def test_marks_and_cursor_count_in_characters(edit: ExactTextEdit, text: str) -> None:
    edit.set_text(text)
    edit.mark(len(text) - 1, len(text))
    assert edit.marked() == text[-1]
    edit.moveCursor(QTextCursor.MoveOperation.End)
    assert edit.position == len(text)
    edit.clear_mark()
    assert edit.marked() == ""


def test_a_far_mark_is_scrolled_to_and_the_cursor_stays(qtbot: QtBot, edit: ExactTextEdit) -> None:
    with qtbot.waitExposed(edit):
        edit.show()
    edit.set_text("line\n" * 500 + "end")
    edit.mark(2500, 2503)
    assert edit.verticalScrollBar().value() > 400
    assert edit.position == 0


def test_a_megabyte_without_blanks_does_not_stall(qtbot: QtBot, edit: ExactTextEdit) -> None:
    with qtbot.waitExposed(edit):
        edit.show()
    timer = QElapsedTimer()
    timer.start()
    paste(edit, "x" * 1_000_000)
    # Word wrap would take a quarter of a minute.
    assert timer.elapsed() < 4000
    assert edit.wordWrapMode() == QTextOption.WrapMode.WrapAnywhere
    edit.set_text("back to words")
    assert edit.wordWrapMode() == QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere


def test_offsets_of_ordinary_text_cost_nothing() -> None:
    assert document_offsets("漢字 abc") == range(7)
    assert document_offsets("a🦊b") == [0, 1, 3, 4]

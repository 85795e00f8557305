"""The exact editor hands back every character it was given, typed or pasted."""

from __future__ import annotations

import random
import unicodedata

import pytest
from PySide6.QtCore import QEvent, QMimeData, Qt
from PySide6.QtGui import QKeyEvent, QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workbench.widgets import exact_text, theme
from workbench.widgets.document_places import document_offsets
from workbench.widgets.exact_text import PIECE, ExactTextEdit


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
    edit.setReadOnly(True)
    QApplication.sendEvent(edit, press)
    assert edit.text() == "\n"


def test_what_is_copied_is_exact(edit: ExactTextEdit) -> None:
    for text in ("a\u00a0b\u2028c", "a\r\nb", "🦊\n", "x" * 9000):
        edit.set_text(text)
        edit.selectAll()
        assert edit.createMimeDataFromSelection().text() == text


@pytest.mark.parametrize("text", ["a🦊b", "a\r\nb", "\ufeffab", "plain", "x" * 9000])
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


def blocks(edit: ExactTextEdit) -> list[str]:
    document = edit.document()
    return [document.findBlockByNumber(number).text() for number in range(document.blockCount())]


@pytest.mark.parametrize("unit", ["x", "word ", "é🦊", "e\u0301\u0302", "👩\u200d👩\u200d👧", "שלום ", "漢字"])
def test_a_long_line_is_laid_out_in_pieces_and_stays_one(edit: ExactTextEdit, unit: str) -> None:
    long = unit * (100_000 // len(unit)) + "\r\nend"
    for give in (edit.set_text, lambda text: paste(edit, text)):
        edit.set_text("")
        give(long)
        assert max(map(len, blocks(edit))) <= 2 * PIECE
        assert not any(unicodedata.category(block[0]) in {"Mn", "Cf"} for block in blocks(edit))
        edit.moveCursor(QTextCursor.MoveOperation.End)
        QTest.keyClick(edit, Qt.Key.Key_X)
        assert edit.text() == long.replace("\r\n", "\n") + "x"


def test_what_was_pasted_on_a_long_line_is_undone_and_redone(edit: ExactTextEdit) -> None:
    paste(edit, "ab\n")
    paste(edit, "x" * 10_000)
    edit.undo()
    assert edit.text() == "ab\n"
    edit.redo()
    assert edit.text() == "ab\n" + "x" * 10_000


def test_a_line_that_grows_by_many_pastes_is_laid_out_in_pieces(edit: ExactTextEdit) -> None:
    for _ in range(20):
        paste(edit, "x" * 3000)
    assert edit.text() == "x" * 60_000
    assert max(map(len, blocks(edit))) <= 2 * PIECE


def test_the_break_between_two_pieces_is_none_of_the_text(edit: ExactTextEdit) -> None:
    text = f"{'a' * PIECE}{'b' * PIECE}"
    edit.set_text(text)
    edit.mark(PIECE - 2, PIECE + 2)
    assert edit.marked() == "aabb"
    edit.setTextCursor(edit.select(PIECE - 1, PIECE + 1))
    assert edit.createMimeDataFromSelection().text() == "ab"
    edit.setTextCursor(edit.select(PIECE, PIECE))
    assert edit.position == PIECE
    assert blocks(edit) == ["a" * PIECE, "b" * PIECE]
    QTest.keyClick(edit, Qt.Key.Key_Backspace)
    assert edit.text() == text[: PIECE - 1] + text[PIECE:]
    QTest.keyClick(edit, Qt.Key.Key_Return)
    assert edit.text() == text[: PIECE - 1] + "\n" + text[PIECE:]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_done_to_pieces_the_text_is_exact(
    edit: ExactTextEdit, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_text, "PIECE", 12)
    chance = random.Random(seed)
    letters = "abc 🦊é\n" if seed % 2 else "abcd"
    begun = text = "".join(chance.choices(letters, k=60))
    edit.set_text(text)
    for _ in range(60):
        start, end = sorted(chance.choices(range(len(text) + 1), k=2))
        end = chance.choice((start, end))
        edit.setTextCursor(edit.select(start, end))
        what = chance.randrange(5)
        if what == 0:
            new = "".join(chance.choices(letters, k=chance.randrange(1, 50)))
            paste(edit, new)
            text = text[:start] + new + text[end:]
        elif what == 1:
            QTest.keyClick(edit, Qt.Key.Key_Backspace)
            text = text[: start if end > start else max(0, start - 1)] + text[end:]
        elif what == 2:
            QTest.keyClick(edit, Qt.Key.Key_Delete)
            text = text[:start] + text[end if end > start else end + 1 :]
        elif what == 3:
            QTest.keyClick(edit, Qt.Key.Key_Return)
            text = text[:start] + "\n" + text[end:]
        elif edit.document().isUndoAvailable():
            edit.undo()
            edit.redo()
        assert edit.text() == text
        lines = range(text.count("\n") + 1)
        assert [edit.line_of(edit.block_of(line)) for line in lines] == list(lines)
    while edit.document().isUndoAvailable():
        edit.undo()
    assert edit.text() == begun
    while edit.document().isRedoAvailable():
        edit.redo()
    assert edit.text() == text


def test_offsets_of_ordinary_text_cost_nothing() -> None:
    assert document_offsets("漢字 abc") == range(7)
    assert list(document_offsets("a🦊b")) == [0, 1, 3, 4]


@pytest.mark.parametrize("letters", ["a🦊b👩\u200d👧é ", "ab\r\n🦊c", "abc\n"])
def test_what_is_done_to_a_long_text_is_followed_without_asking_qt_for_all_of_it(
    qtbot: QtBot, edit: ExactTextEdit, letters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_text, "PIECE", 50)
    monkeypatch.setattr(exact_text, "AT_ONCE", 100)
    monkeypatch.setattr(exact_text, "TURN", 40)
    asked: list[str] = []
    whole = ExactTextEdit._joined
    monkeypatch.setattr(ExactTextEdit, "_joined", lambda self, raw: asked.append(raw) or whole(self, raw))
    text = letters * 40
    edit.set_text(text)
    qtbot.waitUntil(lambda: edit.settled)
    # What is edited is as Qt holds it.
    text = text.replace("\r\n", "\n")
    for place, new in ((0, "x"), (len(text) // 2, letters * 50), (len(text), "🦊\n"), (7, "🦊")):
        edit.moveCursor(QTextCursor.MoveOperation.Start)
        edit.setTextCursor(edit.select(0, 0))
        paste(edit, "y")
        text = "y" + text
        edit.setTextCursor(edit.select(place, place))
        paste(edit, new)
        qtbot.waitUntil(lambda: edit.settled)
        text = text[:place] + new.replace("\r\n", "\n") + text[place:]
        assert edit.position == place + len(new.replace("\r\n", "\n"))
        edit.setTextCursor(edit.select(place + 1, place + 1))
        QTest.keyClick(edit, Qt.Key.Key_Backspace)
        text = text[:place] + text[place + 1 :]
        assert edit.text() == text
        assert edit.position == place
    assert asked == []
    edit.mark(len(text) - 3, len(text))
    assert edit.marked() == text[-3:]
    assert whole(edit, edit.document().toRawText()) == text


@pytest.mark.parametrize("letters", ["abcd ", "abc 🦊é\n", "abc\n"])
@pytest.mark.parametrize("seed", range(3))
def test_what_comes_in_over_some_turns_is_exact_whenever_it_is_interrupted(
    qtbot: QtBot, edit: ExactTextEdit, seed: int, letters: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_text, "PIECE", 12)
    monkeypatch.setattr(exact_text, "AT_ONCE", 100)
    monkeypatch.setattr(exact_text, "TURN", 40)
    chance = random.Random(seed)
    begun = text = "".join(chance.choices(letters, k=300))
    edit.set_text(text)
    assert edit.text() == text
    assert not edit.settled
    told: list[str] = []
    edit.textChanged.connect(lambda: told.append(edit.text()))
    for _ in range(12):
        start, end = sorted(chance.choices(range(len(text) + 1), k=2))
        if chance.random() < 0.5:
            qtbot.waitUntil(lambda: edit.settled)
        else:
            edit.createMimeDataFromSelection()
        edit.setTextCursor(edit.select(start, end))
        new = "".join(chance.choices(letters, k=200))
        told.clear()
        paste(edit, new)
        text = text[:start] + new + text[end:]
        if chance.random() < 0.5:
            QTest.keyClick(edit, Qt.Key.Key_X)
            text = text[: start + 200] + "x" + text[start + 200 :]
            if chance.random() < 0.5:
                QTest.mouseClick(edit.viewport(), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: edit.settled)
        assert told[-1] == edit.text() == text
        assert edit.document().characterCount() - 1 == len(edit._joints) + len(text.encode("utf-16-le")) // 2
    while edit.document().isUndoAvailable():
        edit.undo()
    assert edit.text() == begun


def test_the_cursor_is_counted_anew_after_a_change_that_is_not_followed(edit: ExactTextEdit) -> None:
    edit.set_text("🦊" * 10)
    assert edit.position == 0
    # Much that is new in a text that is not long.
    paste(edit, "ab" * 15_000)
    assert edit.position == 30_000
    edit.undo()
    edit.moveCursor(QTextCursor.MoveOperation.End)
    assert edit.position == 10


def test_a_long_paste_is_told_of_and_undone_as_one(qtbot: QtBot, edit: ExactTextEdit) -> None:
    paste(edit, "before")
    told: list[str] = []
    edit.textChanged.connect(lambda: told.append(edit.text()))
    long = "one line after another\n" * 60_000
    paste(edit, long)
    assert not edit.settled
    assert not told, "half of a text is nothing to go by"
    qtbot.waitUntil(lambda: edit.settled)
    assert told == ["before" + long]
    edit.undo()
    assert edit.text() == "before"


def test_a_text_that_is_set_while_another_comes_in_takes_its_place(qtbot: QtBot, edit: ExactTextEdit) -> None:
    edit.set_text("x" * 2_000_000)
    edit.set_text("short")
    assert edit.settled
    assert edit.toPlainText() == edit.text() == "short"
    edit.moveCursor(QTextCursor.MoveOperation.End)
    QTest.keyClick(edit, Qt.Key.Key_Y)
    edit.undo()
    assert edit.text() == "short"


def test_what_is_typed_while_a_text_comes_in_stands_behind_it(
    qtbot: QtBot, edit: ExactTextEdit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_text, "AT_ONCE", 100)
    monkeypatch.setattr(exact_text, "TURN", 40)
    paste(edit, "abcd " * 100)
    for key in (Qt.Key.Key_X, Qt.Key.Key_Y, Qt.Key.Key_Z, Qt.Key.Key_Backspace):
        QTest.keyClick(edit, key)
    assert edit.document().characterCount() < 400, "no key waits for the whole text"
    assert not edit.settled
    qtbot.waitUntil(lambda: edit.settled)
    assert edit.text() == "abcd " * 100 + "xy"
    paste(edit, "abcd " * 100)
    QTest.keyClick(edit, Qt.Key.Key_X)
    edit.set_text("another")
    assert edit.text() == "another", "keys meant for the text before are gone with it"
    assert edit.settled

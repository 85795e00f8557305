"""A text says in its margin which line is which, and marks the one that is wrong."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.margin_text import Ground, MarginText


@pytest.fixture
def view(qtbot: QtBot) -> MarginText:
    view = MarginText()
    qtbot.addWidget(view)
    view.resize(300, 200)
    with qtbot.waitExposed(view):
        view.show()
    return view


def test_lines_are_numbered_and_can_be_named(view: MarginText) -> None:
    view.set_text("a\nb\nc")
    assert [view.name_of(line) for line in range(3)] == ["1", "2", "3"]
    narrow = view.margin_width()
    view.set_names(lambda line: "assistant" if line == 1 else "")
    assert view.name_of(1) == "assistant"
    assert view.margin_width() > narrow
    assert view.viewportMargins().left() == view.margin_width()
    view.set_names(None)
    assert view.margin_width() == narrow


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb\rc\n", "", "🦊\n\n\u2029x"])
def test_a_line_starts_where_the_document_says(view: MarginText, text: str) -> None:
    view.set_text(text)
    assert len(view.line_starts()) == view.blockCount()
    view.set_text(text + "\nmore")
    assert text + "\nmore"[: -len("more")] == (text + "\nmore")[: view.line_starts()[-1]]


def test_parts_stand_on_their_tints_in_both_looks(view: MarginText, qapp: QApplication) -> None:
    view.set_text("a 🦊 b")
    view.set_grounds([Ground(2, 3, 1, "the fox"), Ground(4, 5, 2), Ground(3, 99, 0)])
    assert [each.cursor.selectedText() for each in view.extraSelections()] == ["🦊", "b"]
    before = [each.format.background().color().name() for each in view.extraSelections()]
    assert before == [theme.current().tints[1].lower(), theme.current().tints[2].lower()]
    theme.apply(qapp, dark=True)
    after = [each.format.background().color().name() for each in view.extraSelections()]
    assert after == [theme.current().tints[1].lower(), theme.current().tints[2].lower()]


def test_a_wrong_line_is_marked_and_brought_into_view(view: MarginText, qtbot: QtBot) -> None:
    view.clearFocus()
    view.set_text("\n".join(map(str, range(200))))
    view.mark_line(150)
    assert view.marked_line == 150
    assert view.textCursor().blockNumber() == 149
    assert view.verticalScrollBar().value() > 0
    picture = view.grab().toImage()
    view.mark_line(None)
    assert view.marked_line is None
    assert view.grab().toImage() != picture
    view.mark_line(999)
    assert view.marked_line is None


def test_a_long_line_shown_in_pieces_is_one_line(view: MarginText) -> None:
    view.clearFocus()
    view.set_text("a\n" + "x" * 10_000 + "\nb")
    assert len(view.line_starts()) == 3 < view.blockCount()
    assert [view.line_of(view.document().findBlockByNumber(number)) for number in range(5)] == [0, 1, None, None, 2]
    view.mark_line(3)
    assert view.textCursor().block().text() == "b"
    view.mark_line(4)
    assert view.marked_line is None


def test_whoever_writes_keeps_the_cursor(view: MarginText, qtbot: QtBot) -> None:
    view.set_text("a\nb\nc")
    view.setFocus()
    qtbot.waitUntil(view.hasFocus)
    view.mark_line(3)
    assert view.textCursor().position() == 0


def test_a_character_is_brought_to_the_cursor(view: MarginText) -> None:
    view.set_text("🦊🦊a")
    view.bring(2)
    assert view.position == 2

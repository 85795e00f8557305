"""Pieces keep their numbers and their exact text, whatever characters they are made of."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.tinted_text import Piece, TintedText


@pytest.fixture
def view(qtbot: QtBot) -> TintedText:
    view = TintedText()
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.show()
    return view


def centre(view: TintedText, character: int) -> QPoint:
    cursor = view.textCursor()
    cursor.setPosition(character)
    left = view.cursorRect(cursor)
    cursor.setPosition(character + 1)
    return (left.center() + view.cursorRect(cursor).center()) / 2


def test_a_click_names_the_piece_behind_wide_and_empty_ones(view, qtbot):
    view.add_plain("start ", muted=True)
    view.append_pieces([Piece("😀"), Piece(""), Piece("中", 0.4), Piece("a\n"), Piece(" end", 0.9, "tip")])
    assert view.toPlainText() == "start 😀中a\n end"
    for character, number in ((6, 0), (8, 2), (9, 3), (12, 4)):
        with qtbot.waitSignal(view.piece_clicked) as clicked:
            qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=centre(view, character))
        assert clicked.args == [number]
    with qtbot.assertNotEmitted(view.piece_clicked):
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=centre(view, 1))


def test_the_arrow_keys_move_from_piece_to_piece(view, qtbot):
    view.append_pieces([Piece("a"), Piece(""), Piece("c")])
    seen: list[int] = []
    view.piece_clicked.connect(seen.append)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left):
        qtbot.keyClick(view, key)
    assert seen == [0, 1, 2, 2, 1]


def test_a_selected_beginning_of_a_character_marks_the_piece_that_completes_it(view):
    view.append_pieces([Piece("a"), Piece(""), Piece("é")])
    view.set_selected(1)
    assert [each.cursor.selectedText() for each in view.extraSelections()] == ["é"]
    view.set_selected(None)
    assert view.extraSelections() == []


def test_control_characters_and_surrogates_are_shown_and_counted(view):
    view.append_pieces([Piece("a\x00b\r"), Piece("\ud800c")])
    assert view.toPlainText() == "a␀b␍�c"


def test_tints_follow_the_theme_and_can_be_switched_off(view):
    view.append_pieces([Piece("rare", 1.0)])

    def ground() -> str:
        cursor = view.textCursor()
        cursor.setPosition(1)
        return cursor.charFormat().background().color().name()

    app = QApplication.instance()
    before = theme.current()
    try:
        for dark in (False, True):
            theme.apply(app, dark)
            assert ground() == theme.strength_color(1.0).name()
    finally:
        theme.apply(app, before.dark)
    view.set_tinted(False)
    assert ground() != theme.strength_color(1.0).name()


def test_headings_and_a_fresh_start(view):
    view.add_heading("You")
    view.add_plain("hello")
    view.add_heading("Assistant")
    view.append_pieces([Piece("hi")])
    assert view.toPlainText() == "You\nhello\nAssistant\nhi"
    view.clear_text()
    view.append_pieces([Piece("again")])
    assert (view.toPlainText(), view.pieces) == ("again", 1)


def test_a_selected_piece_is_opened_by_another_click_by_key_and_by_the_right_button(view, qtbot):
    view.append_pieces([Piece("some"), Piece(" words")])
    with qtbot.assertNotEmitted(view.piece_opened):
        qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    view.set_selected(1)
    with qtbot.waitSignal(view.piece_opened) as opened:
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=centre(view, 7))
    assert opened.args == [1]
    with qtbot.waitSignal(view.piece_opened) as opened:
        qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert opened.args == [1]
    place = centre(view, 2)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, view.viewport().mapToGlobal(place))
    with qtbot.waitSignal(view.piece_opened) as opened:
        QApplication.sendEvent(view.viewport(), event)
    assert opened.args == [0]
    assert view.selected == 0
    assert view.rect().contains(view.viewport().mapFromGlobal(view.place_of(1).center()))

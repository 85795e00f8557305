"""A conversation of any length stays quick to show, and every turn can be read, edited and walked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QPlainTextEdit, QTextBrowser
from pytestqt.qtbot import QtBot

from workbench.widgets.chat_view import ChatView
from workbench.widgets.turn_view import Passage, ShownTurn

ACTIONS = ("regenerate", "edit", "tokens", "copy", "delete")


def turn(key: int, text: str, **more) -> ShownTurn:
    own = bool(key % 2)
    kind = "plain" if own else "markdown"
    return ShownTurn(
        key, "You" if own else "Assistant", own, text, (Passage(kind, text),), **{"actions": ACTIONS, **more}
    )


@pytest.fixture
def view(qtbot: QtBot) -> ChatView:
    view = ChatView("test.chat")
    qtbot.addWidget(view)
    view.resize(500, 400)
    view.show()
    return view


def button(view: ChatView, name: str) -> QAbstractButton:
    found = view.findChild(QAbstractButton, f"test.{name}")
    assert found is not None, name
    return found


def texts(view: ChatView, key: int) -> str:
    return "\n".join(each.toPlainText() for each in view.view_of(key).findChildren(QTextBrowser))


def test_of_a_long_conversation_only_what_is_in_view_is_built(view: ChatView) -> None:
    view.set_turns([turn(key, f"turn {key}\n\n" + "word " * (key % 90)) for key in range(1, 401)])
    bar = view.verticalScrollBar()
    assert bar.value() == bar.maximum() > 5000
    assert "turn 400" in texts(view, 400)
    seen = set()
    for value in range(bar.maximum(), -1, -300):
        bar.setValue(value)
        assert view.built < 60
        seen |= {key for key in range(1, 401) if view.view_of(key)}
    bar.setValue(0)
    seen |= {key for key in range(1, 401) if view.view_of(key)}
    assert seen == set(range(1, 401))


def test_turns_stand_below_one_another_and_nothing_is_cut(view: ChatView) -> None:
    view.set_turns([turn(key, "A line.\n\n```\ncode\n```\n\n" + "word " * 120) for key in range(1, 6)])
    for width in (500, 260, 900):
        view.resize(width, 400)
        view.verticalScrollBar().setValue(0)
        first, second = view.view_of(1), view.view_of(2)
        assert first.geometry().bottom() < second.geometry().top()
        assert second.height() >= second.height_at(second.width())
        for prose in second.findChildren(QTextBrowser):
            assert prose.verticalScrollBar().maximum() == 0


def test_what_is_written_at_the_end_is_followed_until_one_scrolls_away(view: ChatView) -> None:
    turns = [turn(key, "word " * 80) for key in range(1, 9)]
    view.set_turns(turns)
    bar = view.verticalScrollBar()
    for count in (200, 400):
        view.update_turn(turn(8, "word " * count))
        assert bar.value() == bar.maximum()
    bar.setValue(bar.maximum() // 2)
    here = bar.value()
    view.update_turn(turn(8, "word " * 800))
    assert bar.value() == here < bar.maximum()


def test_a_turn_that_stays_the_same_is_not_laid_out_again(view: ChatView) -> None:
    view.set_turns([turn(1, "one"), turn(2, "two")])
    kept = view.view_of(1)
    view.set_turns([turn(1, "one"), turn(2, "other"), turn(3, "three")])
    assert view.view_of(1) is kept
    assert "other" in texts(view, 2)
    view.set_turns([turn(1, "one")])
    assert view.view_of(2) is None


def test_a_thought_is_folded_with_its_length_and_opens_on_a_key(view: ChatView, qtbot: QtBot) -> None:
    thought = Passage("thinking", "Hm, *well*.", 7, done=False)
    shown = replace(turn(2, "Yes."), passages=(thought, Passage("markdown", "Yes.")))
    view.set_turns([shown])
    heading = button(view, "turn_1_1_thinking")
    assert heading.text() == "Thinking… 7 tokens"
    assert "Hm" not in texts(view, 2)
    view.set_turns([replace(shown, passages=(replace(thought, tokens=9, done=True), shown.passages[1]))])
    assert heading.text() == "Thought for 9 tokens"
    before = view.view_of(2).height()
    qtbot.keyClick(heading, Qt.Key.Key_Space)
    assert "Hm, well." in texts(view, 2)
    assert view.view_of(2).height() > before


def test_versions_are_walked_by_button_and_by_key(view: ChatView, qtbot: QtBot) -> None:
    view.set_turns([turn(1, "one", version=2, versions=3), turn(2, "two")])
    with qtbot.waitSignal(view.walked, check_params_cb=lambda key, by: (key, by) == (1, -1)):
        button(view, "turn_1_previous").click()
    assert button(view, "turn_1_next").accessibleName() == "Next version"
    assert not button(view, "turn_2_next").isVisible()
    view.set_current(1)
    with qtbot.waitSignal(view.walked, check_params_cb=lambda key, by: (key, by) == (1, 1)):
        qtbot.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    with qtbot.waitSignal(view.turn_chosen, check_params_cb=lambda key: key == 2):
        qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)


def test_edit_gives_the_exact_words_and_takes_others(view: ChatView, qtbot: QtBot) -> None:
    words = "one\u00a0two\n\u2028three"
    view.set_turns([turn(1, words, saves="Save and answer")])
    view.set_current(1)
    qtbot.keyClick(view, Qt.Key.Key_F2)
    editor = view.findChild(QPlainTextEdit, "test.turn_1_editor")
    assert editor.text() == words
    editor.setPlainText("other")
    with qtbot.waitSignal(view.edited, check_params_cb=lambda key, text: (key, text) == (1, "other")):
        qtbot.keyClick(editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert not view.view_of(1).is_edited
    button(view, "turn_1_edit").click()
    qtbot.keyClick(view.findChildren(QPlainTextEdit, "test.turn_1_editor")[-1], Qt.Key.Key_Escape)
    assert not view.view_of(1).is_edited


def test_what_is_being_edited_is_not_lost_by_scrolling_away(view: ChatView) -> None:
    view.set_turns([turn(key, "word " * 100) for key in range(1, 60)])
    bar = view.verticalScrollBar()
    bar.setValue(0)
    view.view_of(1).edit()
    view.findChild(QPlainTextEdit, "test.turn_1_editor").setPlainText("half")
    bar.setValue(bar.maximum())
    bar.setValue(0)
    assert view.view_of(1).is_edited
    assert view.findChild(QPlainTextEdit, "test.turn_1_editor").toPlainText() == "half"


def test_while_something_is_written_nothing_can_be_changed(view: ChatView) -> None:
    view.set_turns([turn(2, "two")])
    view.set_busy(True)
    assert not button(view, "turn_1_regenerate").isEnabled()
    assert button(view, "turn_1_copy").isEnabled()
    view.view_of(2).edit()
    assert not view.view_of(2).is_edited
    view.set_busy(False)
    assert button(view, "turn_1_regenerate").isEnabled()


def test_copy_takes_the_words_as_they_were_written(view: ChatView, qapp) -> None:
    view.set_turns([turn(2, "**two** <b>")])
    button(view, "turn_1_copy").click()
    assert qapp.clipboard().text() == "**two** <b>"
    assert texts(view, 2) == "two <b>"


def test_a_part_of_a_turn_can_be_marked_and_copied(view: ChatView, qtbot: QtBot, qapp) -> None:
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    view.set_turns([turn(2, "two **words**")])
    (prose,) = view.view_of(2).findChildren(QTextBrowser)
    with qtbot.waitSignal(view.turn_chosen):
        qtbot.mouseClick(prose.viewport(), Qt.MouseButton.LeftButton)
    assert qapp.focusWidget() is prose
    qtbot.keyClick(prose, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(prose, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert qapp.clipboard().text() == "two words"
    view.set_current(2)
    with qtbot.waitSignal(view.walked):
        qtbot.keyClick(prose, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)


def test_the_same_seed_is_offered_by_the_menu_of_regenerate(view: ChatView, qtbot: QtBot) -> None:
    view.set_turns([turn(2, "two")])
    (same,) = button(view, "turn_1_regenerate").actions()
    with qtbot.waitSignal(view.asked, check_params_cb=lambda key, action: (key, action) == (2, "same_seed")):
        same.trigger()

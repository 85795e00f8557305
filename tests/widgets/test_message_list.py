"""Messages are added, changed, moved and removed; their controls are named by their place."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.message_list import ListedMessage, MessageList

TALK = (ListedMessage("system", "Be brief."), ListedMessage("user", "Hi 🦊"), ListedMessage("critic", "", '{"a": 1}'))


@pytest.fixture
def view(qtbot: QtBot) -> MessageList:
    view = MessageList("talk", ("system", "user", "assistant"))
    qtbot.addWidget(view)
    view.set_messages(TALK)
    view.resize(320, 400)
    with qtbot.waitExposed(view):
        view.show()
    return view


def find(view: MessageList, name: str) -> QWidget:
    found = view.findChild(QWidget, f"talk_{name}")
    assert found is not None, name
    return found


def test_what_was_set_is_given_back_without_a_word(view: MessageList, qtbot: QtBot) -> None:
    assert view.messages == TALK
    with qtbot.assertNotEmitted(view.changed):
        view.set_messages(TALK[:1])
    assert view.messages == TALK[:1]


def test_each_change_is_announced(view: MessageList, qtbot: QtBot) -> None:
    for change in (
        lambda: find(view, "1_content").insertPlainText("x"),
        lambda: find(view, "2_role").setCurrentText("tool"),
        lambda: find(view, "3_more").insertPlainText(" "),
        lambda: find(view, "add").click(),
    ):
        with qtbot.waitSignal(view.changed):
            change()
    assert [each.role for each in view.messages] == ["system", "tool", "critic", "user"]
    assert view.messages[0].content == "xBe brief."


def test_messages_are_moved_and_removed_and_named_by_their_place(view: MessageList, qtbot: QtBot) -> None:
    assert not find(view, "1_up").isEnabled()
    assert not find(view, "3_down").isEnabled()
    find(view, "1_down").click()
    assert view.messages == (TALK[1], TALK[0], TALK[2])
    assert find(view, "1_content").accessibleName() == "Content of message 1"
    assert find(view, "1_content").toPlainText() == "Hi 🦊"
    find(view, "3_up").click()
    find(view, "1_remove").click()
    assert view.messages == (TALK[2], TALK[0])
    assert find(view, "2_content").toPlainText() == "Be brief."


def test_nothing_is_cut_off_at_any_zoom(view: MessageList, qapp: QApplication, qtbot: QtBot) -> None:
    for zoom in (1.0, 2.0):
        theme.apply(qapp, False, zoom)

        def whole() -> bool:
            view.resize(view.minimumSizeHint())
            button = find(view, "1_remove")
            return button.mapTo(view, button.rect().topRight()).x() <= view.width()

        qtbot.waitUntil(whole)


@pytest.mark.parametrize(
    ("content", "lines"), [("", 1), ("one", 1), ("one\ntwo", 2), ("a\n" * 40, 6), ("words and more words " * 3, 2)]
)
def test_a_message_is_as_high_as_its_lines_up_to_six(qtbot: QtBot, view: MessageList, content: str, lines: int) -> None:
    line = view.fontMetrics().lineSpacing()
    view.set_messages([ListedMessage("user", content)])
    # Lines that are wrapped are counted once the message has its width.
    qtbot.waitUntil(lambda: find(view, "1_content").height() == pytest.approx(line * (lines + 1.2), abs=2))


def test_a_message_grows_while_it_is_written(qtbot: QtBot, view: MessageList) -> None:
    view.set_messages([ListedMessage("user")])
    line = view.fontMetrics().lineSpacing()
    find(view, "1_content").insertPlainText("a\nb\nc")
    qtbot.waitUntil(lambda: find(view, "1_content").height() == pytest.approx(line * 4.2, abs=2))

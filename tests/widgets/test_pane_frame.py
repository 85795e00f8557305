"""The frame of a pane: notices that say what, why and what to do; code to take away; an empty state with one button."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.code_view import CodeView
from workbench.widgets.notice import NoticeCard
from workbench.widgets.pane_frame import MOST_NOTICES, PaneFrame

CODE = 'import torch\n\n# α🙂 comment\ntext = "ünï🙂" + str(0.7)\n'


@pytest.fixture
def pane(qtbot: QtBot) -> PaneFrame:
    pane = PaneFrame("playground", "Playground")
    pane.body.addWidget(QLabel("content"))
    qtbot.addWidget(pane)
    pane.resize(900, 500)
    with qtbot.waitExposed(pane):
        pane.show()
    return pane


def find(pane: QWidget, name: str) -> QWidget:
    found = pane.findChild(QWidget, f"playground.{name}")
    assert found is not None, name
    return found


def click(qtbot: QtBot, pane: QWidget, name: str) -> None:
    qtbot.mouseClick(find(pane, name), Qt.MouseButton.LeftButton)


def test_show_code_opens_and_closes_the_panel(qtbot: QtBot, pane: PaneFrame) -> None:
    assert not find(pane, "code").isVisible()
    with qtbot.waitSignal(pane.code_shown) as heard:
        click(qtbot, pane, "show_code")
    assert heard.args == [True]
    assert find(pane, "code").isVisible()
    assert pane.code_is_shown
    pane.show_code(False)
    assert not find(pane, "code").isVisible()


def test_copy_takes_the_code_exactly(qtbot: QtBot, pane: PaneFrame) -> None:
    pane.set_code(CODE)
    pane.show_code()
    click(qtbot, pane, "code_copy")
    assert QApplication.clipboard().text() == CODE == pane.code


def test_saved_code_is_the_code(pane: PaneFrame, tmp_path: Path) -> None:
    pane.set_code(CODE)
    assert pane.save_code(tmp_path / "script.py")
    assert (tmp_path / "script.py").read_text(encoding="utf-8") == CODE


def test_code_that_cannot_be_saved_is_a_notice(pane: PaneFrame, tmp_path: Path) -> None:
    assert not pane.save_code(tmp_path / "missing" / "script.py")
    assert "script.py" in pane.notices[0].what


def test_code_is_coloured_by_kind_also_behind_characters_of_two_units(qtbot: QtBot, qapp: QApplication) -> None:
    view = CodeView()
    qtbot.addWidget(view)
    view.set_code(CODE)
    view.show()

    def inks(line: int) -> dict[str, str]:
        block = view.document().findBlockByNumber(line)
        raw = block.text().encode("utf-16-le")
        return {
            raw[2 * each.start : 2 * (each.start + each.length)].decode("utf-16-le"): each.format.foreground()
            .color()
            .name()
            for each in block.layout().formats()
        }

    for dark in (False, True):
        theme.apply(qapp, dark=dark)
        look = theme.current()
        assert inks(0)["import"] == look.code["keyword"]
        assert inks(2) == {"# α🙂 comment": look.code["comment"]}
        assert look.code["string"] in inks(3).values()
        assert inks(3)["0.7"] == look.code["number"]


def test_new_code_keeps_the_place_that_is_read(qtbot: QtBot) -> None:
    view = CodeView()
    qtbot.addWidget(view)
    view.resize(300, 120)
    view.show()
    view.set_code("\n".join(f"line_{n} = {n}" for n in range(200)))
    view.verticalScrollBar().setValue(90)
    view.set_code("\n".join(f"line_{n} = {n + 1}" for n in range(200)))
    assert view.verticalScrollBar().value() == 90


def test_a_notice_says_what_why_and_what_to_do(qtbot: QtBot, pane: PaneFrame) -> None:
    done: list[bool] = []
    card = pane.show_notice(
        "Could not load.",
        "No memory.",
        "Use the CPU.",
        "Traceback …",
        action=("Use the CPU", lambda: done.append(True)),
    )
    assert card is find(pane, "notice")
    texts = [label.text() for label in card.findChildren(QLabel)]
    assert {"Error", "Could not load.", "No memory.", "Use the CPU."} <= set(texts)
    assert card.accessibleName() == "Error: Could not load."
    details = find(pane, "notice_details")
    assert isinstance(details, QPlainTextEdit)
    assert not details.isVisible()
    click(qtbot, pane, "notice_show_details")
    assert details.isVisible()
    assert details.toPlainText() == "Traceback …"
    click(qtbot, pane, "notice_action")
    assert done == [True]


@pytest.mark.parametrize(
    ("kind", "word"), [("error", "Error"), ("warning", "Warning"), ("info", "Note"), ("success", "Done")]
)
def test_the_kind_is_a_word_and_a_picture(qtbot: QtBot, kind: str, word: str) -> None:
    card = NoticeCard("a.notice", "what", kind=kind)
    qtbot.addWidget(card)
    labels = card.findChildren(QLabel)
    assert word in [label.text() for label in labels]
    assert any(not label.pixmap().isNull() for label in labels)
    card.grab()


def test_a_dismissed_notice_is_gone_at_once(qtbot: QtBot, pane: PaneFrame) -> None:
    card = pane.show_notice("what")
    with qtbot.waitSignal(card.dismissed):
        click(qtbot, pane, "notice_dismiss")
    assert pane.notices == []
    assert pane.findChild(QWidget, "playground.notice") is None


def test_the_same_sentence_is_said_once_and_few_at_a_time(pane: PaneFrame) -> None:
    pane.show_notice("one")
    pane.show_notice("one", "for another reason")
    assert [(card.what, card.why) for card in pane.notices] == [("one", "for another reason")]
    for what in ("two", "three", "four", "five"):
        pane.show_notice(what)
    assert [card.what for card in pane.notices] == ["five", "four", "three"][:MOST_NOTICES]
    assert len(pane.findChildren(QWidget, "playground.notice")) == 1
    pane.clear_notices()
    assert pane.findChildren(NoticeCard) == []


def test_markup_and_half_characters_in_a_notice_are_only_text(pane: PaneFrame) -> None:
    card = pane.show_notice("<b>bold</b> \ud800")
    assert "<b>bold</b> �" in [label.text() for label in card.findChildren(QLabel)]


def test_the_empty_state_has_one_button_that_does_it(qtbot: QtBot, pane: PaneFrame) -> None:
    done: list[bool] = []
    pane.show_empty("Load a model first.", "Open Hub", lambda: done.append(True))
    assert pane.is_empty
    button = find(pane, "empty_action")
    assert isinstance(button, QAbstractButton)
    assert (button.text(), button.accessibleName()) == ("Open Hub", "Open Hub")
    click(qtbot, pane, "empty_action")
    assert done == [True]
    pane.show_empty("Nothing to do.")
    assert not button.isVisible()
    pane.show_body()
    assert not pane.is_empty


def test_a_pane_without_code_offers_none(qtbot: QtBot) -> None:
    pane = PaneFrame("jobs", "Jobs", with_code=False)
    qtbot.addWidget(pane)
    pane.show()
    assert not pane.findChild(QToolButton, "jobs.show_code").isVisible()


def test_every_control_has_a_name_and_a_tip(pane: PaneFrame) -> None:
    pane.show_notice("what", details="details", action=("Do it", pane.clear_notices))
    for control in [*pane.findChildren(QAbstractButton), *pane.findChildren(QPlainTextEdit)]:
        assert control.objectName().startswith("playground."), control
        assert control.accessibleName(), control.objectName()
        assert control.toolTip(), control.objectName()


def test_a_narrow_pane_scrolls_and_keeps_its_buttons(qtbot: QtBot, pane: PaneFrame) -> None:
    wide = QWidget()
    wide.setMinimumSize(800, 900)
    pane.body.addWidget(wide)
    pane.resize(pane.minimumSizeHint())
    assert pane.width() < 300
    assert pane.title_bar.width() <= pane.width()
    assert find(pane, "show_code").geometry().right() <= pane.title_bar.width()
    assert find(pane, "close").geometry().right() <= pane.title_bar.width()
    pane.resize(900, 500)
    assert find(pane, "show_code").toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonTextBesideIcon


def test_the_tab_key_goes_from_left_to_right_and_through_notices_before_the_body(qtbot: QtBot) -> None:
    pane = PaneFrame("some", "Some pane")
    qtbot.addWidget(pane)
    inside, tool = QPushButton("Inside"), QPushButton("Tool")
    pane.body.addWidget(inside)
    pane.header.addWidget(tool)
    card = pane.show_notice("Something failed.", "So it is.", details="more")
    pane.show()
    qtbot.waitExposed(pane)
    found, part = [], pane.nextInFocusChain()
    while part is not pane:
        if part.isVisible() and part.focusPolicy() & Qt.FocusPolicy.TabFocus:
            found.append(part)
        part = part.nextInFocusChain()
    names = [part.objectName() or part.text() for part in found]
    assert names[:3] == ["Tool", "some.show_code", "some.close"]
    assert names[-1] == "Inside" and all(card.isAncestorOf(part) for part in found[3:-1]) and len(found) > 4


def test_a_narrow_pane_has_its_tools_in_a_line_of_their_own_and_its_title_whole(qtbot: QtBot) -> None:
    pane = PaneFrame("some", "Some pane")
    qtbot.addWidget(pane)
    tools = [QPushButton(f"A tool {number}") for number in range(3)]
    for tool in tools:
        pane.header.addWidget(tool)
    pane.resize(900, 300)
    pane.show()
    qtbot.waitExposed(pane)
    code = pane.findChild(QToolButton, "some.show_code")
    assert code is not None
    for width, below in ((900, False), (330, True), (900, False)):
        pane.resize(width, 300)
        qtbot.waitUntil(lambda below=below: (tools[0].y() > code.geometry().bottom()) == below)
        assert all(tool.width() >= tool.minimumSizeHint().width() for tool in tools)


def test_three_panes_stand_side_by_side_in_a_small_window_at_150_percent(qtbot: QtBot, qapp: QApplication) -> None:
    theme.apply(qapp, dark=False, zoom=1.5)
    row = QSplitter()
    qtbot.addWidget(row)
    for number in range(3):
        pane = PaneFrame(f"some{number}", "Probabilities")
        pane.body.addWidget(QLabel("wide " * 80))
        row.addWidget(pane)
    # A thousand pixels, less the rail and what is between them.
    assert row.minimumSizeHint().width() <= 780


@pytest.mark.parametrize("width", [180, 260, 500])
def test_a_notice_has_room_for_all_its_words_in_a_narrow_pane(qtbot: QtBot, width: int) -> None:
    pane = PaneFrame("some", "Some")
    qtbot.addWidget(pane)
    pane.body.addWidget(QPlainTextEdit())
    what = "Could not generate with a checkpoint of some name."
    pane.show_notice(what, "It has no way to do so, as far as it says.", "Choose another one.", "details")
    pane.resize(width, 600)
    with qtbot.waitExposed(pane):
        pane.show()

    def all_words_are_shown() -> None:
        labels = [label for label in pane.notices[0].findChildren(QLabel) if label.wordWrap()]
        assert len(labels) == 3
        assert all(label.height() >= label.heightForWidth(label.width()) for label in labels)
        assert all(label.width() > 100 for label in labels), "no column of single words"

    qtbot.waitUntil(all_words_are_shown)

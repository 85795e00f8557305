"""A chat loses nothing: every version of every turn stays, each with the tokens it was written in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QTextBrowser, QWidget
from pytestqt.qtbot import QtBot

from workbench.engine import generate, models, record, tokens
from workbench.engine.models import LoadedModel
from workbench.engine.values import Message, Sampling
from workbench.panes.playground import PlaygroundPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.chat_view import ChatView
from workbench.widgets.notice import NoticeCard
from workbench.widgets.tinted_text import TintedText
from workbench.widgets.token_strip import TokenStrip

GREEDY = Sampling(do_sample=False, repetition_penalty=1.3, max_new_tokens=6)
HOT = Sampling(temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=6, seed=5)


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, llama: LoadedModel) -> Iterator[PlaygroundPane]:
    session.set_model(llama)
    session.set_sampling(HOT)
    pane = PlaygroundPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1200, 900)
    pane.show()
    button(pane, "chat_mode").click()
    role = pane.findChild(QWidget, "playground.role")
    qtbot.waitUntil(role.isEnabled, timeout=60_000)
    return pane


@pytest.fixture
def say(pane: PlaygroundPane, finished: Callable[[], None]) -> Callable[[str], None]:
    def say(text: str) -> None:
        field(pane, "chat_input").setPlainText(text)
        button(pane, "chat_send").click()
        finished()

    return say


def button(pane: PlaygroundPane, name: str) -> QAbstractButton:
    found = pane.findChild(QAbstractButton, f"playground.{name}")
    assert found is not None, name
    return found


def field(pane: PlaygroundPane, name: str) -> QPlainTextEdit:
    found = pane.findChild(QPlainTextEdit, f"playground.{name}")
    assert found is not None, name
    return found


def system(pane: PlaygroundPane) -> QLineEdit:
    found = pane.findChild(QLineEdit, "playground.system")
    assert found is not None
    return found


def view(pane: PlaygroundPane) -> ChatView:
    found = pane.findChild(ChatView, "playground.chat")
    assert found is not None
    return found


def shown(pane: PlaygroundPane) -> list[str]:
    return [turn.source for turn in view(pane).turns]


def notice(pane: PlaygroundPane) -> str:
    return " ".join(label.text() for card in pane.findChildren(NoticeCard) for label in card.findChildren(QLabel))


def edit(pane: PlaygroundPane, place: int, text: str) -> None:
    button(pane, f"turn_{place}_edit").click()
    field(pane, f"turn_{place}_editor").setPlainText(text)
    button(pane, f"turn_{place}_save").click()


def contents(pane: PlaygroundPane) -> list[str]:
    return [turn.content for turn in pane.turns]


def as_run(llama: LoadedModel, session: Session, *messages: Message) -> str:
    return generate.run(llama, "", messages, session.sampling).text


def test_the_conversation_is_shown_as_it_is_said(pane, session, say, llama):
    say("Who are you?")
    answer = as_run(llama, session, Message("user", "Who are you?"))
    assert shown(pane) == ["Who are you?", answer]
    assert [turn.speaker for turn in view(pane).turns] == ["You", "Assistant"]
    assert "6 tokens · seed 5" in view(pane).turns[1].note


def test_an_answer_is_read_while_it_is_written(pane, session, llama, finished, qtbot):
    pace = threading.Event()

    def wait(*_: object) -> None:
        pace.wait(0.02)

    slow = llama.model.register_forward_pre_hook(wait)
    session.set_sampling(replace(HOT, max_new_tokens=200))
    field(pane, "chat_input").setPlainText("Who are you?")
    button(pane, "chat_send").click()
    qtbot.waitUntil(lambda: len(view(pane).turns) == 2 and "tokens" in view(pane).turns[1].note, timeout=30_000)
    assert "writing…" in view(pane).turns[1].note
    assert pane.turns == (Message("user", "Who are you?"),)
    assert not button(pane, "turn_1_edit").isEnabled()
    button(pane, "turn_1_copy").click()
    pane.stop_main_action()
    finished()
    slow.remove()
    assert contents(pane)[1] == session.branch.text
    assert "stopped" in view(pane).turns[1].note
    assert button(pane, "turn_1_edit").isEnabled()


def test_an_edited_message_is_answered_and_the_old_way_stays(pane, session, say, finished, llama):
    say("One")
    say("Two")
    before = contents(pane)
    edit(pane, 1, "Uno")
    finished()
    assert contents(pane) == ["Uno", as_run(llama, session, Message("user", "Uno"))]
    assert view(pane).turns[0].note == "edited by you"
    assert (view(pane).turns[0].version, view(pane).turns[0].versions) == (2, 2)
    button(pane, "turn_1_previous").click()
    assert contents(pane) == before
    assert session.branch.text == before[3]
    button(pane, "turn_1_next").click()
    assert contents(pane)[0] == "Uno"
    assert session.branch.text == contents(pane)[1]


def test_regenerate_writes_another_version_with_the_next_seed_and_says_so(pane, session, say, finished):
    say("One")
    first = contents(pane)[1]
    button(pane, "turn_2_regenerate").click()
    finished()
    assert session.sampling.seed == 6
    second = contents(pane)[1]
    assert second != first
    assert "seed 6" in view(pane).turns[1].note
    button(pane, "turn_2_previous").click()
    assert contents(pane) == ["One", first]
    assert session.sampling.seed == 5
    button(pane, "turn_2_regenerate").click()
    finished()
    assert session.sampling.seed == 7
    assert view(pane).turns[1].versions == 3


def test_the_same_seed_gives_the_same_answer(pane, session, say, finished):
    say("One")
    first = contents(pane)[1]
    button(pane, "turn_2_regenerate").actions()[0].trigger()
    finished()
    assert contents(pane)[1] == first
    assert session.sampling.seed == 5
    assert view(pane).turns[1].versions == 2


def test_without_sampling_another_version_is_said_to_be_the_same(pane, session, say, finished):
    session.set_sampling(GREEDY)
    say("One")
    first = contents(pane)[1]
    button(pane, "turn_2_regenerate").click()
    assert session.sampling == GREEDY
    assert "same answer" in notice(pane)
    finished()
    assert contents(pane)[1] == first


def test_an_answer_can_be_put_into_other_words_and_is_gone_on_from(pane, session, say, llama):
    say("One")
    edit(pane, 2, "My **own** words")
    assert contents(pane) == ["One", "My **own** words"]
    assert not session.steps
    say("Two")
    asked = [Message("user", "One"), Message("assistant", "My **own** words"), Message("user", "Two")]
    assert contents(pane)[3] == as_run(llama, session, *asked)
    assert session.branch.messages == tuple(asked)


def test_selecting_an_answer_takes_its_tokens_up_everywhere(pane, session, say, qtbot):
    say("One")
    first = session.branch.key
    say("Two")
    second = session.branch.key
    assert first != second
    view(pane).turn_chosen.emit(view(pane).turns[1].key)
    assert session.branch.key == first
    assert len(shown(pane)) == 4
    button(pane, "turn_4_tokens").click()
    assert session.branch.key == second
    output = pane.findChild(TintedText, "playground.output")
    assert output.isVisible()
    assert output.pieces == len(session.steps)
    output.piece_clicked.emit(2)
    assert session.selected_step is session.steps[2]
    button(pane, "chat_text").click()
    assert view(pane).isVisible()
    say("Three")
    assert len(shown(pane)) == 6


def test_another_token_makes_another_version(pane, session, say, finished):
    say("One")
    first = contents(pane)[1]
    token_id = (session.steps[2].token_id + 1) % 300 + 5
    pane.branch_at(2, token_id)
    finished()
    assert view(pane).turns[1].versions == 2
    assert contents(pane)[1] == session.branch.text
    button(pane, "turn_2_previous").click()
    assert contents(pane)[1] == first


def test_sequences_of_one_run_are_versions(pane, session, say):
    session.set_strategy(replace(session.strategy, num_return_sequences=3))
    say("One")
    assert view(pane).turns[1].versions == 3
    assert {turn.branch for turn in pane._chat.conversation.turns.values()} > {each.key for each in session.branches}


def test_delete_from_here_can_be_undone(pane, session, say):
    say("One")
    say("Two")
    before = contents(pane)
    button(pane, "turn_3_delete").click()
    assert contents(pane) == before[:2]
    assert session.branch.text == before[1]
    assert "Deleted 2 turns" in notice(pane)
    next(each for each in pane.findChildren(QPushButton) if each.text() == "Undo").click()
    assert contents(pane) == before
    button(pane, "turn_1_delete").click()
    assert contents(pane) == []
    assert not session.steps


def test_a_pruned_branch_takes_its_answer_along(pane, session, say, finished):
    say("One")
    first = contents(pane)[1]
    button(pane, "turn_2_regenerate").click()
    finished()
    pane.prune(session.branch.key)
    assert contents(pane) == ["One", first]
    assert view(pane).turns[1].versions == 1


def test_going_on_with_an_answer_lengthens_it(pane, session, say, finished):
    say("One")
    first = contents(pane)[1]
    pane.go_on()
    finished()
    longer = contents(pane)[1]
    assert longer.startswith(first)
    assert longer == session.branch.text != first
    assert view(pane).turns[1].versions == 1


def test_the_beginning_of_an_answer_is_gone_on_with(pane, session, say, llama):
    say("One")
    pane.findChild(QWidget, "playground.role").choose("assistant")
    edit(pane, 2, "x")
    button(pane, "turn_2_delete").click()
    button(pane, "turn_1_delete").click()
    pane.findChild(QWidget, "playground.role").choose("user")
    field(pane, "chat_input").setPlainText("Two")
    pane._chat.say()
    pane.findChild(QWidget, "playground.role").choose("assistant")
    say("The fox")
    asked = (Message("user", "Two"), Message("assistant", "The fox"))
    assert session.encoding.text.endswith("assistant\nThe fox")
    assert contents(pane) == ["Two", "The fox" + as_run(llama, session, *asked)]
    assert pane.findChild(QWidget, "playground.role").role == "user"


def test_a_system_message_in_between_waits_for_what_follows(pane, session, say, llama):
    say("One")
    answer = contents(pane)[1]
    pane.findChild(QWidget, "playground.role").choose("system")
    say("Rhyme.")
    assert contents(pane) == ["One", answer, "Rhyme."]
    say("Two")
    asked = [Message("user", "One"), Message("assistant", answer), Message("system", "Rhyme."), Message("user", "Two")]
    assert session.branch.messages == tuple(asked)
    assert contents(pane)[4] == as_run(llama, session, *asked)


def test_an_unanswered_message_is_answered_on_demand(pane, session, say, finished, llama):
    say("One")
    button(pane, "turn_2_delete").click()
    assert contents(pane) == ["One"]
    button(pane, "turn_1_answer").click()
    finished()
    assert len(contents(pane)) == 2


def test_the_system_message_goes_with_its_version(pane, session, say, finished):
    system(pane).setText("Be brief.")
    say("One")
    system(pane).setText("Be long.")
    button(pane, "turn_2_regenerate").click()
    finished()
    assert session.encoding.text.startswith("<|im_start|>system\nBe long.")
    button(pane, "turn_2_previous").click()
    assert session.encoding.text.startswith("<|im_start|>system\nBe brief.")
    assert system(pane).text() == "Be brief."
    system(pane).setText("Not sent yet")
    button(pane, "turn_2_next").click()
    assert system(pane).text() == "Not sent yet"


@pytest.mark.parametrize("knobs", [GREEDY, HOT], ids=["greedy", "sampling"])
def test_the_code_gives_the_ids_of_the_version_that_is_shown(pane, session, say, finished, printed, knobs):
    session.set_sampling(knobs)
    button(pane, "show_code").click()
    say("One")
    button(pane, "turn_2_regenerate").click()
    finished()
    button(pane, "turn_2_previous").click()
    code = field(pane, "code").toPlainText()
    assert printed(code)[-1] == str([step.token_id for step in session.steps])


def test_the_template_is_one_click_away_with_its_tokens(pane, session, say, finished, qtbot, llama):
    system(pane).setText("Be brief.")
    say("One")
    button(pane, "chat_template").click()
    qtbot.waitUntil(lambda: field(pane, "template_text").toPlainText() == session.encoding.text)
    strip = pane.findChild(TokenStrip, "playground.template_tokens")
    fed = session.encoding.tokens
    assert [chip.special for chip in strip.chips] == [token.special for token in fed]
    words = pane.findChild(QLabel, "playground.template_words").text()
    assert f"last answer: {len(fed)} tokens" in words
    assert "generation prompt" in words
    marked = [chip.strength is not None for chip in strip.chips]
    assert marked == sorted(marked)
    assert "".join(token.text for token, mark in zip(fed, marked, strict=True) if mark) == "<|im_start|>assistant\n"

    field(pane, "chat_input").setPlainText("Two")
    asked = [Message("system", "Be brief."), *pane.turns, Message("user", "Two")]
    wanted = tokens.render_chat(llama.tokenizer, asked)
    qtbot.waitUntil(lambda: field(pane, "template_text").toPlainText() == wanted)


def test_a_template_that_refuses_keeps_the_conversation(qtbot, session, runner, tiny_llama, finished, monkeypatch):
    from tests.engine.test_chat_template import STRICT

    model = models.load(tiny_llama)
    model.tokenizer.chat_template = STRICT
    session.set_model(model)
    session.set_sampling(HOT)
    pane = PlaygroundPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1000, 800)
    pane.show()
    button(pane, "chat_mode").click()
    offered = pane.findChild(QWidget, "playground.role").menu().actions()
    qtbot.waitUntil(lambda: [each.isVisible() for each in offered] == [True, False, False, True])
    field(pane, "chat_input").setPlainText("One")
    pane.run_main_action()
    finished()
    before = contents(pane)
    assert len(before) == 2
    system(pane).setText("Be brief.")
    field(pane, "chat_input").setPlainText("Two")
    pane.run_main_action()
    finished()
    assert "System role not supported" in notice(pane)
    assert contents(pane) == before
    assert field(pane, "chat_input").toPlainText() == "Two"
    button(pane, "chat_template").click()
    words = pane.findChild(QLabel, "playground.template_words")
    qtbot.waitUntil(lambda: "System role not supported" in words.text())


def test_a_tokenizer_that_writes_conversations_without_a_template_chats(pane, session, say, tmp_path, qtbot, printed):
    pytest.importorskip("mistral_common")
    from tests.tiny_extras import mistral

    session.set_model(models.load(mistral(tmp_path), device="cpu"))
    session.set_sampling(GREEDY)
    say("One [/INST]")
    reader = session.model.tokenizer
    ids = reader.apply_chat_template([{"role": "user", "content": "One [/INST]"}], return_dict=False)
    assert list(session.encoding.input_ids) == ids and session.steps and not notice(pane)
    button(pane, "chat_template").click()
    qtbot.waitUntil(lambda: field(pane, "template_text").toPlainText() == session.encoding.text)
    button(pane, "show_code").click()
    assert printed(field(pane, "code").toPlainText())[-1] == str([step.token_id for step in session.steps])


def test_stopping_an_answer_before_its_first_token_shows_the_version_before(pane, session, say, finished):
    say("One")
    before = contents(pane)
    button(pane, "turn_2_regenerate").click()
    pane.stop_main_action()
    finished()
    assert contents(pane)[:1] == before[:1]
    if view(pane).turns[1].versions == 1:
        assert contents(pane) == before


def test_a_saved_chat_comes_back_with_all_its_versions(pane, session, say, finished, tmp_path, qtbot, runner, llama):
    say("One")
    button(pane, "turn_2_regenerate").click()
    finished()
    say("Two")
    everything = contents(pane)
    record.save(tmp_path / f"chat{record.ENDING}", session.branches, session.vocabulary)
    recorded = record.read(tmp_path / f"chat{record.ENDING}")
    other = Session()
    other.set_model(llama)
    again = PlaygroundPane(other, runner)
    qtbot.addWidget(again)
    other.adopt(recorded.branches, recorded.vocabulary)
    assert contents(again) == everything
    assert len([turn for turn in again._chat.conversation.turns.values() if turn.branch is not None]) == 3


def test_thinking_is_folded(pane, session, say, finished):
    say("One")
    edit(pane, 2, "<think>\nHm.\n</think>\nYes.")
    heading = button(pane, "turn_2_1_thinking")
    assert heading.text() == "Thought"
    texts = view(pane).view_of(view(pane).turns[1].key).findChildren(QTextBrowser)
    assert [each.toPlainText() for each in texts if each.isVisible()] == ["Yes."]
    heading.click()
    assert [each.toPlainText() for each in texts if each.isVisible()] == ["Hm.", "Yes."]


def test_keys_walk_turns_and_versions(pane, session, say, finished, qtbot):
    say("One")
    button(pane, "turn_2_regenerate").click()
    finished()
    second = session.branch.key
    qtbot.keyClick(view(pane), Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert session.branch.key != second
    qtbot.keyClick(view(pane), Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert session.branch.key == second
    button(pane, "turn_2_copy").click()
    assert QGuiApplication.clipboard().text() == contents(pane)[1]


def test_every_control_of_a_turn_has_a_name(pane, say):
    say("One")
    for each in view(pane).findChildren(QAbstractButton):
        if each.isVisible():
            assert each.objectName().startswith("playground.")
            assert each.accessibleName()
            assert each.toolTip()


def test_each_mode_shows_what_it_wrote_itself(pane, session, say, finished):
    pane.findChild(QAbstractButton, "playground.plain_mode").click()
    session.set_prompt("The quick")
    pane.run_main_action()
    finished()
    plain = session.branch.key
    button(pane, "chat_mode").click()
    assert session.branch is None and not session.steps, "the prompt's text is no answer of the conversation"
    say("Hello")
    answer = session.branch.key
    button(pane, "plain_mode").click()
    assert session.branch.key == plain
    session.set_prompt("Another one")
    button(pane, "chat_mode").click()
    assert session.branch.key == answer
    button(pane, "plain_mode").click()
    assert session.branch is None, "nothing was written behind this prompt yet"

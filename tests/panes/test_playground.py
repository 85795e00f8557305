"""The playground drives real generation: what is typed goes in, every token comes out, knobs and Stop act at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QDoubleSpinBox, QLabel, QPlainTextEdit, QPushButton, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from workbench.engine import generate, models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, Encoding, Message, Sampling, Step
from workbench.panes.playground import PlaygroundPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.notice import NoticeCard
from workbench.widgets.tinted_text import TintedText

PROMPT = "The quick brown fox"
GREEDY = Sampling(do_sample=False, repetition_penalty=1.3, max_new_tokens=24)
HOT = Sampling(temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=24, seed=5)


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, llama: LoadedModel) -> PlaygroundPane:
    session.set_model(llama)
    session.set_prompt(PROMPT)
    pane = PlaygroundPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1200, 800)
    pane.show()
    return pane


def button(pane: PlaygroundPane, name: str) -> QAbstractButton:
    found = pane.findChild(QAbstractButton, f"playground.{name}")
    assert found is not None, name
    return found


def editor(pane: PlaygroundPane, name: str) -> QPlainTextEdit:
    found = pane.findChild(QPlainTextEdit, f"playground.{name}")
    assert found is not None, name
    return found


def spin(pane: PlaygroundPane, name: str) -> QDoubleSpinBox:
    found = pane.findChild(QDoubleSpinBox, f"playground.{name}")
    assert found is not None, name
    return found


def output(pane: PlaygroundPane) -> TintedText:
    found = pane.findChild(TintedText, "playground.output")
    assert found is not None
    return found


def notice(pane: PlaygroundPane) -> str:
    cards = pane.findChildren(NoticeCard)
    return " ".join(label.text() for card in cards for label in card.findChildren(QLabel))


def ids(session: Session) -> tuple[int, ...]:
    return tuple(step.token_id for step in session.steps)


def after_steps(session: Session, count: int, act: Callable[[], object]) -> None:
    """Do something on the UI thread when so many steps have come."""

    def on_step(step: Step) -> None:
        if step.index == count - 1:
            act()

    session.step_added.connect(on_step)


def test_generate_gives_what_the_engine_gives_and_shows_it(pane, session, llama, finished):
    for knobs in (GREEDY, HOT):
        session.set_sampling(knobs)
        button(pane, "generate").click()
        finished()
        expected = generate.run(llama, PROMPT, (), knobs)
        assert ids(session) == expected.ids
        assert output(pane).toPlainText().startswith(PROMPT)
        assert output(pane).pieces == len(expected.steps)
        button(pane, "copy").click()
        assert QGuiApplication.clipboard().text() == expected.text


def test_the_prompt_is_the_sessions_both_ways(pane, session):
    editor(pane, "prompt").setPlainText("Another prompt")
    assert session.prompt == "Another prompt"
    session.set_prompt("نص \x00 👩‍👩‍👧 \u2028 end")
    assert session.prompt == "نص \x00 👩‍👩‍👧 \u2028 end"


def test_a_moved_slider_acts_on_the_next_token_of_a_running_generation(pane, session, finished, llama):
    session.set_sampling(replace(HOT, max_new_tokens=200))
    after_steps(session, 5, lambda: spin(pane, "temperature").setValue(0.25))
    after_steps(session, 10, lambda: spin(pane, "max_new_tokens").setValue(100))
    # A model as slow as real ones: the tiny one is done before a hand could reach the slider.
    pace = threading.Event()

    def wait(*_: object) -> None:
        pace.wait(0.005)

    slow = llama.model.register_forward_pre_hook(wait)
    button(pane, "generate").click()
    finished()
    slow.remove()
    temperatures = [step.sampling.temperature for step in session.steps]
    turned = temperatures.index(0.25)
    assert turned >= 5
    assert temperatures == [1.0] * turned + [0.25] * (len(temperatures) - turned)
    assert len(temperatures) == 100


def test_stop_ends_within_a_token_and_keeps_the_text(pane, session, runner, finished, llama):
    session.set_sampling(replace(GREEDY, max_new_tokens=230))
    made: list[float] = []

    def stop() -> None:
        # What the worker has made by now; the window may not have seen all of it yet.
        made.append(runner.active[0]._latest.done)
        button(pane, "stop").click()

    after_steps(session, 3, stop)
    button(pane, "generate").click()
    finished()
    assert 3 <= len(session.steps) <= made[0] + 2 < 230
    assert (
        ids(session) == generate.run(llama, PROMPT, (), replace(GREEDY, max_new_tokens=230)).ids[: len(session.steps)]
    )
    assert "stopped" in pane.findChild(QLabel, "playground.status").text()
    assert not button(pane, "stop").isEnabled()
    assert button(pane, "generate").isEnabled()


def test_esc_and_ctrl_enter_do_the_same(pane, session, finished):
    session.set_sampling(replace(GREEDY, max_new_tokens=230))
    after_steps(session, 2, pane.stop_main_action)
    pane.run_main_action()
    finished()
    assert 2 <= len(session.steps) < 230


def test_a_click_on_a_token_selects_its_position_everywhere(pane, session, finished, qtbot):
    session.set_sampling(GREEDY)
    button(pane, "generate").click()
    finished()
    before = len(session.encoding.tokens)
    output(pane).piece_clicked.emit(7)
    assert session.selection == before + 7
    session.set_selection(before + 2)
    assert output(pane).selected == 2
    qtbot.keyClick(output(pane), Qt.Key.Key_Right)
    assert session.selection == before + 3
    session.set_selection(0)
    assert output(pane).selected is None


def test_next_token_scores_without_generating(pane, session, llama, finished):
    from workbench.engine import forward

    button(pane, "next_token").click()
    finished()
    assert not session.steps
    expected = forward.next_token(llama, generate.prepare(llama, PROMPT))
    assert (session.next_logits.float32() == expected.float32()).all()


def test_a_chat_goes_through_the_template_and_remembers_what_was_said(pane, session, llama, finished):
    session.set_sampling(replace(GREEDY, max_new_tokens=6))
    button(pane, "chat_mode").click()
    editor(pane, "chat_input").setPlainText("Who are you?")
    button(pane, "chat_send").click()
    finished()
    asked = [Message("user", "Who are you?")]
    expected = generate.run(llama, "", asked, session.sampling)
    assert ids(session) == expected.ids
    assert pane.turns == (*asked, Message("assistant", expected.text))
    assert editor(pane, "chat_input").toPlainText() == ""

    editor(pane, "chat_input").setPlainText("And the fox?")
    button(pane, "chat_send").click()
    finished()
    asked = [*pane.turns[:3]]
    assert ids(session) == generate.run(llama, "", asked, session.sampling).ids
    button(pane, "chat_tokens").click()
    shown = output(pane).toPlainText()
    assert [shown.index(text) for text in ("Who are you?", "And the fox?")] == sorted(
        [shown.index("Who are you?"), shown.index("And the fox?")]
    )
    button(pane, "clear").click()
    assert pane.turns == ()
    assert output(pane).toPlainText() == ""


def test_the_system_message_stands_first(pane, session, finished):
    session.set_sampling(replace(GREEDY, max_new_tokens=2))
    button(pane, "chat_mode").click()
    pane.findChild(QWidget, "playground.system").setText("Be brief.")
    editor(pane, "chat_input").setPlainText("Hi")
    pane.run_main_action()
    finished()
    assert session.encoding.text.startswith("<|im_start|>system\nBe brief.<|im_end|>")


def test_enter_sends_and_shift_enter_starts_a_line(pane, session, finished, qtbot):
    session.set_sampling(replace(GREEDY, max_new_tokens=2))
    button(pane, "chat_mode").click()
    field = editor(pane, "chat_input")
    field.insertPlainText("one")
    qtbot.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    field.insertPlainText("two")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    finished()
    assert pane.turns[0].content == "one\ntwo"


def test_a_checkpoint_without_a_template_offers_the_prompt(qtbot, session, runner, tmp_path):
    from tests import tiny

    session.set_model(models.load(tiny.build_tiny_llama(tmp_path / "plain", chat=False)))
    pane = PlaygroundPane(session, runner)
    qtbot.addWidget(pane)
    button(pane, "chat_mode").click()
    assert "no chat template" in notice(pane)
    editor(pane, "chat_input").setPlainText("Hi")
    pane.run_main_action()
    assert runner.active == []
    action = next(each for each in pane.findChildren(QPushButton) if each.text() == "Write a prompt")
    action.click()
    assert not pane.chats
    assert notice(pane) == ""


def test_a_prompt_longer_than_the_context_is_a_notice_and_nothing_else(pane, session, finished):
    editor(pane, "prompt").setPlainText("fox " * 300)
    button(pane, "generate").click()
    finished()
    assert "too long" in notice(pane)
    assert "256" in notice(pane)
    assert not session.steps
    editor(pane, "prompt").setPlainText(PROMPT)
    session.set_sampling(replace(GREEDY, max_new_tokens=2))
    button(pane, "generate").click()
    finished()
    assert notice(pane) == ""
    assert session.steps


def test_an_unanswered_message_goes_back_to_where_it_was_written(pane, session, finished):
    button(pane, "chat_mode").click()
    editor(pane, "chat_input").setPlainText("fox " * 300)
    button(pane, "chat_send").click()
    finished()
    assert "too long" in notice(pane)
    assert editor(pane, "chat_input").toPlainText() == "fox " * 300
    assert pane.turns == ()


def test_an_empty_prompt_starts_from_the_beginning_of_a_text(pane, session, finished):
    editor(pane, "prompt").clear()
    session.set_sampling(replace(GREEDY, max_new_tokens=3))
    button(pane, "generate").click()
    finished()
    assert session.encoding.input_ids == (1,)
    assert session.steps


def test_a_lone_surrogate_is_a_notice(pane, session, finished):
    session.set_prompt("half \ud83d")
    button(pane, "generate").click()
    finished()
    assert "surrogate" in notice(pane) or "half of a character" in notice(pane)


def test_without_a_causal_language_model_it_says_what_to_do(qtbot, session, runner, tiny_bert: Checkpoint):
    pane = PlaygroundPane(session, runner)
    qtbot.addWidget(pane)
    assert pane.is_empty
    with qtbot.waitSignal(pane.hub_requested):
        next(each for each in pane.findChildren(QPushButton) if each.text() == "Open Hub").click()
    session.set_model(models.load(tiny_bert))
    assert pane.is_empty
    pane.run_main_action()
    assert runner.active == []


def test_another_model_ends_what_runs_and_clears(pane, session, runner, finished, tiny_llama):
    session.set_sampling(replace(GREEDY, max_new_tokens=230))
    after_steps(session, 2, lambda: session.set_model(models.load(tiny_llama)))
    button(pane, "generate").click()
    finished()
    assert not session.steps
    assert output(pane).toPlainText() == ""
    assert button(pane, "generate").isEnabled()


def test_another_encoding_ends_what_runs(pane, session, finished):
    """A token must never be added behind a text it does not follow."""
    other = Encoding("other", ())
    session.set_sampling(replace(GREEDY, max_new_tokens=230))
    after_steps(session, 2, lambda: session.set_encoding(other))
    button(pane, "generate").click()
    finished()
    assert session.encoding is other
    assert not session.steps


def test_every_knob_writes_the_session_and_follows_it(pane, session):
    for name, value in (
        ("temperature", 1.3),
        ("top_k", 7),
        ("top_p", 0.4),
        ("min_p", 0.2),
        ("repetition_penalty", 1.5),
        ("max_new_tokens", 9),
    ):
        spin(pane, name).setValue(value)
        assert getattr(session.sampling, name) == value
        assert type(getattr(session.sampling, name)) is type(getattr(Sampling(), name))
    button(pane, "do_sample").setChecked(False)
    assert not session.sampling.do_sample
    session.set_sampling(Sampling(temperature=0.3, top_k=11, seed=99))
    assert spin(pane, "temperature").value() == 0.3
    assert spin(pane, "top_k").value() == 11
    assert pane.findChild(QSpinBox, "playground.seed").value() == 99
    assert button(pane, "do_sample").isChecked()


def test_a_value_no_knob_can_show_survives_the_move_of_another(pane, session):
    session.set_sampling(Sampling(top_k=40_000))
    spin(pane, "temperature").setValue(0.4)
    assert session.sampling == Sampling(top_k=40_000, temperature=0.4)


def test_new_seed_and_neutral(pane, session):
    button(pane, "new_seed").click()
    assert session.sampling.seed != 0
    button(pane, "neutral").click()
    assert replace(session.sampling, seed=0) == Sampling(temperature=1.0, top_k=0, top_p=1.0)


def test_greedy_greys_out_the_knobs_that_do_not_act(pane, session):
    session.set_sampling(GREEDY)
    assert not spin(pane, "top_p").isEnabled()
    assert spin(pane, "repetition_penalty").isEnabled()


@pytest.mark.parametrize("chats", [False, True])
@pytest.mark.parametrize("knobs", [GREEDY, HOT], ids=["greedy", "sampling"])
def test_the_shown_code_gives_the_same_ids(pane, session, finished, printed, chats, knobs):
    session.set_sampling(replace(knobs, max_new_tokens=12))
    button(pane, "show_code").click()
    if chats:
        button(pane, "chat_mode").click()
        editor(pane, "chat_input").setPlainText('Say "hi"\nor not')
    pane.run_main_action()
    finished()
    code = editor(pane, "code").toPlainText()
    assert printed(code)[-1] == str(list(ids(session)))


def test_thousands_of_tokens_are_drawn_in_frames_not_one_by_one(qtbot, session, llama):
    from workbench.panes.playground.output import Output

    session.set_model(llama)
    session.set_encoding(generate.prepare(llama, PROMPT))
    shown = Output(session)
    qtbot.addWidget(shown)
    shown.show()
    drawn: list[int] = []
    shown.textChanged.connect(lambda: drawn.append(shown.pieces))
    for index in range(4000):
        session.add_step(Step(index, 10, "x ", None, Sampling(), 0.001, 0.5, 1))
    qtbot.waitUntil(lambda: shown.pieces == 4000, timeout=20_000)
    assert shown.toPlainText() == PROMPT + "x " * 4000
    assert len(drawn) < 40

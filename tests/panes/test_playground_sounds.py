"""Sounds in the Playground: added, dropped or pasted, heard by the model, and refused in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QPlainTextEdit
from pytestqt.qtbot import QtBot

from tests import tiny_kinds, tiny_seq2seq, tiny_tasks
from workbench.engine import models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Sampling
from workbench.panes.playground import PlaygroundPane
from workbench.panes.playground.attached import Attached
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.chat_view import ChatView
from workbench.widgets.notice import NoticeCard

MARK = "<|audio_bos|><|AUDIO|><|audio_eos|>"


@pytest.fixture(scope="module")
def hearing(tmp_path_factory) -> LoadedModel:
    return models.load(tiny_kinds.build(tmp_path_factory.mktemp("qwen"), "any-to-any"), device="cpu")


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, hearing: LoadedModel) -> PlaygroundPane:
    session.set_model(hearing)
    session.set_prompt("What is this?")
    session.set_sampling(Sampling(do_sample=False, max_new_tokens=4))
    pane = PlaygroundPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1200, 800)
    pane.show()
    return pane


@pytest.fixture
def finished(qtbot: QtBot, runner: Runner, pane: PlaygroundPane) -> Callable[[], None]:
    return lambda: qtbot.waitUntil(lambda: not runner.active and not pane.is_running, timeout=60_000)


def button(pane: PlaygroundPane, name: str) -> QAbstractButton:
    return pane.findChild(QAbstractButton, f"playground.{name}")


def notice(pane: PlaygroundPane) -> str:
    return " ".join(label.text() for card in pane.findChildren(NoticeCard) for label in card.findChildren(QLabel))


def code(pane: PlaygroundPane) -> str:
    return pane.findChild(QPlainTextEdit, "playground.code").toPlainText()


def test_a_sound_goes_in_with_the_prompt_and_the_code_before_and_after_writes_the_same(
    pane, session, llama, finished, printed, tmp_path
) -> None:
    row, tone = pane.findChild(Attached), tiny_tasks.sound(tmp_path, 0.5, rate=24_000)
    assert button(pane, "add_sounds").isVisible() and not button(pane, "add_images").isVisible()
    button(pane, "show_code").click()
    row.add([tone])
    finished()
    assert row.sounds == (tone,) and button(pane, "file_1").text() == "tone.wav · 0.5 s"
    before = code(pane)
    pane.run_main_action()
    finished()
    branch = session.branch
    assert branch.start.sounds == (tone,) and branch.start.prompt == f"{MARK}What is this?"
    ids = [step.token_id for step in branch.steps]
    assert printed(before)[-1] == printed(code(pane))[-1] == str(ids)
    pane.branch_at(1, 40)
    finished()
    assert session.branch.start.sounds == (tone,) and session.branch.steps[1].token_id == 40
    button(pane, "file_1").click()
    assert row.sounds == () and session.prompt == "What is this?"
    session.set_model(llama)
    assert row.isHidden()


def test_what_can_not_be_heard_is_said_and_nothing_else_is_lost(pane, session, finished, tmp_path) -> None:
    row, tone, torn = pane.findChild(Attached), tiny_tasks.sound(tmp_path, 0.5), tmp_path / "torn.mp3"
    torn.write_bytes(b"no sound at all")
    row.add([tone, torn])
    finished()
    assert "torn.mp3 can't be used" in notice(pane)
    for name, words in (("film.mp4", "is a film"), ("house.png", "hears, and house.png is a picture")):
        path = tiny_seq2seq.picture(tmp_path).rename(tmp_path / name)
        row.add([path])
        assert words in notice(pane)
    assert row.sounds == (tone,) and row.images == () and session.prompt == "What is this?"
    facts = replace(session.model.facts, model_type="voxtral")
    session.set_model(replace(session.model, facts=facts))
    assert "for Tasks" in " ".join(label.text() for label in row.findChildren(QLabel)) and row.isVisible()
    assert row.sounds == () and not button(pane, "add_sounds").isVisible()


def test_sounds_are_pasted_and_go_with_a_turn_of_the_chat(pane, session, qtbot, finished, tmp_path) -> None:
    session.model.tokenizer.chat_template = tiny_kinds.AUDIO_TEMPLATE
    row, tone = pane.findChild(Attached), tiny_tasks.sound(tmp_path, 0.5)
    button(pane, "chat_mode").click()
    field = pane.findChild(QPlainTextEdit, "playground.chat_input")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tone))])
    QApplication.clipboard().setMimeData(data)
    qtbot.keyClick(field, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    finished()
    assert row.sounds == (tone,) and field.toPlainText() == ""
    field.setPlainText("What is this?")
    pane.run_main_action()
    finished()
    assert session.branch.messages[0].sounds == (tone,) == session.branch.start.sounds
    assert row.sounds == (), "it is the turn's now, and does not go with the next one again"
    turn = pane.findChild(ChatView, "playground.chat").turns[0]
    assert [passage.text for passage in turn.passages] == ["With tone.wav:", "What is this?"]
    assert turn.source == "What is this?"
    button(pane, "clear").click()
    other = tiny_tasks.sound(tmp_path, 0.5, name="other.wav")
    row.add([other])
    finished()
    Path(other).unlink()
    field.setPlainText("And this?")
    pane.run_main_action()
    finished()
    assert "There is no file" in notice(pane)
    assert row.sounds == (other,) and field.toPlainText() == "And this?", "both are back where they were"

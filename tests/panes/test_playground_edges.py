"""What goes wrong in the playground is said in it and costs nothing; what it shows as code is the run that was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QPlainTextEdit, QPushButton, QScrollArea
from pytestqt.qtbot import QtBot

from tests import tiny, tiny_seq2seq
from workbench.engine import generate, models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, Sampling, Strategy
from workbench.panes.playground import PlaygroundPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme
from workbench.widgets.notice import NoticeCard

PROMPT = "The quick brown fox"
GREEDY = Sampling(do_sample=False, repetition_penalty=1.3, max_new_tokens=12)
DRAWN = Sampling(temperature=0.9, top_k=30, top_p=0.9, max_new_tokens=12, seed=3)


@pytest.fixture
def llama(tiny_llama: Checkpoint) -> LoadedModel:
    """One of its own for each test: its weights are broken."""
    return models.load(tiny_llama)


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, llama: LoadedModel) -> PlaygroundPane:
    session.set_model(llama)
    session.set_prompt(PROMPT)
    session.set_sampling(GREEDY)
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


def notice(pane: PlaygroundPane) -> str:
    cards = pane.findChildren(NoticeCard)
    return " ".join(label.text() for card in cards for label in card.findChildren(QLabel))


def ids(session: Session) -> tuple[int, ...]:
    return tuple(step.token_id for step in session.steps)


def broken(llama: LoadedModel, after: int) -> Callable[[], None]:
    """Let the model give NaN from its pass number ``after`` on; call what comes back to mend it."""
    passes = 0

    def spoil(_module: torch.nn.Module, _given: object, logits: torch.Tensor) -> torch.Tensor:
        nonlocal passes
        passes += 1
        return torch.full_like(logits, torch.nan) if passes > after else logits

    return llama.model.lm_head.register_forward_hook(spoil).remove


WAYS = [
    (Strategy(), GREEDY),
    (Strategy(), DRAWN),
    (Strategy(num_beams=3), GREEDY),
    (Strategy(num_beams=2), DRAWN),
    (Strategy(num_return_sequences=2), DRAWN),
    (Strategy(prompt_lookup_num_tokens=3), GREEDY),
    (Strategy(prompt_lookup_num_tokens=3), DRAWN),
    (Strategy(guidance_scale=2.0), GREEDY),
]


@pytest.mark.parametrize(("strategy", "knobs"), WAYS)
def test_a_model_that_gives_nan_is_a_notice_and_what_was_written_before_stays(
    pane, session, llama, finished, strategy: Strategy, knobs: Sampling
):
    button(pane, "generate").click()
    finished()
    before, written = session.branch, ids(session)
    assert written
    session.set_strategy(strategy)
    session.set_sampling(knobs)
    mend = broken(llama, 0)
    button(pane, "generate").click()
    finished()
    said = notice(pane)
    assert f"{llama.checkpoint.name} gave no probabilities to draw from." in said
    assert "NaN or infinity" in said
    assert llama.dtype in said
    assert "float32" in said, "what to do"
    assert [branch.key for branch in session.branches] == [before.key], "no branch without a token"
    assert session.prompt == editor(pane, "prompt").toPlainText() == PROMPT
    assert (session.strategy, session.sampling) == (strategy, knobs)
    assert button(pane, "generate").isEnabled()
    session.walk(before.key)
    assert ids(session) == written
    mend()
    button(pane, "generate").click()
    finished()
    assert notice(pane) == ""
    assert ids(session) == generate.run(llama, PROMPT, (), knobs, strategy=strategy).ids


@pytest.mark.parametrize("knobs", [GREEDY, DRAWN])
def test_nan_in_the_middle_of_a_run_leaves_the_text_that_came(pane, session, llama, finished, knobs: Sampling):
    session.set_sampling(knobs)
    mend = broken(llama, 5)
    button(pane, "generate").click()
    finished()
    mend()
    assert "gave no probabilities" in notice(pane)
    whole = generate.run(llama, PROMPT, (), knobs)
    assert ids(session) == whole.ids[:5]
    assert session.branch.reason == "failed"
    assert all(step.logits is not None for step in session.steps)
    button(pane, "copy").click()
    pane.go_on()
    finished()
    assert notice(pane) == ""
    assert ids(session)[:5] == whole.ids[:5]
    assert len(ids(session)) > 5


def test_a_message_that_nan_left_unanswered_goes_back_to_where_it_was_written(pane, session, llama, finished):
    button(pane, "chat_mode").click()
    editor(pane, "chat_input").setPlainText("Who are you?")
    mend = broken(llama, 0)
    button(pane, "chat_send").click()
    finished()
    mend()
    assert "gave no probabilities" in notice(pane)
    assert editor(pane, "chat_input").toPlainText() == "Who are you?"
    assert pane.turns == ()
    button(pane, "chat_send").click()
    finished()
    assert notice(pane) == ""
    assert pane.turns[0].content == "Who are you?"


def test_nan_is_gone_on_with_in_the_pane_when_the_person_says_so(pane, session, llama, finished):
    session.set_sampling(replace(GREEDY, remove_invalid_values=True))
    mend = broken(llama, 3)
    button(pane, "generate").click()
    finished()
    mend()
    assert notice(pane) == ""
    assert len(session.steps) == GREEDY.max_new_tokens or session.branch.reason == "eos"


def metaspace_llama(folder: Path) -> Checkpoint:
    """A llama whose tokenizer writes a word's beginning as ▁, so that a text that is cut reads otherwise."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    checkpoint = tiny.build_tiny_llama(folder, chat=False)
    tokenizer = Tokenizer(BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(tiny.SENTENCES, BpeTrainer(vocab_size=300, special_tokens=special))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    ).save_pretrained(folder)
    return checkpoint


LONG = "Ünquickly brownish foxes jumped-over 12345 lazy   dogs; " * 40


@pytest.mark.parametrize("kind", ["llama", "bart", "chat", "metaspace"])
def test_the_code_of_a_prompt_that_was_cut_gives_the_same_ids(pane, session, finished, tmp_path, printed, kind: str):
    if kind == "bart":
        bart = tiny_seq2seq.build_tiny_bart(tmp_path / "bart")
        session.set_model(models.load(bart, head="AutoModelForSeq2SeqLM"))
    if kind == "metaspace":
        session.set_model(models.load(metaspace_llama(tmp_path / "metaspace")))
    # Each length puts the cut into another place of a word.
    for more, knobs in (("", GREEDY), ("a", DRAWN), ("  b c", DRAWN)):
        session.set_sampling(knobs)
        if kind == "chat":
            button(pane, "chat_mode").click()
            editor(pane, "chat_input").setPlainText(LONG + more)
        else:
            editor(pane, "prompt").setPlainText(LONG + more)
        pane.run_main_action()
        finished()
        next(each for each in pane.findChildren(QPushButton) if each.text() == "Truncate left").click()
        finished()
        assert session.start.dropped
        if not pane.code_is_shown:
            button(pane, "show_code").click()
        code = editor(pane, "code").toPlainText()
        assert printed(code)[-1] == str(list(ids(session)))
        if kind == "chat":
            button(pane, "clear").click()


@pytest.fixture(params=[1.0, 1.5], ids=["100 %", "150 %"])
def zoom(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[float]:
    theme.apply(qapp, False, request.param)
    yield request.param
    theme.apply(qapp, False)


@pytest.mark.parametrize("width", [620, 1000])
def test_a_narrow_pane_is_only_ever_scrolled_down(zoom: float, width: int, pane, session, finished, qtbot):
    pane.resize(width, 800)
    page = pane.findChild(QScrollArea, "playground.page")
    for mode in ("plain_mode", "chat_mode"):
        button(pane, mode).click()
        qtbot.waitUntil(lambda: pane.width() == width)
        qtbot.waitUntil(lambda: page.horizontalScrollBar().maximum() == 0)
        right = page.viewport().mapToGlobal(page.viewport().rect().topRight()).x()
        for name in ("generate", "chat_send", "stop", "next_token", "copy", "clear", "new_seed", "presets", "neutral"):
            one = button(pane, name)
            if one.isVisible():
                assert one.mapToGlobal(one.rect().topRight()).x() <= right, name
    button(pane, "plain_mode").click()
    session.set_sampling(replace(session.sampling, do_sample=False))
    session.set_strategy(Strategy(num_beams=3))
    button(pane, "generate").click()
    finished()
    assert session.branches[-1].beams
    qtbot.waitUntil(lambda: page.horizontalScrollBar().maximum() == 0)

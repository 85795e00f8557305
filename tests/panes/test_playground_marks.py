"""A text with a watermark is judged where it stands; a healed prompt says so, and its own words are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pytestqt.qtbot import QtBot

from tests.families import build
from workbench.engine import models, record
from workbench.engine.generate.detecting import detect
from workbench.engine.models import LoadedModel
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Checkpoint, Sampling, Strategy, Watermark
from workbench.panes.playground import PlaygroundPane
from workbench.panes.playground.watermark import said
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session

PROMPT = "The quick brown fox jumps over the lazy dog."
MARKED = Sampling(temperature=1.0, max_new_tokens=60, seed=2, watermarking_config=Watermark(bias=3.0))


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, llama: LoadedModel) -> PlaygroundPane:
    pane = PlaygroundPane(session, runner)
    qtbot.addWidget(pane)
    session.set_model(llama)
    session.set_prompt(PROMPT)
    session.set_strategy(Strategy(eos_token_ids=()))
    pane.show()
    return pane


def written(pane: PlaygroundPane, session: Session, finished: Callable[[], None], sampling: Sampling) -> None:
    session.set_sampling(sampling)
    pane.run_main_action()
    finished()


def test_a_marked_text_shows_the_detector_s_verdict(
    qtbot: QtBot, pane: PlaygroundPane, session: Session, finished, find, llama: LoadedModel
) -> None:
    label = find("verdict")
    written(pane, session, finished, replace(MARKED, watermarking_config=None))
    assert label.isHidden(), "a text without a mark has no verdict"
    written(pane, session, finished, MARKED)
    qtbot.waitUntil(lambda: not label.isHidden())
    ids = [step.token_id for step in session.steps]
    verdict = detect(MARKED.watermarking_config, ids, llama.model.config.vocab_size)
    assert label.text() == said(verdict)
    assert label.text().startswith("Watermark found: ")
    first = next(branch.key for branch in session.branches if branch.steps[0].sampling.watermarking_config is None)
    session.walk(first)
    assert label.isHidden()
    written(pane, session, finished, replace(MARKED, watermarking_config=Watermark(kind="synthid")))
    qtbot.waitUntil(lambda: not label.isHidden())
    assert "trained" in label.text()


def test_a_recorded_text_is_judged_without_its_model(
    qtbot: QtBot, pane: PlaygroundPane, session: Session, finished, find, runner: Runner, tmp_path: Path
) -> None:
    written(pane, session, finished, MARKED)
    label = find("verdict")
    qtbot.waitUntil(lambda: not label.isHidden())
    words = label.text()
    file = record.save(tmp_path / "one", session.branches, Vocabulary(session.model.tokenizer))
    recorded = record.read(file)
    session.set_model(None)
    session.adopt(recorded.branches, recorded.vocabulary)
    qtbot.waitUntil(lambda: not label.isHidden())
    assert label.text() == words


def test_a_healed_prompt_is_told_and_its_own_words_stay(
    pane: PlaygroundPane, session: Session, finished, find, tiny_llama: Checkpoint, tmp_path: Path, printed: Any
) -> None:
    model = models.load(build("qwen3", tmp_path / "qwen3", tiny_llama), device="cpu")
    with torch.no_grad():
        model.model.get_input_embeddings().weight *= 20
    model.model.save_pretrained(tmp_path / "qwen3")
    session.set_model(models.load(model.checkpoint, device="cpu"))
    tokenizer, heal = model.tokenizer, model.model.heal_tokens
    texts = ("The qui", "The quick b", "The quick brown f", "The l", "The d", "She s", "A b", "The t", "In t")
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        if heal(ids.clone(), tokenizer).tolist() != ids.tolist():
            break
    session.set_prompt(text)
    session.set_strategy(Strategy(token_healing=True))
    written(pane, session, finished, Sampling(do_sample=False, max_new_tokens=6))
    branch = session.branch
    assert branch.start.encoding.text != text
    assert "prompt healed: “" in find("status").text()
    assert find("output").toPlainText().startswith(branch.start.encoding.text)
    session.walk(branch.key)
    assert session.prompt == text
    pane.show_code(True)
    assert "heal_tokens" in pane.code
    assert str([step.token_id for step in session.steps]) in printed(pane.code)

"""A model is offered what the loaded class and its files can do, and nothing besides."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny_readers, tiny_speech, tiny_tasks
from tests.census import building, kinds
from workbench.engine import codegen, tasks
from workbench.engine.errors import NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Checkpoint

TABLES = "table-question-answering"


def script(model: LoadedModel, name: str, given: Any) -> Any:
    names: dict[str, Any] = {"__name__": "__main__"}
    options = tasks.defaults(name, model)
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names["result"]


def test_nothing_is_decided_without_a_template_to_ask_with(tiny_llama: Checkpoint) -> None:
    from transformers import pipeline

    model = load(tiny_llama, device="cpu")
    assert tasks.supports(model, "decision")
    model.tokenizer.chat_template = None
    plain = pipeline("decision", model=model.model, tokenizer=model.tokenizer, device="cpu")
    question = {"type": "choice", "instructions": "What?", "criteria": {"a": None, "b": None}}
    with pytest.raises(ValueError, match="chat template"):
        plain({"state": "x", "questions": {"q": question}})
    assert not tasks.supports(model, "decision") and not tasks.missing_head(model, "decision")
    with pytest.raises(NotSupported, match="chat template"):
        tasks.run(model, "decision", tasks.example("decision", model))


def test_a_part_that_only_reads_is_not_shown_pictures(tmp_path: Path) -> None:
    entry = kinds.Entry("mllama", "AutoModelForCausalLM", "MllamaForCausalLM")
    checkpoint, _ = building.build(entry, tmp_path / "mllama")
    assert not tasks.supports(load(checkpoint, head=entry.head, device="cpu"), "any-to-any")
    assert tasks.supports(load(checkpoint, head="AutoModelForImageTextToText", device="cpu"), "any-to-any")


def test_what_needs_a_picture_makes_no_vectors_of_a_text(tmp_path: Path) -> None:
    model = load(tiny_tasks.build_tiny_other(tmp_path / "vilt", "visual-question-answering"), device="cpu")
    assert not tasks.supports(model, "feature-extraction")


def test_what_reads_tables_makes_vectors_of_lines_and_pairs_no_texts(tmp_path: Path, capsys) -> None:
    from transformers import pipeline

    name = "feature-extraction"
    checkpoint = tiny_tasks.build_tiny_other(tmp_path / "tapas", TABLES)
    model = load(checkpoint, head="AutoModelForSequenceClassification", device="cpu")
    pairs = ("sentence-pair-classification", "zero-shot-classification")
    assert not any(tasks.supports(model, each) for each in pairs)
    with pytest.raises(NotSupported, match="with a table"):
        tasks.run(model, pairs[0], tasks.example(pairs[0], model))
    given = tasks.example(name, model)
    made = tasks.run(model, name, given)
    plain = pipeline(name, model=model.model.base_model, tokenizer=model.tokenizer, device="cpu")
    (expected,) = plain(given.text.splitlines()[0])
    states = next(view.values for view in made.stages[1].tensors if view.name == "last_hidden_state")
    np.testing.assert_allclose(states[0, : len(expected)], expected, atol=1e-5)
    np.testing.assert_allclose(script(model, name, given), made.items, atol=1e-5)
    assert capsys.readouterr().out


def test_what_reads_pages_is_given_no_pairs_of_texts(tmp_path: Path) -> None:
    model = load(
        tiny_readers.lilt(tmp_path / "lilt", "QuestionAnswering"),
        head="AutoModelForSequenceClassification",
        device="cpu",
    )
    pairs = ("sentence-pair-classification", "zero-shot-classification")
    assert tasks.supports(model, "text-classification") and not any(tasks.supports(model, each) for each in pairs)


@pytest.mark.parametrize("heard", [False, True])
def test_seamless_without_a_head_reads_a_text_or_a_sound(tmp_path: Path, heard: bool, capsys) -> None:
    import torch

    name = "raw-outputs"
    model = load(tiny_speech.build(tmp_path / "seamless", "seamless"), head="AutoModel", device="cpu")
    given = tasks.example(name, model)
    assert given.text and given.audio is None
    if heard:
        given = dataclasses.replace(given, text="", audio=tiny_tasks.sound(tmp_path))
    made = tasks.run(model, name, given)
    named = {view.name: torch.tensor(np.asarray(view.values)) for view in made.stages[0].tensors}
    sides = ("input_ids", "input_features", "attention_mask", "decoder_input_ids")
    with torch.inference_mode():
        logits = model.model(**{side: named[side] for side in sides if side in named}).logits
    shown = next(view.values for view in made.stages[1].tensors if view.name == "logits")
    np.testing.assert_allclose(shown, logits, atol=1e-5)
    np.testing.assert_allclose(script(model, name, given)["logits"], logits, atol=1e-5)
    assert capsys.readouterr().out

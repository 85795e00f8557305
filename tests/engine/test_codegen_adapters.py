"""The code shown for an adapter loads it as the window did: merged into the checkpoint beneath it."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.engine import codegen, compare, generate, models, tasks
from workbench.engine.compare import Side
from workbench.engine.train import fine_tune
from workbench.engine.values import (
    Checkpoint,
    DataSource,
    Method,
    Sampling,
    Strategy,
    TaskInput,
    TaskOptions,
    TrainSpec,
)


@pytest.fixture(scope="module")
def spec(tiny_bert: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> TrainSpec:
    """Four steps of LoRA on three labels, which the encoder beneath has no head for."""
    folder = tmp_path_factory.mktemp("adapters")
    data = folder / "films.csv"
    rows = "".join(f"a {('fine', 'bad', 'long')[n % 3]} film {n},{'abc'[n % 3]}\n" for n in range(48))
    data.write_text(f"text,label\n{rows}", encoding="utf-8")
    return TrainSpec(
        task="text-classification",
        checkpoint=tiny_bert,
        data=DataSource(data),
        columns={"text": "text", "label": "label"},
        output_dir=folder / "adapter",
        method=Method("lora", 4),
        learning_rate=1e-1,
        max_length=24,
        max_steps=4,
        threads=1,
    )


def _run(source: str, tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "script.py"
    file.write_text(source, encoding="utf-8")
    line = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length=120", "--select=F,I,E501", str(file)]
    told = subprocess.run(line, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
    return runpy.run_path(str(file))


def test_tasks_show_what_classifies_with_an_adapter(spec: TrainSpec, tmp_path: Path) -> None:
    made = fine_tune(spec).checkpoint
    loaded = models.load(made, head="AutoModelForSequenceClassification")
    result = tasks.run(loaded, "text-classification", TaskInput(text="a fine film"), TaskOptions())
    names = _run(codegen.task(made, "text-classification", "a fine film", TaskOptions(), "float32", "cpu"), tmp_path)
    assert names["model"].config.id2label == {0: "a", 1: "b", 2: "c"}
    encoded = loaded.tokenizer("a fine film", return_tensors="pt")
    with torch.inference_mode():
        theirs, ours = (each(**encoded).logits for each in (names["model"], loaded.model))
    assert torch.equal(theirs, ours)
    assert sum(item.score for item in result.items) == pytest.approx(1.0)


@pytest.fixture(scope="module")
def causal(spec: TrainSpec, tiny_llama: Checkpoint) -> Checkpoint:
    """An adapter of four steps to the tiny llama."""
    folder = spec.output_dir.with_name("causal")
    asked = replace(spec, task="text-generation", checkpoint=tiny_llama, columns={"text": "text"}, output_dir=folder)
    return fine_tune(asked).checkpoint


def test_the_playground_shows_what_generates_with_an_adapter(
    causal: Checkpoint, tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    loaded, base = models.load(causal), models.load(tiny_llama)
    sampling = Sampling(do_sample=False, max_new_tokens=8)
    names = _run(codegen.generate(causal, "a fine", None, sampling, "float32", "cpu"), tmp_path)
    ids = torch.tensor([loaded.tokenizer("a fine")["input_ids"]])
    with torch.inference_mode():
        theirs, ours, plain = (each(ids).logits for each in (names["model"], loaded.model, base.model))
    assert torch.equal(theirs, ours)
    assert not torch.allclose(ours, plain), "the adapter has learned something"
    assert tuple(names["new_ids"]) == generate.stream(loaded, generate.prepare(loaded, "a fine"), sampling).ids


@pytest.mark.parametrize("guessing", [False, True])
def test_compare_shows_what_writes_with_and_without_the_adapter(
    causal: Checkpoint, tiny_llama: Checkpoint, tmp_path: Path, guessing: bool
) -> None:
    tuned, base = models.load(causal), models.load(tiny_llama)
    sampling = Sampling(do_sample=False, max_new_tokens=8)
    strategy = Strategy(assisted=guessing, num_assistant_tokens=3)
    sides = (Side(base, sampling, strategy, tuned), Side(tuned, sampling))
    names = _run(codegen.compare(sides, "a fine", chat=False), tmp_path)
    left, right = compare.run(sides, "a fine")
    assert left.ids != right.ids, "the adapter has learned something"
    assert (names["first"], names["second"]) == (list(left.ids), list(right.ids))

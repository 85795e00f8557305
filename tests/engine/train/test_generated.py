"""An evaluation of text to text may write whole texts, scored as the libraries score them."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch
from rouge_score import rouge_scorer
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, EvalPrediction

from tests.engine.train.test_run import Recorder
from workbench.engine.codegen.train import train as train_script
from workbench.engine.task import Progress, Silent
from workbench.engine.train import HEADS, evaluate, fine_tune, resume
from workbench.engine.train.metrics import generated_metrics
from workbench.engine.train.rows import split_rows
from workbench.engine.values import Checkpoint, DataSource, TrainPoint, TrainSpec

TOLD = {"bleu", "chrf", "rouge1", "rouge2", "rougeL", "exact_match", "tokens", "perplexity"}


@pytest.fixture
def spec(tiny_t5: Checkpoint, tmp_path: Path) -> TrainSpec:
    """24 rows, 18 of them trained on; the answer is nearly always the same, so a tiny model learns to write it."""
    path = tmp_path / "pairs.jsonl"
    rows = [{"source": f"the lazy dog {n}", "target": f"the quick brown fox, {n % 2}"} for n in range(24)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return TrainSpec(
        task="text2text-generation",
        checkpoint=tiny_t5,
        data=DataSource(path),
        columns={"source": "source", "target": "target"},
        output_dir=tmp_path / "runs" / "ours",
        eval_fraction=0.25,
        batch_size=4,
        max_length=24,
        epochs=2.0,
        learning_rate=3e-2,
        threads=1,
        seed=5,
        head_options={"predict_with_generate": "yes", "generation_num_beams": 2, "max_target_length": 24},
    )


def _history(folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [
        {name: value for name, value in entry.items() if "runtime" not in name and "per_second" not in name}
        for entry in entries
        if "loss" in entry or "eval_loss" in entry
    ]


def test_scores_are_those_of_the_libraries_for_what_generate_writes(spec: TrainSpec) -> None:
    spec = replace(spec, epochs=6.0)
    result = fine_tune(spec)
    last = [point for point in result.points if point.eval_loss is not None][-1]
    assert set(last.metrics) == TOLD

    rows = split_rows(spec, Silent()).evaluation
    model = AutoModelForSeq2SeqLM.from_pretrained(result.checkpoint.path, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(result.checkpoint.path, trust_remote_code=False)
    inputs = tokenizer(list(rows["source"]), truncation=True, max_length=24, padding=True, return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**inputs, max_length=25, num_beams=2)
    written, right = tokenizer.batch_decode(ids, skip_special_tokens=True), list(rows["target"])
    assert any(written), "a model that writes nothing would make every score 0"
    assert last.metrics["bleu"] == pytest.approx(sacrebleu.corpus_bleu(written, [right]).score)
    assert last.metrics["chrf"] == pytest.approx(sacrebleu.corpus_chrf(written, [right]).score)
    assert last.metrics["chrf"] > 0
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    each = [scorer.score(target, text)["rougeL"].fmeasure for target, text in zip(right, written, strict=True)]
    assert last.metrics["rougeL"] == pytest.approx(np.mean(each))

    after = evaluate(spec, result.checkpoint)
    assert {name: after.metrics[name] for name in TOLD} == pytest.approx({n: last.metrics[n] for n in TOLD}, rel=1e-5)
    assert after.metrics["token_accuracy"] >= 0, "what is told of single tokens is told as well"
    assert sorted((row.right, row.guessed) for row in after.examples) == sorted(zip(right, written, strict=True))
    assert after.metrics["loss"] == pytest.approx(last.eval_loss, rel=1e-5)


def test_a_perfect_text_scores_full_and_an_empty_one_nothing(spec: TrainSpec) -> None:
    tokenizer = AutoTokenizer.from_pretrained(spec.checkpoint.path, trust_remote_code=False)
    right = tokenizer(["the quick brown fox and the lazy dog"] * 2, return_tensors="np")["input_ids"]
    full = generated_metrics(EvalPrediction(right, right), tokenizer)
    assert (full["bleu"], full["chrf"], full["rouge1"], full["rougeL"], full["exact_match"]) == pytest.approx(
        (100, 100, 1, 1, 1)
    )
    nothing = generated_metrics(EvalPrediction(np.full_like(right, -100), right), tokenizer)
    assert (nothing["bleu"], nothing["rouge1"], nothing["exact_match"], nothing["tokens"]) == (0, 0, 0, 0)


def test_the_script_scores_the_same(spec: TrainSpec, tmp_path: Path) -> None:
    result = fine_tune(spec)
    code = train_script(replace(spec, output_dir=tmp_path / "theirs"))
    assert "workbench" not in code
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, {"__name__": "__main__"})
    assert _history(result.checkpoint.path) == _history(tmp_path / "theirs")


def test_writing_in_between_changes_no_loss(spec: TrainSpec, tmp_path: Path) -> None:
    result = fine_tune(spec)
    plain = fine_tune(replace(spec, head_options={"max_target_length": 24}, output_dir=tmp_path / "plain"))
    losses = [[(p.step, p.loss) for p in each.points] for each in (result, plain)]
    assert losses[0] == losses[1]
    assert (tmp_path / "plain" / "model.safetensors").read_bytes() == (
        result.checkpoint.path / "model.safetensors"
    ).read_bytes()


def test_the_best_by_what_is_written_is_kept_and_a_stop_changes_nothing(spec: TrainSpec, tmp_path: Path) -> None:
    spec = replace(spec, load_best_model_at_end=True, metric_for_best_model="chrf", epochs=5.0)
    whole = fine_tune(replace(spec, output_dir=tmp_path / "whole"))
    scores = [point.metrics["chrf"] for point in whole.points if point.metrics]
    assert whole.best is not None
    assert whole.best.value == max(scores)
    fine_tune(spec, task=Recorder(until=lambda part: isinstance(part, TrainPoint) and part.step == 7))
    again = resume(spec.output_dir)
    assert again.best == whole.best
    assert [(p.loss, p.metrics) for p in again.points] == [(p.loss, p.metrics) for p in whole.points]


def test_stop_leaves_the_writing_after_its_batch(spec: TrainSpec) -> None:
    task = Recorder(until=lambda part: isinstance(part, Progress) and part.note.startswith("Evaluating, batch 1 of"))
    result = fine_tune(replace(spec, batch_size=2), task=task)
    assert result.stopped
    assert not any("batch 2 of" in progress.note for progress in task.progress)
    assert not any(point.metrics for point in result.points)


def test_what_can_choose_the_best_goes_by_what_is_written(spec: TrainSpec) -> None:
    head = HEADS["text2text-generation"]
    assert set(head.measures(spec.head_options)) == TOLD - {"tokens"} | {"loss"}
    assert "bleu" not in head.measures({})


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_an_evaluation_is_that_of_the_right_words_whether_or_not_texts_are_written(
    spec: TrainSpec,
    tmp_path: Path,
    smoothing: float,
) -> None:
    # Full batches: in a writing evaluation the library weighs a shorter last one as if it were full.
    spec = replace(spec, max_steps=2, eval_steps=1, eval_fraction=1 / 3, label_smoothing_factor=smoothing)
    told = []
    for way in ("yes", "no"):
        options = {**spec.head_options, "predict_with_generate": way}
        result = fine_tune(replace(spec, output_dir=tmp_path / way, head_options=options))
        told.append([(point.loss, point.eval_loss) for point in result.points])
        assert ("bleu" in result.points[-1].metrics) == (way == "yes")
    assert told[0] == told[1]
    assert sum(loss is not None for _, loss in told[0]) == 2

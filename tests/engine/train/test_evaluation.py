"""After a run: the held-out rows one by one, with the library's own numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine.train.rows import PHRASES, three_kinds
from tests.engine.train.test_run import Recorder
from workbench.engine.task import Cancelled
from workbench.engine.train import evaluate, fine_tune
from workbench.engine.train.rows import split_rows
from workbench.engine.values import Checkpoint, TrainSpec


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    return three_kinds(tiny_bert, tmp_path)


@pytest.mark.parametrize("bf16", [False, True])
def test_the_metrics_are_those_of_the_last_evaluation_of_the_run(spec: TrainSpec, bf16: bool) -> None:
    spec = replace(spec, bf16=bf16)
    result = fine_tune(spec)
    last = [point for point in result.points if point.eval_loss is not None][-1]
    found = evaluate(spec, result.checkpoint)
    assert found.metrics["loss"] == pytest.approx(last.eval_loss, abs=1e-6)
    assert found.metrics["accuracy"] == last.metrics["accuracy"]
    assert found.metrics["f1"] == last.metrics["f1"]
    assert found.rows == result.eval_rows


def test_rows_confusion_scores_and_calibration_tell_one_story(spec: TrainSpec) -> None:
    from sklearn.metrics import classification_report

    result = fine_tune(spec)
    found = evaluate(spec, result.checkpoint)
    assert found.labels == ("a", "b", "c")
    assert np.mean([example.loss for example in found.examples]) == pytest.approx(found.metrics["loss"], abs=1e-5)
    assert [example.loss for example in found.examples] == sorted((e.loss for e in found.examples), reverse=True)
    right, guessed = zip(*((example.right, example.guessed) for example in found.examples), strict=True)
    report = classification_report(right, guessed, output_dict=True, zero_division=0)
    for score in found.classes:
        one = report[score.label]
        assert (score.precision, score.recall, score.f1) == pytest.approx(
            (one["precision"], one["recall"], one["f1-score"])
        )
        assert score.support == one["support"]
    for row, label in enumerate(found.labels):
        for column, other in enumerate(found.labels):
            assert found.confusion[row][column] == sum(
                pair == (label, other) for pair in zip(right, guessed, strict=True)
            )
    assert sum(one.rows for one in found.calibration) == found.rows
    hits = sum(one.rows * one.accuracy for one in found.calibration)
    assert hits == pytest.approx(found.metrics["accuracy"] * found.rows)
    assert found.calibration_error is not None
    assert 0 <= found.calibration_error <= 1
    # Each row is one of those that were held out, with the place where it is written.
    held_out = split_rows(spec, Recorder()).evaluation
    assert {example.place for example in found.examples} == set(held_out["place"])


def test_each_row_stands_beside_its_own_answer_where_rows_of_like_length_share_a_batch(spec: TrainSpec) -> None:
    path = spec.data.path
    assert path is not None
    lines = [f'"{PHRASES[n % 3]}{" and so on" * (n * 7 % 5)} {n}",{"abc"[n % 3]}' for n in range(60)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    spec = replace(spec, max_length=48, batch_size=4)
    result = fine_tune(replace(spec, max_steps=8))
    told, grouped = (evaluate(replace(spec, group_by_length=each), result.checkpoint) for each in (False, True))
    alone = {example.place: example for example in told.examples}
    assert {example.place for example in grouped.examples} == set(alone)
    for example in grouped.examples:
        other = alone[example.place]
        assert (example.text, example.right, example.guessed) == (other.text, other.right, other.guessed)
        assert example.loss == pytest.approx(other.loss, abs=1e-5)
        assert f'"{example.text}",{example.right}' in lines


def test_the_base_is_measured_with_the_head_that_the_run_began_with(spec: TrainSpec) -> None:
    result = fine_tune(replace(spec, learning_rate=5e-3, epochs=4.0))
    base, tuned = evaluate(spec, spec.checkpoint), evaluate(spec, result.checkpoint)
    assert base.labels == tuned.labels
    assert base.metrics["loss"] > tuned.metrics["loss"]


def test_a_language_model_is_told_by_the_loss_of_each_block(spec: TrainSpec, tiny_llama: Checkpoint) -> None:
    spec = replace(spec, task="text-generation", checkpoint=tiny_llama, columns={"text": "text"}, max_length=16)
    result = fine_tune(replace(spec, max_steps=3))
    last = [point for point in result.points if point.eval_loss is not None][-1]
    found = evaluate(spec, result.checkpoint)
    assert found.metrics["loss"] == pytest.approx(last.eval_loss, abs=1e-5)
    assert found.metrics["perplexity"] == pytest.approx(last.metrics["perplexity"], rel=1e-4)
    assert np.mean([example.loss for example in found.examples]) == pytest.approx(found.metrics["loss"], abs=1e-4)
    assert found.confusion == ()


def test_it_can_be_stopped(spec: TrainSpec) -> None:
    task = Recorder()
    task.cancelled = True
    with pytest.raises(Cancelled):
        evaluate(spec, spec.checkpoint, task=task)

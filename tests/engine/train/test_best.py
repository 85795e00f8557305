"""The result may be the best evaluation instead of the last step: by any metric, after any break, and in the script."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.train.test_resume import Person
from workbench.engine import models
from workbench.engine.codegen.train import train as train_script
from workbench.engine.errors import InputError
from workbench.engine.train import Saved, Wishes, checkpoints, evaluate, fine_tune, record, resume, runs
from workbench.engine.train.folder import CURVE
from workbench.engine.train.heads import HEADS
from workbench.engine.values import Best, Checkpoint, Method, TrainPoint, TrainResult, TrainSpec

BY_LOSS: dict[str, Any] = {
    "load_best_model_at_end": True, "metric_for_best_model": "loss", "learning_rate": 0.1, "eval_steps": 3,
}  # fmt: skip


@pytest.fixture
def best(spec: TrainSpec) -> TrainSpec:
    """18 steps evaluated every 3; its best evaluation by the loss is not its last."""
    return replace(spec, **BY_LOSS)


@pytest.fixture(scope="module")
def chosen(plain: TrainSpec) -> TrainResult:
    """The run of `best` from its first step to its last, which no test changes."""
    return fine_tune(replace(plain, **BY_LOSS, output_dir=plain.output_dir.with_name("best")))


def _evaluations(result: TrainResult) -> list[TrainPoint]:
    return [point for point in result.points if point.eval_loss is not None]


def _wanted(result: TrainResult) -> TrainPoint:
    return min(_evaluations(result), key=lambda point: point.eval_loss or 0.0)


def _weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def _same(one: TrainResult, other: TrainResult) -> None:
    assert one.best == other.best
    assert [(p.step, p.loss, p.eval_loss) for p in one.points] == [(p.step, p.loss, p.eval_loss) for p in other.points]
    assert _weights(one.checkpoint.path) == _weights(other.checkpoint.path)


def test_the_result_is_the_best_evaluation_and_says_which(best: TrainSpec) -> None:
    result = fine_tune(best)
    wanted = _wanted(result)
    assert wanted.step < 18, "or nothing was chosen"
    assert result.best == Best(wanted.step, "loss", wanted.eval_loss or 0.0)
    # The checkpoint itself is measured, not what is said of it.
    assert evaluate(best, result.checkpoint).metrics["loss"] == pytest.approx(wanted.eval_loss, rel=1e-6)
    folder = result.checkpoint.path
    assert record.read(folder).best == result.best
    assert f"after step {wanted.step} of 18, the best by its loss" in (folder / "README.md").read_text()
    ended = json.loads((folder / CURVE).read_text().splitlines()[-1])
    assert (ended["event"], ended["state"], ended["best_step"], ended["step"]) == ("ended", "finished", wanted.step, 18)
    run = runs.look(folder)
    assert run is not None
    assert (run.best, run.eval_loss, run.metrics) == (result.best, wanted.eval_loss, wanted.metrics)
    state = json.loads((folder / "trainer_state.json").read_text())
    assert (state["best_global_step"], state["best_model_checkpoint"]) == (wanted.step, None)
    assert not list(folder.glob("checkpoint-*")), "they were kept to go on from"


def test_choosing_changes_no_loss_and_without_it_the_last_step_is_the_result(
    best: TrainSpec, chosen: TrainResult
) -> None:
    last = fine_tune(replace(best, load_best_model_at_end=False))
    assert last.best is None
    assert [(p.loss, p.eval_loss) for p in last.points] == [(p.loss, p.eval_loss) for p in chosen.points]
    assert _weights(last.checkpoint.path) != _weights(chosen.checkpoint.path)


@pytest.mark.parametrize(("metric", "pick"), [("accuracy", max), ("eval_f1", max), ("loss", min)])
def test_any_metric_can_choose(best: TrainSpec, metric: str, pick: Callable[..., Any]) -> None:
    result = fine_tune(replace(best, metric_for_best_model=metric, learning_rate=3e-2))
    name = metric.removeprefix("eval_")
    told = [(point.metrics | {"loss": point.eval_loss})[name] for point in _evaluations(result)]
    assert result.best is not None
    assert result.best.value == pick(told)
    assert result.best.step == _evaluations(result)[told.index(pick(told))].step, "of equals the first"


def test_the_script_ends_with_the_same_weights(best: TrainSpec, chosen: TrainResult, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    with contextlib.redirect_stdout(io.StringIO()):
        exec(train_script(replace(best, output_dir=theirs)), {"__name__": "__main__"})
    assert _weights(theirs) == _weights(chosen.checkpoint.path)
    state = json.loads((theirs / "trainer_state.json").read_text())
    assert chosen.best is not None
    assert (state["best_global_step"], state["best_metric"]) == (chosen.best.step, chosen.best.value)


def _at(step: int) -> Callable[[Any], bool]:
    return lambda part: isinstance(part, TrainPoint) and part.loss is not None and part.step == step


@pytest.mark.parametrize("stop", [2, 5, 8, 11, 14, 17])
def test_a_run_that_was_stopped_ends_with_the_same_best(best: TrainSpec, chosen: TrainResult, stop: int) -> None:
    stopped = fine_tune(best, task=Person(until=_at(stop)))
    assert stopped.stopped
    seen = _evaluations(stopped)
    assert stopped.best == (Best(_wanted(stopped).step, "loss", _wanted(stopped).eval_loss or 0.0) if seen else None)
    _same(resume(best.output_dir), chosen)


@pytest.mark.parametrize("step", [5, 10, 16])
def test_a_run_that_broke_off_ends_with_the_same_best(best: TrainSpec, chosen: TrainResult, step: int) -> None:
    class Breaking(Person):
        def send(self, part: object) -> None:
            if _at(step)(part):
                raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fine_tune(best, task=Breaking())
    left = [checkpoints.step_of(each) for each in checkpoints.complete(best.output_dir)]
    assert left and step not in left, "nothing was saved on the way out"
    _same(resume(best.output_dir), chosen)


def test_a_stop_in_an_evaluation_keeps_the_best_so_far(best: TrainSpec, chosen: TrainResult) -> None:
    # It is stopped in the evaluation of step 18, when all others have been.
    noted: list[str] = []

    class Leaving(Person):
        def report(self, progress: Any) -> None:
            noted.append(progress.note)
            self.cancelled |= progress.done == 18 and progress.note.startswith("Evaluating")

    stopped = fine_tune(best, task=Leaving())
    assert stopped.best is not None
    assert evaluate(best, stopped.checkpoint).metrics["loss"] == pytest.approx(stopped.best.value, rel=1e-6)
    _same(resume(best.output_dir), chosen)


def test_a_moved_run_finds_its_best_checkpoint_again(
    best: TrainSpec, chosen: TrainResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert chosen.best is not None
    fine_tune(best, task=Person(until=_at(chosen.best.step + 1)))
    moved = best.output_dir.rename(tmp_path / "moved")
    _same(resume(moved), chosen)
    caplog.clear()


def test_the_best_checkpoint_is_kept_however_many_follow(best: TrainSpec) -> None:
    kept: list[list[int]] = []

    class Looking(Person):
        def send(self, part: object) -> None:
            kept.append([checkpoints.step_of(each) for each in checkpoints.complete(best.output_dir)])

    result = fine_tune(replace(best, save_steps=1), task=Looking())
    assert result.best is not None
    after = [steps for steps in kept if steps and steps[-1] > result.best.step]
    assert after
    assert all(result.best.step in steps and len(steps) <= 3 for steps in after)


def test_a_best_that_cannot_be_written_is_told_and_the_best_kept_one_is_the_result(
    best: TrainSpec, chosen: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = chosen.best
    assert first is not None
    real = checkpoints.seal

    def full(folder: Path) -> None:
        if folder.name == f"checkpoint-{first.step}":
            raise OSError(28, "No space left on device")
        real(folder)

    monkeypatch.setattr(checkpoints, "seal", full)
    person = Person()
    result = fine_tune(best, task=person)
    told = [part for part in person.parts if isinstance(part, Saved)]
    assert [part.step for part in told] == [first.step]
    assert "disk is full" in str(told[0].error)
    others = [point for point in _evaluations(result) if point.step != first.step]
    assert result.best is not None
    assert result.best.value == min(point.eval_loss or 0.0 for point in others)
    assert evaluate(best, result.checkpoint).metrics["loss"] == pytest.approx(result.best.value, rel=1e-6)


def test_a_damaged_best_checkpoint_leaves_the_last_step_and_says_so(best: TrainSpec, chosen: TrainResult) -> None:
    first = chosen.best
    assert first is not None
    lines: list[str] = []

    class Spoiling(Person):
        def log(self, line: str) -> None:
            lines.append(line)

        def send(self, part: object) -> None:
            if _at(18)(part):
                weights = best.output_dir / f"checkpoint-{first.step}" / "model.safetensors"
                weights.write_bytes(weights.read_bytes()[:-1] + b"?")

    result = fine_tune(best, task=Spoiling())
    assert result.best is None
    assert any("model.safetensors is not as it was written" in line and "last step" in line for line in lines)
    last = _evaluations(result)[-1]
    assert evaluate(best, result.checkpoint).metrics["loss"] == pytest.approx(last.eval_loss, rel=1e-6)


def test_patience_and_the_best_go_together(best: TrainSpec) -> None:
    result = fine_tune(replace(best, early_stopping_patience=2, epochs=12.0))
    steps = [point.step for point in _evaluations(result)]
    assert result.best is not None
    assert steps[-1] == result.best.step + 6, "two evaluations after the best"
    assert not result.stopped


def test_an_evaluation_by_hand_is_never_the_best(best: TrainSpec) -> None:
    wishes = Wishes()

    class Asking(Person):
        def send(self, part: object) -> None:
            if isinstance(part, TrainPoint) and part.loss is not None:
                wishes.ask("evaluate")

    result = fine_tune(best, wishes=wishes, task=Asking())
    assert result.best is not None
    assert result.best.step % 3 == 0
    assert len(_evaluations(result)) > 6


@pytest.mark.parametrize("kind", ["lora", "head", "tied"])
def test_adapters_heads_and_tied_weights_come_back(
    best: TrainSpec, tiny_llama: Checkpoint, kind: str, tmp_path: Path
) -> None:
    changed = replace(best, method=Method(kind)) if kind != "tied" else best
    if kind == "tied":
        changed = replace(
            best, task="text-generation", checkpoint=tiny_llama, columns={"text": "text"}, max_length=16, batch_size=4
        )
    result = fine_tune(changed)
    assert result.best is not None
    assert evaluate(changed, result.checkpoint).metrics["loss"] == pytest.approx(result.best.value, rel=1e-5)
    assert models.load(result.checkpoint).missing == ()


def test_what_no_evaluation_tells_is_refused_before_the_run(best: TrainSpec) -> None:
    with pytest.raises(InputError, match="tells no “bleu”: choose loss, accuracy, f1"):
        fine_tune(replace(best, metric_for_best_model="bleu"))
    with pytest.raises(InputError, match="tells no “rouge1”"):
        fine_tune(
            replace(best, load_best_model_at_end=False, early_stopping_patience=2, metric_for_best_model="rouge1")
        )
    assert not best.output_dir.exists()


@pytest.mark.parametrize("task", HEADS)
def test_the_heads_own_metric_is_one_of_those_it_measures(task: str) -> None:
    head = HEADS[task]
    for options in ({}, {"predict_with_generate": "yes"}):
        assert head.metric in head.measures(options)
        assert head.measures(options)["loss"] is False

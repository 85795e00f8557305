"""The wishes of a run while it goes on: pause, evaluate, save and discard, none of which changes what it learns."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.engine import models
from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.train import Saved, Wishes, fine_tune, methods
from workbench.engine.values import Checkpoint, TrainPoint, TrainSpec


class Person(Silent):
    """Keeps what a run says and presses buttons: ``hears`` is called with everything on the thread of the run."""

    def __init__(self, hears: Callable[[Any], object] = lambda part: None) -> None:
        self.points: list[TrainPoint] = []
        self.saved: list[Saved] = []
        self.progress: list[Progress] = []
        self.cancelled = False
        self._hears = hears

    def report(self, progress: Progress) -> None:
        self.progress.append(progress)
        self._hears(progress)

    def send(self, part: object) -> None:
        if isinstance(part, TrainPoint):
            self.points.append(part)
        else:
            assert isinstance(part, Saved)
            self.saved.append(part)
        self._hears(part)

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


@pytest.fixture
def spec(spec: TrainSpec) -> TrainSpec:
    """12 steps."""
    return replace(spec, epochs=2.0)


def _losses(points: list[TrainPoint]) -> list[tuple[int, float, float | None]]:
    return [(point.step, point.loss, point.grad_norm) for point in points if point.loss is not None]


def _steps(part: object, step: int) -> bool:
    return isinstance(part, TrainPoint) and part.loss is not None and part.step == step


def _paused(part: object) -> bool:
    return isinstance(part, Progress) and part.halted


def _folders(spec: TrainSpec) -> list[str]:
    return sorted(folder.name for folder in spec.output_dir.parent.iterdir())


@pytest.mark.parametrize(
    "changes",
    [{}, {"gradient_accumulation_steps": 2, "group_by_length": True, "batch_size": 4}, {"task": "text-generation"}],
    ids=["plain", "accumulated, grouped", "causal"],
)
def test_wishes_change_neither_the_losses_nor_the_weights(
    spec: TrainSpec, tiny_llama: Checkpoint, tmp_path: Path, changes: dict[str, Any]
) -> None:
    if changes.get("task"):
        changes = changes | {"checkpoint": tiny_llama, "columns": {"text": "text"}, "max_length": 16, "batch_size": 2}
    spec = replace(spec, **changes)
    plain = Person()
    without = fine_tune(replace(spec, output_dir=tmp_path / "plain"), task=plain)

    wishes = Wishes()

    def press(part: object) -> None:
        if _steps(part, 1):
            wishes.ask("evaluate")
        if _steps(part, 2):
            wishes.ask("save")
            wishes.pause()
        if _paused(part):
            if wishes.asked("evaluate") or any(p.step == 2 and p.eval_loss is not None for p in person.points):
                threading.Timer(0.1, wishes.go_on).start()
            else:
                wishes.ask("evaluate")

    person = Person(press)
    paused = fine_tune(spec, wishes=wishes, task=person)
    assert [p.step for p in person.points if p.eval_loss is not None][:2] == [1, 2]
    assert [saved.step for saved in person.saved] == [2]
    assert len(_losses(plain.points)) >= 3
    assert _losses(person.points) == _losses(plain.points)
    weights = [(result.checkpoint.path / "model.safetensors").read_bytes() for result in (paused, without)]
    assert weights[0] == weights[1]
    assert not paused.stopped


def test_time_paused_is_not_counted_and_loading_goes_on_meanwhile(spec: TrainSpec, tiny_llama: Checkpoint) -> None:
    wishes = Wishes()
    loaded: list[float] = []
    person = Person(lambda part: wishes.pause() if _steps(part, 3) else None)
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(fine_tune(spec, wishes=wishes, task=person)))
    thread.start()
    while not (person.progress and person.progress[-1].halted):
        thread.join(0.01)
        assert thread.is_alive()
    began = time.perf_counter()
    models.load(tiny_llama)
    loaded.append(time.perf_counter() - began)
    thread.join(1.0)
    assert thread.is_alive()
    assert person.progress[-1] == Progress(3, 12, "steps", "Paused", halted=True)
    assert [point.step for point in person.points] == [1, 2, 3]
    wishes.go_on()
    waited = time.perf_counter() - began
    thread.join()
    assert waited > 1.0
    by_step = {point.step: point for point in person.points if point.loss is not None}
    assert by_step[4].seconds - by_step[3].seconds < waited
    assert (by_step[4].samples_per_second or 0.0) > 8 / waited
    assert done[0].points[-1].step == 12


def test_stop_while_paused_keeps_the_checkpoint_without_another_step(spec: TrainSpec) -> None:
    wishes = Wishes()

    def press(part: object) -> None:
        if _steps(part, 3):
            wishes.pause()
        if _paused(part):
            person.cancelled = True

    person = Person(press)
    result = fine_tune(spec, wishes=wishes, task=person)
    assert result.stopped
    assert [point.step for point in result.points] == [1, 2, 3]
    assert models.load(result.checkpoint).missing == ()
    assert models.LOAD_LOCK.acquire(blocking=False)
    models.LOAD_LOCK.release()


def test_eval_now_evaluates_once_at_the_next_step(spec: TrainSpec) -> None:
    wishes = Wishes()

    def press(part: object) -> None:
        if _steps(part, 2):
            wishes.ask("evaluate")
            wishes.ask("evaluate")
        if _steps(part, 6):
            # The end of the epoch, where it is evaluated anyway.
            wishes.ask("evaluate")

    person = Person(press)
    result = fine_tune(spec, wishes=wishes, task=person)
    evaluations = [point for point in result.points if point.eval_loss is not None]
    assert [point.step for point in evaluations] == [2, 6, 12]
    assert all(set(point.metrics) == {"accuracy", "f1"} for point in evaluations)
    assert not wishes.asked("evaluate")


def test_save_now_gives_a_checkpoint_of_that_step(spec: TrainSpec) -> None:
    wishes = Wishes()
    taken = spec.output_dir.with_name("tiny-step-2")
    taken.mkdir(parents=True)
    (taken / "mine.txt").write_text("kept")
    person = Person(lambda part: wishes.ask("save") if _steps(part, 2) else None)
    result = fine_tune(spec, wishes=wishes, task=person)
    (saved,) = person.saved
    assert saved.checkpoint is not None
    assert (saved.step, saved.checkpoint.name, saved.error) == (2, "tiny-step-2-2", None)
    assert models.load(saved.checkpoint).missing == ()
    state = json.loads((saved.checkpoint.path / "trainer_state.json").read_text())
    assert (state["global_step"], [entry["step"] for entry in state["log_history"]]) == (2, [1, 2])
    weights = [(made.path / "model.safetensors").read_bytes() for made in (saved.checkpoint, result.checkpoint)]
    assert weights[0] != weights[1]
    assert [file.name for file in taken.iterdir()] == ["mine.txt"]
    assert _folders(spec) == ["tiny", "tiny-step-2", "tiny-step-2-2"]
    assert not list(saved.checkpoint.path.glob("*.bin"))


def test_a_save_that_fails_is_told_leaves_nothing_and_the_run_goes_on(
    spec: TrainSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = methods.save

    def fail(model: Any, folder: Path, *more: Any) -> None:
        write(model, folder, *more)
        if "-step-" in folder.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(methods, "save", fail)
    wishes = Wishes()
    person = Person(lambda part: wishes.ask("save") if _steps(part, 2) else None)
    result = fine_tune(spec, wishes=wishes, task=person)
    (saved,) = person.saved
    assert saved.checkpoint is None
    assert saved.error is not None
    assert (saved.error.what, saved.error.why) == (
        "Could not save step 2; the training goes on.", "The disk is full."
    )  # fmt: skip
    assert "No space left" in saved.details
    assert (_folders(spec), result.stopped) == (["tiny"], False)


@pytest.mark.parametrize("moment", ["step", "paused", "evaluation", "accumulated"])
def test_discard_leaves_nothing_but_what_was_there_and_what_was_saved(spec: TrainSpec, moment: str) -> None:
    other = spec.output_dir.with_name("other")
    other.mkdir(parents=True)
    (other / "mine.txt").write_text("kept")
    data = spec.data.path.read_bytes()
    wishes = Wishes()

    def press(part: object) -> None:
        if _steps(part, 1):
            wishes.ask("save")
        if _steps(part, 2) and moment == "paused":
            wishes.pause()
        ready = {
            "step": _steps(part, 3),
            "accumulated": _steps(part, 3),
            "paused": _paused(part),
            "evaluation": isinstance(part, Progress) and part.note.startswith("Evaluating, batch 2"),
        }
        if ready[moment]:
            wishes.discard()

    changes: dict[str, Any] = {"evaluation": {"eval_fraction": 0.7, "batch_size": 4}}.get(moment, {})
    if moment == "accumulated":
        changes = {"gradient_accumulation_steps": 4, "batch_size": 2}
    person = Person(press)
    with pytest.raises(Cancelled):
        fine_tune(replace(spec, **changes), wishes=wishes, task=person)
    assert _folders(spec) == ["other", "tiny-step-1"]
    assert [file.name for file in other.iterdir()] == ["mine.txt"]
    assert spec.data.path.read_bytes() == data
    assert not any(progress.note.startswith("Evaluating, batch 3") for progress in person.progress)
    assert models.LOAD_LOCK.acquire(blocking=False)
    models.LOAD_LOCK.release()


def test_discard_while_the_result_is_written_leaves_nothing(spec: TrainSpec) -> None:
    wishes = Wishes()
    person = Person(lambda part: wishes.discard() if isinstance(part, Progress) and part.note == "Saving" else None)
    with pytest.raises(Cancelled):
        fine_tune(spec, wishes=wishes, task=person)
    assert _folders(spec) == []


def test_waiting_is_blocking_and_a_wish_wakes_it() -> None:
    wishes = Wishes()
    wishes.pause()
    began = time.thread_time()
    wishes.wait(0.3)
    assert time.thread_time() - began < 0.1
    threading.Timer(0.05, wishes.go_on).start()
    at = time.perf_counter()
    wishes.wait(30.0)
    assert time.perf_counter() - at < 10.0
    assert not wishes.pausing

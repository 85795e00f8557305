"""Runs past this process: the same file without a window, several processes, and one that outlives the window."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests import forked
from tests.engine.train.test_run import Recorder
from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.task import Cancelled
from workbench.engine.train import evaluate, fine_tune, launching, outside, record
from workbench.engine.train.folder import CURVE, as_point, lines
from workbench.engine.train.headless import STOP
from workbench.engine.train.outside import Outside
from workbench.engine.train.record import Record
from workbench.engine.values import DataSource, TrainPoint, TrainSpec


def _train(spec: TrainSpec, folder: Path) -> list[dict[str, Any]]:
    folder.mkdir()
    file = record.write(Record(spec), folder)
    done = forked.run("-m", "workbench", "train", str(file))
    assert done.returncode == 0, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_same_file_without_a_window_gives_the_same_losses(spec: TrainSpec, tmp_path: Path) -> None:
    # A run.toml stands for the run in its folder; made anew from it, one comes to stand beside that.
    told = _train(spec, tmp_path / "asked")
    made = tmp_path / "asked-2"
    assert [path.name for path in (tmp_path / "asked").iterdir()] == ["run.toml"]
    here = fine_tune(replace(spec, output_dir=tmp_path / "here"))
    points = [line for line in told if line["event"] == "point"]
    assert [line.get("loss") for line in points] == [point.loss for point in here.points]
    assert told[-1] == {
        "event": "result", "folder": str(made), "stopped": False,
        "train_rows": here.train_rows, "eval_rows": here.eval_rows, "processes": 1,
    }  # fmt: skip
    weights = "model.safetensors"
    assert (made / weights).read_bytes() == (here.checkpoint.path / weights).read_bytes()


def test_two_processes_are_two_give_the_losses_of_one_and_end_with_the_best(
    spec: TrainSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on Windows, where torch is built without libuv.
    monkeypatch.setattr(launching, "sys", SimpleNamespace(platform="win32", executable=sys.executable))
    spec = replace(
        spec, load_best_model_at_end=True, metric_for_best_model="loss", learning_rate=0.1, eval_steps=1, max_steps=8
    )
    one = fine_tune(replace(spec, output_dir=tmp_path / "one"))
    started = outside.start(spec, processes=2)
    # Empty for the moment in which the system puts the program in the place of its parent's copy.
    environment = next(filter(None, iter(psutil.Process(started.process).environ, None)))
    assert environment["USE_LIBUV"] == "0"
    two = outside.follow(started)
    said = [json.loads(line) for line in started.log.read_text().splitlines() if line.startswith("{")]
    assert said[-1]["processes"] == 2
    losses = [(a.loss, b.loss) for a, b in zip(one.points, two.points, strict=True) if a.loss is not None]
    assert len(losses) == 8
    for a, b in losses:
        assert b == pytest.approx(a, abs=1e-3)
    told = {point.step: point.eval_loss for point in two.points if point.eval_loss is not None}
    assert list(told.values()) == pytest.approx([p.eval_loss for p in one.points if p.loss is None], abs=1e-3)
    assert (two.train_rows, two.eval_rows, two.labels) == (one.train_rows, one.eval_rows, one.labels)
    assert len(told) == 8
    assert two.best is not None
    assert two.best.value == min(told.values()) == told[two.best.step]
    assert two.best.step < 8, "or nothing was chosen"
    assert evaluate(spec, two.checkpoint).metrics["loss"] == pytest.approx(two.best.value, abs=1e-4)


def test_a_stop_ends_both_processes_after_the_same_step_and_keeps_the_checkpoint(spec: TrainSpec) -> None:
    started = outside.start(replace(spec, max_steps=100_000), processes=2)

    def until(part: Any) -> bool:
        if isinstance(part, TrainPoint) and part.step == 3:
            outside.stop(started)
        return False

    result = outside.follow(started, task=Recorder(until))
    assert result.stopped
    assert (result.checkpoint.path / "model.safetensors").is_file()
    assert not (result.checkpoint.path / ".stop").exists()
    assert outside.going_on() == ()


def test_watching_ends_and_begins_again_a_resumed_run_sends_each_point_once_and_a_killed_one_leaves_what_it_had(
    spec: TrainSpec,
) -> None:
    spec = replace(spec, max_steps=100_000)
    started = outside.start(spec)
    with pytest.raises(Cancelled):
        outside.follow(started, task=Recorder(lambda part: isinstance(part, TrainPoint)))
    (found,) = outside.going_on()
    assert found == started
    outside.stop(found)
    stopped = outside.follow(found)
    assert stopped.stopped
    last = stopped.points[-1].step
    assert [point.step for point in stopped.points if point.loss is not None] == list(range(1, last + 1))

    with pytest.raises(InputError, match="Resume it with 1"):
        outside.start(spec, processes=2, resume=True)
    resumed = outside.start(spec, resume=True)

    def kill(part: Any) -> bool:
        if isinstance(part, TrainPoint) and part.step > last:
            os.kill(resumed.process, signal.SIGKILL)
        return False

    watching = Recorder(kill)
    with pytest.raises(WorkbenchError, match="ended outside without a result"):
        outside.follow(resumed, task=watching)
    losses = [point.step for point in watching.points if point.loss is not None]
    assert losses == list(range(1, watching.points[-1].step + 1))
    assert record.read(resumed.folder).spec.max_steps == 100_000


def test_a_run_that_fails_outside_says_why(spec: TrainSpec, tmp_path: Path) -> None:
    started = outside.start(replace(spec, data=DataSource(tmp_path / "gone.csv")))
    with pytest.raises(WorkbenchError, match=r"gone\.csv"):
        outside.follow(started)


@pytest.mark.parametrize("stepped", [False, True])
def test_a_resumed_run_is_asked_to_stop_once_it_has_made_a_step_of_its_own(spec: TrainSpec, stepped: bool) -> None:
    spec.output_dir.mkdir(parents=True)
    point = {"step": 1, "total": 9, "loss": 1.0, "epoch": 0.1}
    resumed = {"event": "resumed", "at": record.now(), "step": 1}
    curve = [{"event": "began", "at": "2020-01-01T00:00:00+00:00"}, point, resumed, *([point] if stepped else [])]
    (spec.output_dir / CURVE).write_text("".join(json.dumps(line) + "\n" for line in curve), encoding="utf-8")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as waits:
        run = Outside(spec.output_dir, waits.pid, psutil.Process(waits.pid).create_time(), spec.output_dir / "log")
        outside.stop(run)
        assert (spec.output_dir / STOP).exists() == stepped
        if stepped:
            waits.communicate(b"\n")
    assert (waits.returncode == 0) == stepped


def test_of_a_long_curve_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    point = json.dumps({"step": 1, "total": 9, "loss": 1.0, "epoch": 0.1}) + "\n"
    (tmp_path / CURVE).write_text(point, encoding="utf-8")
    read = lines(tmp_path)
    assert as_point(next(read)) is not None
    with (tmp_path / CURVE).open("a", encoding="utf-8") as file:
        file.write(point + point[:9])
    assert len(list(read)) == 1
    assert list(lines(tmp_path / "gone")) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda spec: spec.output_dir.mkdir(parents=True), "exists already"),
        (lambda spec: None, "can't be shared among 3"),
    ],
)
def test_what_cannot_be_started_is_refused_at_once(
    spec: TrainSpec, change: Callable[[TrainSpec], object], why: str
) -> None:
    change(spec)
    with pytest.raises(InputError) as raised:
        outside.start(spec, processes=3 if "shared" in why else 1)
    assert why in raised.value.why

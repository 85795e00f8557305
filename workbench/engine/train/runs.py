"""The runs on this machine: those of the workbench, and any folder that a Trainer of transformers wrote."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from workbench.engine import paths
from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.task import Silent, Task
from workbench.engine.train import checkpoints, record
from workbench.engine.train.card import evaluation_of, last_evaluation, settings_of
from workbench.engine.train.folder import CURVE, as_point, is_running, lines
from workbench.engine.train.heads import HEADS
from workbench.engine.train.record import NAME, Record, write_whole
from workbench.engine.values import Best, Checkpoint, TrainPoint, TrainSpec

_STATE = "trainer_state.json"
#: The list of folders elsewhere that were opened as runs.
_OPENED = "run_folders.json"
#: What a log entry holds besides metrics.
_NO_METRIC = ("eval_loss", "eval_runtime")


class RunState(Enum):
    """Where a run stands; the value is what a person reads."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it lies on the disk.

    Attributes:
        folder: Its folder.
        state: Where it stands.
        step, total: Optimizer steps done and in all.
        why: Why it failed, empty otherwise.
        began: When, ISO 8601; empty where nothing says so.
        changed: When its folder was last written to, in seconds since 1970.
        seconds: How long it has trained, or None where nothing says so.
        record: What made it; None for a run of another program.
        settings: By name, as far as they are known.
        loss: Of the last step, or None.
        eval_loss, metrics: Of the evaluation that the result is of: the best where it was kept, else the last.
        best: Which evaluation the result is of; None for the last step, or where nothing says so.
        resume_step: The step of the checkpoint it can go on from, 0 where it starts again, None where it can't go on.
        result: The newest checkpoint that can be loaded, or None.
        size: Bytes on the disk.
        own: Whether it lies among the runs of the workbench, and not in a folder that was opened.
    """

    folder: Path
    state: RunState
    step: int = 0
    total: int = 0
    why: str = ""
    began: str = ""
    changed: float = 0.0
    seconds: float | None = None
    record: Record | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    loss: float | None = None
    eval_loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    best: Best | None = None
    resume_step: int | None = None
    result: Checkpoint | None = None
    size: int = 0
    own: bool = True

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name

    @property
    def spec(self) -> TrainSpec | None:
        """The settings it was made with; None for a run of another program, or of a task that this version lacks."""
        spec = self.record.spec if self.record is not None else None
        return spec if spec is not None and spec.task in HEADS else None


def list_runs(*, task: Task | None = None) -> tuple[Run, ...]:
    """Every run in the folder of runs and in folders that were opened, the newest first.

    Args:
        task: May stop it.
    """
    task = task or Silent()
    found = []
    for folder, own in (*((each, True) for each in _folders(paths.runs_dir())), *((each, False) for each in _opened())):
        task.check()
        run = look(folder, own=own)
        if run is not None:
            found.append(run)
    return tuple(sorted(found, key=lambda run: run.began or _date(run.changed), reverse=True))


def look(folder: Path, *, own: bool = True) -> Run | None:
    """A folder as a run, or None when it holds none."""
    with contextlib.suppress(InputError):
        return _of_workbench(folder, record.read(folder), own)
    state = _trainer_state(folder)
    return _of_others(folder, state, own) if state is not None else None


def open_run(folder: Path) -> Run:
    """Take any folder that a Trainer wrote as a run, and remember it for the list.

    Raises:
        InputError: No Trainer has written there.
    """
    folder = folder.expanduser().resolve()
    run = look(folder, own=folder.parent == paths.runs_dir().resolve())
    if run is None:
        raise InputError(
            f"Could not open {folder.name} as a run.",
            why=f"Neither {NAME} nor {_STATE} stands in it or in a checkpoint within it.",
            remedy="Choose the output_dir of a Trainer.",
        )
    if not run.own:
        _remember([*(each for each in _opened() if each != folder), folder])
    return run


def curve(folder: Path) -> tuple[TrainPoint, ...]:
    """All that a run has logged, in the order it was logged; empty when nothing is there."""
    if (folder / CURVE).exists():
        return tuple(point for line in lines(folder) if (point := as_point(line)) is not None)
    state = _trainer_state(folder)
    return _points(state) if state is not None else ()


def differences(runs: Sequence[Run]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """The settings in which runs differ, and the value each has; None where it has none or nothing says so."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    rows = [(name, tuple(run.settings.get(name) for run in runs)) for name in names]
    return tuple((name, values) for name, values in rows if any(value != values[0] for value in values))


def write_tensorboard(run: Run) -> Path:
    """Write the curve as event files, under the names that Trainer's own TensorBoard callback gives.

    Returns:
        The folder: ``runs`` in that of the run. What stood there before is replaced.

    Raises:
        OSError: It can't be written.

    References:
        transformers, Callbacks: TensorBoardCallback
    """
    from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

    folder = run.folder / "runs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    began = datetime.fromisoformat(run.began).timestamp() if run.began else 0.0
    with SummaryWriter(str(folder)) as writer:
        for point in curve(run.folder):
            train = {"loss": point.loss, "learning_rate": point.learning_rate, "grad_norm": point.grad_norm}
            evaluated = {"loss": point.eval_loss, **point.metrics}
            for part, values in (("train", train), ("eval", evaluated)):
                for name, value in values.items():
                    if value is not None:
                        writer.add_scalar(f"{part}/{name}", value, point.step, walltime=began + point.seconds)
    return folder


def delete(run: Run) -> int:
    """Delete a run with everything in its folder; a folder elsewhere is only taken off the list.

    Returns:
        Bytes freed.

    Raises:
        WorkbenchError: It is running, or its folder can't be deleted.
    """
    what = f"Could not delete {run.name}."
    if not run.own:
        _remember([folder for folder in _opened() if folder != run.folder])
        return 0
    if is_running(run.folder):
        raise InputError(what, why="It is running.", remedy="Stop it first.")
    if run.folder.resolve().parent != paths.runs_dir().resolve():
        raise InputError(what, why=f"It does not lie in {paths.runs_dir()}.", remedy="Delete the folder by hand.")
    # Renamed first, so that a deletion that breaks off leaves no half of a run in the list.
    gone = run.folder.with_name(f".{run.name}.old")
    try:
        shutil.rmtree(gone, ignore_errors=True)
        os.replace(run.folder, gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise WorkbenchError(what, why=str(error), remedy="Delete the folder by hand.") from error
    return run.size


def _of_workbench(folder: Path, made: Record, own: bool) -> Run:
    events = list(lines(folder))
    points = [point for line in events if (point := as_point(line)) is not None]
    state = _trainer_state(folder) if not points else None
    points = points or list(_points(state) if state is not None else ())
    last: dict[str, Any] = next((line for line in reversed(events) if "event" in line), {})
    running = is_running(folder)
    if running:
        where = RunState.RUNNING
    elif last.get("event") == "ended":
        # What another version calls by a name unknown here has stopped in any case.
        named = {state.value: state for state in RunState}
        where = named.get(str(last.get("state")), RunState.STOPPED)
    elif not events:
        # A checkpoint that Save now put beside its run has the curve in trainer_state.json alone.
        where = RunState.STOPPED
    else:
        where = RunState.INTERRUPTED
    kept = checkpoints.complete(folder)
    # What became no number becomes it again, bit for bit.
    resumable = not running and where is not RunState.FINISHED and bool(events) and not last.get("diverged")
    return Run(
        folder,
        where,
        **_measured(points, made),
        best=made.best,
        why=str(last.get("why", "")) if where is RunState.FAILED else "",
        began=made.began,
        changed=_changed(folder),
        seconds=points[-1].seconds if points else None,
        record=made,
        settings=_settings(made),
        resume_step=(checkpoints.step_of(kept[-1]) if kept else 0) if resumable else None,
        result=_result(folder),
        size=_size(folder),
        own=own,
    )


def _of_others(folder: Path, state: dict[str, Any], own: bool) -> Run:
    points = _points(state)
    done, total = int(state.get("global_step", 0)), int(state.get("max_steps", 0))
    known = ("train_batch_size", "num_train_epochs", "max_steps", "eval_steps", "save_steps", "logging_steps")
    measured = _measured(points) | {"step": done, "total": total}
    return Run(
        folder,
        RunState.FINISHED if 0 < total <= done else RunState.STOPPED,
        **measured,
        changed=_changed(folder),
        settings={name: state[name] for name in known if state.get(name) is not None},
        result=_result(folder),
        size=_size(folder),
        own=own,
    )


def _settings(made: Record) -> dict[str, Any]:
    spec = made.spec
    columns = {f"column of the {role}": column for role, column in spec.columns.items()}
    revision = {"revision": spec.checkpoint.revision} if spec.checkpoint.revision else {}
    what = {"task": spec.task, "checkpoint": spec.checkpoint.name, **revision, "data": spec.data.name}
    if spec.evaluation is not None:
        what["evaluated on"] = spec.evaluation.name
    rows = {
        "rows trained on": made.train_rows,
        "rows held out": made.eval_rows,
        "data SHA-256": made.fingerprint[:12],
        "evaluation SHA-256": made.evaluation_fingerprint[:12],
    }
    versions = {f"version of {name}": version for name, version in made.versions.items()}
    return what | columns | {name: value for name, value in rows.items() if value} | settings_of(spec) | versions


def _measured(points: Sequence[TrainPoint], made: Record | None = None) -> dict[str, Any]:
    trained = next((point for point in reversed(points) if point.loss is not None), None)
    evaluated = last_evaluation(points) if made is None else evaluation_of(made, points)
    return {
        "step": points[-1].step if points else 0,
        "total": points[-1].total if points else 0,
        "loss": trained.loss if trained is not None else None,
        "eval_loss": evaluated.eval_loss if evaluated is not None else None,
        "metrics": dict(evaluated.metrics) if evaluated is not None else {},
    }


def _trainer_state(folder: Path) -> dict[str, Any] | None:
    """The state of a Trainer: that of the folder, else that of its newest checkpoint."""
    found = [folder, *sorted(folder.glob("checkpoint-*"), key=checkpoints.step_of, reverse=True)]
    for place in found:
        with contextlib.suppress(OSError, ValueError):
            state = json.loads((place / _STATE).read_bytes())
            if isinstance(state, dict) and isinstance(state.get("log_history"), list):
                return state
    return None


def _points(state: dict[str, Any]) -> tuple[TrainPoint, ...]:
    total = int(state.get("max_steps", 0))
    return tuple(_point(logs, total) for logs in state["log_history"] if "loss" in logs or "eval_loss" in logs)


def _point(logs: dict[str, Any], total: int) -> TrainPoint:
    metrics = {
        name.removeprefix("eval_"): float(value)
        for name, value in logs.items()
        if name.startswith("eval_") and name not in _NO_METRIC and "_per_second" not in name
        if isinstance(value, int | float)
    }
    return TrainPoint(
        step=int(logs.get("step", 0)),
        total=total,
        epoch=float(logs.get("epoch", 0.0)),
        loss=logs.get("loss"),
        learning_rate=logs.get("learning_rate"),
        grad_norm=logs.get("grad_norm"),
        eval_loss=logs.get("eval_loss"),
        metrics=metrics,
        samples_per_second=logs.get("eval_samples_per_second"),
    )


def _result(folder: Path) -> Checkpoint | None:
    for place in (folder, *reversed(checkpoints.complete(folder)), *_unsealed(folder)):
        weights = [*place.glob("*.safetensors"), *place.glob("*.safetensors.index.json")]
        if (place / "config.json").is_file() and weights:
            name = folder.name if place == folder else f"{folder.name}, step {checkpoints.step_of(place)}"
            return Checkpoint(name=name, path=place, source="run", size=_size(place, deep=False))
    return None


def _unsealed(folder: Path) -> list[Path]:
    """Checkpoints of another program, the newest first; it has no manifest, so nothing says they are whole."""
    if (folder / NAME).exists():
        return []
    return sorted(folder.glob("checkpoint-*"), key=checkpoints.step_of, reverse=True)


def _folders(root: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _size(folder: Path, *, deep: bool = True) -> int:
    size = 0
    for file in folder.rglob("*") if deep else folder.iterdir():
        with contextlib.suppress(OSError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def _changed(folder: Path) -> float:
    times = [0.0]
    for name in (CURVE, _STATE, NAME, ""):
        with contextlib.suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return max(times)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _opened() -> list[Path]:
    try:
        listed = json.loads((paths.data_dir() / _OPENED).read_bytes())
    except (OSError, ValueError):
        return []
    return [Path(each) for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def _remember(folders: Sequence[Path]) -> None:
    paths.data_dir().mkdir(parents=True, exist_ok=True)
    write_whole(paths.data_dir() / _OPENED, json.dumps([str(folder) for folder in folders], indent=2) + "\n")

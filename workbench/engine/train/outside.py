"""Runs in processes of their own: started by the libraries' launchers, watched by their curves, stopped by a file."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shlex
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from workbench.engine import paths
from workbench.engine.errors import CheckpointError, InputError, WorkbenchError
from workbench.engine.hub.local import plain_checkpoint
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.train import launching, ranks, record
from workbench.engine.train.folder import Tail, as_point, is_running, lines
from workbench.engine.train.headless import STOP
from workbench.engine.train.launching import Launch
from workbench.engine.train.record import Record
from workbench.engine.values import TrainPoint, TrainResult, TrainSpec

#: Seconds between two looks at the curve.
_LOOK = 0.2
_TOLD = 4000
_DETACH = """
import subprocess, sys
flags = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
with open(sys.argv[1], "wb") as log:
    print(subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                           start_new_session=True, creationflags=flags).pid)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Outside:
    """A run that goes on in a process of its own.

    Attributes:
        folder: The run's; it appears when the process has read the data.
        process: Its process id: of the launcher where there are several processes.
        processes: How many share each batch, on all machines together.
        began: When that process began, in seconds since the epoch, so that a later one with its id is not taken for it.
        log: What it prints: JSON lines, and what the libraries say.
        elsewhere: What has to be typed on each of the other machines, or empty.
    """

    folder: Path
    process: int
    began: float
    log: Path
    processes: int = 1
    elsewhere: str = ""


def start(spec: TrainSpec, *, processes: int = 1, config: Path | None = None, resume: bool = False) -> Outside:
    """Start a run in a process of its own, which goes on when this one ends.

    Args:
        spec: The run. With several processes each takes its share of ``batch_size``, so that the steps stay the same.
        processes: How many on this machine, by torch's launcher (``torchrun``).
        config: What ``accelerate config`` wrote, for several machines, FSDP or DeepSpeed; it then says how many.
        resume: Go on with the run of that folder.

    Raises:
        InputError: The file can't be used, the batch can't be shared among the processes, the folder is taken, or the
            run to resume was begun with another number of processes.
    """
    what = f"Could not start {spec.output_dir.name} outside the window."
    launch = Launch(processes) if config is None else launching.read(config)
    if launch.machine:
        raise InputError(
            what,
            why=f"The file is that of machine {launch.machine + 1} of {launch.machines}; the first one keeps the run.",
            remedy="Start it on the first machine: its log tells what to type here.",
        )
    place = paths.runs_dir() / ".outside"
    place.mkdir(parents=True, exist_ok=True)
    file = _checked(what, spec, launch.processes) if resume else _shared(what, spec, launch.processes, place)
    elsewhere = ""
    if launch.machines > 1:
        elsewhere = f"workbench train {shlex.quote(str(file))} --config FILE{' --resume' if resume else ''}"
    log = place / f"{spec.output_dir.name}.log"
    run = Outside(spec.output_dir, 0, 0.0, log, launch.processes, elsewhere)
    started = _detached(run, launch.command(file, resume=resume), launch.environment)
    _note_path(spec.output_dir).write_text(json.dumps(dataclasses.asdict(started), default=str), encoding="utf-8")
    return started


def _shared(what: str, spec: TrainSpec, processes: int, place: Path) -> Path:
    """The ``run.toml`` of a new run, each process with its share of the batch."""
    if spec.output_dir.exists():
        raise InputError(what, why=f"The folder {spec.output_dir} exists already.", remedy="Choose another run name.")
    if spec.batch_size % processes:
        raise InputError(
            what,
            why=f"A batch of {spec.batch_size} rows can't be shared among {processes} processes equally.",
            remedy=f"Choose a batch size that {processes} divides.",
        )
    made = place / f"{spec.output_dir.name}.toml"
    shared = dataclasses.replace(spec, batch_size=spec.batch_size // processes)
    os.replace(record.write(Record(shared), place), made)
    return made


def _checked(what: str, spec: TrainSpec, processes: int) -> Path:
    """The folder of a run that goes on, with as many processes as before."""
    ranks.check_processes(what, record.read(spec.output_dir), processes)
    return spec.output_dir


def _detached(run: Outside, line: list[str], more: dict[str, str]) -> Outside:
    """Start a command that is nobody's child: it outlives this process and leaves no dead one behind in it."""
    told = subprocess.run(
        [sys.executable, "-c", _DETACH, str(run.log), *line],
        capture_output=True, text=True, check=True, env={**os.environ, **more, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    process = int(told.stdout)
    try:
        began = psutil.Process(process).create_time()
    except psutil.Error:
        began = 0.0
    return dataclasses.replace(run, process=process, began=began)


def outside(folder: Path) -> Outside | None:
    """How a run was started outside, if it was; it may have ended since."""
    try:
        told = json.loads(_note_path(folder).read_text(encoding="utf-8"))
        place, log = Path(told["folder"]), Path(told["log"])
        processes, elsewhere = int(told["processes"]), str(told.get("elsewhere", ""))
        return Outside(place, int(told["process"]), float(told["began"]), log, processes, elsewhere)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def spec_of(run: Outside) -> TrainSpec | None:
    """What made a run, or None before its folder is there."""
    try:
        return record.read(run.folder).spec
    except InputError:
        return None


def going_on() -> tuple[Outside, ...]:
    """The runs outside that go on now, whoever started them."""
    known = (outside(file.with_suffix("")) for file in sorted((paths.runs_dir() / ".outside").glob("*.json")))
    return tuple(each for each in known if each is not None and _lives(each))


def stop(run: Outside) -> None:
    """Ask a run to stop after its step and to keep its checkpoint; all of its processes agree on the step."""
    own = itertools.dropwhile(lambda line: not _takes_up(run, line), lines(run.folder))
    if any(as_point(line) is not None for line in own):
        (run.folder / STOP).touch()
    else:
        # It has not come to its first step: there is nothing new to keep, it may wait for another machine, and a file
        # from before it looks for one is of no account.
        for process in _family(run):
            process.terminate()


def follow(run: Outside, *, task: Task | None = None) -> TrainResult:
    """Watch a run until it ends. A stop of ``task`` ends the watching, and the run goes on.

    Args:
        run: The run.
        task: Is sent a `TrainPoint` for each that the run logs.

    Returns:
        What came of it.

    Raises:
        WorkbenchError: The run failed, or its process is gone.
        Cancelled: Nobody watches any more.
    """
    task = task or Silent()
    heard, tail, pause = Tail(run.folder), Tail(run.folder), threading.Event()
    points: list[TrainPoint] = []
    ended: dict[str, Any] | None = None
    alive, begun = True, False
    while alive:
        task.check()
        # Asked before the curve is read, so that what was written last is not missed.
        begun = begun or (is_running(run.folder) and any(_takes_up(run, line) for line in heard.new()))
        alive = _lives(run)
        # Until a run that goes on has taken its folder up, the curve there ends where it was stopped before.
        for line in tail.new() if begun or not alive else ():
            ended = line if line.get("event") == "ended" and _since(run, line) else ended
            if (point := as_point(line)) is not None:
                points.append(point)
                task.send(point)
                task.report(Progress(point.step, point.total, "steps", "Training"))
        if not points:
            waits = f"Waiting for the other machines; on each, type: {run.elsewhere}" if run.elsewhere else ""
            task.report(Progress(0, None, "rows", waits or "Starting the process"))
        if alive:
            pause.wait(_LOOK)
    if ended is None or ended.get("state") == "failed" or not (run.folder / "config.json").is_file():
        raise _failure(run)
    made = record.read(run.folder)
    checkpoint = plain_checkpoint(run.folder, run.folder.name, "run")
    stopped = ended.get("state") == "stopped"
    return TrainResult(checkpoint, tuple(points), stopped, made.train_rows, made.eval_rows, made.labels, made.best)


def _takes_up(run: Outside, line: dict[str, Any]) -> bool:
    """Whether the curve is that of this process from here on: what was logged after its checkpoint is forgotten."""
    return line.get("event") in ("began", "resumed") and _since(run, line)


def _since(run: Outside, line: dict[str, Any]) -> bool:
    # Events tell whole seconds.
    return datetime.fromisoformat(line["at"]).timestamp() >= run.began - 1.0


def _lives(run: Outside) -> bool:
    return any(process.status() != psutil.STATUS_ZOMBIE for process in _family(run)[:1])


def _family(run: Outside) -> list[psutil.Process]:
    try:
        process = psutil.Process(run.process)
        if abs(process.create_time() - run.began) > 1.0:
            return []
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _failure(run: Outside) -> WorkbenchError:
    said = run.log.read_text(encoding="utf-8", errors="replace") if run.log.is_file() else ""
    for line in reversed(said.splitlines()):
        told = _event(line)
        if told is not None and told.get("event") == "failed":
            return WorkbenchError(str(told["what"]), why=str(told["why"]), remedy=str(told["remedy"]))
    return CheckpointError(
        f"The run {run.folder.name} ended outside without a result.",
        why=said.strip()[-_TOLD:] or "Its process is gone and left no word.",
        remedy="Resume it from its last checkpoint under Runs.",
    )


def _event(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _note_path(folder: Path) -> Path:
    return paths.runs_dir() / ".outside" / f"{folder.name}.json"

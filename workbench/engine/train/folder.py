"""The folder of a run while it goes on: nobody else's meanwhile, and its curve on the disk after every step."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import filelock

from workbench.engine import paths
from workbench.engine.errors import InputError
from workbench.engine.task import Progress, Task
from workbench.engine.train.record import now, write_whole
from workbench.engine.values import TrainPoint

#: The curve: one JSON object a line, written as it happens.
CURVE = "curve.jsonl"
_POINT = {field.name for field in dataclasses.fields(TrainPoint)}
#: Seconds a claim waits, because whoever lists runs holds a lock for a moment to see whether it is free.
_PATIENCE = 1.0


class RunFolder:
    """A run's folder, claimed by the run that goes on in it; everything it has logged stands in `CURVE` at once.

    It is the `Task` of the run as well: it hands on what it hears and keeps the points.

    Args:
        path: The folder.
        task: Hears of everything.

    Attributes:
        points: The curve so far, that of an interrupted run included.
        task: Hears of everything.
    """

    def __init__(self, path: Path, task: Task) -> None:
        self.path = path
        self.points: list[TrainPoint] = []
        self.task = task
        self._lock = paths.claim(path)
        self._file: TextIO | None = None
        self._seconds = 0.0

    def make(self) -> None:
        """Make the folder and claim it.

        Raises:
            InputError: It is there already.
            OSError: It can't be made.
        """
        try:
            self.path.mkdir(parents=True)
        except FileExistsError as error:
            raise InputError(
                f"Could not start the run {self.path.name}.",
                why=f"The folder {self.path} exists already.",
                remedy="Choose another run name.",
            ) from error
        self._claim()
        self._open()
        self.note("began")

    def take_up(self, step: int) -> None:
        """Claim a folder whose run goes on after ``step``; what its curve says of later steps is forgotten.

        Raises:
            InputError: A run goes on in it.
            OSError: It can't be written to.
        """
        self._claim()
        kept = [line for line in lines(self.path) if line.get("step", 0) <= step and line.get("event") != "ended"]
        write_whole(self.path / CURVE, "".join(json.dumps(line) + "\n" for line in kept))
        self.points = [point for line in kept if (point := as_point(line)) is not None]
        self._seconds = self.points[-1].seconds if self.points else 0.0
        self._open()
        self.note("resumed", step=step)
        for point in self.points:
            self.task.send(point)

    def note(self, event: str, **values: object) -> None:
        """Write an event into the curve: ``began``, ``resumed``, ``checkpoint`` or ``ended``."""
        self._write({"event": event, "at": now(), **values})

    def release(self) -> None:
        """Close the curve and let the folder go."""
        if self._file is not None:
            # What could not be written before can't be now.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        with contextlib.suppress(OSError):
            (self.path / paths.RUN_LOCK).unlink(missing_ok=True)
        self._lock.release()

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        self.release()
        shutil.rmtree(self.path, ignore_errors=True)

    # The task of the run.

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for."""
        return self.task.cancelled

    def report(self, progress: Progress) -> None:
        """Hand the progress on."""
        self.task.report(progress)

    def send(self, part: object) -> None:
        """Keep a point, counting its seconds from the beginning of the whole run, and hand everything on."""
        if isinstance(part, TrainPoint):
            part = dataclasses.replace(part, seconds=part.seconds + self._seconds)
            self.points.append(part)
            # A full disk must not end what can still be learned; the points are in memory.
            with contextlib.suppress(OSError):
                self._write(_as_line(part))
        self.task.send(part)

    def log(self, line: str) -> None:
        """Hand a line on."""
        self.task.log(line)

    def check(self) -> None:
        """Raise `Cancelled` when a stop was asked for."""
        self.task.check()

    def _claim(self) -> None:
        try:
            self._lock.acquire(timeout=_PATIENCE, poll_interval=0.05)
        except filelock.Timeout as error:
            raise InputError(
                f"Could not start the run {self.path.name}.",
                why="A run goes on in its folder already, in this window or in another process.",
                remedy="Wait until it has ended, or choose another run name.",
            ) from error

    def _open(self) -> None:
        self._file = (self.path / CURVE).open("a", encoding="utf-8")

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            # Into the system's hands, where a killed process can't take it along.
            self._file.flush()


def is_running(folder: Path) -> bool:
    """Whether a run goes on in this folder, in whatever process of this machine."""
    return paths.is_claimed(folder)


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's curve, read as far as they are asked for.

    The last one of a run that lost its power may be half there; it is left out, as is whatever is no line of a curve.
    """
    try:
        with (folder / CURVE).open("rb") as file:
            yield from _parsed(file)
    except OSError:
        return


class Tail:
    """Reads what a run's curve has grown by, each line once.

    Args:
        folder: The run's.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / CURVE
        self._read = self._inode = 0

    def new(self) -> tuple[dict[str, Any], ...]:
        """The whole lines added since the last time; all of them when the file was written anew."""
        try:
            with self._file.open("rb") as file:
                if (inode := os.fstat(file.fileno()).st_ino) != self._inode:
                    self._read, self._inode = 0, inode
                file.seek(self._read)
                whole, ended, _ = file.read().rpartition(b"\n")
        except OSError:
            return ()
        self._read += len(whole) + len(ended)
        return tuple(_parsed(whole.split(b"\n")))


def as_point(line: dict[str, Any]) -> TrainPoint | None:
    """The point that a line of the curve holds, or None."""
    values = {name: value for name, value in line.items() if name in _POINT}
    numbers = all(isinstance(value, int | float) for name, value in values.items() if name != "metrics")
    if "event" in line or not {"step", "total", "epoch"} <= values.keys() or not numbers:
        return None
    return TrainPoint(**values) if isinstance(values.get("metrics", {}), dict) else None


def _as_line(point: TrainPoint) -> dict[str, Any]:
    values = dataclasses.asdict(point)
    return {name: value for name, value in values.items() if value is not None and value != {}}


def _parsed(texts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for text in texts:
        with contextlib.suppress(ValueError):
            line = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get("step", 0), int):
                yield line


def put_in_place(folder: Path, into: Path) -> None:
    """Move every file of ``folder`` into ``into``, ``config.json`` last: it is what tells a checkpoint."""
    for file in sorted(folder.iterdir(), key=lambda file: (file.name == "config.json", file.name)):
        os.replace(file, into / file.name)
    folder.rmdir()

"""``workbench train run.toml``: a run without a window, told in JSON lines."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from workbench.engine import paths
from workbench.engine.errors import WorkbenchError, explain
from workbench.engine.task import Cancelled, Progress
from workbench.engine.train import launching, ranks, record
from workbench.engine.train.run import fine_tune
from workbench.engine.train.wishes import Saved
from workbench.engine.values import TrainPoint

#: A file of this name in the run's folder asks the run to stop and keep what it has.
STOP = ".stop"
#: Exit statuses: done, failed, and stopped before there was anything to keep.
DONE, FAILED, NOTHING = 0, 1, 3


def main(arguments: Sequence[str]) -> int:
    """Make the run that a ``run.toml`` describes.

    Lines on standard output are JSON objects with an ``event``: ``point`` (a step or an evaluation, with the fields of
    `TrainPoint`), ``progress``, ``log``, ``saved``, and last ``result`` or ``failed``. SIGINT and SIGTERM stop the run
    after its step and keep the checkpoint, and so does a file called ``.stop`` in the run's folder.

    Args:
        arguments: Of the command line, behind ``train``.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="workbench train", description="Make the run that a run.toml describes, without a window."
    )
    parser.add_argument(
        "run",
        type=Path,
        help="a run.toml, or the folder of a run; the new run's folder is made beside that of a run.toml",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run of that folder")
    parser.add_argument(
        "--config", type=Path, metavar="FILE",
        help="what `accelerate config` wrote on this machine: several processes or machines, FSDP, DeepSpeed; "
        "batch_size in run.toml is then that of each process",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    told = _Told(sys.stdout if ranks.writes() else None)
    try:
        if options.config is not None:
            launch = launching.read(options.config)
            line = launch.command(options.run, resume=options.resume)
            os.execve(line[0], line, {**os.environ, **launch.environment})
        spec = record.read(options.run).spec
        beside = options.run if options.run.is_dir() else options.run.parent
        if not options.resume and spec.output_dir == beside and ranks.world() == 1:
            # The folder of the file: whatever came of it there stays.
            place = beside.resolve()
            spec = dataclasses.replace(spec, output_dir=paths.free_place(place.parent, place.name, "run"))
        if ranks.writes():
            told.watch(spec.output_dir / STOP)
        result = fine_tune(spec, resume=spec.output_dir if options.resume else None, task=told)
    except Cancelled:
        kept = "what was there is kept" if options.resume else "nothing was kept"
        told.say("failed", what=f"Stopped before the first step; {kept}.", why="", remedy="")
        return NOTHING
    except Exception as error:
        worded = error if isinstance(error, WorkbenchError) else explain(error, "The run could not be made.")
        told.say("failed", what=worded.what, why=worded.why, remedy=worded.remedy, details=traceback.format_exc())
        return FAILED
    finally:
        told.forget()
    told.say(
        "result",
        folder=str(result.checkpoint.path),
        stopped=result.stopped,
        train_rows=result.train_rows,
        eval_rows=result.eval_rows,
        processes=ranks.world(),
        **({} if result.best is None else {"best": dataclasses.asdict(result.best)}),
    )
    return DONE


class _Told:
    """The task of a run without a window."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._asked = threading.Event()
        self._file: Path | None = None
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._on_signal)

    @property
    def cancelled(self) -> bool:
        return self._asked.is_set() or (self._file is not None and self._file.exists())

    def watch(self, file: Path) -> None:
        """Stop when this file appears; one from before is of no account."""
        file.unlink(missing_ok=True)
        self._file = file

    def forget(self) -> None:
        """Take the file away."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def say(self, event: str, **values: Any) -> None:
        """Print a line."""
        if self._out is not None:
            print(json.dumps({"event": event, **values}, default=str), file=self._out, flush=True)

    def report(self, progress: Progress) -> None:
        # Each step has a point, which says as much.
        if progress.unit != "steps" or progress.note != "Training":
            self.say("progress", done=progress.done, total=progress.total, unit=progress.unit, note=progress.note)

    def send(self, part: object) -> None:
        if isinstance(part, TrainPoint):
            values = dataclasses.asdict(part)
            self.say("point", **{name: value for name, value in values.items() if value is not None and value != {}})
        elif isinstance(part, Saved):
            made, error = part.checkpoint, part.error
            self.say("saved", step=part.step, folder=str(made.path) if made else None, error=str(error or "") or None)

    def log(self, line: str) -> None:
        self.say("log", line=line)

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    def _on_signal(self, *_: object) -> None:
        self._asked.set()

"""Runs outside the window: started, watched, stopped, and found again when the window was closed meanwhile."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from workbench.engine.task import Progress, Task
from workbench.engine.train import outside
from workbench.engine.train.outside import Outside
from workbench.engine.values import TrainResult, TrainSpec
from workbench.panes.trainer.outside_step import OutsideStep
from workbench.runtime.jobs import Job, Lane, Runner

_STOPS = "watching it; the run itself goes on outside"
_GOES_ON = (
    "The run is in a process of its own: Cancel here ends the watching alone. "
    "“Stop and keep” in the Trainer ends the run."
)


class OutsideRuns(QObject):
    """Makes the jobs that watch a run outside.

    Args:
        step: Says where a run is made.
        runner: Watches on the IO lane.
        parent: The pane.

    Attributes:
        unwatched: A run that was found to go on outside, until it is watched.

    Signals:
        found(Outside): A run goes on outside that nobody watches.
    """

    found = Signal(object)

    def __init__(self, step: OutsideStep, runner: Runner, parent: QObject) -> None:
        super().__init__(parent)
        self._step, self._runner = step, runner
        self._folder: Path | None = None
        self._watches = False
        self.unwatched: Outside | None = None

    @property
    def watching(self) -> bool:
        """Whether the run at work is outside."""
        return self._watches

    def job(self, spec: TrainSpec, resume: Path | None) -> Job:
        """A job that starts a run outside and watches it."""
        self._folder = resume or spec.output_dir
        title = f"Fine-tune {spec.checkpoint.name} outside the window"
        arguments = (spec, self._step.processes, self._step.config, resume is not None)
        return self._made(Job(title, _run, *arguments, pane="trainer", stops=_STOPS))

    def watch(self, run: Outside) -> Job:
        """A job that watches a run which goes on already."""
        self._folder, self.unwatched = run.folder, None
        return self._made(Job(f"Watch {run.folder.name}", _watch, run, pane="trainer", stops=_STOPS))

    @property
    def folder(self) -> Path | None:
        """Of the run that is watched, or was last."""
        return self._folder

    def stop(self) -> None:
        """Have the run that is watched, or was last, stop after its step and keep its checkpoint."""
        if self._folder is not None:
            self._runner.start(Job(f"Stop {self._folder.name}", _stop, self._folder, pane="trainer"), Lane.IO)

    def look(self) -> None:
        """Look whether a run goes on outside, and say so."""
        job = Job("Look for runs outside", _going_on, pane="trainer", quiet=True)
        job.succeeded.connect(self._show_going_on)
        self._runner.start(job, Lane.IO)

    def _made(self, job: Job) -> Job:
        self._watches = True
        job.finished.connect(self._on_finished)
        return job

    def _on_finished(self) -> None:
        self._watches = False

    def _show_going_on(self, runs: tuple[Outside, ...]) -> None:
        if runs and not self.watching:
            self.unwatched = runs[0]
            self.found.emit(runs[0])


def _run(spec: TrainSpec, processes: int, config: Path | None, resume: bool, *, task: Task) -> TrainResult:
    task.report(Progress(0, None, "rows", "Starting the process"))
    task.log(_GOES_ON)
    return outside.follow(outside.start(spec, processes=processes, config=config, resume=resume), task=task)


def _watch(run: Outside, *, task: Task) -> TrainResult:
    task.log(_GOES_ON)
    return outside.follow(run, task=task)


def _stop(folder: Path, *, task: Task) -> None:
    task.check()
    run = outside.outside(folder)
    if run is not None:
        outside.stop(run)


def _going_on(*, task: Task) -> tuple[Outside, ...]:
    task.check()
    return outside.going_on()

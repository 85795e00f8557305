"""Brings the curves of past runs behind the live one: lists the runs for the chooser and reads what is ticked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject

from workbench.engine.task import Task
from workbench.engine.train import runs
from workbench.engine.train.runs import Run
from workbench.engine.values import TrainPoint
from workbench.panes.trainer.run_view import RunView
from workbench.runtime.jobs import Job, Lane, Runner


class PastRuns(QObject):
    """Answers the chooser of a `RunView`.

    Args:
        runner: Reads the folders on the IO lane.
        view: Draws what is chosen, and is the parent.
    """

    def __init__(self, runner: Runner, view: RunView) -> None:
        super().__init__(view)
        self._runner, self._view = runner, view
        view.past.opened.connect(self._on_opened)
        view.past.chosen.connect(self._on_chosen)

    def _on_opened(self) -> None:
        job = Job("List the runs", runs.list_runs, pane="trainer", quiet=True)
        job.succeeded.connect(self._show_runs)
        self._runner.start(job, Lane.IO, slot="trainer.past")

    def _on_chosen(self, folders: tuple[Path, ...]) -> None:
        job = Job("Read the curves", read_curves, folders, pane="trainer", quiet=True)
        job.succeeded.connect(self._view.set_past)
        self._runner.start(job, Lane.IO, slot="trainer.past_curves")

    def _show_runs(self, found: tuple[Run, ...]) -> None:
        names = ((run.name, run.folder) for run in found if run.step and run.name != self._view.name)
        self._view.past.set_runs(tuple(names))


def read_curves(folders: Sequence[Path], *, task: Task) -> tuple[tuple[str, tuple[TrainPoint, ...]], ...]:
    """The curve of each folder, with its name."""
    read = []
    for folder in folders:
        task.check()
        read.append((folder.name, runs.curve(folder)))
    return tuple(read)

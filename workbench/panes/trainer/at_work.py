"""The run at work: its job, what is asked of it while it goes on, and the buttons that ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox, QWidget

from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress
from workbench.engine.train import Saved, Wishes, fine_tune
from workbench.engine.train.outside import Outside
from workbench.engine.values import ProbeResult, TrainPoint, TrainSpec
from workbench.panes.trainer import consent
from workbench.panes.trainer.outside_runs import OutsideRuns
from workbench.panes.trainer.run_step import RunStep
from workbench.panes.trainer.run_view import RunView
from workbench.runtime.jobs import Job, Lane, Runner


class AtWork(QObject):
    """One run at a time, in this process or watched in another one, from its start to its end.

    Args:
        step: Its buttons ask things of the run.
        view: Shows the run.
        outside: Makes the jobs of runs in processes of their own.
        runner: Runs the job.
        pane: The pane.

    Attributes:
        points: The curve of the run, or of the last one.

    Signals:
        changed(): It may have begun, ended, or come to where something else can be asked of it.
        part_ready(ProbeResult | Saved): What it sent besides points.
        succeeded(TrainResult): What came of it.
        failed(WorkbenchError, str): It could not be made; the details.
        unwatched(): It goes on outside, and nobody watches.
        ended(): In whatever way, always last.
    """

    changed = Signal()
    part_ready = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object, str)
    unwatched = Signal()
    ended = Signal()

    def __init__(self, step: RunStep, view: RunView, outside: OutsideRuns, runner: Runner, pane: QWidget) -> None:
        super().__init__(pane)
        self._step, self._view, self._outside, self._runner, self._pane = step, view, outside, runner, pane
        self._job: Job | None = None
        self._wishes = Wishes()
        self._progress: Progress | None = None
        self._ending = False
        self._question: QMessageBox | None = None
        self.points: list[TrainPoint] = []
        step.stop.clicked.connect(self.stop)
        step.pause.clicked.connect(self.toggle_pause)
        step.evaluate.clicked.connect(self.evaluate)
        step.save.clicked.connect(self.save)
        step.discard.clicked.connect(self.ask_to_discard)
        self._show()

    @property
    def goes_on(self) -> bool:
        """Whether there is a run now."""
        return self._job is not None

    def start(self, spec: TrainSpec, resume: Path | None) -> None:
        """Start a run, or let one go on, where the step says; there must be none.

        Args:
            spec: The run.
            resume: The folder of the run that goes on.
        """
        name = (resume or spec.output_dir).name
        if self._step.place.chosen:
            self._begin(self._outside.job(spec, resume), name)
            return
        verb = "Fine-tune" if resume is None else "Go on with"
        self._wishes = Wishes()
        job = Job(
            f"{verb} {spec.checkpoint.name} on {spec.data.name}",
            fine_tune,
            spec,
            resume=resume,
            wishes=self._wishes,
            pane="trainer",
            stops="after the step at work; the checkpoint is kept",
            patient=True,
        )
        self._begin(job, name)

    def watch(self, run: Outside) -> None:
        """Watch a run that goes on outside, with its curve from the beginning; there must be none."""
        self._begin(self._outside.watch(run), run.folder.name)

    def stop(self) -> None:
        """Ask the run to stop after its step; what it has learned is kept."""
        if self._job is None or self._ending:
            return
        if self._outside.watching:
            self._outside.stop()
        else:
            self._job.cancel()
        self._end(self._view.show_stopping)

    def toggle_pause(self) -> None:
        """Let the run wait after its step, or go on."""
        if self._wishes.pausing:
            self._wishes.go_on()
        else:
            self._wishes.pause()
            self._view.show_pausing()
        self._show()

    def evaluate(self) -> None:
        """Have the run evaluated after its step."""
        self._wishes.ask("evaluate")
        self._show()

    def save(self) -> None:
        """Have a checkpoint saved after the step at work, beside the run."""
        self._wishes.ask("save")
        self._show()

    def ask_to_discard(self) -> None:
        """Ask whether the run may be stopped and deleted; it goes on until the person agrees."""
        if self._job is None or self._ending or self._question is not None:
            return
        steps = round(self._progress.done) if self._progress is not None and self._trains else 0
        self._question = consent.ask_to_discard(self._pane, self._view.name, steps, self._on_discard)
        self._question.finished.connect(self._on_answered)

    def _begin(self, job: Job, name: str) -> None:
        self._job, self._progress, self._ending, self.points = job, None, False, []
        job.progressed.connect(self._on_progress)
        job.part_ready.connect(self._on_part)
        job.succeeded.connect(self.succeeded)
        job.failed.connect(self._on_failed)
        job.cancelled_.connect(self.unwatched if self._outside.watching else self._view.show_nothing_kept)
        job.finished.connect(self._on_finished)
        self._view.begin(name)
        self._show()
        self._runner.start(job, Lane.IO if self._outside.watching else Lane.TRAIN)

    def _end(self, show: Callable[[], None]) -> None:
        self._ending = True
        show()
        self._show()

    def _on_discard(self) -> None:
        if self._job is not None and not self._ending:
            self._wishes.discard()
            # While the data are read there is no step yet that would hear of a wish.
            self._job.cancel()
            self._end(self._view.show_discarding)

    def _on_answered(self) -> None:
        self._question = None

    def _on_progress(self, progress: Progress) -> None:
        self._progress = progress
        self._view.show_progress(progress)
        self._show()

    def _on_part(self, part: TrainPoint | ProbeResult | Saved) -> None:
        if isinstance(part, TrainPoint):
            self.points.append(part)
            self._view.add_point(part)
        else:
            self.part_ready.emit(part)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._view.show_failed()
        self.failed.emit(error, self._job.details if self._job is not None else "")

    def _on_finished(self) -> None:
        self._job = None
        self._wishes = Wishes()
        if self._question is not None:
            self._question.close()
        self._show()
        self.ended.emit()

    @property
    def _trains(self) -> bool:
        """Whether the steps have begun; before them and while the result is written no wish is granted."""
        progress = self._progress
        return progress is not None and progress.unit == "steps" and bool(progress.total) and progress.note != "Saving"

    def _show(self) -> None:
        step, going, progress = self._step, self._job is not None and not self._ending, self._progress
        here = going and not self._outside.watching
        steps = here and self._trains
        step.stop.setEnabled(going)
        step.discard.setEnabled(here)
        step.pause.setEnabled(steps)
        # A second evaluation of the same weights would tell nothing.
        halted = progress is not None and progress.halted
        evaluated = halted and bool(self.points) and self.points[-1].eval_loss is not None
        step.evaluate.setEnabled(steps and not evaluated and not self._wishes.asked("evaluate"))
        step.save.setEnabled(steps and not self._wishes.asked("save"))
        step.show_pausing(going and self._wishes.pausing)
        self.changed.emit()

"""The Trainer pane: fine-tunes a checkpoint on a data file while its curve is drawn, and hands over the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from workbench.engine import codegen, hub, paths
from workbench.engine.data import read
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Task
from workbench.engine.train import HEADS, Head, Saved, TooLarge, fitting_task
from workbench.engine.train.outside import Outside, outside, spec_of
from workbench.engine.train.runs import Run
from workbench.engine.values import (
    Checkpoint,
    DataSource,
    ProbeResult,
    Table,
    TrainPoint,
    TrainResult,
    TrainSpec,
)
from workbench.panes.trainer.after_view import AfterView
from workbench.panes.trainer.arrangement import Arrangement
from workbench.panes.trainer.at_work import AtWork
from workbench.panes.trainer.batches_view import BatchesView
from workbench.panes.trainer.data_step import DataStep, is_quick
from workbench.panes.trainer.data_view import DataView
from workbench.panes.trainer.following import Following
from workbench.panes.trainer.model_step import ModelStep
from workbench.panes.trainer.outside_runs import OutsideRuns
from workbench.panes.trainer.past_runs import PastRuns
from workbench.panes.trainer.probes_view import ProbesView
from workbench.panes.trainer.run_step import RunStep
from workbench.panes.trainer.run_view import RunView
from workbench.panes.trainer.runs_view import RunsView
from workbench.panes.trainer.settings_form import SettingsForm
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.column_scroll import ColumnScroll
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.theme import px


class TrainerPane(PaneFrame):
    """Four steps on the left (data, model and head, settings, run), the run itself on the right.

    Args:
        session: Gives the checkpoint to start from and takes the result.
        runner: Runs the fine-tune on the train lane.

    Signals:
        pane_requested(str): The result is loaded, and the pane of that name is to come to the front.
    """

    pane_requested = Signal(str)
    in_turns = True

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("trainer", "Trainer", parent)
        self._session, self._runner = session, runner
        self._result: TrainResult | None = None
        self._looked = False
        self._suggested = ""
        self._preset = "quick"
        self._head: Head | None = None
        self._wanted: TrainSpec | None = None
        self._smaller: TrainSpec | None = None
        self._made: TrainSpec | None = None

        self._data = DataStep()
        self._model = ModelStep()
        self._settings = SettingsForm(runner)
        self._step = RunStep()
        self._run = RunView()
        self._outside = OutsideRuns(self._step.place, runner, self)
        self._work = AtWork(self._step, self._run, self._outside, runner, self)
        self._views = named(QTabWidget(), "trainer.views", "Views")
        self._views.setDocumentMode(True)
        self._views.addTab(self._run, "Run")
        self._lay_out()
        self._step.start.setEnabled(False)
        self._source: DataSource | None = DataSource(paths.asset("samples/movie_reviews.csv"))
        self._parts: Iterator[None] | None = self._build()
        self._turns = QTimer(self, interval=0)
        self._turns.timeout.connect(self._on_turn)
        self._turns.start()

    def _build(self) -> Iterator[None]:
        """The views beside the run, a turn of the event loop each, since all at once would hold the window up."""
        session, runner = self._session, self._runner
        self._rows = DataView(runner)
        self._views.insertTab(self._views.indexOf(self._run), self._rows, "Data")
        yield
        self._batches = BatchesView(runner, self.spec)
        self._views.insertTab(self._views.indexOf(self._run), self._batches, "Batches")
        self._step.put_first(self._batches.dry_run)
        yield
        self._after = AfterView(runner)
        self._views.addTab(self._after, "Evaluation")
        self._following = Following(self._after, session, runner, self)
        yield
        self._probes = ProbesView()
        self._views.addTab(self._probes, "Probes")
        yield
        self._runs = RunsView(runner)
        self._views.addTab(self._runs, "Runs")
        PastRuns(runner, self._run)
        yield
        while self._run.make_next():
            yield
        self._connect()

    def _connect(self) -> None:
        session = self._session
        self._data.source_requested.connect(self.open_data)
        self._data.edited.connect(self._on_edited)
        self._model.edited.connect(self._on_model)
        self._batches.failed.connect(self._show_view_failure)
        self._batches.incomplete.connect(self._tell_missing)
        self._settings.edited.connect(self._on_setting)
        self._settings.preset_chosen.connect(self._on_preset)
        self._step.name.textChanged.connect(self._show_code_text)
        self._batches.dry_run.clicked.connect(self._on_dry_run)
        self._step.start.clicked.connect(self.run_main_action)
        self._work.changed.connect(self._show_running)
        self._work.part_ready.connect(self._show_part)
        self._work.succeeded.connect(self._show_result)
        self._work.failed.connect(self._show_failed_run)
        self._work.unwatched.connect(self._show_unwatched)
        self._work.ended.connect(self._on_ended)
        self._run.use_requested.connect(self.use_result)
        self._runs.resume_requested.connect(self.resume_run)
        self._runs.load_requested.connect(self._following.load)
        self._runs.evaluate_requested.connect(self.evaluate_run)
        self._runs.watch_requested.connect(self._on_watch)
        self._runs.settings_requested.connect(self.use_settings)
        self._runs.failed.connect(self._show_failure)
        self._runs.deleted.connect(session.local_changed)
        self._after.failed.connect(self._show_view_failure)
        self._following.failed.connect(self._show_failure)
        self._following.pane_requested.connect(self.pane_requested)
        self._outside.found.connect(self._show_outside)
        self.code_shown.connect(self._show_code_text)
        session.model_changed.connect(self._show_model)
        session.local_changed.connect(self._look_for_checkpoints)

        self._on_model()
        self._show_running()

    def _on_turn(self) -> None:
        if self._parts is not None:
            try:
                next(self._parts)
                return
            except StopIteration:
                self._parts = None
        self._turns.stop()
        self._look_for_checkpoints()
        self._outside.look()
        self._open_waiting()

    def _open_waiting(self) -> None:
        # Many rows beside other work are felt, and nobody may ever open this pane.
        if self._source is not None and self._parts is None and self.isVisible():
            self.open_data(self._source)

    # What can be asked of it.

    @property
    def points(self) -> Sequence[TrainPoint]:
        """The curve of the run that is shown."""
        return self._work.points

    @property
    def result(self) -> TrainResult | None:
        """What the run that is shown gave, or None while it goes on or when it failed."""
        return self._result

    def open_data(self, source: DataSource | Path) -> None:
        """Read a data source; of a large one the first rows and the columns show before all of it was read."""
        source = DataSource(source) if isinstance(source, Path) else source
        self._source = None if self._parts is None else source
        if self._source is not None:
            return
        quick = is_quick(source)
        job = Job(f"Read {source.name}", read, source, pane="trainer", quiet=quick, patient=True)
        if not quick:
            job.part_ready.connect(self._show_table)
        job.succeeded.connect(self._show_table)
        job.failed.connect(self._show_unreadable)
        self._runner.start(job, Lane.IO, slot="trainer.data")

    def spec(self) -> TrainSpec | None:
        """The run as the form describes it, or None while data or checkpoint are missing."""
        table, checkpoint = self._data.table, self._model.checkpoint
        if self._parts is not None or table is None or checkpoint is None:
            return None
        return TrainSpec(
            task=self._model.task,
            checkpoint=checkpoint,
            data=table.source,
            columns=self._data.columns,
            evaluation=self._data.evaluation,
            output_dir=paths.new_run_dir(self._step.name.text()),
            **self._settings.values(),
            **self._probes.values(),
            head_options=self._model.options,
        )

    def start_run(self, spec: TrainSpec, *, resume: Path | None = None) -> None:
        """Start a run, or let one go on; its curve takes the place of the last one.

        Args:
            spec: The run.
            resume: The folder of the run that goes on.
        """
        if self._work.goes_on:
            self.show_notice(
                f"{spec.output_dir.name} was not started.",
                f"{self._run.name} is being trained, and two at once would share the processor and the memory.",
                "Stop it first, or start the other when it has ended.",
                kind="info",
            )
            return
        self._begin(spec)
        self._work.start(spec, resume)

    def watch_run(self, run: Outside) -> None:
        """Watch a run that goes on outside the window, with its curve from the beginning."""
        if not self._work.goes_on and (spec := spec_of(run)) is not None:
            self._begin(spec)
            self._work.watch(run)

    def _begin(self, spec: TrainSpec) -> None:
        self.clear_notices()
        self._views.setCurrentWidget(self._run)
        self._result, self._made = None, spec
        self._runs.set_busy(True)
        self._probes.begin()

    def resume_run(self, run: Run) -> None:
        """Let a run go on after its last checkpoint."""
        if run.spec is not None:
            self.start_run(run.spec, resume=run.folder)

    def evaluate_run(self, run: Run) -> None:
        """Evaluate the result of a run row by row."""
        if run.spec is not None and run.result is not None:
            self._views.setCurrentWidget(self._after)
            self._after.show_result(run.spec, run.result)

    def use_settings(self, run: Run) -> None:
        """Fill the steps with what made a run; its data are read again."""
        spec = run.spec
        if spec is None:
            return
        self._settings.keep(self._settings.values())
        self._model.choose(spec.task, spec.checkpoint, spec.head_options)
        self._settings.fill({name: getattr(spec, name) for name in self._settings.values()})
        self._probes.fill(spec)
        self._wanted = spec
        self.open_data(spec.data)
        self._on_edited()

    def run_main_action(self) -> None:
        """Start the run that the form describes; say what is missing when something is."""
        spec = self.spec()
        if spec is not None:
            self.start_run(spec)
        else:
            self._tell_missing()

    def _tell_missing(self) -> None:
        if self._data.table is None:
            self.show_notice(
                "There is nothing to train on yet.", "No data has been read.", "Choose a data file.", kind="info"
            )
        else:
            self.show_notice(
                "There is nothing to train yet.",
                "There is no checkpoint on this machine.",
                "Get a starter or download a checkpoint in the Hub pane.",
                kind="info",
            )

    def stop_main_action(self) -> None:
        """Ask the run to stop after its step; what it has learned is kept."""
        self._work.stop()

    def use_result(self) -> None:
        """Load the last result as the model of the whole window."""
        if self._result is not None:
            self._following.load(self._result.checkpoint)

    # What the person did.

    def _on_model(self) -> None:
        if self._model.head is not self._head:
            self._head = self._model.head
            self._data.show_head(self._head)
            self._probes.show_head(self._head)
        self._settings.show_head(self._model.head, self._model.options)
        self._settings.show_adapter(self._model.adapter, self._model.head.auto_class)
        self._on_setting()

    def _on_setting(self) -> None:
        if self._model.facts is not None:
            # A method chosen by hand has a learning rate of its own.
            self._settings.recommend(self._model.facts, self._model.task, self._preset)
        self._on_edited()

    def _on_preset(self, preset: str) -> None:
        self._preset = preset
        self._settings.keep(())
        self._on_model()

    def _on_edited(self) -> None:
        table, checkpoint = self._data.table, self._model.checkpoint
        if self._step.name.text() in ("", self._suggested) and table is not None and checkpoint is not None:
            self._suggested = f"{checkpoint.name.rpartition('/')[2]}-{Path(table.source.name).stem}"
            self._step.name.setText(self._suggested)
        self._model.show_columns(self._data.columns)
        self._model.show_head(len(self._data.labels))
        self._rows.show_spec(self.spec())
        self._step.show_spec(self.spec())
        self._settings.foresee(self.spec(), table.total if table is not None else 0, tuple(self._data.labels))
        self._show_running()
        self._show_code_text()

    def _on_dry_run(self) -> None:
        self._views.setCurrentWidget(self._batches)

    def _on_smaller(self) -> None:
        spec = self._smaller
        if spec is not None:
            names = ("batch_size", "gradient_accumulation_steps")
            self._settings.fill({name: getattr(spec, name) for name in names})
            self.start_run(spec, resume=spec.output_dir)

    def _on_watch(self, run: Run) -> None:
        if (found := outside(run.folder)) is not None:
            self.watch_run(found)

    def _on_stop_outside(self) -> None:
        self.clear_notices()
        self._outside.stop()

    def _on_ended(self) -> None:
        self._runs.set_busy(False)
        self._show_code_text()

    # What changed.

    def _look_for_checkpoints(self) -> None:
        job = Job("List the checkpoints on this machine", _local_checkpoints, pane="trainer", quiet=True)
        job.succeeded.connect(self._show_checkpoints)
        job.failed.connect(self._show_failure)
        self._runner.start(job, Lane.IO, slot="trainer.checkpoints")

    def _show_checkpoints(self, found: tuple[Checkpoint, ...]) -> None:
        self._looked = True
        self._model.show_checkpoints(found, self._session.checkpoint)
        self._on_edited()

    def _show_model(self) -> None:
        if self._session.checkpoint is not None:
            self._model.show_loaded(self._session.checkpoint)

    def _show_table(self, table: Table) -> None:
        self.clear_notices()
        if self._outside.unwatched is not None:
            self._show_outside(self._outside.unwatched)
        self._rows.show_table(table)
        self._model.suggest(fitting_task(table, HEADS))
        self._data.show_table(table)
        if self._wanted is not None and self._wanted.data == table.source:
            self._data.choose(self._wanted.columns)
            self._data.evaluate_on(self._wanted.evaluation)
            self._wanted = None if table.complete else self._wanted

    def _show_unreadable(self, error: WorkbenchError) -> None:
        self._data.show_unread(error)
        if self._data.table is not None:
            self._rows.show_table(self._data.table)
        self._show_failure(error)

    def _show_outside(self, run: Outside) -> None:
        if not self._work.goes_on:
            self.show_notice(
                f"{run.folder.name} is being trained outside the window.",
                "It was started before and goes on in a process of its own.",
                "Watch it to see its curve, and to stop it.",
                kind="info",
                action=("Watch it", partial(self.watch_run, run)),
            )

    def _show_unwatched(self) -> None:
        self._run.show_unwatched()
        self.show_notice(
            f"{self._run.name} goes on outside the window.",
            "Only the watching was ended.",
            "Watch it again under Runs, or stop it here; its checkpoint is kept.",
            kind="info",
            action=("Stop the run", self._on_stop_outside),
        )

    def _show_part(self, part: ProbeResult | Saved) -> None:
        if isinstance(part, ProbeResult):
            self._probes.add(part)
            return
        self._run.show_saved(part)
        if part.error is not None:
            self.show_notice(part.error.what, part.error.why, part.error.remedy, part.details)
        else:
            self._session.local_changed.emit()

    def _show_result(self, result: TrainResult) -> None:
        self._result = result
        self._run.show_result(result)
        if self._made is not None:
            self._after.show_result(self._made, result.checkpoint)
        self._session.local_changed.emit()

    def _show_failed_run(self, error: WorkbenchError, details: str) -> None:
        action = None
        if isinstance(error, TooLarge) and error.smaller is not None:
            self._smaller = error.smaller
            action = (f"Go on with batches of {error.smaller.batch_size}", self._on_smaller)
        self.show_notice(error.what, error.why, error.remedy, details, action=action)

    def _show_failure(self, error: WorkbenchError) -> None:
        job = self.sender()
        self._show_view_failure(error, job.details if isinstance(job, Job) else "")

    def _show_view_failure(self, error: WorkbenchError, details: str) -> None:
        self.show_notice(error.what, error.why, error.remedy, details)

    def _show_running(self) -> None:
        going = self._work.goes_on
        self._batches.show_running(going)
        self._step.start.setEnabled(not going and self._looked and self._data.is_whole)

    def _show_code_text(self, *_: Any) -> None:
        if self.code_is_shown and (spec := self.spec()) is not None:
            self.set_code(codegen.train(spec))

    # The layout.

    def _lay_out(self) -> None:
        settings = QWidget()
        column = QVBoxLayout(settings)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._settings.presets)
        column.addWidget(self._settings)
        steps = named(QTabWidget(), "trainer.steps", "Steps")
        steps.setDocumentMode(True)
        each = (("1 Data", self._data), ("2 Model", self._model), ("3 Settings", settings), ("4 Run", self._step))
        for title, content in each:
            steps.addTab(_page(content, grows=content is self._data), title)
        left = QWidget()
        rows = QVBoxLayout(left)
        rows.setContentsMargins(0, 0, px(self, 6), 0)
        rows.addWidget(steps, 1)
        rows.addWidget(self._step.buttons)
        self.body.addWidget(Arrangement(left, self._views))

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Read the data that waited until somebody looks."""
        super().showEvent(event)
        self._open_waiting()


def _page(content: QWidget, *, grows: bool) -> ColumnScroll:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, px(content, 8), px(content, 6), px(content, 6))
    column.addWidget(content)
    if not grows:
        column.addStretch(1)
    return ColumnScroll(page)


def _local_checkpoints(*, task: Task) -> tuple[Checkpoint, ...]:
    found: tuple[Checkpoint, ...] = hub.local_checkpoints()
    task.check()
    return found

"""The Trainer pane: fine-tunes a checkpoint on a data file while its curve is drawn, and hands over the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import codegen, hub, models, paths
from workbench.engine.data import read
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress, Task
from workbench.engine.train import Head, Saved, Wishes, fine_tune, recommended
from workbench.engine.values import Checkpoint, DataSource, Table, TrainPoint, TrainResult, TrainSpec
from workbench.panes.trainer.consent import ask_to_discard
from workbench.panes.trainer.data_step import DataStep
from workbench.panes.trainer.model_step import ModelStep
from workbench.panes.trainer.run_view import RunView
from workbench.panes.trainer.settings_form import SettingsForm
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.theme import CHANGES, px, set_role

_PAUSE = "Wait after the step at work; the window, the model and the memory stay, and the time is not counted"
_CONTINUE = "Go on with the next step, as if there had been no pause"


class TrainerPane(PaneFrame):
    """Four steps on the left (data, model and head, settings, run), the run itself on the right.

    Args:
        session: Gives the checkpoint to start from and takes the result.
        runner: Runs the fine-tune on the train lane.
    """

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("trainer", "Trainer", parent)
        self._session, self._runner = session, runner
        self._job: Job | None = None
        self._wishes = Wishes()
        self._progress: Progress | None = None
        self._ending = False
        self._question: QMessageBox | None = None
        self._result: TrainResult | None = None
        self._points: list[TrainPoint] = []
        self._looked = False
        self._suggested = ""
        self._set_by_hand = False
        self._head: Head | None = None

        self._data = DataStep()
        self._model = ModelStep()
        self._settings = SettingsForm()
        self._recommended = named(
            QPushButton("Recommended"),
            "trainer.recommended",
            "Recommended",
            "Fills in settings that go well for this checkpoint and task: a first result in about a minute",
        )
        self._run_name = named(
            QLineEdit(), "trainer.run_name", "Run name", "The folder of the result, and the name it is listed under"
        )
        self._start = named(QPushButton("Start"), "trainer.start", "Start", "Start the fine-tune (Ctrl+Enter)")
        self._stop = named(
            QPushButton("Stop and keep"),
            "trainer.stop",
            "Stop and keep",
            "Finish the step at work, save the checkpoint and stop (Esc)",
        )
        set_role(self._start, "primary")
        icons.put(self._start, "play", "accent_text")
        icons.put(self._stop, "stop")
        self._pause = named(QPushButton("Pause"), "trainer.pause", "Pause", _PAUSE)
        self._evaluate = named(
            QPushButton("Eval now"),
            "trainer.eval_now",
            "Eval now",
            "Evaluate on the held-out rows after the step at work; the run itself stays as it would have been",
        )
        self._save = named(
            QPushButton("Save now"),
            "trainer.save_now",
            "Save now",
            "Save a checkpoint beside the run after the step at work; the run goes on",
        )
        self._discard = named(
            QPushButton("Stop and discard"),
            "trainer.discard",
            "Stop and discard",
            "Stop after the step at work and delete what the run has written; asks first",
        )
        icons.put(self._pause, "pause")
        icons.put(self._evaluate, "check")
        icons.put(self._save, "save")
        icons.put(self._discard, "trash")
        self._run = RunView()
        self._views = named(QTabWidget(), "trainer.views", "Views")
        self._views.setDocumentMode(True)
        self._views.addTab(self._run, "Run")
        self._lay_out()

        self._data.file_requested.connect(self.open_data)
        self._data.edited.connect(self._on_edited)
        self._model.edited.connect(self._on_model)
        self._settings.edited.connect(self._on_setting)
        self._recommended.clicked.connect(self._on_recommended)
        self._run_name.textChanged.connect(self._show_code_text)
        self._start.clicked.connect(self.run_main_action)
        self._stop.clicked.connect(self.stop_main_action)
        self._pause.clicked.connect(self.toggle_pause)
        self._evaluate.clicked.connect(self.evaluate_now)
        self._save.clicked.connect(self.save_now)
        self._discard.clicked.connect(self.ask_to_discard)
        self._run.use_requested.connect(self.use_result)
        self.code_shown.connect(self._show_code_text)
        session.model_changed.connect(self._show_model)
        session.local_changed.connect(self._look_for_checkpoints)

        self._on_model()
        self._show_running()
        self.open_data(paths.asset("samples/movie_reviews.csv"))
        self._look_for_checkpoints()

    # What can be asked of it.

    @property
    def points(self) -> Sequence[TrainPoint]:
        """The curve of the run that is shown."""
        return self._points

    @property
    def result(self) -> TrainResult | None:
        """What the run that is shown gave, or None while it goes on or when it failed."""
        return self._result

    def open_data(self, path: Path) -> None:
        """Read a data file; its preview and its columns show when it has been read."""
        job = Job(f"Read {path.name}", read, DataSource(path), pane="trainer", quiet=True)
        job.succeeded.connect(self._show_table)
        job.failed.connect(self._show_unreadable)
        self._runner.start(job, Lane.IO, slot="trainer.data")

    def spec(self) -> TrainSpec | None:
        """The run as the form describes it, or None while data or checkpoint are missing."""
        table, checkpoint = self._data.table, self._model.checkpoint
        if table is None or checkpoint is None:
            return None
        return TrainSpec(
            task=self._model.task,
            checkpoint=checkpoint,
            data=table.source,
            columns=self._data.columns,
            output_dir=paths.new_run_dir(self._run_name.text()),
            **self._settings.values(),
        )

    def start_run(self, spec: TrainSpec) -> None:
        """Start this run, unless one runs; its curve takes the place of the last one."""
        if self._job is not None:
            return
        self.clear_notices()
        self._views.setCurrentWidget(self._run)
        self._result = None
        self._points = []
        self._wishes = Wishes()
        self._progress = None
        self._ending = False
        job = Job(
            f"Fine-tune {spec.checkpoint.name} on {spec.data.name}",
            fine_tune,
            spec,
            wishes=self._wishes,
            pane="trainer",
            stops="after the step at work; the checkpoint is kept",
        )
        job.progressed.connect(self._show_progress)
        job.part_ready.connect(self._show_part)
        job.succeeded.connect(self._show_result)
        job.failed.connect(self._show_failed_run)
        job.cancelled_.connect(self._run.show_nothing_kept)
        job.finished.connect(self._on_finished)
        self._job = job
        self._run.begin(spec.output_dir.name)
        self._show_running()
        self._runner.start(job, Lane.TRAIN)

    def run_main_action(self) -> None:
        """Start the run that the form describes; say what is missing when something is."""
        spec = self.spec()
        if spec is not None:
            self.start_run(spec)
        elif self._data.table is None:
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
        if self._job is not None and not self._ending:
            self._job.cancel()
            self._ending = True
            self._run.show_stopping()
            self._show_running()

    def toggle_pause(self) -> None:
        """Let the run wait after its step, or go on."""
        if self._wishes.pausing:
            self._wishes.go_on()
        else:
            self._wishes.pause()
            self._run.show_pausing()
        self._show_running()

    def evaluate_now(self) -> None:
        """Have the run evaluated after its step."""
        self._wishes.ask("evaluate")
        self._show_running()

    def save_now(self) -> None:
        """Have a checkpoint saved after the step at work, beside the run."""
        self._wishes.ask("save")
        self._show_running()

    def ask_to_discard(self) -> None:
        """Ask whether the run may be stopped and deleted; it goes on until the person agrees."""
        if self._job is None or self._ending or self._question is not None:
            return
        steps = round(self._progress.done) if self._progress is not None and self._trains else 0
        self._question = ask_to_discard(self, self._run.name, steps, self._on_discard)
        self._question.finished.connect(self._on_answered)

    def use_result(self) -> None:
        """Load the last result as the model of the whole window."""
        if self._result is None:
            return
        job = Job(f"Load {self._result.checkpoint.name}", models.load, self._result.checkpoint, pane="trainer")
        job.succeeded.connect(self._session.set_model)
        job.failed.connect(self._show_failure)
        self._runner.start(job, Lane.MODEL, slot="model.load")

    # What the person did.

    def _on_model(self) -> None:
        if self._model.head is not self._head:
            self._head = self._model.head
            self._data.show_head(self._head)
            self._settings.show_head(self._head)
        if self._model.facts is not None and not self._set_by_hand:
            self._settings.fill(recommended(self._model.facts, self._model.task))
        self._on_edited()

    def _on_setting(self) -> None:
        self._set_by_hand = True
        self._on_edited()

    def _on_recommended(self) -> None:
        self._set_by_hand = False
        self._on_model()

    def _on_edited(self) -> None:
        table, checkpoint = self._data.table, self._model.checkpoint
        if self._run_name.text() in ("", self._suggested) and table is not None and checkpoint is not None:
            self._suggested = f"{checkpoint.name.rpartition('/')[2]}-{Path(table.source.name).stem}"
            self._run_name.setText(self._suggested)
        self._model.show_head(len(self._data.labels))
        self._show_running()
        self._show_code_text()

    def _on_discard(self) -> None:
        if self._job is not None and not self._ending:
            self._wishes.discard()
            # While the data are read there is no step yet that would hear of a wish.
            self._job.cancel()
            self._ending = True
            self._run.show_discarding()
            self._show_running()

    def _on_answered(self) -> None:
        self._question = None

    def _on_finished(self) -> None:
        self._job = None
        if self._question is not None:
            self._question.close()
        self._show_running()
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
        self._data.show_table(table)

    def _show_unreadable(self, error: WorkbenchError) -> None:
        self._data.show_unread()
        self._show_failure(error)

    def _show_progress(self, progress: Progress) -> None:
        self._progress = progress
        self._run.show_progress(progress)
        self._show_running()

    def _show_part(self, part: TrainPoint | Saved) -> None:
        if isinstance(part, TrainPoint):
            self._points.append(part)
            self._run.add_point(part)
            return
        self._run.show_saved(part)
        if part.error is not None:
            self.show_notice(part.error.what, part.error.why, part.error.remedy, part.details)
        else:
            self._session.local_changed.emit()

    def _show_result(self, result: TrainResult) -> None:
        self._result = result
        self._run.show_result(result)
        self._session.local_changed.emit()

    def _show_failed_run(self, error: WorkbenchError) -> None:
        self._run.show_failed()
        self._show_failure(error)

    def _show_failure(self, error: WorkbenchError) -> None:
        job = self.sender()
        self.show_notice(error.what, error.why, error.remedy, job.details if isinstance(job, Job) else "")

    def _show_running(self) -> None:
        self._start.setEnabled(self._job is None and self._looked and self._data.table is not None)
        going = self._job is not None and not self._ending
        progress = self._progress
        halted = progress is not None and progress.halted
        steps = going and self._trains
        self._stop.setEnabled(going)
        self._discard.setEnabled(going)
        self._pause.setEnabled(steps)
        # A second evaluation of the same weights would tell nothing.
        evaluated = halted and bool(self._points) and self._points[-1].eval_loss is not None
        self._evaluate.setEnabled(steps and not evaluated and not self._wishes.asked("evaluate"))
        self._save.setEnabled(steps and not self._wishes.asked("save"))
        self._show_pause(going and self._wishes.pausing)

    @property
    def _trains(self) -> bool:
        """Whether the steps have begun; before them and while the result is written no wish is granted."""
        progress = self._progress
        return progress is not None and progress.unit == "steps" and bool(progress.total) and progress.note != "Saving"

    def _show_pause(self, pausing: bool) -> None:
        text, tip, icon = ("Continue", _CONTINUE, "play") if pausing else ("Pause", _PAUSE, "pause")
        if text != self._pause.text():
            self._pause.setText(text)
            named(self._pause, "trainer.pause", text, tip)
            icons.put(self._pause, icon)

    def _show_code_text(self, *_: Any) -> None:
        if self.code_is_shown and (spec := self.spec()) is not None:
            self.set_code(codegen.train(spec))

    # Qt, and the layout.

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_scroll"):
            self._fit()

    def _fit(self) -> None:
        # Wide enough for its content at any zoom: nothing of a setting is ever cut off sideways.
        self._scroll.setMinimumWidth(self._steps.sizeHint().width() + px(self, 18))

    def _lay_out(self) -> None:
        self._steps = QWidget()
        column = QVBoxLayout(self._steps)
        column.setContentsMargins(0, 0, 6, 0)
        column.addWidget(_card("1  Data", self._data))
        column.addWidget(_card("2  Model and head", self._model))
        column.addWidget(_card("3  Settings", self._settings, self._recommended))
        column.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidget(self._steps)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._fit()

        run = QWidget()
        grid = QGridLayout(run)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        label = QLabel("Run name")
        label.setBuddy(self._run_name)
        buttons = QGridLayout()
        rows_of_buttons = (
            (self._start, self._pause, self._stop),
            (self._evaluate, self._save, self._discard),
        )
        for row, three in enumerate(rows_of_buttons):
            for number, button in enumerate(three):
                buttons.addWidget(button, row, number)
                buttons.setColumnStretch(number, 1)
        grid.addWidget(label, 0, 0)
        grid.addWidget(self._run_name, 0, 1)
        grid.addLayout(buttons, 1, 0, 1, 2)
        left = QWidget()
        rows = QVBoxLayout(left)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self._scroll, 1)
        rows.addWidget(_card("4  Run", run))
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(left)
        splitter.addWidget(self._views)
        splitter.setStretchFactor(1, 1)
        self.body.addWidget(splitter)


def _card(title: str, content: QWidget, tool: QWidget | None = None) -> QFrame:
    card = QFrame()
    set_role(card, "card")
    heading = QLabel(title)
    set_role(heading, "heading")
    top = QHBoxLayout()
    top.addWidget(heading, 1)
    if tool is not None:
        top.addWidget(tool)
    layout = QVBoxLayout(card)
    layout.addLayout(top)
    layout.addWidget(content)
    return card


def _local_checkpoints(*, task: Task) -> tuple[Checkpoint, ...]:
    found: tuple[Checkpoint, ...] = hub.local_checkpoints()
    task.check()
    return found

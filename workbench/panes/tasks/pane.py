"""The Tasks pane: choose a task, write a text, run, and look into each of the three steps."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from workbench.engine import models, tasks
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress
from workbench.engine.tasks import batch
from workbench.engine.values import Table, TaskResult
from workbench.panes.tasks.advice import AdviceButton
from workbench.panes.tasks.code import code_of, code_of_rows
from workbench.panes.tasks.given import GivenForm
from workbench.panes.tasks.head import HeadCard
from workbench.panes.tasks.many import ManyForm, read_rows, run_file
from workbench.panes.tasks.options import OptionsForm
from workbench.panes.tasks.previews import Previews
from workbench.panes.tasks.remarks import remarks
from workbench.panes.tasks.results import ResultView
from workbench.panes.tasks.stages import StageBox, duration
from workbench.runtime.jobs import Job, Lane, Runner, State
from workbench.runtime.session import Session
from workbench.widgets.column_scroll import ColumnScroll
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role
from workbench.widgets.turning_splitter import TurningSplitter
from workbench.widgets.wrapping_row import WrappingRow

_STAGES = (
    ("preprocess", "The input becomes tensors: the tokenizer's ids and masks, the processor's pixels or samples"),
    ("forward", "The tensors go through the model"),
    ("postprocess", "What comes out becomes the answer"),
)


class TasksPane(PaneFrame):
    """One task at a time on the loaded checkpoint.

    Args:
        session: Whose model does the task.
        runner: Runs it on the model's lane.

    Signals:
        hub_requested(): The person wants to choose a checkpoint.
        checkpoint_requested(str): The person wants to look at this one, by its name on the Hub.
    """

    hub_requested = Signal()
    checkpoint_requested = Signal(str)

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("tasks", "Tasks", parent)
        self._session = session
        self._runner = runner
        self._job: Job | None = None

        self._task = named(
            QuietComboBox(), "tasks.task", "Task", "What to do with the input; inferred from the checkpoint"
        )
        # As wide as the column; the longest name may be cut where that is narrow.
        self._task.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._task.setMinimumContentsLength(12)
        for spec, before in zip(tasks.SPECS, (tasks.SPECS[0], *tasks.SPECS), strict=False):
            if ("image" in spec.takes, "audio" in spec.takes) != ("image" in before.takes, "audio" in before.takes):
                self._task.insertSeparator(self._task.count())
            self._task.addItem(spec.name)
            self._task.setItemData(self._task.count() - 1, f"{spec.does}.", Qt.ItemDataRole.ToolTipRole)
        self._about = named(QLabel(), "tasks.about", "About", "What the task does, and what kind of model this is")
        self._about.setWordWrap(True)
        # A folder's name may stand in what is said of a model.
        self._about.setTextFormat(Qt.TextFormat.PlainText)
        set_role(self._about, "muted")
        self._given = GivenForm()
        self._options = OptionsForm()
        self._head = HeadCard()
        self._run = named(QPushButton("Run"), "tasks.run", "Run", "Do the task (Ctrl+Enter)")
        set_role(self._run, "primary")
        self._stop = named(QPushButton("Stop"), "tasks.stop", "Stop", "Stop at the next step or token (Esc)")
        self._try = named(QPushButton("Try an example"), "tasks.try", "Try an example", "Fill in something to try")
        self._from_file = named(
            QPushButton("From a file"), "tasks.from_file", "From a file", "Do the task on each row of a file"
        )
        self._from_file.setCheckable(True)
        self._advice = AdviceButton()
        self._many = ManyForm()
        self._many.hide()
        self._state = named(QLabel(), "tasks.state", "State", "What was run and how long it took")
        set_role(self._state, "muted")
        self._shown: TaskResult | None = None
        self._result = ResultView()
        self._boxes = [StageBox(name, number, tip) for number, (name, tip) in enumerate(_STAGES, 1)]

        self.body.addWidget(self._laid_out())

        self._task.currentTextChanged.connect(self._on_task_chosen)
        self._given.changed.connect(self._on_input_changed)
        self._given.refused.connect(self._on_refused)
        self._previews = Previews(self._given, runner, self)
        self._previews.picture_shown.connect(self._on_picture_shown)
        self._options.changed.connect(self._on_options_changed)
        self._run.clicked.connect(self.run_main_action)
        self._stop.clicked.connect(self.stop_main_action)
        self._try.clicked.connect(self._on_try)
        self._from_file.toggled.connect(self._on_from_file)
        self._many.file_chosen.connect(self.read_rows)
        self._many.changed.connect(self._on_input_changed)
        self._result.many.save_requested.connect(self._on_save_rows)
        self._result.many.row_requested.connect(self._on_row_requested)
        self._advice.checkpoint_requested.connect(self.checkpoint_requested)
        self._head.load_requested.connect(self._on_load_head)
        self.code_shown.connect(self._on_input_changed)
        session.model_changed.connect(self._show_model)
        self._show_model()

    # Public verbs.

    @property
    def task(self) -> str:
        """The chosen task."""
        return self._task.currentText()

    @property
    def busy(self) -> bool:
        """Whether a task or a load runs."""
        return self._job is not None

    def run_main_action(self) -> None:
        """Do the task on the input."""
        model = self._session.model
        if model is None or not self._run.isEnabled():
            return
        self.clear_notices()
        if self._from_file.isChecked():
            self._run_many(model)
            return
        job = Job(
            f"{self.task} with {model.checkpoint.name}",
            tasks.run,
            model,
            self.task,
            self._given.given,
            self._options.options,
            pane="tasks",
            stops="at the next step or token",
        )
        job.succeeded.connect(self._on_result)
        self._start(job)

    def read_rows(self, path: Path) -> None:
        """Look into a file of inputs, or a folder of them, to be run on each."""
        takes = tasks.spec(self.task).takes
        job = Job(f"Reading {path.name}", read_rows, path, takes, pane="tasks", stops="within 2,000 rows")
        job.succeeded.connect(self._on_rows_read)
        job.failed.connect(self._on_read_failed)
        self._runner.start(job, Lane.IO, slot="tasks.rows")

    def stop_main_action(self) -> None:
        """Ask what runs to stop."""
        if self._job is not None:
            self._job.cancel()

    # The person did something.

    def _on_task_chosen(self) -> None:
        before = self._given.given
        untouched = not before.text.strip() or before.text in {
            tasks.example("fill-mask", self._session.model).text,
            *(spec.example.text for spec in tasks.SPECS),
        }
        self._drop_job()
        self._clear_result()
        self._result.many.begin()
        self._show_task()
        if untouched and before.text.strip():
            self._on_try()

    def _on_try(self) -> None:
        self._given.set_given(tasks.example(self.task, self._session.model))
        self._given.focus_first()

    def _on_picture_shown(self, picture: QImage) -> None:
        if self._shown is not None and self._shown.given.image == self._given.picture.path:
            self._result.show_result(self._shown, picture, self._given.other.view.picture)

    def _on_from_file(self, on: bool) -> None:
        self._given.setVisible(not on)
        self._many.setVisible(on)
        self._try.setVisible(not on)
        self._drop_job()
        self._clear_result()
        if on:
            self._result.show_rows()
        self._on_input_changed()

    def _on_rows_read(self, table: Table) -> None:
        self._many.show_table(table)
        self._on_input_changed()

    def _on_read_failed(self, error: WorkbenchError) -> None:
        self.show_notice(error.what, error.why, error.remedy)

    def _on_save_rows(self, path: Path) -> None:
        rows = self._result.many.rows
        job = Job(f"Saving {path.name}", batch.save, rows, path, pane="tasks", stops="soon, leaving nothing behind")
        job.failed.connect(self._on_read_failed)
        self._runner.start(job, Lane.IO)

    def _on_refused(self, words: str) -> None:
        self.show_notice("This file can't be used.", words, "Choose another one.", kind="warning")

    def _on_input_changed(self) -> None:
        self._show_buttons()
        self._write_code()

    def _on_options_changed(self) -> None:
        self._on_input_changed()
        self._follow_options()

    def _on_load_head(self, head: str) -> None:
        model = self._session.model
        if model is None:
            return
        self.clear_notices()
        job = Job(
            f"Loading {model.checkpoint.name} as {head}",
            models.load,
            model.checkpoint,
            head=head,
            dtype=model.dtype if model.dtype in ("float32", "bfloat16", "float16") else "auto",
            device=model.device,
            pane="tasks",
            stops="after the weights are read",
        )
        job.succeeded.connect(self._on_head_loaded)
        self._start(job)

    @property
    def result(self) -> TaskResult | None:
        """The result that is shown."""
        return self._shown

    def _run_many(self, model: models.LoadedModel) -> None:
        source = self._many.source
        if source is None:
            return
        self._clear_result()
        job = Job(
            f"{self.task} on {source.name}",
            run_file,
            model,
            self.task,
            source,
            self._many.columns,
            self._given.given,
            self._options.options,
            self._many.batch_size,
            pane="tasks",
            stops="after the rows that are in the model now",
        )
        self._result.show_many()
        job.part_ready.connect(self._on_rows_done)
        job.progressed.connect(self._on_progress)
        job.finished.connect(self._result.finish_many)
        self._start(job)

    def _on_row_requested(self, row: batch.BatchRow) -> None:
        model = self._session.model
        if model is None or self._job is not None:
            return
        self.clear_notices()
        job = Job(
            f"{self.task} on row {row.number}",
            tasks.run,
            model,
            self.task,
            row.given,
            self._options.options,
            pane="tasks",
            stops="at the next step or token",
        )
        job.succeeded.connect(self._show_steps)
        self._start(job)

    # The work reported back.

    def _on_rows_done(self, rows: object) -> None:
        if self.sender() is self._job and isinstance(rows, tuple):
            self._result.many.add(rows)

    def _on_progress(self, progress: Progress) -> None:
        if self.sender() is self._job and progress.unit == "rows" and progress.total:
            self._state.setText(f"{progress.done:,.0f} of {progress.total:,.0f} rows")

    def _on_result(self, result: TaskResult) -> None:
        self._shown = result
        self._result.show_result(result, self._given.picture.view.picture, self._given.other.view.picture)
        self._show_steps(result)

    def _follow_options(self) -> None:
        """Do the last step again where it alone reads what was changed; else say that the settings wait for Run."""
        result, model, options = self._shown, self._session.model, self._options.options
        if result is None or model is None or self._from_file.isChecked() or result.given != self._given.given:
            return
        if self._job is not None and not self._job.quiet:
            return
        self._drop_job()
        if result.options == options:
            self._state.setText(_measure(result))
        elif not tasks.can_finish(result, options):
            self._state.setText("Run for these settings")
        else:
            self.clear_notices()
            job = Job(f"{self.task} once more", tasks.finish, model, result, options, pane="tasks", quiet=True)
            job.succeeded.connect(self._on_result)
            self._start(job)

    def _show_steps(self, result: TaskResult) -> None:
        for box, stage in zip(self._boxes, result.stages, strict=True):
            box.show_stage(stage)
        self._state.setText(_measure(result))
        for remark in remarks(result, self._session.model):
            self.show_notice(*remark, kind="warning")

    def _on_head_loaded(self, model: models.LoadedModel) -> None:
        wanted = self.task
        self._session.set_model(model)
        self._task.setCurrentText(wanted)
        if model.missing and model.head != model.facts.trained_head:
            self.show_notice(
                "This head is untrained.",
                "The checkpoint has no weights for it, so they were drawn at random; its answers mean nothing yet.",
                "Fine-tune it in Trainer, or load a checkpoint that was trained for this task.",
                kind="warning",
            )

    def _on_failed(self, error: WorkbenchError) -> None:
        self._state.setText("failed")
        self.show_notice(error.what, error.why, error.remedy, self._job.details if self._job is not None else "")

    def _on_cancelled(self) -> None:
        self._state.setText("stopped")

    def _on_finished(self) -> None:
        job = self._job
        if self.sender() is job and job is not None:
            self._job = None
            self._show_buttons()
            if job.state is State.DONE:
                self._follow_options()

    # The state changed.

    def _show_model(self) -> None:
        model = self._session.model
        self._drop_job()
        self._clear_result()
        self._result.many.begin()
        if model is None:
            self.show_empty(
                "No model is loaded. Load a checkpoint, and its task, with every step of it, is done here.",
                "Open Hub",
                self.hub_requested.emit,
            )
            return
        self.show_body()
        first = tasks.first(model)
        if first != self.task:
            # Its rows are another task's.
            self._from_file.setChecked(False)
        self._task.setCurrentText(first)
        self._show_task()

    def _show_task(self) -> None:
        model = self._session.model
        if model is None:
            return
        spec = tasks.spec(self.task, model)
        self._options.show_for(spec, tasks.applies(self.task, model))
        self._advice.show_for(self.task)
        self._head.show_for(model, self.task, tasks.supports(model, self.task))
        self._given.show_for(spec)
        self._many.show_for(spec)
        kind, meaning = tasks.architecture(model.facts)
        article = "a" if kind == "decoder" else "an"
        self._about.setText(" ".join((f"{spec.does}. This checkpoint is {article} {kind}. {meaning}", *model.notes)))
        self._on_input_changed()

    def _show_buttons(self) -> None:
        model = self._session.model
        able = model is not None and tasks.supports(model, self.task)
        many = self._from_file.isChecked()
        able = able and (not many or (self._many.ready and batch.can(self.task)))
        self._from_file.setEnabled(many or batch.can(self.task))
        self._run.setEnabled(able and self._job is None)
        self._stop.setEnabled(self._job is not None)
        self._head.set_busy(self._job is not None)

    def _write_code(self) -> None:
        model = self._session.model
        if model is None or not self.code_is_shown:
            return
        options, given, source = self._options.options, self._given.given, self._many.source
        if self._from_file.isChecked() and source is not None and source.path is not None:
            self.set_code(code_of_rows(model, self.task, given, options, source.path, self._many.columns))
        else:
            self.set_code(code_of(model, self.task, given, options))

    def _clear_result(self) -> None:
        self.clear_notices()
        self._state.setText("")
        self._shown = None
        self._result.clear()
        for box in self._boxes:
            box.clear()

    def _drop_job(self) -> None:
        """What still runs was asked of another model or for another task: its result must not show."""
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _start(self, job: Job) -> None:
        job.failed.connect(self._on_failed)
        job.cancelled_.connect(self._on_cancelled)
        job.finished.connect(self._on_finished)
        self._job = job
        self._state.setText("running …")
        self._show_buttons()
        self._runner.start(job, Lane.MODEL, slot="tasks")

    def _laid_out(self) -> QWidget:
        label = QLabel("Task")
        label.setBuddy(self._task)
        chosen = QHBoxLayout()
        chosen.addWidget(label)
        chosen.addWidget(self._task, 1)
        chosen.addWidget(self._advice)
        buttons = WrappingRow((self._run, self._stop), (self._try, self._from_file))
        form = QWidget()
        inside = QVBoxLayout(form)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self._about)
        inside.addWidget(self._given, 1)
        inside.addWidget(self._many, 1)
        inside.addWidget(self._options)
        asked = QWidget()
        column = QVBoxLayout(asked)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(chosen)
        column.addWidget(ColumnScroll(form, least=200), 1)
        column.addWidget(buttons)

        caption = QLabel("Result")
        set_role(caption, "heading")
        answered = QWidget()
        grid = QGridLayout(answered)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(caption, 0, 0)
        grid.addWidget(self._state, 0, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self._head, 1, 0, 1, 2)
        grid.addWidget(self._result, 2, 0, 1, 2)
        grid.setRowStretch(2, 1)

        top = TurningSplitter()
        top.addWidget(asked)
        top.addWidget(answered)
        top.setStretchFactor(0, 2)
        top.setStretchFactor(1, 3)
        bottom = TurningSplitter()
        for box in self._boxes:
            bottom.addWidget(box)
            bottom.setStretchFactor(bottom.count() - 1, 1)
        whole = QSplitter(Qt.Orientation.Vertical)
        whole.addWidget(top)
        whole.addWidget(bottom)
        # A picture, a map or a table wants more room than the numbers that they were made of.
        whole.setStretchFactor(0, 3)
        whole.setStretchFactor(1, 2)
        whole.setSizes([570, 390])
        whole.setChildrenCollapsible(False)
        return whole


def _measure(result: TaskResult) -> str:
    """How much went in, and how long it took."""
    first = result.stages[0].tensors[0]
    shape = " × ".join(str(each) for each in first.shape)
    size = f"{first.name} {shape}"
    if first.name == "input_ids":
        ids = next((each for each in result.stages[2].tensors if each.name in ("new_ids", "image_tokens")), None)
        size = f"{shape}{f' + {ids.shape[0]}' if ids is not None else ''} tokens"
    return f"{size} · {duration(sum(stage.seconds for stage in result.stages))}"

"""After the run: how the result does on the rows that were held out, beside what it began with."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QSplitter, QTabWidget, QVBoxLayout, QWidget

from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress
from workbench.engine.train import HEADS, evaluate
from workbench.engine.values import Checkpoint, Evaluation, TrainSpec
from workbench.panes.trainer.wording import shown, title
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import icons
from workbench.widgets.button_rows import ButtonRows
from workbench.widgets.data_table import DataTable
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.theme import set_role
from workbench.widgets.tinted_matrix import TintedMatrix

#: What the Playground takes.
_GENERATING = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM")
_NOTHING = "Finish a run, or choose one under Runs; then its result can be evaluated on the rows it held out."


class AfterView(QWidget):
    """Evaluates a result and shows the rows behind the numbers.

    Args:
        runner: Evaluates on the train lane, where no run is at work then.

    Signals:
        failed(WorkbenchError, str): An evaluation failed; the error and its details.
        playground_requested(Checkpoint), tasks_requested(Checkpoint): Load the result and show that pane.
        compare_requested(Checkpoint, Checkpoint): Load the result, and what it began with as the second model.
        share_requested(Checkpoint): Save it elsewhere, merge it or push it.
    """

    failed = Signal(object, str)
    playground_requested = Signal(object)
    tasks_requested = Signal(object)
    compare_requested = Signal(object, object)
    share_requested = Signal(object)

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._spec: TrainSpec | None = None
        self._result: Checkpoint | None = None
        self._job: Job | None = None
        self._found: dict[str, Evaluation] = {}
        self._only: tuple[str, str] | None = None

        self._status = named(QLabel(_NOTHING), "trainer.after_status", "Evaluation status")
        self._status.setWordWrap(True)
        set_role(self._status, "muted")
        self._evaluate = _button(
            "evaluate_result", "Evaluate", "check", "Run the result over every row that the run held out"
        )
        set_role(self._evaluate, "primary")
        icons.put(self._evaluate, "check", "accent_text")
        self._evaluate_base = _button(
            "evaluate_base",
            "Evaluate the base",
            "check",
            "Run what the run began with over the same rows, with the head as it was before the first step",
        )
        self._playground = _button(
            "to_playground", "Open in Playground", "playground", "Load the result and generate with it"
        )
        self._tasks = _button("to_tasks", "Open in Tasks", "tasks", "Load the result and try it on a text of your own")
        self._compare = _button(
            "to_compare",
            "Compare with the base",
            "refresh",
            "Load the result and its base side by side in the Compare pane",
        )
        self._share = _button("share", "Save or push…", "export", "Save a copy, merge an adapter, or push to the Hub")
        self._metrics = named(DataTable(), "trainer.after_metrics", "Metrics", "On the rows that were held out")
        self._metrics.set_empty_text("not evaluated yet")
        self._confusion = named(
            TintedMatrix(),
            "trainer.confusion",
            "Confusion",
            "Rows by their right label (down) and the guessed one (across); a click shows those rows below",
        )
        self._classes = named(DataTable(), "trainer.classes", "Labels", "Precision, recall and F1 of each label")
        self._rows = named(DataTable(), "trainer.after_rows", "Rows", "Every held-out row, the worst guess first")
        self._calibration = LinePlot(
            "trainer.calibration", "Calibration", "probability of the guess", "share that was right", smoothing=0.0
        )
        self._calibration.add_series("rows")
        self._calibration.add_series("perfectly calibrated", dashed=True)
        self._details = named(QTabWidget(), "trainer.after_details", "Details")
        self._details.setDocumentMode(True)
        self._lay_out()

        self._evaluate.clicked.connect(self._on_evaluate)
        self._evaluate_base.clicked.connect(self._on_evaluate_base)
        self._playground.clicked.connect(self._on_playground)
        self._tasks.clicked.connect(self._on_tasks)
        self._compare.clicked.connect(self._on_compare)
        self._share.clicked.connect(self._on_share)
        self._confusion.cell_chosen.connect(self._on_cell)
        self._show_buttons()

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """What was evaluated, under ``result`` and ``base``."""
        return dict(self._found)

    def show_result(self, spec: TrainSpec, result: Checkpoint) -> None:
        """Offer the result of a run."""
        if (spec, result) == (self._spec, self._result):
            return
        if self._job is not None:
            self._job.cancel()
        self._spec, self._result, self._found, self._only = spec, result, {}, None
        self._status.setText(f"{result.name} has not been evaluated row by row yet.")
        self._show_found()
        self._show_buttons()

    def evaluate_result(self, *, base: bool = False) -> None:
        """Evaluate the result, or what the run began with."""
        if self._spec is None or self._result is None or self._job is not None:
            return
        checkpoint = self._spec.checkpoint if base else self._result
        job = Job(f"Evaluate {checkpoint.name}", evaluate, self._spec, checkpoint, pane="trainer", patient=True)
        job.progressed.connect(self._show_progress)
        job.succeeded.connect(self._show_base if base else self._show_evaluation)
        job.failed.connect(self._show_failed)
        job.cancelled_.connect(self._show_stopped)
        job.finished.connect(self._on_finished)
        self._job = job
        self._runner.start(job, Lane.TRAIN)
        self._show_buttons()

    # What the person did.

    def _on_evaluate(self) -> None:
        if self._job is not None:
            self._job.cancel()
        else:
            self.evaluate_result()

    def _on_evaluate_base(self) -> None:
        self.evaluate_result(base=True)

    def _on_playground(self) -> None:
        self.playground_requested.emit(self._result)

    def _on_tasks(self) -> None:
        self.tasks_requested.emit(self._result)

    def _on_compare(self) -> None:
        if self._spec is not None:
            self.compare_requested.emit(self._result, self._spec.checkpoint)

    def _on_share(self) -> None:
        self.share_requested.emit(self._result)

    def _on_cell(self, row: int, column: int) -> None:
        found = self._found.get("result")
        if found is not None:
            self._only = (found.labels[row], found.labels[column])
            self._details.setCurrentWidget(self._rows)
            self._show_rows()

    # What came of it.

    def _show_progress(self, progress: Progress) -> None:
        total = f" of {progress.total:,.0f}" if progress.total else ""
        self._status.setText(f"{progress.note} · {progress.done:,.0f}{total} {progress.unit}")

    def _show_evaluation(self, found: Evaluation) -> None:
        self._found["result"] = found
        self._show_found()

    def _show_base(self, found: Evaluation) -> None:
        self._found["base"] = found
        self._show_found()

    def _show_failed(self, error: WorkbenchError) -> None:
        self._status.setText(error.what)
        self.failed.emit(error, self._job.details if self._job is not None else "")

    def _show_stopped(self) -> None:
        self._status.setText("Stopped; nothing was evaluated.")

    def _on_finished(self) -> None:
        self._job = None
        self._show_buttons()

    def _show_buttons(self) -> None:
        ready, busy = self._result is not None, self._job is not None
        text = "Stop" if busy else "Evaluate"
        if self._evaluate.text() != text:
            self._evaluate.setText(text)
            named(self._evaluate, "trainer.evaluate_result", text, "Stop the evaluation" if busy else _EVALUATE_TIP)
            icons.put(self._evaluate, "stop" if busy else "check", "accent_text")
        self._evaluate.setEnabled(ready)
        self._evaluate_base.setEnabled(ready and not busy)
        generates = self._spec is not None and HEADS[self._spec.task].auto_class in _GENERATING
        self._playground.setEnabled(ready and generates)
        for button in (self._tasks, self._share):
            button.setEnabled(ready)
        self._compare.setEnabled(ready and generates)

    def _show_found(self) -> None:
        result, base = self._found.get("result"), self._found.get("base")
        each = [("Result", result), ("Base", base)]
        columns = [name for name, found in each if found is not None]
        names = list(dict.fromkeys(name for _, found in each if found is not None for name in found.metrics))
        rows = [
            (title(name), *(shown(name, found.metrics[name]) for _, found in each if found is not None))
            for name in names
        ]
        self._metrics.set_rows(("Metric", *columns), rows)
        if result is None:
            self._confusion.set_cells((), (), np.zeros((0, 0)), _no_words, _no_words)
            self._classes.set_rows((), ())
            self._rows.set_rows((), ())
            self._calibration.clear()
        else:
            sure = ""
            if result.calibration_error is not None:
                sure = f" · calibration error {result.calibration_error:.3f}"
            self._status.setText(f"{result.name} on {result.rows:,} held-out rows{sure}")
            self._show_confusion(result)
            self._classes.set_rows(
                ("Label", "Precision", "Recall", "F1", "Rows"),
                [(one.label, one.precision, one.recall, one.f1, one.support) for one in result.classes],
            )
            self._calibration.set_series(
                "rows", [one.confidence for one in result.calibration], [one.accuracy for one in result.calibration]
            )
            self._calibration.set_series("perfectly calibrated", [0.0, 1.0], [0.0, 1.0])
            self._show_rows()
        labelled = result is not None and bool(result.labels)
        self._confusion.setVisible(labelled)
        self._details.setTabVisible(self._details.indexOf(self._classes), labelled)
        self._details.setTabVisible(self._details.indexOf(self._calibration), labelled)

    def _show_confusion(self, found: Evaluation) -> None:
        counts = np.array(found.confusion, np.int64).reshape(len(found.labels), len(found.labels))
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

        def words(row: int, column: int) -> str:
            return f"{counts[row, column]:,}"

        def tip(row: int, column: int) -> str:
            return (
                f"{counts[row, column]:,} rows of “{found.labels[row]}” were taken for “{found.labels[column]}”: "
                f"{format_percent(float(shares[row, column]))} of them"
            )

        self._confusion.set_cells(found.labels, found.labels, shares, words, tip)

    def _show_rows(self) -> None:
        found = self._found.get("result")
        if found is None:
            return
        examples = [one for one in found.examples if self._only in (None, (one.right, one.guessed))]
        if found.labels:
            columns: tuple[str, ...] = ("Loss", "Right", "Guessed", "Probability", "Place", "Text")

            def row(number: int) -> tuple[object, ...]:
                one = examples[number]
                return (one.loss, one.right, one.guessed, one.probability, one.place, one.text)
        else:
            columns = ("Loss", "Place", "Text")

            def row(number: int) -> tuple[object, ...]:
                one = examples[number]
                return (one.loss, one.place, one.text)

        self._rows.set_rows(columns, len(examples), row)
        self._rows.set_format(3, _percent if found.labels else str)
        place = self._details.indexOf(self._rows)
        some = "" if self._only is None else f": {self._only[0]} taken for {self._only[1]}"
        self._details.setTabText(place, f"Rows{some}")

    def _lay_out(self) -> None:
        six = (self._evaluate, self._evaluate_base, self._share, self._playground, self._tasks, self._compare)
        above = QSplitter(Qt.Orientation.Horizontal)
        above.setChildrenCollapsible(False)
        above.addWidget(self._metrics)
        above.addWidget(self._confusion)
        above.setSizes([200, 300])
        self._details.addTab(self._rows, "Rows")
        self._details.addTab(self._classes, "Labels")
        self._details.addTab(self._calibration, "Calibration")
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(above)
        splitter.addWidget(self._details)
        splitter.setStretchFactor(1, 2)
        layout = QVBoxLayout(self)
        layout.addWidget(ButtonRows(six))
        layout.addWidget(self._status)
        layout.addWidget(splitter, 1)


_EVALUATE_TIP = "Run the result over every row that the run held out"


def _button(name: str, text: str, icon: str, tip: str) -> QPushButton:
    button = named(QPushButton(text), f"trainer.{name}", text, tip)
    icons.put(button, icon)
    return button


def _percent(share: float | None) -> str:
    return "" if share is None else format_percent(share)


def _no_words(_: int, __: int) -> str:
    return ""

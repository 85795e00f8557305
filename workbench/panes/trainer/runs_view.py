"""The runs on this machine: where each stands, their curves over one another, and in what they differ."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import paths
from workbench.engine.task import Task
from workbench.engine.train import runs
from workbench.engine.train.runs import Run, RunState
from workbench.engine.values import TrainPoint
from workbench.panes.trainer.past_runs import read_curves
from workbench.panes.trainer.wording import TITLES, marked, of_best, shown, spoken
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import consent, icons
from workbench.widgets.button_rows import ButtonRows
from workbench.widgets.data_table import DataTable
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes
from workbench.widgets.theme import CHANGES, px, set_role

#: So many curves can be told apart.
_MOST = 6
_LOSSES = ("train", "evaluation")


class RunsView(QWidget):
    """Lists runs; those that are selected are drawn over one another and compared.

    Args:
        runner: Reads the folders on the IO lane.

    Signals:
        resume_requested(Run): The person wants it to go on.
        load_requested(Checkpoint): The person wants its result in the window.
        settings_requested(Run): The person wants its settings in the steps.
        evaluate_requested(Run): The person wants to see its result row by row.
        watch_requested(Run): The person wants to watch it while it goes on outside.
        failed(WorkbenchError): Something could not be done.
        deleted(): A run is gone from the disk.
    """

    resume_requested = Signal(object)
    load_requested = Signal(object)
    settings_requested = Signal(object)
    evaluate_requested = Signal(object)
    watch_requested = Signal(object)
    failed = Signal(object)
    deleted = Signal()

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._runs: tuple[Run, ...] = ()
        self._busy = False
        self._wanted: Path | None = None
        self._question: QMessageBox | None = None

        self._table = named(
            DataTable(), "trainer.runs", "Runs", "Select several with Ctrl or Shift to draw and compare them"
        )
        self._table.set_empty_text("Looking for runs…")
        self._about = named(QLabel(), "trainer.runs_about", "About the run")
        self._about.setWordWrap(True)
        set_role(self._about, "muted")
        self._plot = LinePlot(
            "trainer.runs_plot", "Losses of the runs, evaluations dashed", "optimizer step", "loss (nats)"
        )
        self._plot.add_series(_LOSSES[0], smooth=True)
        self._plot.add_series(_LOSSES[1], dashed=True)
        self._compared = named(
            DataTable(), "trainer.runs_compared", "Settings", "Of one run all settings; of several those that differ"
        )
        self._below = named(QTabWidget(), "trainer.runs_below", "Curves and settings")
        self._compared.set_empty_text("Select a run to see what made it.")
        self._resume = self._button("resume", "Resume", "play", "Go on after its last checkpoint, bit for bit")
        self._load = self._button("load", "Load result", "download", "Make its newest checkpoint the window's model")
        self._use = self._button("use_settings", "Use settings", "settings", "Fill the four steps as it was")
        self._open = self._button("open", "Open folder…", "folder", "Take any folder that a Trainer wrote as a run")
        self._more = self._button("more", "More", "more", "What else can be done with the run")
        menu = QMenu(self._more)
        menu.setToolTipsVisible(True)
        self._evaluate = menu.addAction("Evaluate row by row")
        self._evaluate.setToolTip("Look at its result on the rows that it held out")
        self._watch = menu.addAction("Watch")
        self._watch.setToolTip("See the curve of a run that goes on outside the window, and stop it")
        self._show = menu.addAction("Show files")
        self._show.setToolTip("Show the run's folder in the file manager")
        self._board = menu.addAction("Write TensorBoard files")
        self._board.setToolTip("Write the curve as event files into the run's folder")
        self._more.setMenu(menu)
        self._delete = self._button("delete", "Delete…", "trash", "Delete the run's folder; asks first")
        self._lay_out()

        self._table.row_selected.connect(self._on_selected)
        self._resume.clicked.connect(self._on_resume)
        self._load.clicked.connect(self._on_load)
        self._use.clicked.connect(self._on_use)
        self._open.clicked.connect(self._on_open)
        self._evaluate.triggered.connect(self._on_evaluate)
        self._watch.triggered.connect(self._on_watch)
        self._show.triggered.connect(self._on_show)
        self._board.triggered.connect(self._on_board)
        self._delete.clicked.connect(self.ask_to_delete)
        self._show_buttons()

    # What can be asked of it.

    @property
    def listed(self) -> tuple[Run, ...]:
        """The runs that are shown, the newest first."""
        return self._runs

    @property
    def selected(self) -> tuple[Run, ...]:
        """The selected runs, from top to bottom."""
        rows = sorted(index.row() for index in self._table.selectionModel().selectedRows())
        return tuple(self._runs[row] for row in rows if row < len(self._runs))

    def refresh(self) -> None:
        """Look again what is there."""
        job = Job("List the runs", runs.list_runs, pane="trainer", quiet=True)
        job.succeeded.connect(self._show_runs)
        job.failed.connect(self.failed)
        self._runner.start(job, Lane.IO, slot="trainer.runs")

    def set_busy(self, busy: bool) -> None:
        """Whether a run goes on, so that none can be resumed."""
        if busy != self._busy:
            self._busy = busy
            self._show_buttons()
            self.refresh_if_seen()

    def refresh_if_seen(self) -> None:
        """Look again when it is in sight; it looks by itself when it comes there."""
        if self.isVisible():
            self.refresh()

    def select(self, folder: Path) -> None:
        """Select the run of a folder, as soon as it is listed."""
        self._wanted = folder
        self.refresh()

    def open_folder(self, folder: Path) -> None:
        """Take a folder as a run, list it and select it."""
        job = Job(f"Open {folder.name}", _open_run, folder, pane="trainer", quiet=True)
        job.succeeded.connect(self._show_opened)
        job.failed.connect(self.failed)
        self._runner.start(job, Lane.IO)

    def ask_to_delete(self) -> None:
        """Ask whether the selected runs may be deleted."""
        chosen = self.selected
        if not chosen or self._question is not None:
            return
        size = sum(run.size for run in chosen if run.own)
        names = chosen[0].name if len(chosen) == 1 else f"{len(chosen)} runs"
        kept = [run.name for run in chosen if not run.own]
        details = f"{format_bytes(size)} of weights, checkpoints and curves are deleted; this can't be undone."
        if kept:
            details += f" Only taken off the list, because they lie elsewhere: {', '.join(kept)}."
        self._question = consent.ask(
            self, "trainer", "Delete runs", f"Delete {names}?", details, verb="Delete", otherwise="Keep everything",
            on_yes=self._on_delete,
        )  # fmt: skip
        self._question.finished.connect(self._on_answered)

    # What the person did.

    def _on_selected(self, _: int) -> None:
        self._show_buttons()
        self._show_compared()
        chosen = self.selected[:_MOST]
        job = Job("Read the curves", read_curves, tuple(run.folder for run in chosen), pane="trainer", quiet=True)
        job.succeeded.connect(self._show_curves)
        job.failed.connect(self.failed)
        self._runner.start(job, Lane.IO, slot="trainer.runs_curves")

    def _on_resume(self) -> None:
        self.resume_requested.emit(self.selected[0])

    def _on_load(self) -> None:
        self.load_requested.emit(self.selected[0].result)

    def _on_evaluate(self) -> None:
        self.evaluate_requested.emit(self.selected[0])

    def _on_watch(self) -> None:
        self.watch_requested.emit(self.selected[0])

    def _on_use(self) -> None:
        self.settings_requested.emit(self.selected[0])

    def _on_open(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Open the folder of a run")
        if chosen:
            self.open_folder(Path(chosen))

    def _on_show(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.selected[0].folder)))

    def _on_board(self) -> None:
        run = self.selected[0]
        job = Job(f"Write TensorBoard files of {run.name}", _write_tensorboard, run, pane="trainer")
        job.succeeded.connect(self._show_written)
        job.failed.connect(self.failed)
        self._runner.start(job, Lane.IO)

    def _on_delete(self) -> None:
        job = Job("Delete runs", _delete, self.selected, pane="trainer")
        job.failed.connect(self.failed)
        job.succeeded.connect(self.deleted)
        job.finished.connect(self.refresh)
        self._runner.start(job, Lane.IO)

    def _on_answered(self) -> None:
        self._question = None

    # What changed.

    def _show_runs(self, found: tuple[Run, ...]) -> None:
        folders = {run.folder for run in self.selected} if self._wanted is None else {self._wanted}
        self._wanted = None
        self._runs = found
        self._table.set_empty_text("No run yet. Start one in the steps, or open the folder of any Trainer.")
        names = list(dict.fromkeys(name for run in found for name in run.metrics))[:3]
        rows = [
            (
                run.name,
                run.state.value,
                _steps(run),
                run.loss,
                run.eval_loss,
                *(shown(name, run.metrics[name]) if name in run.metrics else None for name in names),
                _date(run),
                format_bytes(run.size),
            )
            for run in found
        ]
        columns = ("Run", "State", "Steps", "Loss", "Eval loss", *(TITLES.get(name, name) for name in names))
        with QSignalBlocker(self._table):
            self._table.set_rows((*columns, "Began", "Size"), rows)
            self._table.select_row(None)
        places = [place for place, run in enumerate(found) if run.folder in folders]
        model = self._table.selectionModel()
        for place in places or ([0] if found else []):
            model.select(self._table.model().index(place, 0), model.SelectionFlag.Select | model.SelectionFlag.Rows)
        self._show_buttons()
        self._show_compared()

    def _show_opened(self, run: Run) -> None:
        self.select(run.folder)

    def _show_written(self, folder: Path) -> None:
        self._about.setText(f"Written to {paths.shown(folder)}.")

    def _show_curves(self, drawn: Sequence[tuple[str, Sequence[TrainPoint]]]) -> None:
        self._plot.set_past([(name, _columns(points)) for name, points in drawn])
        chosen = self.selected
        self._plot.set_mark(*marked(chosen[0].best if len(chosen) == 1 else None))

    def _show_compared(self) -> None:
        chosen = self.selected
        if len(chosen) > 1:
            measured = [
                ("loss of the last step", tuple(run.loss for run in chosen)),
                ("loss of the last evaluation", tuple(run.eval_loss for run in chosen)),
                *((name, tuple(run.metrics.get(name) for run in chosen)) for name in _metrics(chosen)),
            ]
            rows: list[tuple[Any, ...]] = [(name, *map(_worded, values)) for name, values in measured]
            rows += [(name, *map(_worded, values)) for name, values in runs.differences(chosen)]
            columns = ("What differs", *(run.name for run in chosen))
        elif chosen:
            rows = [(name, _worded(value)) for name, value in chosen[0].settings.items()]
            columns = ("Setting", chosen[0].name)
        else:
            rows, columns = [], ()
        self._compared.set_rows(columns, rows)
        self._below.setTabText(1, "What differs" if len(chosen) > 1 else "Settings")
        self._about.setText(_told(chosen[0]) if len(chosen) == 1 else _several(chosen))

    def _show_buttons(self) -> None:
        chosen = self.selected
        one = chosen[0] if len(chosen) == 1 else None
        self._resume.setEnabled(one is not None and one.resume_step is not None and not self._busy)
        self._load.setEnabled(one is not None and one.result is not None)
        self._use.setEnabled(one is not None and one.spec is not None)
        self._more.setEnabled(one is not None)
        self._evaluate.setEnabled(one is not None and one.result is not None and one.spec is not None)
        self._watch.setEnabled(one is not None and one.state is RunState.RUNNING and not self._busy)
        self._board.setEnabled(one is not None and one.step > 0)
        self._delete.setEnabled(bool(chosen) and all(run.state is not RunState.RUNNING for run in chosen))

    # Qt, and the layout.

    def showEvent(self, event: QShowEvent) -> None:
        """Look what is there."""
        super().showEvent(event)
        self.refresh()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_below"):
            self._fit()

    def _fit(self) -> None:
        self._table.setMinimumHeight(px(self, 104))
        self._below.setMinimumHeight(px(self, 160))

    def _button(self, name: str, label: str, icon: str, tip: str) -> QPushButton:
        button = named(QPushButton(label), f"trainer.runs_{name}", label, tip)
        icons.put(button, icon)
        return button

    def _lay_out(self) -> None:
        buttons = ButtonRows((self._resume, self._load, self._use, self._open, self._more, self._delete))
        top = QHBoxLayout()
        top.addWidget(self._about, 1, Qt.AlignmentFlag.AlignTop)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.setChildrenCollapsible(False)
        self._below.setDocumentMode(True)
        self._below.addTab(self._plot, "Curves")
        self._below.addTab(self._compared, "Settings")
        for widget, share in ((self._table, 2), (self._below, 3)):
            parts.addWidget(widget)
            parts.setStretchFactor(parts.count() - 1, share)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(buttons)
        layout.addLayout(top)
        layout.addWidget(parts, 1)
        self._fit()


def _told(run: Run) -> str:
    parts = []
    if run.state is RunState.FAILED:
        parts.append(run.why)
    elif run.state is RunState.INTERRUPTED:
        parts.append(f"It was cut off after step {run.step:,}; what it had logged is here.")
    elif run.state is RunState.STOPPED and run.record is not None:
        parts.append(f"It was stopped after step {run.step:,}.")
    if run.resume_step:
        parts.append(f"Resume goes on after step {run.resume_step:,}.")
    elif run.resume_step == 0 and run.state is not RunState.FAILED:
        parts.append("It has no checkpoint yet: Resume starts it again.")
    if run.record is None:
        parts.append("Written by a Trainer elsewhere: its settings are in a pickle, which is never opened.")
    if run.best is not None:
        told = of_best(run.best)
        parts.append(f"{told[0].upper()}{told[1:]}: its weights are the result.")
    if run.seconds:
        parts.append(f"Trained for {spoken(run.seconds)}.".replace(" s.", "\N{NO-BREAK SPACE}s."))
    return " ".join(parts)


def _steps(run: Run) -> str:
    best = f", best {run.best.step:,}" if run.best is not None else ""
    return f"{run.step:,} of {run.total:,}{best}" if run.total else ""


def _several(chosen: Sequence[Run]) -> str:
    if len(chosen) > _MOST:
        return f"{len(chosen)} runs; the first {_MOST} are drawn."
    return f"{len(chosen)} runs: what is the same in all of them is left out below." if chosen else ""


def _metrics(chosen: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in chosen for name in run.metrics))


def _worded(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _date(run: Run) -> str:
    moment = (datetime.fromisoformat(run.began) if run.began else datetime.fromtimestamp(run.changed, UTC)).astimezone()
    today = time.strftime("%Y-%m-%d")
    return f"{moment:%H:%M}" if f"{moment:%Y-%m-%d}" == today else f"{moment:%Y-%m-%d %H:%M}"


def _columns(points: Sequence[TrainPoint]) -> dict[str, tuple[list[float], list[float]]]:
    trained = [(point.step, point.loss) for point in points if point.loss is not None]
    evaluated = [(point.step, point.eval_loss) for point in points if point.eval_loss is not None]
    return {
        name: ([float(step) for step, _ in pairs], [loss for _, loss in pairs])
        for name, pairs in zip(_LOSSES, (trained, evaluated), strict=True)
        if pairs
    }


def _open_run(folder: Path, *, task: Task) -> Run:
    task.check()
    return runs.open_run(folder)


def _write_tensorboard(run: Run, *, task: Task) -> Path:
    task.check()
    return runs.write_tensorboard(run)


def _delete(chosen: Sequence[Run], *, task: Task) -> int:
    freed = 0
    for run in chosen:
        task.check()
        freed += runs.delete(run)
    return freed

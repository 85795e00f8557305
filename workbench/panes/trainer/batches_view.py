"""What the trainer really sees: the first batches before the start, and three steps on trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress
from workbench.engine.train import Batches, DryRun, Piece, SeenRow, dry_run, look
from workbench.engine.values import TrainSpec
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.quantities import format_bytes, format_seconds
from workbench.widgets.theme import CHANGES, px, set_role
from workbench.widgets.token_strip import Chip, TokenStrip
from workbench.widgets.visible_text import drawable

_NOTHING = "Nothing has been encoded yet: this shows the rows exactly as the run will see them."
_LEGEND = "Tinted tokens are learned. Grey ones have the label −100: the model reads them and the loss leaves them out."
_WHOLE = "The row is learned as a whole; grey tokens are padding."
_TEXT = 400


class BatchesView(QWidget):
    """Shows the first batches of the run that the form describes.

    Args:
        runner: Encodes on the train lane.
        spec: Gives the run that the form describes, or None while something is missing.

    Attributes:
        batches: What is shown, or None.
        trial: What the last dry run told, or None.

    Signals:
        failed(WorkbenchError, str): A look or a trial failed; the error and its details.
        incomplete(): There is no run to look at yet.
    """

    failed = Signal(object, str)
    incomplete = Signal()

    def __init__(self, runner: Runner, spec: Callable[[], TrainSpec | None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.batches: Batches | None = None
        self.trial: DryRun | None = None
        self._runner, self._spec = runner, spec
        self._job: Job | None = None
        self._running = False
        self._seen: list[tuple[int, int, SeenRow]] = []

        self._look = _button(
            "look", "Show the first batches", "tokenizer", "Encode the rows and show the first three batches of the run"
        )
        self.dry_run = _button(
            "dry_run", "Dry run, 3 steps", "play", "Make three steps, keep nothing, and tell the memory and the time"
        )
        self._stop = _button("stop_look", "Stop looking", "stop", "Leave the encoding or the trial after its step")
        self._status = named(QLabel(_NOTHING), "trainer.look_status", "What is shown")
        self._facts = named(QLabel(), "trainer.look_facts", "Batches in figures")
        self._told = named(QLabel(), "trainer.dry_run_result", "Dry run")
        for label in (self._status, self._facts, self._told):
            label.setWordWrap(True)
        for label in (self._facts, self._told):
            label.hide()
        set_role(self._status, "muted")
        self._rows = named(
            DataTable(), "trainer.batch_rows", "Rows of the batches", "A click shows the tokens of a row below"
        )
        self._rows.set_empty_text("no batch yet")
        self._label = named(QLabel(), "trainer.row_label", "What is learned of the row")
        self._label.setWordWrap(True)
        set_role(self._label, "muted")
        self._pieces = named(
            TokenStrip(), "trainer.row_tokens", "Tokens of the row", "The tooltip of a token tells its label"
        )
        self._pieces.set_placeholder("no row yet")
        self._target = named(TokenStrip(), "trainer.row_target", "Target of the row", "What the decoder has to write")
        self._lay_out()

        self._look.clicked.connect(self.show_first)
        self.dry_run.clicked.connect(self.try_steps)
        self._stop.clicked.connect(self.stop)
        self._rows.row_selected.connect(self._on_row)
        self._show_buttons()

    # What can be asked of it.

    def show_first(self) -> None:
        """Encode the rows and show the first batches."""
        self._begin("Encode the first batches of", look, self._show_batches)

    def try_steps(self) -> None:
        """Make three steps on trial."""
        self._begin("Three steps on trial with", dry_run, self._show_trial)

    def stop(self) -> None:
        """Stop what is under way."""
        if self._job is not None:
            self._job.cancel()
            self._status.setText("Stopping…")

    def show_running(self, running: bool) -> None:
        """Wait while a run trains: its lane is taken, and so is its memory."""
        self._running = running
        self._show_buttons()

    # What changed.

    def _begin(self, title: str, call: Callable[..., Any], show: Callable[[Any], None]) -> None:
        spec = self._spec()
        if spec is None:
            self.incomplete.emit()
            return
        if self._job is not None or self._running:
            return
        stops = "after the step or the rows at work"
        job = Job(f"{title} {spec.data.name}", call, spec, pane="trainer", stops=stops, patient=True)
        job.progressed.connect(self._show_progress)
        job.succeeded.connect(show)
        job.failed.connect(self._show_failed)
        job.cancelled_.connect(self._show_stopped)
        job.finished.connect(self._on_finished)
        self._job = job
        self._status.setText("Preparing…")
        self._show_buttons()
        self._runner.start(job, Lane.TRAIN)

    def _show_progress(self, progress: Progress) -> None:
        far = f", {progress.done:,.0f} of {progress.total:,.0f} {progress.unit}" if progress.total else ""
        self._status.setText(f"{progress.note}{far}")

    def _show_stopped(self) -> None:
        self._status.setText("Stopped; nothing was kept.")

    def _show_failed(self, error: WorkbenchError) -> None:
        self._status.setText("It could not be made; the notice above says why.")
        self.failed.emit(error, self._job.details if self._job is not None else "")

    def _show_batches(self, batches: Batches) -> None:
        self.batches = batches
        self._seen = [
            (number, place, row)
            for number, batch in enumerate(batches.batches, 1)
            for place, row in enumerate(batch, 1)
        ]
        self._show_notes(batches)
        self._facts.setText(_in_figures(batches))
        self._facts.show()
        labelled = any(row.label for _, _, row in self._seen)
        columns = ("Batch", "Row", "Tokens", "Padding", "Learned", *(("Label",) * labelled), "Text")
        self._rows.set_rows(columns, [_line(*seen, labelled) for seen in self._seen])
        if self._seen:
            self._rows.select_row(0)
            self._on_row(0)

    def _show_trial(self, trial: DryRun) -> None:
        self.trial = trial
        used = f"{format_bytes(trial.memory)} of {format_bytes(trial.total_memory)} at the peak"
        whole = f"{trial.steps:,} step{'s' * (trial.steps != 1)}"
        if trial.evaluations:
            whole += f" and {trial.evaluations:,} evaluation{'s' * (trial.evaluations != 1)}"
        self._told.setText(
            f"Dry run on {trial.device}: {_seconds(trial.step_seconds)} a step, {used}. "
            f"{whole} take about {format_seconds(trial.total_seconds)}."
        )
        self._told.show()
        if self.batches is None:
            self._status.setText("Three steps were made and forgotten.")
        else:
            self._show_notes(self.batches)

    def _show_notes(self, batches: Batches) -> None:
        self._status.setText(drawable(" ".join(batches.notes)) or "Every row is used.")

    def _on_finished(self) -> None:
        self._job = None
        self._show_buttons()

    def _show_buttons(self) -> None:
        free = self._job is None and not self._running
        self._look.setEnabled(free)
        self.dry_run.setEnabled(free)
        self._stop.setVisible(self._job is not None)

    # What the person did.

    def _on_row(self, place: int) -> None:
        if not 0 <= place < len(self._seen):
            return
        row = self._seen[place][2]
        by_token = any(piece.learned for piece in row.pieces)
        self._pieces.set_tokens(_chips(row.pieces, by_token))
        self._target.set_tokens(_chips(row.target, False))
        self._target.setVisible(bool(row.target))
        told = f"Label: {row.label}. " if row.label else ""
        shape = f"A picture as a tensor of {'×'.join(map(str, row.picture))}." if row.picture else ""
        if row.target:
            told = "Below is what the decoder has to write. "
        self._label.setText(drawable(f"{told}{shape or (_LEGEND if by_token else _WHOLE)}"))

    # Qt, and the layout.

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_target"):
            self._fit()

    def _fit(self) -> None:
        self._target.setFixedHeight(px(self, 72))
        self._rows.setMinimumHeight(px(self, 90))
        self._pieces.setMinimumHeight(px(self, 72))

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self._look, self.dry_run, self._stop):
            buttons.addWidget(button)
        buttons.addStretch(1)
        below = QWidget()
        row = QVBoxLayout(below)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._label)
        row.addWidget(self._pieces, 1)
        row.addWidget(self._target)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self._rows)
        splitter.addWidget(below)
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(buttons)
        for label in (self._status, self._told, self._facts):
            layout.addWidget(label)
        layout.addWidget(splitter, 1)
        self._target.setVisible(False)
        self._fit()


def _button(name: str, label: str, icon: str, tip: str) -> QPushButton:
    button: QPushButton = named(QPushButton(label), f"trainer.{name}", label, tip)
    icons.put(button, icon)
    return button


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 10 else format_seconds(seconds)


def _in_figures(batches: Batches) -> str:
    parts = [f"{batches.rows:,} rows of up to {batches.width:,} tokens" if batches.width else f"{batches.rows:,} rows"]
    if batches.padding is not None:
        parts.append(f"{format_percent(batches.padding)} padding")
    if batches.learned is not None:
        parts.append(f"{format_percent(batches.learned)} learned")
    if batches.cut is not None and batches.lost is not None:
        cut = f"{format_percent(batches.cut)} of the rows cut, {format_percent(batches.lost)} of all tokens lost"
        parts.append(cut if batches.cut else "no row cut")
    over = f"measured over {batches.measured:,} batch{'es' * (batches.measured != 1)} of {batches.batch_size:,}"
    return f"{' · '.join(parts)} ({over})"


def _line(batch: int, place: int, row: SeenRow, labelled: bool) -> tuple[object, ...]:
    real = [piece for piece in row.pieces if not piece.padding]
    learned = sum(piece.learned for piece in row.pieces) or len(row.target)
    shape = "×".join(map(str, row.picture))
    return (
        batch,
        place,
        len(real) or shape,
        len(row.pieces) - len(real),
        learned or "the row",
        *((drawable(row.label),) if labelled else ()),
        drawable(row.text[:_TEXT]),
    )


def _chips(pieces: tuple[Piece, ...], by_token: bool) -> list[Chip]:
    chips, word = [], 0
    for piece in pieces:
        word += piece.learned or not by_token
        says = piece.label if piece.label not in ("", piece.text) else ""
        chips.append(
            Chip(
                drawable(f"{piece.text}→{says}" if says else piece.text),
                special=piece.special,
                muted=piece.padding or (by_token and not piece.learned),
                tip=drawable(_tip(piece, by_token)),
                group=word if piece.learned else None,
            )
        )
    return chips


def _tip(piece: Piece, by_token: bool) -> str:
    if piece.padding:
        return f"id {piece.id}: padding, which the attention mask hides"
    if not by_token:
        return f"id {piece.id}"
    return f"id {piece.id}, label {piece.label or piece.text}" if piece.learned else f"id {piece.id}, label −100"

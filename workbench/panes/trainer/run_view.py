"""Step 4 as it happens: progress, figures, curves, evaluations, and what came out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from workbench.engine import paths
from workbench.engine.task import Progress
from workbench.engine.train import Saved
from workbench.engine.values import Best, TrainPoint, TrainResult
from workbench.panes.trainer.curves import Curves
from workbench.panes.trainer.figures import Figures
from workbench.panes.trainer.wording import TITLES, of_best, shown, spoken
from workbench.widgets.data_table import DataTable
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.naming import named
from workbench.widgets.theme import set_role

#: Steps over which the speed is averaged.
_WINDOW = 50
#: Milliseconds between two changes of the words: more often nobody can read them.
_PATIENCE = 200


class RunView(QWidget):
    """Shows one run at a time; the curve of the last one stays until the next begins.

    Attributes:
        past: The list of past runs to choose from.

    Signals:
        use_requested(): The person wants the result loaded.
    """

    use_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = ""
        self._stopping = False
        self._halted = False
        self._computes = True
        self._saved = ""
        self._best: Best | None = None
        self._evaluations: list[TrainPoint] = []
        self._last: TrainPoint | None = None
        self._newest: TrainPoint | None = None
        self._times: deque[tuple[int, float]] = deque(maxlen=_WINDOW + 1)

        # In one line, and the note as wide as the pane: the plots below get the room.
        self._status = named(ElidedLabel("No run yet", Qt.TextElideMode.ElideMiddle), "trainer.status", "Status")
        set_role(self._status, "heading")
        self._note = named(
            QLabel("Choose data, a checkpoint and settings in the four steps, then Start."), "trainer.note", "Note"
        )
        self._note.setWordWrap(True)
        set_role(self._note, "muted")
        self._progress = named(QProgressBar(), "trainer.progress", "Progress", "Optimizer steps done")
        self._progress.setTextVisible(False)
        self._progress.setRange(0, 1)
        self._use = named(
            QPushButton("Load the result"),
            "trainer.use_result",
            "Load the result",
            "Makes the new checkpoint the model of every pane",
        )
        set_role(self._use, "primary")
        self._use.setVisible(False)
        self._figures = Figures()
        self._metrics = named(
            DataTable(), "trainer.metrics", "Evaluations", "What each evaluation on the held-out rows gave"
        )
        self._curves = Curves(self._metrics)
        self.past = self._curves.past
        self._words = QTimer(self, singleShot=True, interval=_PATIENCE)
        self._lay_out()
        self._use.clicked.connect(self.use_requested)
        self._words.timeout.connect(self._show_words)

    @property
    def name(self) -> str:
        """The run that is shown, by the name of its folder."""
        return self._name

    def begin(self, name: str) -> None:
        """Forget the last run and wait for the first step of another."""
        self._name = name
        self._stopping = False
        self._halted = False
        self._saved = ""
        self._best = None
        self._evaluations = []
        self._last = self._newest = None
        self._times.clear()
        self._words.stop()
        self._curves.clear()
        self._figures.clear()
        self._metrics.set_rows((), ())
        self._use.setVisible(False)
        self._progress.setRange(0, 0)
        self._status.setText(f"Preparing {name}")
        self._note.setText("")

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is."""
        if progress.unit == "steps" and progress.total:
            self._progress.setRange(0, round(progress.total))
            self._progress.setValue(round(progress.done))
        else:
            rows = f", {progress.done:,.0f} of {progress.total:,.0f} rows" if progress.total else ""
            self._status.setText(f"Preparing {self._name}{rows}")
        self._computes = progress.note == "Training" and not progress.halted
        if self._stopping:
            return
        if progress.halted:
            self._say(f"Paused after step {progress.done:,.0f}; nothing is computed until Continue")
        elif progress.note != "Training" or self._halted:
            self._say(progress.note)
        self._halted = progress.halted

    def make_next(self) -> bool:
        """Make one more of the plots, ahead of their being looked at.

        Returns:
            Whether one was left to make.
        """
        return self._curves.make_next()

    def add_point(self, point: TrainPoint) -> None:
        """Draw what was logged."""
        self._curves.add_point(point)
        if point.loss is not None:
            self._last = point
            self._times.append((point.step, point.seconds))
        if point.eval_loss is not None:
            self._evaluations.append(point)
            self._show_evaluations()
        self._figures.take(point, self._speed())
        self._newest = point
        if not self._words.isActive():
            self._show_words()
            self._words.start()

    def set_past(self, runs: Sequence[tuple[str, Sequence[TrainPoint]]]) -> None:
        """Draw the curves of past runs behind this one, by name."""
        self._curves.set_past(runs)

    def show_saved(self, saved: Saved) -> None:
        """Say what was kept of the run while it goes on."""
        if saved.checkpoint is not None:
            self._saved = f"step {saved.step:,} saved as {saved.checkpoint.name}"

    def show_pausing(self) -> None:
        """Say that it waits soon."""
        self._say("Pausing after the step at work.")

    def show_stopping(self) -> None:
        """Say that it ends soon."""
        self._stopping = True
        self._note.setText("Stopping after the step at work; the checkpoint is kept.")

    def show_discarding(self) -> None:
        """Say that it ends soon and leaves nothing."""
        self._stopping = True
        self._say("Stopping; nothing of the run is kept")

    def show_result(self, result: TrainResult) -> None:
        """Say what came out and offer it."""
        last = result.points[-1] if result.points else None
        took = f" after {spoken(last.seconds)}" if last is not None else ""
        self._status.setText(f"{'Stopped' if result.stopped else 'Finished'}{took} · {result.checkpoint.name}")
        parts = [f"{result.train_rows:,} rows trained on, {result.eval_rows:,} held out"]
        if result.best is not None:
            parts.append(of_best(result.best))
        kept = next((each for each in self._evaluations if result.best and each.step == result.best.step), None)
        if kept is not None or self._evaluations:
            metrics = (kept or self._evaluations[-1]).metrics
            parts += [
                f"{TITLES.get(name, name).lower()} {shown(name, value)}"
                for name, value in metrics.items()
                if result.best is None or name != result.best.metric
            ]
        self._best = result.best
        self._curves.mark_best(result.best)
        self._show_evaluations()
        parts.append(f"kept in {paths.shown(result.checkpoint.path)}")
        self._note.setText(" · ".join(parts))
        self._settle()
        self._use.setVisible(True)

    def show_nothing_kept(self) -> None:
        """Say that it was stopped before it had learned anything, or discarded."""
        when = f"Discarded after step {self._last.step:,}" if self._last else "Stopped before the first step"
        self._status.setText(f"{when}; nothing was kept")
        self._say("")
        self._settle()

    def show_unwatched(self) -> None:
        """Say that the run goes on outside and nobody watches."""
        self._status.setText("Goes on outside; watch it again under Runs")
        self._say("")
        self._settle()

    def show_failed(self) -> None:
        """Leave the curve as it is."""
        step = f" at step {self._last.step:,}" if self._last else ""
        self._status.setText(f"Failed{step}")
        self._note.setText("")
        self._settle()

    def _show_words(self) -> None:
        point = self._newest
        if point is None:
            return
        self._figures.refresh()
        self._status.setText(f"Step {point.step:,} of {point.total:,} · epoch {point.epoch:.2f}")
        if point.loss is not None and self._computes and not self._stopping:
            self._say(f"Loss {point.loss:.4f}")

    def _say(self, note: str) -> None:
        self._note.setText(" · ".join(part for part in (note, self._saved) if part))

    def _settle(self) -> None:
        self._words.stop()
        self._figures.end()
        if self._progress.maximum() == 0:
            self._progress.setRange(0, 1)
            self._progress.setValue(0)

    def _speed(self) -> float | None:
        """Optimizer steps a second over the last steps, evaluations among them not left out."""
        if not self._times:
            return None
        (step, seconds), (last, until) = self._times[0] if len(self._times) > 1 else (0, 0.0), self._times[-1]
        return (last - step) / (until - seconds) if until > seconds else None

    def _show_evaluations(self) -> None:
        best = self._best

        def kept(point: TrainPoint) -> tuple[str, ...]:
            return ("best" if point.step == best.step else "",) if best is not None else ()

        names = list(dict.fromkeys(name for point in self._evaluations for name in point.metrics))
        rows = [
            (
                point.step,
                f"{point.epoch:.2f}",
                f"{point.eval_loss:.4f}",
                *(shown(name, point.metrics[name]) if name in point.metrics else "" for name in names),
                *kept(point),
            )
            for point in reversed(self._evaluations)
        ]
        columns = ("Step", "Epoch", "Loss", *(TITLES.get(name, name) for name in names))
        self._metrics.set_rows((*columns, *(("Result",) if best else ())), rows)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self._status, 1)
        top.addWidget(self._use)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self._note)
        layout.addWidget(self._progress)
        layout.addWidget(self._figures)
        layout.addWidget(self._curves, 1)

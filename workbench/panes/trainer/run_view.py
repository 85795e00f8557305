"""Step 4 as it happens: progress, the loss and learning-rate curves, evaluations, and what came out."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSplitter, QVBoxLayout, QWidget

from workbench.engine import paths
from workbench.engine.task import Progress
from workbench.engine.train import Saved
from workbench.engine.values import TrainPoint, TrainResult
from workbench.widgets.data_table import DataTable
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietSlider
from workbench.widgets.theme import px, set_role

#: Share of the newest step in the running mean of the speed.
_NEWEST = 0.1
_SMOOTHING = 0.9
_TITLES = {"accuracy": "Accuracy", "f1": "Macro F1", "perplexity": "Perplexity"}


class RunView(QWidget):
    """Shows one run at a time; the curve of the last one stays until the next begins.

    Signals:
        use_requested(): The person wants the result loaded.
    """

    use_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = ""
        self._stopping = False
        self._halted = False
        self._saved = ""
        self._evaluations: list[TrainPoint] = []
        self._last: TrainPoint | None = None
        self._speed: float | None = None

        self._status = named(QLabel("No run yet"), "trainer.status", "Status")
        set_role(self._status, "heading")
        self._note = named(
            QLabel("Choose data, a checkpoint and settings on the left, then Start."), "trainer.note", "Note"
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
        self._loss = LinePlot("trainer.loss_plot", "Loss", "optimizer step", "loss (nats)", smoothing=_SMOOTHING)
        self._loss.add_series("train", smooth=True)
        self._loss.add_series("evaluation", dashed=True)
        self._rate = LinePlot("trainer.lr_plot", "Learning rate", "optimizer step", "rate")
        self._rate.add_series("learning rate")
        self._rate.link_x(self._loss)
        self._smoothing = named(
            QuietSlider(),
            "trainer.smoothing",
            "Smoothing",
            "Weight of the running mean drawn over the training loss; 0 is off",
        )
        self._smoothing.setRange(0, 99)
        self._smoothing.setValue(round(_SMOOTHING * 100))
        self._log = named(
            QCheckBox("Log scale"), "trainer.log_loss", "Log scale", "Draws the loss on a logarithmic axis"
        )
        self._metrics = named(
            DataTable(), "trainer.metrics", "Evaluations", "What each evaluation on the held-out rows gave"
        )
        self._lay_out()
        self._use.clicked.connect(self.use_requested)
        self._smoothing.valueChanged.connect(self._on_smoothing)
        self._log.toggled.connect(self._loss.set_log_y)

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
        self._evaluations = []
        self._last = None
        self._speed = None
        self._loss.clear()
        self._rate.clear()
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
        if self._stopping:
            return
        if progress.halted:
            self._say(f"Paused after step {progress.done:,.0f}; nothing is computed until Continue")
        elif progress.note != "Training" or self._halted:
            self._say(progress.note)
        self._halted = progress.halted

    def add_point(self, point: TrainPoint) -> None:
        """Draw what was logged."""
        if point.loss is not None:
            self._loss.add_point("train", point.step, point.loss)
            self._measure(point)
        if point.learning_rate is not None:
            self._rate.add_point("learning rate", point.step, point.learning_rate)
        if point.eval_loss is not None:
            self._loss.add_point("evaluation", point.step, point.eval_loss)
            self._evaluations.append(point)
            self._show_evaluations()
        parts = [f"Step {point.step:,} of {point.total:,}", f"epoch {point.epoch:.2f}"]
        if self._speed:
            parts.append(f"{self._speed:.3g} steps/s" if self._speed >= 1 else f"{1 / self._speed:.3g} s a step")
            if point.step < point.total and not self._stopping:
                parts.append(f"{spoken((point.total - point.step) / self._speed)} left")
        self._status.setText(" · ".join(parts))
        if point.loss is not None and not self._stopping:
            self._say(f"Loss {point.loss:.4f}")

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
        if self._evaluations:
            parts += [f"{_TITLES.get(n, n).lower()} {shown(n, v)}" for n, v in self._evaluations[-1].metrics.items()]
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

    def show_failed(self) -> None:
        """Leave the curve as it is."""
        step = f" at step {self._last.step:,}" if self._last else ""
        self._status.setText(f"Failed{step}")
        self._note.setText("")
        self._settle()

    def _on_smoothing(self, percent: int) -> None:
        self._loss.set_smoothing(percent / 100)

    def _say(self, note: str) -> None:
        self._note.setText(" · ".join(part for part in (note, self._saved) if part))

    def _settle(self) -> None:
        if self._progress.maximum() == 0:
            self._progress.setRange(0, 1)
            self._progress.setValue(0)

    def _measure(self, point: TrainPoint) -> None:
        last, self._last = self._last, point
        steps, seconds = (point.step - last.step, point.seconds - last.seconds) if last else (point.step, point.seconds)
        if seconds > 0:
            speed = steps / seconds
            self._speed = speed if self._speed is None else 1 / ((1 - _NEWEST) / self._speed + _NEWEST / speed)

    def _show_evaluations(self) -> None:
        names = list(dict.fromkeys(name for point in self._evaluations for name in point.metrics))
        rows = [
            (
                point.step,
                f"{point.epoch:.2f}",
                f"{point.eval_loss:.4f}",
                *(shown(name, point.metrics[name]) if name in point.metrics else "" for name in names),
            )
            for point in reversed(self._evaluations)
        ]
        self._metrics.set_rows(("Step", "Epoch", "Loss", *(_TITLES.get(name, name) for name in names)), rows)

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.addWidget(self._status)
        words.addWidget(self._note)
        top = QHBoxLayout()
        top.addLayout(words, 1)
        top.addWidget(self._use, 0, Qt.AlignmentFlag.AlignVCenter)
        drawing = QHBoxLayout()
        label = QLabel("Smoothing")
        label.setBuddy(self._smoothing)
        self._smoothing.setMaximumWidth(px(self, 140))
        drawing.addStretch(1)
        drawing.addWidget(label)
        drawing.addWidget(self._smoothing)
        drawing.addWidget(self._log)
        plots = QSplitter(Qt.Orientation.Vertical)
        plots.setChildrenCollapsible(False)
        for widget, share in ((self._loss, 5), (self._rate, 3), (self._metrics, 1)):
            plots.addWidget(widget)
            plots.setStretchFactor(plots.count() - 1, share)
        self._metrics.setMinimumHeight(px(self, 108))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self._progress)
        layout.addLayout(drawing)
        layout.addWidget(plots, 1)


def shown(metric: str, value: float) -> str:
    """A metric for people: accuracy in percent, the others as they are."""
    return f"{value:.1%}".replace("%", " %") if metric == "accuracy" else f"{value:.4g}"


def spoken(seconds: float) -> str:
    """A duration in words, no finer than makes sense."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"

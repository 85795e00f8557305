"""The curves of a run: loss above, and below it what else was measured, all along one axis of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSplitter, QTabWidget, QVBoxLayout, QWidget

from workbench.engine.values import Best, TrainPoint
from workbench.panes.trainer.past_chooser import PastChooser
from workbench.panes.trainer.wording import marked
from workbench.widgets import icons
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietSlider
from workbench.widgets.theme import px

_SMOOTHING = 0.9
_STEP = "optimizer step"
#: Height, in pixels at zoom 1, below which plots are shown one at a time, and the shares of them above it.
_LOW = 460
_SHARES = [540, 460]
#: What is drawn in each plot: by series, what a point says of it.
_VALUES: dict[str, dict[str, Callable[[TrainPoint], float | None]]] = {
    "loss": {"train": lambda point: point.loss, "evaluation": lambda point: point.eval_loss},
    "rate": {"learning rate": lambda point: point.learning_rate},
    "gradient": {"gradient norm": lambda point: point.grad_norm},
    "tokens": {"tokens/s": lambda point: point.tokens_per_second},
    "samples": {"samples/s": lambda point: point.samples_per_second if point.loss is not None else None},
    "memory": {
        "process": lambda point: None if point.memory is None else point.memory / 1e9,
        "GPU": lambda point: None if point.device_memory is None else point.device_memory / 1e9,
    },
}
_PLOTS = {
    "loss": ("trainer.loss_plot", "Loss", "loss (nats)"),
    "rate": ("trainer.lr_plot", "Learning rate", "rate"),
    "gradient": ("trainer.gradient_plot", "Gradient norm", "norm"),
    "tokens": ("trainer.tokens_plot", "Tokens per second", "tokens"),
    "samples": ("trainer.samples_plot", "Samples per second", "rows"),
    "memory": ("trainer.memory_plot", "Memory", "memory (GB)"),
}
#: Plots of several lines.
_NAMED = ("loss", "memory")
_DASHED = ("evaluation", "GPU")
_WHERE_THERE_IS_ONE = ("GPU",)
_SMOOTHED = ("train", "gradient norm", "tokens/s", "samples/s")


class Curves(QWidget):
    """Draws points as they come and keeps them all; past runs lie behind, muted.

    Args:
        evaluations: What is shown beside the smaller plots.

    Attributes:
        past: The list of past runs to choose from.
    """

    def __init__(self, evaluations: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # A new style sheet resizes while it goes from widget to widget, and none may change its parent then.
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._fit)
        self._points: list[TrainPoint] = []
        self._past: Sequence[tuple[str, Sequence[TrainPoint]]] = ()
        self._plots: dict[str, LinePlot] = {}
        self.past = PastChooser()
        icons.put(self.past, "compare")
        self._smoothing = named(
            QuietSlider(),
            "trainer.smoothing",
            "Smoothing",
            "Weight of the running mean drawn over each curve; 0 is off",
        )
        self._smoothing.setRange(0, 99)
        self._smoothing.setValue(round(_SMOOTHING * 100))
        self._log = named(
            QCheckBox("Log scale"), "trainer.log_loss", "Log scale", "Draws the loss on a logarithmic axis"
        )
        self._lay_out(evaluations)
        self._smoothing.valueChanged.connect(self._on_smoothing)
        self._log.toggled.connect(self._plots["loss"].set_log_y)

    def mark_best(self, best: Best | None) -> None:
        """Mark the step whose weights became the result."""
        self._plots["loss"].set_mark(*marked(best))

    def make_next(self) -> bool:
        """Make one more of the plots that are seen first.

        Returns:
            Whether one was left to make.
        """
        return self._first.make_next()

    def clear(self) -> None:
        """Forget the run; what is drawn of past runs stays."""
        self._points = []
        self.mark_best(None)
        for plot in self._plots.values():
            plot.clear()

    def add_point(self, point: TrainPoint) -> None:
        """Draw what was logged; what was not is left out."""
        self._points.append(point)
        for name, plot in self._plots.items():
            for series, value_of in _VALUES[name].items():
                value = value_of(point)
                if value is not None:
                    plot.add_series(series, dashed=series in _DASHED)
                    plot.add_point(series, point.step, value)

    def set_past(self, runs: Sequence[tuple[str, Sequence[TrainPoint]]]) -> None:
        """Draw past runs behind this one, by name."""
        self._past = runs
        for name in self._plots:
            self._fill_past(name)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Look for room."""
        super().resizeEvent(event)
        self._later.start()

    def _fit(self) -> None:
        """Where there is room for one plot, the loss is the first tab instead of lying above the others."""
        loss = self._plots["loss"]
        alone, lies_above = self.height() < px(self, _LOW), self._more.indexOf(loss) < 0
        if alone and lies_above:
            self._more.insertTab(0, loss, "Loss")
            self._more.setCurrentIndex(0)
        elif not alone and not lies_above:
            self._more.removeTab(0)
            self._split.insertWidget(0, loss)
            self._split.setSizes(_SHARES)
            loss.show()

    def _made(self, name: str) -> LinePlot:
        object_name, title, unit = _PLOTS[name]
        plot = LinePlot(object_name, title, _STEP, unit, smoothing=self._smoothing.value() / 100, legend=name in _NAMED)
        for series in _VALUES[name]:
            if series not in _WHERE_THERE_IS_ONE:
                plot.add_series(series, dashed=series in _DASHED, smooth=series in _SMOOTHED)
        if self._plots:
            plot.link_x(self._plots["loss"])
        self._plots[name] = plot
        self._fill(name)
        self._fill_past(name)
        return plot

    def _fill(self, name: str) -> None:
        for series, (xs, ys) in _columns(name, self._points).items():
            if xs or series not in _WHERE_THERE_IS_ONE:
                self._plots[name].add_series(series, dashed=series in _DASHED)
                self._plots[name].set_series(series, xs, ys)

    def _fill_past(self, name: str) -> None:
        if self._past or self._plots[name].past():
            drawn = [(run, _columns(name, points, given=True)) for run, points in self._past]
            self._plots[name].set_past([(run, columns) for run, columns in drawn if columns])

    def _on_smoothing(self, percent: int) -> None:
        for plot in self._plots.values():
            plot.set_smoothing(percent / 100)

    def _lay_out(self, evaluations: QWidget) -> None:
        drawing = QHBoxLayout()
        label = QLabel("Smoothing")
        label.setBuddy(self._smoothing)
        self._smoothing.setMaximumWidth(px(self, 140))
        self._smoothing.setMinimumWidth(px(self, 40))
        drawing.addWidget(self.past)
        drawing.addStretch(1)
        drawing.addWidget(label)
        drawing.addWidget(self._smoothing)
        drawing.addWidget(self._log)
        self._more = named(QTabWidget(), "trainer.more_plots", "More curves")
        self._more.setDocumentMode(True)
        # Cut off before tabs are scrolled away.
        self._more.setUsesScrollButtons(False)
        self._more.setElideMode(Qt.TextElideMode.ElideRight)
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(self._made("loss"))
        self._split.addWidget(self._more)
        self._split.setStretchFactor(0, 5)
        self._split.setStretchFactor(1, 4)
        self._first = _Page(("rate", "gradient"), self._made)
        self._more.addTab(self._first, "Rate, gradient")
        self._more.addTab(_Page(("tokens", "samples"), self._made), "Speed")
        self._more.addTab(_Page(("memory",), self._made), "Memory")
        self._more.addTab(evaluations, "Evaluations")
        self._split.setSizes(_SHARES)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(drawing)
        layout.addWidget(self._split, 1)


class _Page(QWidget):
    """Plots side by side, made ahead or when first looked at, one a turn of the event loop: each takes a while."""

    def __init__(self, names: tuple[str, ...], make: Callable[[str], LinePlot]) -> None:
        super().__init__()
        self._names, self._make = list(names), make
        self._turns = QTimer(self, interval=0)
        self._turns.timeout.connect(self.make_next)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, px(self, 4), 0, 0)

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to make the plots."""
        super().showEvent(event)
        if self._names:
            self._turns.start()

    def make_next(self) -> bool:
        """Make one more plot.

        Returns:
            Whether one was left to make.
        """
        if self._names:
            self._row.addWidget(self._make(self._names.pop(0)), 1)
            return True
        self._turns.stop()
        return False


def _columns(
    name: str, points: Sequence[TrainPoint], *, given: bool = False
) -> dict[str, tuple[list[float], list[float]]]:
    """Steps and values of each series of a plot; with ``given`` only of those that have any."""
    columns = {}
    for series, value_of in _VALUES[name].items():
        pairs = [(float(point.step), value) for point in points if (value := value_of(point)) is not None]
        if pairs or not given:
            columns[series] = ([x for x, _ in pairs], [y for _, y in pairs])
    return columns

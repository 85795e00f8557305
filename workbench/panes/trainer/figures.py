"""The figures of a run in a row: each a word and, below it, its value."""

from __future__ import annotations

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QWidget

from workbench.engine.values import TrainPoint
from workbench.panes.trainer.wording import TITLES, shown, spoken
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes, format_count
from workbench.widgets.theme import px, set_role

_NOTHING = "–"
_FIGURES = (
    ("left", "Time left", "Of steps, evaluations, saves and probes, each as long as those before; pauses don't count"),
    ("steps", "Steps", "Optimizer steps a second, or seconds a step, over the last fifty steps; evaluations count"),
    ("samples", "Samples/s", "Rows a second over the last fifty steps; evaluations and saves are left out"),
    ("tokens", "Tokens/s", "Tokens a second over the last fifty steps, without padding"),
    ("memory", "Memory", "What this process holds, with the model, its gradients and the window"),
    ("device", "GPU memory", "What torch holds on the GPU"),
    ("metric", "Evaluation", "The first metric of the last evaluation"),
)


class Figures(QFrame):
    """Shows what was measured last; what has not been measured is a dash."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts: dict[str, str] = {}
        self._values: dict[str, QLabel] = {}
        self._words: dict[str, QLabel] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(px(self, 10))
        self._grid.setVerticalSpacing(0)
        for name, title, tip in _FIGURES:
            word, value = QLabel(title), named(QLabel(_NOTHING), f"trainer.figure_{name}", title, tip)
            set_role(word, "muted")
            set_role(value, "heading")
            for label in (word, value):
                label.setParent(self)
                label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            self._values[name], self._words[name] = value, word
        self._has_device = False
        self._across = 0
        self._arrange()

    def clear(self) -> None:
        """Nothing is measured yet."""
        self._texts = dict.fromkeys(self._values, _NOTHING)
        self._words["metric"].setText("Evaluation")
        self._has_device = False
        self._across = 0
        self._arrange()
        self.refresh()

    def take(self, point: TrainPoint, speed: float | None) -> None:
        """Take in what a point says, for the next `refresh`; what it does not say stays as it was.

        Args:
            point: The newest.
            speed: Optimizer steps a second.
        """
        if speed:
            self._put("steps", f"{speed:.3g}/s" if speed >= 1 else f"{1 / speed:.3g} s each")
        if point.seconds_left is not None:
            self._put("left", spoken(point.seconds_left) if point.step < point.total else _NOTHING)
        if point.loss is not None and point.samples_per_second is not None:
            self._put("samples", f"{point.samples_per_second:,.3g}")
        if point.tokens_per_second is not None:
            self._put("tokens", format_count(point.tokens_per_second))
        if point.memory is not None:
            self._put("memory", format_bytes(point.memory))
        if point.device_memory is not None:
            if not self._has_device:
                self._has_device = True
                self._across = 0
                self._arrange()
            self._put("device", format_bytes(point.device_memory))
        if point.metrics:
            name, value = next(iter(point.metrics.items()))
            self._words["metric"].setText(TITLES.get(name, name))
            self._put("metric", shown(name, value))

    def refresh(self) -> None:
        """Show what was taken in."""
        for name, text in self._texts.items():
            self._values[name].setText(text)

    def end(self) -> None:
        """The run is over: nothing is left of it."""
        self._put("left", _NOTHING)
        self.refresh()

    def _put(self, name: str, text: str) -> None:
        self._texts[name] = text

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Two rows where one is too narrow."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        names = [name for name, *_ in _FIGURES if name != "device" or self._has_device]
        across = len(names) if self.width() >= px(self, 80) * len(names) else (len(names) + 1) // 2
        if across == self._across:
            return
        self._across = across
        for column in range(self._grid.columnCount()):
            self._grid.setColumnStretch(column, int(column < across))
        for at, name in enumerate(names):
            row, column = divmod(at, across)
            self._grid.addWidget(self._words[name], 2 * row, column)
            self._grid.addWidget(self._values[name], 2 * row + 1, column)
            self._grid.setColumnStretch(column, 1)
        for label in (self._words["device"], self._values["device"]):
            label.setVisible(self._has_device)

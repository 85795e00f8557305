"""The settings of a task: only those that apply to it are shown."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QFormLayout, QWidget

from workbench.engine.values import TaskOptions
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietDoubleSpinBox, QuietSpinBox

_APPLIES = {
    "text-classification": ("top_k", "threshold"),
    "token-classification": ("aggregation", "threshold"),
    "fill-mask": ("top_k",),
    "text-generation": ("max_new_tokens", "do_sample", "temperature", "seed"),
    "feature-extraction": ("pooling", "normalize"),
}


class OptionsForm(QWidget):
    """One row a setting.

    Signals:
        changed(): The person changed a setting.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._task = ""
        start = TaskOptions()
        self._top_k = _whole(
            "tasks.top_k", "Top k", 0, 100, start.top_k or 0, "How many labels or words to give; usually 1 to 10"
        )
        self._top_k.setSpecialValueText("all")
        self._threshold = _decimal(
            "tasks.threshold",
            "Threshold",
            0.0,
            1.0,
            start.threshold,
            0.05,
            "Leave out what scores less; usually 0 to 0.9",
        )
        self._aggregation = _choice(
            "tasks.aggregation",
            "Aggregation",
            ("none", "simple", "first", "average", "max"),
            start.aggregation,
            "How tokens become entities: none keeps each token, simple joins neighbours of one label, the others label "
            "whole words first: by their first token, by the mean of their tokens, or by the surest",
        )
        self._max_new_tokens = _whole(
            "tasks.max_new_tokens", "New tokens", 1, 4096, start.max_new_tokens, "Stop after as many; usually 20 to 500"
        )
        self._do_sample = named(
            QCheckBox("Sample"),
            "tasks.do_sample",
            "Sample",
            "Draw each token; off takes the most probable one (greedy)",
        )
        self._temperature = _decimal(
            "tasks.temperature", "Temperature", 0.05, 5.0, start.temperature, 0.05,
            "Divides the logits before a token is drawn; usually 0.2 to 1.5",
        )  # fmt: skip
        self._seed = _whole("tasks.seed", "Seed", 0, 2**31 - 1, start.seed, "The same seed draws the same tokens")
        self._pooling = _choice(
            "tasks.pooling",
            "Pooling",
            ("mean", "cls", "last"),
            start.pooling,
            "How a line's hidden states become one vector: their mean, that of the first token (cls), or of the last",
        )
        self._normalize = named(QCheckBox("Normalize"), "tasks.normalize", "Normalize", "Scale each vector to length 1")
        self._normalize.setChecked(start.normalize)

        self._rows: dict[str, QWidget] = {
            "top_k": self._top_k,
            "threshold": self._threshold,
            "aggregation": self._aggregation,
            "max_new_tokens": self._max_new_tokens,
            "do_sample": self._do_sample,
            "temperature": self._temperature,
            "seed": self._seed,
            "pooling": self._pooling,
            "normalize": self._normalize,
        }
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        for widget in self._rows.values():
            self._form.addRow("" if isinstance(widget, QCheckBox) else widget.accessibleName(), widget)

        for box in (self._top_k, self._max_new_tokens, self._seed):
            box.valueChanged.connect(self._on_changed)
        for box in (self._threshold, self._temperature):
            box.valueChanged.connect(self._on_changed)
        for choice in (self._aggregation, self._pooling):
            choice.currentIndexChanged.connect(self._on_changed)
        for check in (self._do_sample, self._normalize):
            check.toggled.connect(self._on_changed)
        self.show_for("")

    @property
    def options(self) -> TaskOptions:
        """The settings as they stand."""
        return TaskOptions(
            top_k=self._top_k.value() or None,
            threshold=round(self._threshold.value(), 4),
            aggregation=self._aggregation.currentText(),
            pooling=self._pooling.currentText(),
            normalize=self._normalize.isChecked(),
            max_new_tokens=self._max_new_tokens.value(),
            do_sample=self._do_sample.isChecked(),
            temperature=round(self._temperature.value(), 4),
            seed=self._seed.value(),
        )

    def show_for(self, task: str) -> None:
        """Show what applies to a task."""
        self._task = task
        for name, widget in self._rows.items():
            shown = name in _APPLIES.get(task, ())
            if name in ("temperature", "seed"):
                shown = shown and self._do_sample.isChecked()
            self._form.setRowVisible(widget, shown)

    def _on_changed(self) -> None:
        self.show_for(self._task)
        self.changed.emit()


def _whole(name: str, label: str, least: int, most: int, value: int, tip: str) -> QuietSpinBox:
    box = named(QuietSpinBox(), name, label, tip)
    box.setRange(least, most)
    box.setValue(value)
    box.setKeyboardTracking(False)
    return box


def _decimal(
    name: str, label: str, least: float, most: float, value: float, step: float, tip: str
) -> QuietDoubleSpinBox:
    box = named(QuietDoubleSpinBox(), name, label, tip)
    box.setDecimals(2)
    box.setRange(least, most)
    box.setSingleStep(step)
    box.setValue(value)
    box.setKeyboardTracking(False)
    return box


def _choice(name: str, label: str, choices: tuple[str, ...], value: str, tip: str) -> QuietComboBox:
    box = named(QuietComboBox(), name, label, tip)
    box.addItems(choices)
    box.setCurrentText(value)
    return box

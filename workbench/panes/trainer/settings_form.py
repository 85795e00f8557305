"""Step 3, the settings: each with what it does, its usual range and the name transformers gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from workbench.engine.train import Head
from workbench.engine.values import TrainSpec
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietDoubleSpinBox, QuietSpinBox
from workbench.widgets.theme import set_role

SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt")


@dataclass(frozen=True, slots=True)
class Field:
    """A setting.

    Attributes:
        name: Of the `TrainSpec` field, and the last part of the control's object name.
        label: As it is shown.
        spelled: As transformers (or the tokenizer) spells it.
        usual: Its usual range.
        tip: What it does.
        low, high, step: Of a number.
        decimals: Digits after the point; None makes a whole number.
        lowest: What the lowest value means, such as "all rows".
    """

    name: str
    label: str
    spelled: str
    usual: str
    tip: str
    low: float = 0
    high: float = 0
    step: float = 1
    decimals: int | None = None
    lowest: str = ""


FIELDS = (
    Field("rows", "Rows", "shuffle().select()", "500–20,000",
          "Use as many rows, drawn with the seed; some are held out.",
          0, 10_000_000, 500, lowest="all rows"),
    Field("eval_fraction", "Held out", "test_size", "0.05–0.2",
          "Share of the rows that is evaluated on, never trained on.", 0.01, 0.9, 0.05, 2),
    Field("max_length", "Length", "max_length", "48–512",
          "Rows are cut at as many tokens; for a causal model the length of a block.", 4, 1_000_000, 16),
    Field("epochs", "Epochs", "num_train_epochs", "1–4", "How often each row is seen.", 0.01, 1000, 1, 2),
    Field("max_steps", "Steps at most", "max_steps", "by epochs",
          "Ends the run after as many optimizer steps, whatever the epochs say.",
          0, 10_000_000, 10, lowest="by epochs"),
    Field("batch_size", "Batch size", "per_device_train_batch_size", "8–64",
          "Rows that go through the model at once; more takes more memory.", 1, 4096),
    Field("gradient_accumulation_steps", "Accumulate", "gradient_accumulation_steps", "1–16",
          "Batches per optimizer step: the effect of a larger batch without its memory.", 1, 1024),
    Field("learning_rate", "Learning rate", "learning_rate", "1e-5–5e-4",
          "How far each step goes, at the peak of the schedule. Too high and the loss jumps or becomes NaN."),
    Field("lr_scheduler_type", "Schedule", "lr_scheduler_type", "linear, cosine",
          "How the learning rate changes after the warm-up."),
    Field("warmup_steps", "Warm-up", "warmup_steps", "0.05–0.1",
          "Steps in which the learning rate rises from 0; below 1 it is a share of all steps.", 0, 1_000_000, 0.05, 2),
    Field("weight_decay", "Weight decay", "weight_decay", "0–0.1", "Pulls the weights towards 0 at each step.",
          0, 1, 0.01, 3),
    Field("eval_steps", "Evaluate every", "eval_steps", "each epoch", "Evaluates after as many steps.",
          0, 10_000_000, 10, lowest="each epoch"),
    Field("freeze_layers", "Freeze layers", "requires_grad", "0 to half",
          "Leaves the embeddings and as many of the first layers as they are: faster, and gentle with few rows.",
          0, 200, lowest="none"),
    Field("seed", "Seed", "seed, data_seed", "any",
          "Of the split, the order, the fresh head and the dropout: the same seed gives the same run.",
          0, 2_147_483_647),
    Field("threads", "CPU threads", "torch.set_num_threads", "cores − 1",
          "Threads of the run; with all of them the window is slower while it trains.", 0, 512, lowest="automatic"),
)  # fmt: skip

SWITCHES = (
    Field("bf16", "bfloat16", "bf16", "where fast",
          "Computes in bfloat16 (autocast); the weights stay float32."),
    Field("group_by_length", "Group by length", "train_sampling_strategy", "short texts",
          "Puts rows of like length into a batch: less padding, faster. Classification only."),
)  # fmt: skip

#: Zero stands for these in the form.
_ZERO_MEANS = {"rows": None, "max_steps": -1}


class RateBox(QuietDoubleSpinBox):
    """A box for learning rates: written as ``2e-4``, stepped through 1, 2, 5 and their powers of ten."""

    _STEPS = (1.0, 2.0, 5.0)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(12)
        self.setRange(1e-9, 1e3)

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Shortest spelling: 0.0002 is ``2e-4``."""
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"

    def valueFromText(self, text: str) -> float:  # noqa: N802 - Qt's name
        """Any spelling Python has for a number."""
        try:
            return float(text.strip())
        except ValueError:
            return self.value()

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Whatever may still become a number."""
        try:
            value = float(text.strip())
        except ValueError:
            unfinished = all(letter in "0123456789.eE+- " for letter in text)
            state = QValidator.State.Intermediate if unfinished else QValidator.State.Invalid
            return state, text, position
        within = self.minimum() <= value <= self.maximum()
        return QValidator.State.Acceptable if within else QValidator.State.Intermediate, text, position

    def stepBy(self, steps: int) -> None:  # noqa: N802 - Qt's name
        """Go up or down through 1, 2, 5, 10, 20 and so on."""
        mantissa, _, exponent = f"{self.value():.0e}".partition("e")
        nearest = min(range(3), key=lambda place: abs(self._STEPS[place] - float(mantissa)))
        place = int(exponent) * 3 + nearest + steps
        self.setValue(self._STEPS[place % 3] * 10.0 ** (place // 3))


class SettingsForm(QWidget):
    """The settings as a form of three columns: label over transformers' name, control, usual range.

    Signals:
        edited(): The person changed one.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filling = False
        self._boxes: dict[str, QuietSpinBox | QuietDoubleSpinBox] = {}
        self._schedule = QuietComboBox()
        self._schedule.addItems(SCHEDULES)
        self._schedule.currentIndexChanged.connect(self._on_edited)
        self._switches: dict[str, QCheckBox] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, field in enumerate(FIELDS):
            control = self._schedule if field.name == "lr_scheduler_type" else self._box(field)
            named(control, f"trainer.{field.name}", field.label, _help(field))
            label = QLabel(field.label)
            label.setBuddy(control)
            _add_row(grid, row, field, label)
            grid.addWidget(control, row, 1)
        for row, field in enumerate(SWITCHES, len(FIELDS)):
            switch = named(QCheckBox(field.label), f"trainer.{field.name}", field.label, _help(field))
            switch.toggled.connect(self._on_edited)
            self._switches[field.name] = switch
            _add_row(grid, row, field, switch)
        defaults = TrainSpec.__dataclass_fields__
        self.fill({field.name: defaults[field.name].default for field in (*FIELDS, *SWITCHES)})

    def values(self) -> dict[str, Any]:
        """The settings under the names of `TrainSpec`."""
        values: dict[str, Any] = {name: box.value() for name, box in self._boxes.items()}
        values |= {name: switch.isChecked() for name, switch in self._switches.items()}
        values |= {name: meaning for name, meaning in _ZERO_MEANS.items() if values[name] == 0}
        return values | {"lr_scheduler_type": self._schedule.currentText()}

    def fill(self, values: dict[str, Any]) -> None:
        """Set some of the settings without announcing it."""
        self._filling = True
        for name, value in values.items():
            if name in _ZERO_MEANS and value == _ZERO_MEANS[name]:
                value = 0
            if name in self._boxes:
                self._boxes[name].setValue(value)
            elif name in self._switches:
                self._switches[name].setChecked(value)
            elif name == "lr_scheduler_type":
                self._schedule.setCurrentText(value)
        self._filling = False

    def show_head(self, head: Head) -> None:
        """Switch off what this head has no use for."""
        self._switches["group_by_length"].setEnabled(head.by_length)

    def _box(self, field: Field) -> QuietSpinBox | QuietDoubleSpinBox:
        box: QuietSpinBox | QuietDoubleSpinBox
        if field.name == "learning_rate":
            box = RateBox()
        elif field.decimals is None:
            box = QuietSpinBox()
            box.setGroupSeparatorShown(True)
            box.setRange(int(field.low), int(field.high))
            box.setSingleStep(int(field.step))
        else:
            box = QuietDoubleSpinBox()
            box.setDecimals(field.decimals)
            box.setRange(field.low, field.high)
            box.setSingleStep(field.step)
        box.setKeyboardTracking(False)
        box.setAlignment(Qt.AlignmentFlag.AlignRight)
        box.setSpecialValueText(field.lowest)
        box.valueChanged.connect(self._on_edited)
        self._boxes[field.name] = box
        return box

    def _on_edited(self) -> None:
        if not self._filling:
            self.edited.emit()


def _help(field: Field) -> str:
    return f"{field.tip} Usually {field.usual}. In transformers: {field.spelled}."


def _add_row(grid: QGridLayout, row: int, field: Field, label: QWidget) -> None:
    spelled, usual = QLabel(field.spelled), QLabel(field.usual)
    names = QVBoxLayout()
    names.setSpacing(0)
    names.addWidget(label)
    names.addWidget(spelled)
    for widget in (label, spelled, usual):
        widget.setToolTip(_help(field))
    set_role(spelled, "muted")
    set_role(usual, "muted")
    grid.addLayout(names, row, 0)
    grid.addWidget(usual, row, 2)

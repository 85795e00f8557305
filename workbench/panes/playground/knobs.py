"""Controls for the fields of `Sampling` and `Strategy`: each shows a value, hands it back, and says why it is idle."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from workbench.engine.sampling import NEUTRAL
from workbench.engine.values import Sampling, Strategy
from workbench.widgets import icons
from workbench.widgets.knob import Knob
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.theme import px, set_role

V = TypeVar("V", Sampling, Strategy)

LARGEST_SEED = 2**31 - 1
#: Letters of a label that stand in one line.
_LONGEST_LABEL = 20


class Control(QWidget):
    """One field under a control.

    Args:
        field: Name of the field; the control's object name is ``playground.<field>``.
        tip: What it does, with its usual range.
        label: What it is called, where that is not the field's name.

    Attributes:
        field: Its field.
        label: What it is called.
        tip: What it does.

    Signals:
        edited(): The person changed it.
    """

    edited = Signal()

    def __init__(self, field: str, tip: str, label: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field, self.tip, self.label = field, tip, label or field
        self._said = tip
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(px(self, 2))

    def read(self) -> Any:
        """The value as the field has it."""
        raise NotImplementedError

    def show_value(self, value: Any) -> None:
        """Show a value, as far as the control can."""
        raise NotImplementedError

    def tell(self, reason: str, enabled: bool) -> None:
        """Say in the tooltip why it does not act (or nothing), and take edits or not."""
        said = f"{self.tip}\n\n{reason}" if reason else self.tip
        if said != self._said:
            for widget in self.findChildren(QWidget):
                if widget.toolTip() == self._said:
                    widget.setToolTip(said)
                    widget.setAccessibleDescription(said)
            self._said = said
        self.setEnabled(enabled)


class Number(Control):
    """A `Knob` for a number, whole where it has no decimals."""

    def __init__(
        self,
        field: str,
        minimum: float,
        maximum: float,
        default: float,
        *,
        step: float = 1,
        decimals: int = 0,
        log: bool = False,
        off: float | None = None,
        tip: str,
    ) -> None:
        super().__init__(field, tip)
        self._whole = decimals == 0
        self.knob = Knob(
            f"playground.{field}", field, minimum, maximum, default,
            step=step, decimals=decimals, log=log, off=off, tip=tip,
        )  # fmt: skip
        self.knob.label.setText(_in_two_lines(field))
        self.column.addWidget(self.knob)
        self.setFocusProxy(self.knob)
        self.knob.value_changed.connect(self.edited)

    def read(self) -> float:
        """The number."""
        return int(self.knob.value) if self._whole else self.knob.value

    def show_value(self, value: float) -> None:
        """Show a number, clamped to the range."""
        self.knob.set_value(value)


class Switch(Control):
    """A check box for what is on or off."""

    def __init__(self, field: str, tip: str) -> None:
        super().__init__(field, tip)
        self.box = named(QCheckBox(field), f"playground.{field}", field, tip)
        self.column.addWidget(self.box)
        self.setFocusProxy(self.box)
        self.box.toggled.connect(self.edited)

    def read(self) -> bool:
        """Whether it is on."""
        return self.box.isChecked()

    def show_value(self, value: bool) -> None:
        """Switch it."""
        self.box.setChecked(value)


class Choice(Control):
    """A list to choose one value from.

    Args:
        field: As for `Control`.
        values: What can be chosen, with the words for each.
        tip: As for `Control`.
    """

    def __init__(self, field: str, values: Mapping[Any, str], tip: str) -> None:
        super().__init__(field, tip)
        self._values = list(values)
        self.box = named(QuietComboBox(), f"playground.{field}", field, tip)
        self.box.addItems(list(values.values()))
        self.column.addWidget(labelled(field, self.box, tip))
        self.setFocusProxy(self.box)
        self.box.currentIndexChanged.connect(self.edited)

    def read(self) -> Any:
        """The chosen value."""
        return self._values[self.box.currentIndex()]

    def show_value(self, value: Any) -> None:
        """Choose a value; one that is not offered changes nothing."""
        if value in self._values:
            self.box.setCurrentIndex(self._values.index(value))


def labelled(label: str, editor: QWidget, tip: str) -> QWidget:
    """An editor under its label, as narrow as the knobs around it."""
    if isinstance(editor, QuietComboBox):
        editor.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        editor.setMinimumContentsLength(12)
    title = QLabel(label)
    title.setToolTip(tip)
    title.setBuddy(editor)
    whole = QWidget()
    column = QVBoxLayout(whole)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(px(whole, 2))
    column.addWidget(title)
    column.addWidget(editor)
    return whole


class Decay(Control):
    """The two numbers of ``exponential_decay_length_penalty``; a factor of 1 is off."""

    def __init__(self) -> None:
        field = "exponential_decay_length_penalty"
        tip = (
            "After start new tokens, the end token's score grows by factor to the power of the tokens since: the text "
            "comes to an end without being cut; factor usually 1.01 to 1.1"
        )
        super().__init__(field, tip)
        label = QLabel(field)
        label.setToolTip(tip)
        self.column.addWidget(label)
        self._start = Knob(f"playground.{field}_start", "start", 0, 2048, 50, step=1, decimals=0, tip=tip)
        self._factor = Knob(f"playground.{field}", "factor", 1.0, 2.0, 1.0, step=0.01, decimals=3, off=1.0, tip=tip)
        inner = QVBoxLayout()
        inner.setContentsMargins(px(self, 10), 0, 0, 0)
        for knob in (self._start, self._factor):
            inner.addWidget(knob)
            knob.value_changed.connect(self.edited)
        self.column.addLayout(inner)
        self.setFocusProxy(self._factor)

    def read(self) -> tuple[int, float] | None:
        """Start and factor, or None when it is off."""
        return None if self._factor.value == 1.0 else (int(self._start.value), self._factor.value)

    def show_value(self, value: tuple[int, float] | None) -> None:
        """Show both numbers; off leaves the start where it was."""
        if value is not None:
            self._start.set_value(value[0])
        self._factor.set_value(1.0 if value is None else value[1])


class Seed(Control):
    """A whole number with a button for another one."""

    def __init__(self) -> None:
        super().__init__(
            "seed",
            "The same seed, prompt and knobs give the same tokens; read when a generation starts; any whole number",
        )
        self.box = named(QuietSpinBox(), "playground.seed", "seed", self.tip)
        self.box.setRange(0, LARGEST_SEED)
        self.box.setMinimumWidth(px(self, 84))
        self._new = named(QToolButton(), "playground.new_seed", "New seed", "Take another random seed")
        set_role(self._new, "quiet")
        icons.put(self._new, "refresh")
        label = QLabel("seed")
        label.setToolTip(self.tip)
        label.setBuddy(self.box)
        row = QHBoxLayout()
        row.setSpacing(px(self, 8))
        row.addWidget(label)
        row.addWidget(self.box, 1)
        row.addWidget(self._new)
        self.column.addLayout(row)
        self.box.valueChanged.connect(self.edited)
        self._new.clicked.connect(self._on_new)

    def read(self) -> int:
        """The seed."""
        return self.box.value()

    def show_value(self, value: int) -> None:
        """Show a seed, the largest possible one for those beyond."""
        self.box.setValue(min(value, LARGEST_SEED))

    def _on_new(self) -> None:
        self.box.setValue(random.randrange(LARGEST_SEED))


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a control does not act as it stands.

    Attributes:
        sentence: Why, for people.
        inert: Nothing can be done at this control about it, whatever it shows. Otherwise it takes edits while it is
            switched on, so that it can be switched off.
        told: Say it below the group too, not in the tooltip alone.
    """

    sentence: str
    inert: bool = False
    told: bool = True


class Form(QObject, Generic[V]):
    """Controls in step with one frozen value.

    What a control can't show (a value beyond its range, set elsewhere) stays as it is until that control is moved.

    Args:
        value: What is shown at first.
        controls: One for each field, in their order.

    Attributes:
        value: What holds now.
        controls: The controls by field.

    Signals:
        edited(): The person changed ``value``.
    """

    edited = Signal()

    def __init__(self, value: V, controls: list[Control], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.value = value
        self.controls = {control.field: control for control in controls}
        self._shown: dict[str, Any] = {}
        self._showing = False
        for control in controls:
            control.edited.connect(self._on_edited)
        self.show_value(value)

    def show_value(self, value: V) -> None:
        """Show a value, without announcing it."""
        self.value = value
        self._showing = True
        for field, control in self.controls.items():
            control.show_value(getattr(value, field))
            self._shown[field] = control.read()
        self._showing = False

    def _on_edited(self) -> None:
        if self._showing:
            return
        read = {field: control.read() for field, control in self.controls.items()}
        moved = {field: value for field, value in read.items() if value != self._shown[field]}
        self._shown = read
        if moved:
            self.value = replace(self.value, **moved)
            self.edited.emit()


def is_off(value: Sampling | Strategy, field: str) -> bool:
    """Whether a field holds what switches it off."""
    return bool(getattr(value, field) == getattr(NEUTRAL if isinstance(value, Sampling) else Strategy(), field))


def _in_two_lines(name: str) -> str:
    """A long name broken at the underscore nearest to its middle, so that it leaves room for the box beside it."""
    if len(name) <= _LONGEST_LABEL:
        return name
    places = [place + 1 for place, letter in enumerate(name) if letter == "_"]
    middle = min(places, key=lambda place: abs(2 * place - len(name)))
    return f"{name[:middle]}\n{name[middle:]}"


def usual_knobs() -> list[Control]:
    """What is always to be seen, in the order in which the library applies it."""
    return [
        Switch(
            "do_sample",
            "Draws the next token from the distribution; switched off, the most probable one is taken (greedy)",
        ),
        Number("repetition_penalty", 0.5, 2.0, 1.0, step=0.05, decimals=2, off=1.0,
               tip="Makes tokens that were there already less likely (above 1) or more likely (below 1), in greedy "
               "decoding too; usually 1.0 to 1.3"),
        Number("temperature", 0.05, 3.0, 0.7, step=0.05, decimals=2, off=1.0,
               tip="Divides the logits: below 1 sharpens the distribution, above 1 flattens it; usually 0.2 to 1.5"),
        Number("top_k", 0, 500, 50, off=0, tip="Keeps the k most probable tokens; usually 20 to 100"),
        Number("top_p", 0.0, 1.0, 0.95, step=0.01, decimals=3, off=1.0,
               tip="Keeps the smallest set of tokens whose probabilities reach p; usually 0.8 to 0.95"),
        Number("min_p", 0.0, 1.0, 0.0, step=0.01, decimals=3, off=0.0,
               tip="Drops what is less probable than min_p times the most probable token; usually 0.02 to 0.1"),
        Number("max_new_tokens", 1, 4096, 128, log=True,
               tip="Stops after as many new tokens; may be moved while text comes; usually 50 to 500"),
        Seed(),
    ]  # fmt: skip


def more_sampling() -> list[Control]:
    """What else cuts the distribution, and what is done to its numbers."""
    return [
        Number("top_h", 0.01, 1.0, 1.0, step=0.01, decimals=3, off=1.0,
               tip="Keeps the most probable tokens whose entropy stays below top_h times that of all of them: fewer "
               "where the model is sure; usually 0.3 to 0.6"),
        Number("typical_p", 0.01, 1.0, 1.0, step=0.01, decimals=3, off=1.0,
               tip="Keeps the tokens whose surprise is closest to the expected one, until their probabilities reach p; "
               "usually 0.2 to 0.95"),
        Number("epsilon_cutoff", 0.0, 0.1, 0.0, step=0.0001, decimals=5, off=0.0,
               tip="Drops what is less probable than this; usually 0.0003 to 0.0009"),
        Number("eta_cutoff", 0.0, 0.1, 0.0, step=0.0001, decimals=5, off=0.0,
               tip="Like epsilon_cutoff, with a limit that falls where the model is unsure; usually 0.0003 to 0.002"),
        Switch("remove_invalid_values", "Replaces NaN by 0 and infinities by the largest numbers, so that a damaged "
               "model does not end the run"),
        Switch("renormalize_logits", "Turns the scores into log-probabilities at the end; the order of the tokens "
               "stays, beam scores change"),
    ]  # fmt: skip


def repetition_and_length() -> list[Control]:
    """What keeps a text from repeating itself, and from ending too early or too late."""
    return [
        Number("no_repeat_ngram_size", 0, 20, 0, off=0,
               tip="No sequence of so many tokens occurs twice, the prompt included; usually 3 to 5"),
        Number("min_new_tokens", 0, 1024, 0, off=0,
               tip="Keeps the end token out until there are as many new tokens; usually 0 to 50"),
        Decay(),
    ]  # fmt: skip


def encoder_knobs() -> list[Control]:
    """What looks at the encoder's input."""
    return [
        Number("encoder_repetition_penalty", 0.5, 2.0, 1.0, step=0.05, decimals=2, off=1.0,
               tip="Above 1, tokens that do not stand in the encoder's input become less likely; usually 1.0 to 1.5"),
        Number("encoder_no_repeat_ngram_size", 0, 20, 0, off=0,
               tip="No sequence of so many tokens of the encoder's input comes in the new text; usually 3 to 5"),
    ]  # fmt: skip

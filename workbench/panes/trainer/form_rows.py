"""Rows of the settings form: a label over the name transformers gives it and its usual range, and the control."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from workbench.panes.trainer.settings_fields import Field
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietDoubleSpinBox, QuietSpinBox
from workbench.widgets.theme import px, set_role

#: Pixels, at any zoom, that what stands below a label insists on: at 200 % a small window has no more for it.
_ROOM = 380


class _About(ElidedLabel):
    """The name in transformers and the usual range; cut only where a large zoom leaves no room for it."""

    def minimumSizeHint(self) -> QSize:
        """As wide as its words, up to `_ROOM`."""
        hint = self.sizeHint()
        return QSize(min(hint.width(), _ROOM), hint.height())


class RateBox(QuietDoubleSpinBox):
    """A box for learning rates: written as ``2e-4``, stepped through 1, 2, 5 and their powers of ten."""

    _STEPS = (1.0, 2.0, 5.0)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(12)
        self.setRange(1e-9, 1e3)

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Shortest spelling: 0.0002 is ``2e-4``."""
        return rate_text(value)

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


def rate_text(value: float) -> str:
    """A learning rate as people write it: ``2e-4``."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def number_box(field: Field) -> QuietSpinBox | QuietDoubleSpinBox:
    """The box of a setting that is a number, named and with its range."""
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
    # The largest number there could be would make every box as wide as that.
    box.setMinimumWidth(px(box, 104))
    box.setKeyboardTracking(False)
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    box.setSpecialValueText(field.lowest)
    return named(box, f"trainer.{field.name}", field.label, help_of(field))


def help_of(field: Field) -> str:
    """What a setting does, its usual range and its other name, for the tooltip."""
    return f"{field.tip} Usually {field.usual}. In transformers: {field.spelled}."


def rows_of(owner: QWidget) -> QGridLayout:
    """An empty form of two columns, as wide as those of the other groups of ``owner``."""
    grid = QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setColumnStretch(0, 3)
    grid.setColumnStretch(1, 2)
    grid.setColumnMinimumWidth(1, px(owner, 104))
    return grid


def add_row(grid: QGridLayout, field: Field, control: QWidget, *, is_switch: bool = False) -> tuple[QWidget, ...]:
    """Add a setting below the others; a switch is its own label.

    Returns:
        The widgets of the row.
    """
    row = grid.rowCount()
    label = control if is_switch else QLabel(field.label)
    if isinstance(label, QLabel):
        label.setBuddy(control)
    about = _About(f"{field.spelled} · {field.usual}")
    names = QVBoxLayout()
    names.setSpacing(0)
    for widget in (label, about):
        widget.setToolTip(help_of(field))
        names.addWidget(widget)
    set_role(about, "muted")
    if is_switch:
        grid.addLayout(names, row, 0, 1, 2)
    else:
        grid.addLayout(names, row, 0)
        grid.addWidget(control, row, 1)
    return (label, control, about)

"""A number with a slider and a box that always say the same."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QLocale, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QMouseEvent, QValidator
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QVBoxLayout, QWidget

from workbench.widgets import theme
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietDoubleSpinBox, QuietSlider

#: Positions of a slider whose values are too many to give each its own.
POSITIONS = 1000


class Knob(QWidget):
    """A label, a slider and a spin box in sync.

    Double-clicking the label, or its context menu, goes back to the default.

    Attributes:
        label: The text label.
        slider: The slider, object name ``<name>_slider``.
        spin: The spin box, object name ``name``.
        default: The value at the start.

    Signals:
        value_changed(float): The value is now another; not sent twice for the same one.
    """

    value_changed = Signal(float)

    def __init__(
        self,
        name: str,
        label: str,
        minimum: float,
        maximum: float,
        default: float,
        *,
        step: float = 0.01,
        decimals: int = 2,
        log: bool = False,
        off: float | None = None,
        tip: str = "",
        parent: QWidget | None = None,
    ) -> None:
        """Build a knob.

        Args:
            name: Object name of the spin box.
            label: Visible label, and accessible name of the spin box.
            minimum: Smallest value, above 0 when ``log``.
            maximum: Largest value.
            default: Value at the start.
            step: Of the arrow keys; a ``log`` knob steps by tenths of a decade instead.
            decimals: Digits after the point; 0 makes whole numbers, a learning rate wants 8.
            log: Spread the slider evenly over powers of ten; small values read like ``5e-05``.
            off: The value that means "off"; the box says so, and takes the word.
            tip: What it does, with its usual range.
            parent: The usual.

        Raises:
            ValueError: ``minimum`` is not below ``maximum``, or not above 0 with ``log``.
        """
        super().__init__(parent)
        if minimum >= maximum or (log and minimum <= 0):
            raise ValueError(f"{name}: no range from {minimum} to {maximum}")
        self.default = default
        self._low, self._high, self._log, self._decimals = minimum, maximum, log, decimals
        self._positions = round(min(POSITIONS, (maximum - minimum) * 10**decimals))
        self._value = default

        self.label = QLabel(label)
        self.label.setToolTip(tip)
        self.spin = named(_Spin(log=log, off=off), name, label, tip)
        self.spin.setDecimals(decimals)
        self.spin.setRange(minimum, maximum)
        self.spin.setSingleStep(step)
        self.spin.setValue(default)
        self.label.setBuddy(self.spin)
        self.slider = named(QuietSlider(), f"{name}_slider", f"{label} slider", tip)
        self.slider.setRange(0, self._positions)
        self.slider.setSingleStep(max(1, 1 if log else round(step / (maximum - minimum) * self._positions)))
        self.slider.setPageStep(max(1, self._positions // 10))
        self.slider.setValue(self._position(default))
        self.setFocusProxy(self.spin)

        self._row = QHBoxLayout()
        self._row.addWidget(self.label)
        self._row.addStretch(1)
        self._row.addWidget(self.spin)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addLayout(self._row)
        self._column.addWidget(self.slider)

        self.slider.valueChanged.connect(self._on_slider)
        self.spin.valueChanged.connect(self._on_spin)
        self._space()

    @property
    def value(self) -> float:
        """The value, a whole number as float when there are no decimals."""
        return self._value

    def set_value(self, value: float) -> None:
        """Take a value, clamped to the range; ``value_changed`` follows when it is another one."""
        self._take(min(max(value, self._low), self._high))

    def reset(self) -> None:
        """Go back to the default."""
        self.set_value(self.default)

    def _on_slider(self, position: int) -> None:
        self._take(self._at(position), move_slider=False)

    def _on_spin(self, value: float) -> None:
        self._take(value)

    def _take(self, value: float, *, move_slider: bool = True) -> None:
        with QSignalBlocker(self.spin):
            self.spin.setValue(value)
        value = self.spin.value()
        if move_slider:
            with QSignalBlocker(self.slider):
                self.slider.setValue(self._position(value))
        if value != self._value:
            self._value = value
            self.value_changed.emit(value)

    def _position(self, value: float) -> int:
        low, high = self._low, self._high
        share = math.log(value / low) / math.log(high / low) if self._log else (value - low) / (high - low)
        return round(share * self._positions)

    def _at(self, position: int) -> float:
        if position in (0, self._positions):
            return self._high if position else self._low
        share = position / self._positions
        if not self._log:
            return round(self._low + share * (self._high - self._low), self._decimals)
        return round(float(f"{self._low * (self._high / self._low) ** share:.3g}"), self._decimals)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Reset when the label was double-clicked."""
        if self.label.geometry().contains(event.position().toPoint()):
            self.reset()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer the default."""
        menu = QMenu(self)
        menu.addAction(f"Reset to {self.spin.textFromValue(self.default)}", self.reset)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_column"):
            self._space()

    def _space(self) -> None:
        self._column.setSpacing(theme.px(self, 2))
        widest = max(
            (self.spin.fontMetrics().horizontalAdvance(self.spin.textFromValue(value))
             for value in (self._low, self._high, self.default, self._at(self._positions * 2 // 3))),
        )  # fmt: skip
        self.spin.setFixedWidth(widest + theme.px(self, 40))


class _Spin(QuietDoubleSpinBox):
    """Says "off" for one value, and writes small numbers the short way."""

    def __init__(self, *, log: bool, off: float | None) -> None:
        super().__init__()
        self._log, self._off = log, off
        self.setLocale(QLocale(QLocale.Language.C))
        self.setKeyboardTracking(False)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)

    def textFromValue(self, value: float) -> str:  # noqa: N802
        """Write the value."""
        if self._off is not None and math.isclose(value, self._off, abs_tol=1e-12):
            return "off"
        if self._log:
            return f"{value:.6g}"
        return f"{value:.{self.decimals()}f}"

    def valueFromText(self, text: str) -> float:  # noqa: N802
        """Read the value."""
        text = text.strip().lower()
        if text == "off" and self._off is not None:
            return self._off
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return self.value()

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let numbers, their beginnings and "off" be typed."""
        bare = text.strip().lower()
        if bare == "off" and self._off is not None:
            return QValidator.State.Acceptable, text, position
        try:
            inside = self.minimum() <= float(bare.replace(",", ".")) <= self.maximum()
        except ValueError:
            begun = all(character in "0123456789.,e+-" for character in bare) or "off".startswith(bare)
            return (QValidator.State.Intermediate if begun else QValidator.State.Invalid), text, position
        return (QValidator.State.Acceptable if inside else QValidator.State.Intermediate), text, position

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Step by the step, or by tenths of a decade."""
        if not self._log:
            super().stepBy(steps)
            return
        stepped = float(f"{self.value() * 10 ** (steps / 10):.2g}")
        smallest = 10.0 ** -self.decimals()
        if abs(stepped - self.value()) < smallest:
            stepped = self.value() + math.copysign(smallest, steps)
        self.setValue(stepped)
        self.selectAll()

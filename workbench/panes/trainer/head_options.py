"""The settings that only one head has, as controls made from what the head says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtWidgets import QFormLayout, QLabel, QLineEdit, QPlainTextEdit, QSizePolicy, QWidget

from workbench.engine.train import Head, Option
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietDoubleSpinBox, QuietSpinBox


class HeadOptions(QObject):
    """A row for each option of a head, below the rows that a form has, and aligned with them.

    Args:
        form: Where the rows are added; it belongs to ``parent``.

    Signals:
        edited(): The person changed one.
    """

    edited = Signal()

    def __init__(self, form: QFormLayout, parent: QWidget) -> None:
        super().__init__(parent)
        self._controls: dict[str, QWidget] = {}
        self._defaults: dict[str, object] = {}
        self._needs: dict[str, str] = {}
        self._above: dict[str, QLabel] = {}
        self._form = form
        self._others = form.rowCount()

    @property
    def values(self) -> dict[str, Any]:
        """What differs from the defaults, under the names of the options; without those that have no effect."""
        told = {name: _value(control) for name, control in self._controls.items() if self._form.isRowVisible(control)}
        return {name: value for name, value in told.items() if value != self._defaults[name]}

    def show_head(self, head: Head) -> None:
        """Offer the options of another head, at their defaults."""
        while self._form.rowCount() > self._others:
            self._form.removeRow(self._others)
        self._defaults = {option.name: option.default for option in head.options}
        self._controls = {option.name: self._control(option) for option in head.options}
        self._needs = {option.name: option.needs for option in head.options if option.needs}
        self._above = {option.name: QLabel(option.title) for option in head.options if option.long}
        for option in head.options:
            control, label = self._controls[option.name], self._above.get(option.name)
            if label is None:
                self._form.addRow(option.title, control)
                continue
            label.setBuddy(control)
            self._form.addRow(label)
            self._form.addRow(control)
        self.show_columns({})

    def show_columns(self, columns: Mapping[str, str]) -> None:
        """Show only the options that have an effect with these columns, by role."""
        for name, role in self._needs.items():
            for part in (self._controls[name], self._above.get(name)):
                if part is not None:
                    self._form.setRowVisible(part, bool(columns.get(role)))

    def fill(self, values: Mapping[str, Any]) -> None:
        """Set options without announcing it; those that are not named go back to their defaults."""
        self.blockSignals(True)
        for name, control in self._controls.items():
            _put(control, values.get(name, self._defaults[name]))
        self.blockSignals(False)

    def _control(self, option: Option) -> QWidget:
        control: QWidget
        if option.choices:
            control = box = QuietComboBox()
            box.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            for name, title in option.choices:
                box.addItem(title, name)
            box.setCurrentIndex(box.findData(option.default))
            box.currentIndexChanged.connect(self._on_edited)
        elif option.long:
            control = text = _Lines()
            text.setPlainText(str(option.default))
            text.textChanged.connect(self._on_edited)
        elif isinstance(option.default, str):
            control = line = QLineEdit(option.default)
            line.textChanged.connect(self._on_edited)
        elif isinstance(option.default, int):
            control = whole = QuietSpinBox()
            whole.setRange(int(option.low), int(option.high))
            whole.setValue(option.default)
            whole.valueChanged.connect(self._on_edited)
        else:
            control = number = QuietDoubleSpinBox()
            number.setRange(option.low, option.high)
            number.setSingleStep(0.05)
            number.setValue(option.default)
            number.valueChanged.connect(self._on_edited)
        return named(control, f"trainer.head_{option.name}", option.title, f"{option.tip}.")

    def _on_edited(self) -> None:
        self.edited.emit()


class _Lines(QPlainTextEdit):
    """A text of a few paragraphs; Tab goes on to the next control."""

    _SHOWN = 11

    def __init__(self) -> None:
        super().__init__()
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """As high as its lines, at any zoom."""
        frame = 2 * (self.frameWidth() + int(self.document().documentMargin()))
        return QSize(super().sizeHint().width(), self._SHOWN * self.fontMetrics().lineSpacing() + frame)


def _put(control: QWidget, value: Any) -> None:
    if isinstance(control, QuietComboBox):
        control.setCurrentIndex(control.findData(value))
    elif isinstance(control, QLineEdit):
        control.setText(value)
    elif isinstance(control, _Lines):
        control.setPlainText(value)
    elif isinstance(control, QuietSpinBox | QuietDoubleSpinBox):
        control.setValue(value)


def _value(control: QWidget) -> Any:
    if isinstance(control, QuietComboBox):
        return control.currentData()
    if isinstance(control, QLineEdit):
        return control.text()
    if isinstance(control, _Lines):
        return control.toPlainText()
    assert isinstance(control, QuietSpinBox | QuietDoubleSpinBox)
    value = control.value()
    return round(value, 6) if isinstance(value, float) else value

"""The settings that only one head has, as controls made from what the head says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QLineEdit, QWidget

from workbench.engine.train import Head, Option
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietDoubleSpinBox, QuietSpinBox


class HeadOptions(QWidget):
    """A control for each option of a head; hidden where it has none.

    Signals:
        edited(): The person changed one.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controls: dict[str, QWidget] = {}
        self._defaults: dict[str, object] = {}
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)

    @property
    def values(self) -> dict[str, Any]:
        """What differs from the defaults, under the names of the options."""
        told = {name: _value(control) for name, control in self._controls.items()}
        return {name: value for name, value in told.items() if value != self._defaults[name]}

    def show_head(self, head: Head) -> None:
        """Offer the options of another head, at their defaults."""
        while self._form.rowCount():
            self._form.removeRow(0)
        self._defaults = {option.name: option.default for option in head.options}
        self._controls = {option.name: self._control(option) for option in head.options}
        for option in head.options:
            self._form.addRow(option.title, self._controls[option.name])
        self.setVisible(bool(head.options))

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
            for name, title in option.choices:
                box.addItem(title, name)
            box.setCurrentIndex(box.findData(option.default))
            box.currentIndexChanged.connect(self._on_edited)
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


def _put(control: QWidget, value: Any) -> None:
    if isinstance(control, QuietComboBox):
        control.setCurrentIndex(control.findData(value))
    elif isinstance(control, QLineEdit):
        control.setText(value)
    elif isinstance(control, QuietSpinBox | QuietDoubleSpinBox):
        control.setValue(value)


def _value(control: QWidget) -> Any:
    if isinstance(control, QuietComboBox):
        return control.currentData()
    if isinstance(control, QLineEdit):
        return control.text()
    assert isinstance(control, QuietSpinBox | QuietDoubleSpinBox)
    value = control.value()
    return round(value, 6) if isinstance(value, float) else value

"""Controls that leave the mouse wheel to the scroll area around them until they have the focus."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QDoubleSpinBox, QSlider, QSpinBox, QWidget

from workbench.widgets.measures import px


class _LeavesTheWheel:
    """Mixed in before a control: a wheel turn over it scrolls the page, not the value."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Turn the value only while this control has the focus, and never with Ctrl, which zooms."""
        if self.hasFocus() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
        else:
            event.ignore()


def _keep_off_the_edge(box: QAbstractSpinBox) -> None:
    # Style sheets pad the box but not the line in it.
    box.lineEdit().setTextMargins(px(box, 4), 0, 0, 0)


class QuietSlider(_LeavesTheWheel, QSlider):
    """A horizontal slider for scrolling pages."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)


class QuietSpinBox(_LeavesTheWheel, QSpinBox):
    """A whole-number box for scrolling pages."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        _keep_off_the_edge(self)


class QuietDoubleSpinBox(_LeavesTheWheel, QDoubleSpinBox):
    """A number box for scrolling pages."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        _keep_off_the_edge(self)


class QuietComboBox(_LeavesTheWheel, QComboBox):
    """A list of choices for scrolling pages."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)

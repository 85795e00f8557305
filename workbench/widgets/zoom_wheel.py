"""Ctrl+wheel, heard before a scrolling area takes it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QWheelEvent


class ZoomWheel(QObject):
    """Turns Ctrl+wheel into asks for another zoom.

    It filters what the platform sends a whole window: a filter on each area would be called for every event of each.

    Signals:
        turned_up(): Larger.
        turned_down(): Smaller.
    """

    turned_up = Signal()
    turned_down = Signal()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take Ctrl+wheel, and nothing else."""
        if event.type() != QEvent.Type.Wheel or not isinstance(event, QWheelEvent):
            return False
        if not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return False
        if event.angleDelta().y() > 0:
            self.turned_up.emit()
        elif event.angleDelta().y() < 0:
            self.turned_down.emit()
        event.accept()
        return True

"""Words that change under a slider without moving what stands below them."""

from __future__ import annotations

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QWidget


class SteadyLabel(QLabel):
    """A wrapped label that stays as high as it ever was at its width."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)

    def say(self, text: str) -> None:
        """Show other words."""
        if text != self.text():
            self.setText(text)
            # Not below the height it has: that is the least which heightForWidth gives.
            self.setMinimumHeight(max(0, self.heightForWidth(self.width())))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Start anew at another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.setMinimumHeight(0)
            self.setMinimumHeight(max(0, self.heightForWidth(event.size().width())))

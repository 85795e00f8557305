"""A column that scrolls down and is never narrower than what stands in it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget


class ColumnScroll(QScrollArea):
    """A scroll area without a frame that scrolls down only.

    Args:
        content: What scrolls.
    """

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # What stands in it takes the keyboard focus, and is scrolled to.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)
        content.installEventFilter(self)
        self.measure()

    def measure(self) -> None:
        """Take the width that the content needs; while that is hidden, nobody hears that it needs another."""
        bar = self.verticalScrollBar().sizeHint().width()
        self.setMinimumWidth(self.widget().minimumSizeHint().width() + bar)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow what the content needs, after a change of zoom too."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self.widget():
            self.measure()
        return super().eventFilter(watched, event)

"""A column that scrolls down and is never narrower than what stands in it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from workbench.widgets.measures import px


class ColumnScroll(QScrollArea):
    """A scroll area without a frame that scrolls down only.

    Args:
        content: What scrolls.
        least: Pixels at 100 % that it is high at least; 0 leaves it to Qt.
    """

    def __init__(self, content: QWidget, least: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._least = least
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

    def minimumSizeHint(self) -> QSize:
        """As high as was asked for."""
        hint = super().minimumSizeHint()
        return QSize(hint.width(), px(self, self._least)) if self._least else hint

    def showEvent(self, event: QShowEvent) -> None:
        """Take the width that is needed by now: a change of zoom does not reach what is hidden."""
        super().showEvent(event)
        self.measure()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow what the content needs, after a change of zoom too."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self.widget():
            self.measure()
        return super().eventFilter(watched, event)

"""One of the pane's two columns: what does not fit into its height scrolls, its width is never cut."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from workbench.widgets.theme import px


class Column(QScrollArea):
    """Scrolls what it holds up and down; squeezed, lines of words would be cut.

    Args:
        inside: What it holds.
        name: Its object name.
        narrowest: Pixels at 100 % that it arranges itself within; 0 for what its parts say.
        first: What stands on top in it, and is never cut by its lower edge.

    Signals:
        width_changed(int): So many pixels of it are seen now.
    """

    width_changed = Signal(int)

    def __init__(self, inside: QWidget, name: str, narrowest: int = 0, first: Sequence[QWidget] = ()) -> None:
        super().__init__()
        self._first = tuple(first)
        self._narrowest = narrowest
        # Told when the turn is over: what changes in answer must not be in the middle of being arranged.
        self._told = QTimer(self, interval=0, singleShot=True)
        self._told.timeout.connect(self._tell)
        self.setObjectName(name)
        self.viewport().setObjectName(f"{name}_viewport")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)

    def minimumSizeHint(self) -> QSize:
        """As wide as what it holds beside the scroll bar, and as high as what stands first."""
        width = px(self, self._narrowest) if self._narrowest else self.widget().minimumSizeHint().width()
        first = sum(part.minimumSizeHint().height() + px(self, 8) for part in self._first)
        return QSize(width + self.verticalScrollBar().sizeHint().width(), max(px(self, 200), first))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Say how wide it is now."""
        super().resizeEvent(event)
        self._told.start()

    def _tell(self) -> None:
        self.width_changed.emit(self.viewport().width())

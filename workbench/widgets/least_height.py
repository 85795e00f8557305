"""A part with words that wrap, which is never given less height than they need."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget


class LeastHeight(QWidget):
    """A widget whose least height is that of its layout at the width it has.

    Qt's own is reckoned before the words wrap; and where a part of a layout says that its height depends on its width,
    the layout takes the height that it would like for its least, and squeezes what stands beside it.
    """

    def hasHeightForWidth(self) -> bool:
        """Not for the layout that it is in."""
        return False

    def minimumSizeHint(self) -> QSize:
        """Room for all lines of the words."""
        hint, layout = super().minimumSizeHint(), self.layout()
        # A layout without words that wrap gives -1 for the height at a width.
        return QSize(hint.width(), layout.minimumHeightForWidth(self.width())) if layout.hasHeightForWidth() else hint

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The words may wrap into another number of lines."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

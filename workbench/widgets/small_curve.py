"""A curve of a form: its shape, its peak and its ends, and nothing to click on."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from workbench.widgets import theme


class SmallCurve(QWidget):
    """Draws values above 0 from left to right, with three words below: the left end, the middle and the right end."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: tuple[float, ...] = ()
        self._words = ("", "", "")
        self._top = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def values(self) -> tuple[float, ...]:
        """What is drawn."""
        return self._values

    def set_curve(self, values: Sequence[float], top: str, words: tuple[str, str, str], described: str) -> None:
        """Draw this.

        Args:
            values: From left to right, none below 0; empty draws the words alone.
            top: What the highest value is called.
            words: Below the left end, the middle and the right end.
            described: The curve in a sentence, for whoever can't see it.
        """
        self._values, self._top, self._words = tuple(values), top, words
        self.setAccessibleDescription(described)
        self.setToolTip(described)
        self.update()

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(theme.px(self, 200), theme.px(self, 92))

    def minimumSizeHint(self) -> QSize:
        """Narrow enough for any form."""
        return QSize(theme.px(self, 120), theme.px(self, 92))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the frame, the curve and the words."""
        colors = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = painter.fontMetrics().height()
        area = QRectF(1, line + 2, self.width() - 2, max(8, self.height() - 2 * line - 8))
        painter.setPen(QPen(QColor(colors.border), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.setPen(QColor(colors.muted))
        painter.drawText(QRectF(0, 0, self.width(), line), Qt.AlignmentFlag.AlignLeft, self._top)
        below = QRectF(0, area.bottom() + 3, self.width(), line + 2)
        sides = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight)
        for words, side in zip(self._words, sides, strict=True):
            painter.drawText(below, side, words)
        highest = max(self._values, default=0.0)
        if highest > 0:
            last = max(1, len(self._values) - 1)
            points = [
                QPointF(area.left() + area.width() * at / last, area.bottom() - area.height() * value / highest)
                for at, value in enumerate(self._values)
            ]
            painter.setPen(QPen(QColor(colors.accent), theme.px(self, 2)))
            painter.drawPolyline(QPolygonF(points))

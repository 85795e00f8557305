"""A matrix of scores for spans of a text: where they start, where they end, and how probable each is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.probability_table import format_percent
from workbench.widgets.visible_text import one_line

#: Tokens that are shown around the best span; more would be too small to read.
_MOST = 24


class SpanMatrix(QWidget):
    """Starts go down and ends across; the best span is outlined, and the tooltip names each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._tokens: tuple[str, ...] = ()
        self._values = np.zeros((0, 0), np.float32)
        self._first = 0
        self._best = (0, 0)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that are shown."""
        return self._tokens

    @property
    def best(self) -> tuple[int, int]:
        """Row and column of the outlined span among the tokens that are shown."""
        return self._best

    def set_scores(self, tokens: Sequence[str], values: np.ndarray) -> None:
        """Show scores of shape ``(tokens, tokens)`` in ``[0, 1]``; of a long text the part around the best span."""
        count = len(tokens)
        best = np.unravel_index(int(values.argmax()), values.shape) if values.size else (0, 0)
        middle = (int(best[0]) + int(best[1])) // 2
        self._first = max(0, min(middle - _MOST // 2, count - _MOST))
        last = min(count, self._first + _MOST)
        self._tokens = tuple(one_line(token) for token in tokens[self._first : last])
        self._values = values[self._first : last, self._first : last]
        self._best = (int(best[0]) - self._first, int(best[1]) - self._first)
        part = f", tokens {self._first + 1} to {last} of {count}" if last - self._first < count else ""
        self.setAccessibleDescription(f"Scores of {count} by {count} spans{part}")
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the tokens to be read."""
        return QSize(theme.px(self, 360), theme.px(self, 300))

    def minimumSizeHint(self) -> QSize:
        """Room for the colours to be seen."""
        return QSize(theme.px(self, 200), theme.px(self, 160))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES:
            self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        """Name the span under the pointer."""
        if isinstance(event, QHelpEvent):
            cell = self._cell(QPointF(event.pos()))
            words = ""
            if cell is not None:
                start, end = (self._tokens[index] for index in cell)
                score = format_percent(float(self._values[cell]))
                words = f"from “{start}” to “{end}”: {score}" if cell[0] <= cell[1] else "ends before it starts"
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cells with their tokens on both axes."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._tokens:
            return
        place, side, look = self._place(), self._side(), theme.current()
        top = float(self._values.max()) or 1.0
        for row in range(len(self._tokens)):
            for column in range(len(self._tokens)):
                cell = QRectF(place.left() + column * side, place.top() + row * side, side, side)
                if column < row:
                    painter.fillRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), QColor(look.sunken))
                else:
                    color = theme.strength_color(float(self._values[row, column]) / top)
                    painter.fillRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), color)
        row, column = self._best
        painter.setPen(QPen(QColor(look.text), theme.px(self, 2)))
        painter.drawRect(QRectF(place.left() + column * side, place.top() + row * side, side, side))
        self._draw_tokens(painter, place, side)

    def _draw_tokens(self, painter: QPainter, place: QRectF, side: float) -> None:
        metrics, look = self.fontMetrics(), theme.current()
        painter.setPen(QColor(look.muted))
        gap = theme.px(self, 6)
        title = metrics.height()
        painter.drawText(QRectF(place.left(), 0, place.width(), title), Qt.AlignmentFlag.AlignCenter, "end")
        painter.drawText(QRectF(0, 0, place.left() - gap, title), Qt.AlignmentFlag.AlignRight, "start ↓")
        every = max(1, int(np.ceil(metrics.height() / side)))
        for index, token in enumerate(self._tokens):
            # The best is always named; those beside it that its name would lie over are not.
            on_best = (index == self._best[0], index == self._best[1])
            free = [not index % every and abs(index - best) >= every for best in self._best]
            if free[0] or on_best[0]:
                painter.setPen(QColor(look.text if on_best[0] else look.muted))
                row = QRectF(0, place.top() + (index + 0.5) * side - title / 2, place.left() - gap, title)
                self._draw_token(painter, row, token, Qt.AlignmentFlag.AlignRight)
            if free[1] or on_best[1]:
                painter.save()
                painter.setPen(QColor(look.text if on_best[1] else look.muted))
                painter.translate(place.left() + (index + 0.5) * side, place.top() - gap)
                painter.rotate(-90)
                column = QRectF(0, -title / 2, self._longest() - gap, title)
                self._draw_token(painter, column, token, Qt.AlignmentFlag.AlignLeft)
                painter.restore()

    def _draw_token(self, painter: QPainter, place: QRectF, token: str, side: Qt.AlignmentFlag) -> None:
        words = self.fontMetrics().elidedText(token, Qt.TextElideMode.ElideRight, int(place.width()))
        painter.drawText(place, side | Qt.AlignmentFlag.AlignVCenter, words)

    def _longest(self) -> int:
        widest = max((self.fontMetrics().horizontalAdvance(token) for token in self._tokens), default=0)
        return min(widest, theme.px(self, 90)) + theme.px(self, 8)

    def _margins(self) -> tuple[int, int]:
        """What the tokens take on the left and above."""
        longest, metrics = self._longest(), self.fontMetrics()
        return max(longest, metrics.horizontalAdvance("start ↓") + theme.px(self, 8)), longest + metrics.height()

    def _place(self) -> QRectF:
        left, above = self._margins()
        side = self._side() * len(self._tokens)
        return QRectF(left, above, side, side)

    def _side(self) -> float:
        left, above = self._margins()
        room = min(self.width() - left, self.height() - above)
        return max(2.0, (room - 2) / max(1, len(self._tokens)))

    def _cell(self, at: QPointF) -> tuple[int, int] | None:
        place, side = self._place(), self._side()
        row, column = int((at.y() - place.top()) // side), int((at.x() - place.left()) // side)
        inside = 0 <= row < len(self._tokens) and 0 <= column < len(self._tokens)
        return (row, column) if inside else None

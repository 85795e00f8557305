"""Scores as labelled bars."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable


class LabelBars(QWidget):
    """One bar a label, as long as its score, with the score written out."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._bars: tuple[tuple[str, float, str], ...] = ()
        self._measured = ("", 0, 0)

    @property
    def bars(self) -> tuple[tuple[str, float, str], ...]:
        """``(label, score, words)`` from top to bottom."""
        return self._bars

    def set_bars(self, bars: Sequence[tuple[str, float, str]]) -> None:
        """Show bars.

        Args:
            bars: ``(label, score in [0, 1], the score as it is written)``, from top to bottom.
        """
        self._bars = tuple(bars)
        self._measured = ("", 0, 0)
        self.setAccessibleDescription("; ".join(f"{label}: {words}" for label, _, words in bars))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """A line a bar."""
        return QSize(theme.px(self, 320), max(1, len(self._bars)) * self._line())

    def minimumSizeHint(self) -> QSize:
        """As high as the bars."""
        return QSize(theme.px(self, 160), self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES:
            self.updateGeometry()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bars."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        look, metrics, line = theme.current(), self.fontMetrics(), self._line()
        gap = theme.px(self, 10)
        longest, widest = self._widths()
        # A hair wider than measured, or a label of exactly that width is elided.
        names, numbers = min(longest + 2, self.width() // 2) + gap, widest + gap
        first, last = event.rect().top() // line, event.rect().bottom() // line + 1
        for number, (label, score, words) in enumerate(self._bars[first:last], first):
            row = QRectF(0, number * line, self.width(), line)
            painter.setPen(QColor(look.text))
            name = metrics.elidedText(drawable(label), Qt.TextElideMode.ElideMiddle, names - gap)
            middle = Qt.AlignmentFlag.AlignVCenter
            painter.drawText(row, middle | Qt.AlignmentFlag.AlignLeft, name)
            painter.drawText(row, middle | Qt.AlignmentFlag.AlignRight, words)
            track = row.adjusted(names, line * 0.22, -numbers, -line * 0.22)
            radius = track.height() / 4
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.sunken))
            painter.drawRoundedRect(track, radius, radius)
            track.setWidth(max(0.0, min(1.0, score)) * track.width())
            painter.setBrush(QColor(look.accent))
            painter.drawRoundedRect(track, radius, radius)

    def _widths(self) -> tuple[int, int]:
        """How wide the widest label is, and the widest score as it is written; measured once for a font."""
        font = self.font().key()
        if self._measured[0] != font:
            advance = self.fontMetrics().horizontalAdvance
            longest = max((advance(drawable(label)) for label, _, _ in self._bars), default=0)
            self._measured = font, longest, max((advance(words) for _, _, words in self._bars), default=0)
        return self._measured[1:]

    def event(self, event: QEvent) -> bool:
        """Say a label in full that is cut."""
        if isinstance(event, QHelpEvent):
            number = event.pos().y() // self._line()
            inside = 0 <= number < len(self._bars)
            words = ": ".join(self._bars[number][::2]) if inside else self.toolTip()
            QToolTip.showText(event.globalPos(), drawable(words), self)
            return True
        return super().event(event)

    def _line(self) -> int:
        return round(self.fontMetrics().height() * 1.7)

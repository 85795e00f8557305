"""A sound as a wave over its seconds, with spans of time marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable

#: Columns that a long sound is kept as; a screen shows no more.
_COLUMNS = 4096
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)
#: Likewise for an axis of samples.
_COUNTS = tuple(digit * 10**power for power in range(12) for digit in (1, 2, 5))


class Waveform(QWidget):
    """The least and the most sample of each moment; marked spans are tinted in turn.

    Signals:
        span_clicked(int): A marked span was clicked.
    """

    span_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._low = np.zeros(0, np.float32)
        self._high = np.zeros(0, np.float32)
        self._seconds = 0.0
        self._spans: tuple[tuple[float, float, str], ...] = ()
        self._chosen: int | None = None
        self._unit = "s"
        self._hint = ""

    @property
    def seconds(self) -> float:
        """How long the sound is."""
        return self._seconds

    @property
    def spans(self) -> tuple[tuple[float, float, str], ...]:
        """``(start, end, words)`` of what is marked, in seconds."""
        return self._spans

    def set_hint(self, text: str) -> None:
        """What is written while there is no sound."""
        self._hint = text
        self.update()

    def set_samples(self, samples: np.ndarray, rate: int, unit: str = "s") -> None:
        """Show samples; what was marked is gone.

        Args:
            samples: Of shape ``(samples,)``.
            rate: How many make a second, or 1 where the axis counts samples.
            unit: Of the axis, ``s`` or nothing.
        """
        self._unit = unit
        count = len(samples)
        columns = min(_COLUMNS, count)
        if columns:
            edges = np.linspace(0, count, columns + 1).astype(int)[:-1]
            self._low = np.minimum.reduceat(samples, edges)
            self._high = np.maximum.reduceat(samples, edges)
        else:
            self._low = self._high = np.zeros(0, np.float32)
        self._seconds = count / rate if rate else 0.0
        self._spans, self._chosen = (), None
        self.setAccessibleDescription(f"{self._seconds:.2f} seconds")
        self.update()

    def set_spans(self, spans: Sequence[tuple[float, float, str]]) -> None:
        """Mark ``(start, end, words)``, in seconds."""
        self._spans, self._chosen = tuple(spans), None
        self.update()

    def set_chosen(self, index: int | None) -> None:
        """Outline one of the spans; says nothing."""
        self._chosen = index
        self.update()

    def sizeHint(self) -> QSize:
        """A band."""
        return QSize(theme.px(self, 360), theme.px(self, 110))

    def minimumSizeHint(self) -> QSize:
        """A narrow band."""
        return QSize(theme.px(self, 120), theme.px(self, 64))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES:
            self.updateGeometry()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the span under the pointer."""
        found = self._span_at(event.position().x())
        if found is not None:
            self.set_chosen(found)
            self.span_clicked.emit(found)

    def event(self, event: QEvent) -> bool:
        """Name the moment under the pointer."""
        if isinstance(event, QHelpEvent) and self._seconds:
            at = event.pos().x() / max(1, self.width()) * self._seconds
            found = self._span_at(event.pos().x())
            words = f"{at:.2f} {self._unit}".rstrip() + (
                f"\n{drawable(self._spans[found][2])}" if found is not None else ""
            )
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the spans, the wave and the seconds."""
        painter = QPainter(self)
        look, metrics = theme.current(), self.fontMetrics()
        wave = QRectF(0, 0, self.width(), self.height() - metrics.height() - theme.px(self, 4))
        painter.fillRect(wave, QColor(look.sunken))
        if not len(self._low):
            painter.setPen(QColor(look.muted))
            painter.drawText(wave, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._hint)
            return
        for index, (start, end, _) in enumerate(self._spans):
            left, right = (value / self._seconds * wave.width() for value in (start, min(end, self._seconds)))
            place = QRectF(left, wave.top(), max(1.0, right - left), wave.height())
            painter.fillRect(place, QColor(look.tints[index % len(look.tints)]))
            if index == self._chosen:
                painter.setPen(QColor(look.accent))
                painter.drawRect(place.adjusted(0, 0, -1, -1))
        painter.setPen(QColor(look.accent))
        painter.drawLines(self._lines(wave))
        self._draw_seconds(painter, wave)

    def _lines(self, wave: QRectF) -> list[QLineF]:
        """An upright line for each column of pixels, each as long as it takes to meet the one before."""
        top = max(1e-9, float(max(-self._low.min(), self._high.max())))
        middle, half = wave.center().y(), wave.height() / 2 * 0.94
        width, columns = max(1, self.width()), len(self._low)
        first = np.arange(width) * columns // width
        if width < columns:
            low, high = np.minimum.reduceat(self._low, first), np.maximum.reduceat(self._high, first)
        else:
            low, high = self._low[first], self._high[first]
        meets_low, meets_high = low.copy(), high.copy()
        meets_low[1:] = np.minimum(low[1:], high[:-1])
        meets_high[1:] = np.maximum(high[1:], low[:-1])
        above, below = np.rint(middle - meets_high / top * half), np.rint(middle - meets_low / top * half)
        # A line of no length would not be drawn.
        ends = zip(above.tolist(), np.maximum(below, above + 1).tolist(), strict=True)
        return [QLineF(x, one, x, other) for x, (one, other) in enumerate(ends)]

    def _draw_seconds(self, painter: QPainter, wave: QRectF) -> None:
        painter.setPen(QColor(theme.current().muted))
        metrics = self.fontMetrics()
        room = max(1.0, wave.width() / (metrics.horizontalAdvance("0000000 s") * 1.4))
        ticks = _TICKS if self._unit else _COUNTS
        step = next((tick for tick in ticks if self._seconds / tick <= room), self._seconds / room)
        at = 0.0
        while at <= self._seconds:
            x = at / self._seconds * wave.width()
            words = f"{at:g} {self._unit}" if self._unit else f"{at:,.0f}"
            box = QRectF(x, wave.bottom(), metrics.horizontalAdvance(words) + 2, metrics.height())
            if box.right() <= self.width():
                painter.drawText(box, Qt.AlignmentFlag.AlignLeft, words)
            at = round(at + step, 6)

    def _span_at(self, x: float) -> int | None:
        if not self._seconds:
            return None
        at = x / max(1, self.width()) * self._seconds
        return next((index for index, (start, end, _) in enumerate(self._spans) if start <= at < end), None)

"""What each processor took away, as a row of chips that empty from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from workbench.widgets import theme


@dataclass(frozen=True, slots=True)
class Stage:
    """One chip.

    Attributes:
        name: In bold.
        words: Behind it.
        left: Share of the probability that is left, in ``[0, 1]``: how far the chip is filled.
        room: The widest that ``words`` can become; its width is kept free, so that no chip moves while numbers change.
        tip: The whole sentence, for the tooltip and the screen reader.
    """

    name: str
    words: str
    left: float
    room: str = ""
    tip: str = ""


class TraceBar(QWidget):
    """A funnel of stages, wrapped to the width there is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stages: tuple[Stage, ...] = ()
        self._boxes: list[QRectF] = []
        self._laid: tuple[object, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What is shown."""
        return self._stages

    @property
    def boxes(self) -> tuple[QRectF, ...]:
        """Where each chip is."""
        return tuple(self._boxes)

    def set_stages(self, stages: Sequence[Stage]) -> None:
        """Show these, from left to right."""
        stages = tuple(stages)
        if stages == self._stages:
            return
        self._stages = stages
        self.setAccessibleDescription(self.text())
        self._lay_out()
        self.update()

    def text(self) -> str:
        """All of it in sentences."""
        return "; ".join(stage.tip or f"{stage.name} {stage.words}" for stage in self._stages)

    def sizeHint(self) -> QSize:
        """As wide as it is given, as high as its lines."""
        return QSize(theme.px(self, 240), self._height())

    def minimumSizeHint(self) -> QSize:
        """As high as its lines."""
        return QSize(theme.px(self, 80), self._height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the chips."""
        look = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text, muted = QColor(look.text), QColor(look.muted)
        soft, surface, border = QColor(look.accent_soft), QColor(look.surface), QPen(QColor(look.border), 1)
        bold, plain = self._bold(), self.font()
        names, numbers = QFontMetricsF(bold), QFontMetricsF(plain)
        inner, radius = theme.px(self, 8), theme.px(self, 5)
        for stage, box in zip(self._stages, self._boxes, strict=True):
            painter.setBrush(surface)
            painter.setPen(border)
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
            filled = box.adjusted(1, 1, -1, -1)
            filled.setWidth(min(max(stage.left, 0.0), 1.0) * filled.width())
            if filled.width() >= 1:
                painter.setBrush(soft)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.drawRoundedRect(filled, min(radius, filled.width() / 2), radius)
            room = box.adjusted(inner, 0, -inner, 0)
            painter.setFont(bold)
            painter.setPen(text)
            painter.drawText(room, _LEFT, _fitted(stage.name, names, room.width()))
            rest = room.adjusted(names.horizontalAdvance(stage.name), 0, 0, 0)
            if stage.words and rest.width() > 0:
                painter.setFont(plain)
                painter.setPen(muted)
                painter.drawText(rest, _RIGHT, _fitted(stage.words, numbers, rest.width()))
        painter.end()

    def event(self, event: QEvent) -> bool:
        """Show the sentence of the chip under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place = event.pos().toPointF()
            for stage, box in zip(self._stages, self._boxes, strict=True):
                if box.contains(place) and stage.tip:
                    QToolTip.showText(event.globalPos(), stage.tip, self, box.toAlignedRect())
                    return True
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap anew."""
        super().resizeEvent(event)
        self._lay_out()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_boxes"):
            self._laid = ()
            self._lay_out()
            self.update()

    def _bold(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        return font

    def _lay_out(self) -> None:
        shape = (self.width(), *((stage.name, stage.room or stage.words) for stage in self._stages))
        if shape == self._laid:
            return
        self._laid = shape
        names, words = QFontMetricsF(self._bold()), QFontMetricsF(self.font())
        inner, gap, line = theme.px(self, 8), theme.px(self, 6), self._line()
        boxes, left, top = [], 0.0, 0.0
        for stage in self._stages:
            kept = stage.room or stage.words
            width = names.horizontalAdvance(stage.name) + 2 * inner + 2
            if kept:
                width += words.horizontalAdvance(kept) + inner
            width = min(width, self.width())
            if left and left + width > self.width():
                left, top = 0.0, top + line + gap
            boxes.append(QRectF(left, top, width, line))
            left += width + gap
        self._boxes = boxes
        if self.height() != self._height():
            self.setFixedHeight(self._height())

    def _line(self) -> int:
        return round(self.fontMetrics().height() * 1.55)

    def _height(self) -> int:
        return round(self._boxes[-1].bottom()) if self._boxes else self._line()


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def _fitted(words: str, metrics: QFontMetricsF, width: float) -> str:
    if metrics.horizontalAdvance(words) <= width:
        return words
    return metrics.elidedText(words, Qt.TextElideMode.ElideRight, width)

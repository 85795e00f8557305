"""A token as a chip: what it is and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from workbench.widgets import theme
from workbench.widgets.visible_text import runs, visible


@dataclass(frozen=True, slots=True)
class Chip:
    """One token.

    Attributes:
        text: What it stands for.
        special: Drawn with a dashed outline instead of a tint.
        strength: Its place on the sequential scale, in ``[0, 1]``; None when it was not computed.
        tip: Tooltip.
        muted: Drawn faintly, as padding is.
        lean: Its place between two sides, from -1 to 1, in the colour of that side instead of the scale's; what is
            written has to name the side too. None where there are no sides.
        group: Its place in the cycle of tints, for chips that belong together; None takes the chip's own position.
        joined: Goes on with a character that the chip before began: the two touch.
    """

    text: str
    special: bool = False
    strength: float | None = None
    tip: str = ""
    muted: bool = False
    lean: float | None = None
    group: int | None = None
    joined: bool = False


@lru_cache(maxsize=256)
def mark_ink(ink: int, fill: int) -> QColor:
    """What the signs of blanks are drawn in: fainter than the text, where that can still be read.

    Args:
        ink: Of the text, as ``QColor.rgb`` has it.
        fill: Behind it.
    """
    faint = theme.mix(QColor(ink), QColor(fill), 0.3)
    return faint if theme.contrast(faint, QColor(fill)) >= 4.5 else QColor(ink)


class ChipPainter:
    """Draws chips in the current theme.

    Args:
        painter: Set to the font of the text.
        line: Width of a thin outline.
        padding: Left and right of the text.
    """

    def __init__(self, painter: QPainter, line: float, padding: float) -> None:
        self._painter, self._line, self._padding = painter, line, padding
        self._look = theme.current()
        self._tints = [QColor(tint) for tint in self._look.tints]
        self._ink, self._surface = QColor(self._look.text), QColor(self._look.surface)

    def draw(self, chip: Chip, rect: QRectF, *, tint: int | None, selected: bool, hovered: bool) -> None:
        """Draw a chip.

        Args:
            chip: What to draw.
            rect: Where.
            tint: Its place in the cycle of tints; None takes the sequential scale.
            selected: Outline it in the accent colour.
            hovered: Outline it as under the mouse.
        """
        painter, look, radius = self._painter, self._look, self._padding * 0.7
        fill, ink = self._colors(chip, tint)
        plain = chip.muted or tint is None
        pen = QPen(QColor(look.border), 1) if plain else QPen(Qt.PenStyle.NoPen)
        if chip.special:
            pen = QPen(QColor(look.muted), self._line, Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(fill)
        inset = 0.5 if chip.special or plain else 0.0
        painter.drawRoundedRect(rect.adjusted(inset, inset, -inset, -inset), radius, radius)
        if tint is None and chip.strength:
            # The line under the text says the same as the colour.
            start = QPointF(rect.left() + radius, rect.bottom() - 2.2 * self._line)
            length = (rect.width() - 2 * radius) * min(1.0, chip.strength)
            painter.setPen(QPen(ink, 1.6 * self._line))
            painter.drawLine(start, start + QPointF(length, 0))
        if selected or hovered:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(look.accent if selected else look.strong_border), self._line * (1 + selected)))
            painter.drawRoundedRect(rect, radius, radius)
        self._write(chip.text, rect, ink, mark_ink(ink.rgb(), fill.rgb()))

    def _colors(self, chip: Chip, tint: int | None) -> tuple[QColor, QColor]:
        if chip.muted:
            return self._surface, QColor(self._look.muted)
        if tint is not None:
            plain = chip.special and chip.group is None
            return QColor(self._look.sunken) if plain else self._tints[tint % len(self._tints)], self._ink
        if chip.lean is not None:
            side = QColor(self._look.series[0 if chip.lean > 0 else 1])
            fill = theme.mix(self._surface, side, 0.7 * min(1.0, abs(chip.lean)))
            return fill, theme.ink_on(fill)
        if chip.strength is None:
            # What was not computed stays plain: it is absent, not zero.
            return self._surface, self._ink
        fill = theme.strength_color(chip.strength, self._look)
        return fill, theme.ink_on(fill)

    def _write(self, text: str, rect: QRectF, ink: QColor, faint: QColor) -> None:
        painter, metrics, shown = self._painter, self._painter.fontMetrics(), visible(text)
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        inner = rect.adjusted(self._padding, 0, -self._padding, 0)
        wanted = metrics.horizontalAdvance(shown)
        if wanted > inner.width() + 1:
            painter.setPen(ink)
            shown = metrics.elidedText(shown, Qt.TextElideMode.ElideMiddle, int(inner.width()) + 1)
            painter.drawText(inner, middle, shown)
            return
        left = rect.left() + (rect.width() - wanted) / 2
        for part, is_mark in runs(shown):
            width = metrics.horizontalAdvance(part)
            painter.setPen(faint if is_mark else ink)
            box = QRectF(left, rect.top(), width + 2, rect.height())
            painter.drawText(box, middle | Qt.TextFlag.TextDontClip, part)
            left += width

"""A picture of a distribution, of as many rows as there are, drawn to keep: PNG or SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter
from PySide6.QtWidgets import QWidget

from workbench.widgets import theme
from workbench.widgets.drawing import save_drawing
from workbench.widgets.probability_row import ProbabilityRow
from workbench.widgets.probability_table import Reach, bar_share, draw_line, format_percent
from workbench.widgets.visible_text import drawable, visible


class ProbabilityPicture:
    """Bars of candidates: raw above, after the knobs below, with a title and a line under it.

    Args:
        owner: Gives font and zoom; the colours are the current theme's.
        title: What the distribution is of.
        caption: What the knobs did.
        rows: The candidates, in the order in which they are drawn.
        chosen: Id of the token that was taken, or None.
        log_scale: Whether bars are logarithmic.
        reach: Gives the cumulative probability of an id, for a line over the bars; None draws none.
    """

    def __init__(
        self,
        owner: QWidget,
        title: str,
        caption: str,
        rows: Sequence[ProbabilityRow],
        *,
        chosen: int | None = None,
        log_scale: bool = False,
        reach: Reach | None = None,
    ) -> None:
        self._reach = reach
        self._font = QFont(owner.font())
        self._unit = theme.px(owner, 1) if owner else 1
        self._title, self._caption = drawable(title), drawable(caption)
        self._rows, self._chosen, self._log = rows, chosen, log_scale
        metrics = QFontMetricsF(self._font)
        self._line = metrics.height() * 1.7
        self._edge = metrics.height()
        self._width = metrics.averageCharWidth() * 110
        captions = metrics.boundingRect(self._text_room(), int(_WRAP), self._caption)
        self._head = self._edge + self._line + captions.height() + self._line
        self.size = QSize(round(self._width), round(self._head + self._line * len(rows) + self._edge * 2))

    def save(self, path: Path) -> None:
        """Write it; the ending says as what.

        Raises:
            OSError: It can't be written.
        """
        save_drawing(path, self.size, self.draw, title=self._title, description=self._caption)

    def draw(self, painter: QPainter) -> None:
        """Draw all of it from the painter's origin."""
        look = theme.current()
        text, muted = QColor(look.text), QColor(look.muted)
        raw, after = theme.mix(muted, QColor(look.surface), 0.4), QColor(look.accent)
        edge, line, width = self._edge, self._line, self._width
        painter.fillRect(QRect(0, 0, self.size.width(), self.size.height()), QColor(look.surface))
        bold = QFont(self._font)
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(text)
        painter.drawText(QRectF(edge, edge * 0.6, width - 2 * edge, line), _LEFT, self._title)
        painter.setFont(self._font)
        painter.setPen(muted)
        painter.drawText(self._text_room(), int(_WRAP), self._caption)
        metrics = QFontMetricsF(self._font)
        names, numbers = metrics.averageCharWidth() * 26, metrics.horizontalAdvance("> 99.99 %") + edge
        room = (width - 2 * edge - names - 2 * numbers) / 2
        legend = self._head - line
        painter.drawText(QRectF(edge + names, legend, room, line), _LEFT, "raw p")
        painter.drawText(QRectF(edge + names + room + numbers, legend, room, line), _LEFT, "after p")
        lines: tuple[list[QPointF], list[QPointF]] = ([], [])
        for number, row in enumerate(self._rows):
            reach = self._reach(row.id) if self._reach is not None else None
            top = self._head + number * line
            ink = muted if row.cut_by else text
            painter.setPen(ink)
            name = f"▶ {visible(row.text)}" if row.id == self._chosen else visible(row.text)
            name = metrics.elidedText(name, Qt.TextElideMode.ElideRight, names - edge)
            painter.drawText(QRectF(edge, top, names, line), _LEFT, name)
            for place, (share, color) in enumerate(((row.probability, raw), (row.after, after))):
                left = edge + names + place * (room + numbers)
                words = f"cut by {row.cut_by}" if place and row.cut_by else format_percent(share)
                length = room * bar_share(share, self._log)
                if reach is not None and not (place and row.cut_by):
                    lines[place].append(QPointF(left + room * reach[place], top + line / 2))
                if length > 0:
                    painter.fillRect(QRectF(left, top + line * 0.24, length, line * 0.52), color)
                box = QRectF(left + length + edge / 2, top, room + numbers - length - edge / 2, line)
                painter.setPen(ink)
                painter.drawText(box, _LEFT, metrics.elidedText(words, Qt.TextElideMode.ElideRight, box.width()))

        for points in lines:
            draw_line(painter, points, text, self._unit)

    def _text_room(self) -> QRectF:
        return QRectF(self._edge, self._edge * 0.6 + self._line, self._width - 2 * self._edge, self._line * 6)


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_WRAP = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop

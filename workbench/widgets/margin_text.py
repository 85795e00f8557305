"""A text with a margin beside it: the numbers of its lines, or whose words they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextBlock,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QTextEdit, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit

#: What ends a line of a Qt document.
_BREAK = re.compile("\r\n|[\r\n\u2029]")
#: Letters that the margin is wide at most; longer names are cut.
_WIDEST = 18


@dataclass(frozen=True, slots=True)
class Ground:
    """Characters ``[start, end)`` on a ground of their own.

    Attributes:
        start: First character.
        end: Character after the last.
        tint: Place in the theme's cycle of tints.
        tip: Tooltip.
    """

    start: int
    end: int
    tint: int
    tip: str = ""


class MarginText(ExactTextEdit):
    """An exact text in the monospaced font whose lines are named in a margin: by number, unless told otherwise."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: Callable[[int], str] = _number
        self._grounds: tuple[Ground, ...] = ()
        self._line: int | None = None
        self._starts: list[int] | None = None
        self._margin = _Margin(self)
        self.document().contentsChanged.connect(self._on_contents_changed)
        self.blockCountChanged.connect(self._measure)
        self.updateRequest.connect(self._on_update_request)
        self._follow_font()

    def set_names(self, names: Callable[[int], str] | None) -> None:
        """Write into the margin what ``names(line)`` gives for a line, counted from 0; None writes its number."""
        self._names = names or _number
        self._measure()
        self._margin.update()

    def set_grounds(self, grounds: Sequence[Ground]) -> None:
        """Put parts of the text on tints; a part outside the text is left out."""
        self._grounds = tuple(grounds)
        self._draw()

    @property
    def grounds(self) -> tuple[Ground, ...]:
        """The parts on tints."""
        return self._grounds

    def mark_line(self, line: int | None) -> None:
        """Mark a line, counted from 1, as the one that is wrong, ; None marks none.

        It is scrolled to unless somebody is writing here.
        """
        self._line = line if line is not None and 0 < line <= len(self.line_starts()) else None
        self._draw()
        if self._line is not None and not self.hasFocus():
            self.setTextCursor(QTextCursor(self.block_of(self._line - 1)))
            self.ensureCursorVisible()

    @property
    def marked_line(self) -> int | None:
        """The line that is marked, counted from 1."""
        return self._line

    def bring(self, place: int) -> None:
        """Put the cursor before a character and scroll to it."""
        self.setTextCursor(self.select(place, place))
        self.ensureCursorVisible()

    def line_starts(self) -> list[int]:
        """The first character of each line of the document."""
        if self._starts is None:
            text = self.text()
            self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]
        return self._starts

    def name_of(self, line: int) -> str:
        """What stands in the margin beside a line, counted from 0."""
        return self._names(line)

    def paint_margin(self, rect: QRect) -> None:
        """Draw the margin; for the margin alone."""
        look = theme.current()
        painter = QPainter(self._margin)
        painter.fillRect(rect, QColor(look.sunken))
        painter.setFont(self.font())
        edge = theme.px(self, 6)
        block = self.firstVisibleBlock()
        while block.isValid():
            box = self._box(block)
            if box.top() > rect.bottom():
                return
            line = self.line_of(block)
            block = block.next()
            if line is None:
                continue
            wrong = self._line is not None and line == self._line - 1
            painter.setPen(QColor(look.error if wrong else look.muted))
            place = QRectF(edge, box.top(), self._margin.width() - 2 * edge, self.fontMetrics().height())
            name = ("▸ " if wrong else "") + self._names(line)
            name = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, int(place.width()))
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)

    def margin_width(self) -> int:
        """Pixels that the margin takes."""
        count = self.blockCount()
        if self._names is _number:
            letters = len(str(count)) + 2
        else:
            letters = max((len(self._names(line)) for line in range(min(count, 2000))), default=0)
        return self.fontMetrics().horizontalAdvance("0") * min(letters, _WIDEST) + 2 * theme.px(self, 6)

    def _box(self, block: QTextBlock) -> QRectF:
        return self.blockBoundingGeometry(block).translated(self.contentOffset())

    def _measure(self) -> None:
        self.setViewportMargins(self.margin_width(), 0, 0, 0)
        inside = self.contentsRect()
        self._margin.setGeometry(inside.left(), inside.top(), self.margin_width(), inside.height())

    def _draw(self) -> None:
        look = theme.current()
        length = len(self.text())
        drawn = []
        for ground in self._grounds:
            if not 0 <= ground.start < ground.end <= length:
                continue
            part = QTextEdit.ExtraSelection()
            part.cursor = self.select(ground.start, ground.end)
            part.format.setBackground(QColor(look.tints[ground.tint % len(look.tints)]))
            part.format.setForeground(QColor(look.text))
            drawn.append(part)
        if self._line is not None:
            wrong = QTextEdit.ExtraSelection()
            wrong.cursor = QTextCursor(self.block_of(self._line - 1))
            wrong.format.setBackground(theme.mix(QColor(look.surface), QColor(look.error), 0.18))
            wrong.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
            drawn.append(wrong)
        self.setExtraSelections(drawn)
        self._margin.update()

    def _on_update_request(self, rect: QRect, dy: int) -> None:
        if dy:
            self._margin.scroll(0, dy)
        else:
            self._margin.update(0, rect.y(), self._margin.width(), rect.height())

    def _on_contents_changed(self) -> None:
        self._starts = None

    def _follow_font(self) -> None:
        self.document().setDefaultFont(theme.mono_font(self))
        self._measure()

    # Qt.

    def viewportEvent(self, event: QEvent) -> bool:
        """Show the tooltip of the part under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and self._grounds:
            place, last = self.index_of(self.cursorForPosition(event.pos()).position()), len(self.text())
            tip = next((g.tip for g in self._grounds if g.end <= last and g.start <= place < g.end), "")
            QToolTip.showText(event.globalPos(), tip, self)
            return True
        return super().viewportEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the margin as high as the text."""
        super().resizeEvent(event)
        self._measure()

    def changeEvent(self, event: QEvent) -> None:
        """Follow theme and zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_margin"):
            self._follow_font()
            self._draw()


class _Margin(QWidget):
    """The strip left of the text."""

    def __init__(self, text: MarginText) -> None:
        super().__init__(text)
        self._text = text

    def sizeHint(self) -> QSize:
        return QSize(self._text.margin_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        self._text.paint_margin(event.rect())


def _number(line: int) -> str:
    return str(line + 1)

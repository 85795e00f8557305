"""Running text whose pieces carry a tint, can be clicked, and arrive while one reads."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
)
from PySide6.QtWidgets import QTextEdit, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.probability_table import format_percent
from workbench.widgets.visible_text import drawable

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text.

    Attributes:
        text: What is read; may be empty.
        strength: Its place on the sequential scale, from 0 (expected) to 1 (surprising), or None for no tint.
        tip: Tooltip, and what a screen reader hears when the piece is selected.
        special: Written in italics, because it stands for no text.
    """

    text: str
    strength: float | None = None
    tip: str = ""
    special: bool = False


def token_piece(
    text: str,
    index: int,
    token_id: int,
    probability: float,
    rank: int,
    surprise: float,
    *,
    special: bool = False,
    forced: bool = False,
) -> Piece:
    """A generated token as a piece, tinted by its surprise.

    Args:
        text: What is read.
        index: Its step, 0 for the first.
        token_id: Its id.
        probability: Before any knob, NaN when it is not known.
        rank: 1 is the most probable.
        surprise: In bits.
        special: Whether the text is the name of a special token.
        forced: Whether the person chose it.
    """
    tip = f"step {index + 1} · id {token_id}"
    if math.isnan(probability):
        return Piece(text, None, tip, special)
    tip += f" · {format_percent(probability)} before the knobs, rank {rank:,}, {surprise:.1f} bits"
    return Piece(text, theme.strength_of(surprise), tip + " · chosen by you" if forced else tip, special)


class TintedText(QTextEdit):
    """A read-only text of headings, plain passages and numbered pieces.

    Signals:
        piece_clicked(int): A piece was clicked, or moved to with the left and right arrow keys.
        piece_opened(int): More is wanted about a piece: it was clicked once more, clicked with the right button, or
            Alt+Down was pressed.
    """

    piece_clicked = Signal(int)
    piece_opened = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._pieces: list[Piece] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._headings: list[int] = []
        self._muted: list[tuple[int, int]] = []
        self._selected: int | None = None
        self._tinted = True

    # What it shows.

    @property
    def pieces(self) -> int:
        """How many numbered pieces there are."""
        return len(self._pieces)

    @property
    def selected(self) -> int | None:
        """The marked piece."""
        return self._selected

    def clear_text(self) -> None:
        """Start empty."""
        self._pieces, self._starts, self._ends, self._headings, self._muted = [], [], [], [], []
        self._selected = None
        self.clear()
        self.setExtraSelections([])

    def add_heading(self, text: str) -> None:
        """Begin a passage under a heading."""
        cursor = self._end()
        first = self.document().isEmpty()
        space = QTextBlockFormat()
        space.setTopMargin(0 if first else theme.px(self, 10))
        if first:
            cursor.setBlockFormat(space)
        else:
            cursor.insertBlock(space)
        self._headings.append(cursor.block().blockNumber())
        cursor.insertText(text, self._heading_format())
        cursor.insertBlock(QTextBlockFormat())

    def add_plain(self, text: str, *, muted: bool = False) -> None:
        """Add text that is no piece, in ordinary or in muted ink."""
        cursor = self._end()
        start = cursor.position()
        cursor.insertText(_shown(text), self._muted_format() if muted else QTextCharFormat())
        if muted:
            self._muted.append((start, cursor.position()))

    def append_pieces(self, pieces: Iterable[Piece]) -> None:
        """Add pieces at the end; the view follows when it was at the end."""
        bar = self.verticalScrollBar()
        follow = bar.value() >= bar.maximum() - theme.px(self, 4)
        cursor = self._end()
        cursor.beginEditBlock()
        for piece in pieces:
            self._pieces.append(piece)
            self._starts.append(cursor.position())
            if piece.text:
                cursor.insertText(_shown(piece.text), self._format(piece))
            self._ends.append(cursor.position())
        cursor.endEditBlock()
        if follow:
            bar.setValue(bar.maximum())

    def set_tinted(self, tinted: bool) -> None:
        """Show or hide the tints."""
        if tinted != self._tinted:
            self._tinted = tinted
            self._paint_anew()

    def set_selected(self, number: int | None) -> None:
        """Mark a piece without announcing it."""
        if number is not None and not 0 <= number < len(self._pieces):
            number = None
        if number == self._selected:
            return
        self._selected = number
        self._mark()
        if number is not None:
            self.setAccessibleDescription(self._pieces[number].tip)
            if self._starts[number] != self._ends[number]:
                self._bring_into_view(number)

    def place_of(self, number: int) -> QRect:
        """Where a piece stands on the screen: the rectangle of its first line."""
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._starts[number])
        rect = self.cursorRect(cursor)
        rect.moveTopLeft(self.viewport().mapToGlobal(rect.topLeft()))
        return rect

    # How it looks.

    def _format(self, piece: Piece) -> QTextCharFormat:
        shape = QTextCharFormat()
        if self._tinted and piece.strength is not None:
            ground = theme.strength_color(piece.strength)
            shape.setBackground(ground)
            shape.setForeground(theme.ink_on(ground))
        elif piece.special:
            shape = self._muted_format()
        shape.setFontItalic(piece.special)
        return shape

    def _muted_format(self) -> QTextCharFormat:
        shape = QTextCharFormat()
        shape.setForeground(QColor(theme.current().muted))
        return shape

    def _heading_format(self) -> QTextCharFormat:
        shape = QTextCharFormat()
        shape.setForeground(QColor(theme.current().muted))
        shape.setFontWeight(600)
        shape.setFontPointSize(max(1.0, self.font().pointSizeF() * 0.92))
        return shape

    def _mark(self) -> None:
        number = self._selected
        # A piece without text of its own is the beginning of a character that a later piece completes.
        while number is not None and self._starts[number] == self._ends[number]:
            number = number + 1 if number + 1 < len(self._pieces) else None
        if number is None:
            self.setExtraSelections([])
            return
        look = theme.current()
        marked = QTextEdit.ExtraSelection()
        marked.cursor = self._span(self._starts[number], self._ends[number])
        shape = QTextCharFormat()
        shape.setBackground(QColor(look.accent))
        shape.setForeground(QColor(look.accent_text))
        marked.format = shape
        self.setExtraSelections([marked])

    def _paint_anew(self) -> None:
        cursor = self._end()
        cursor.beginEditBlock()
        for number, piece in enumerate(self._pieces):
            if self._starts[number] != self._ends[number]:
                self._span(self._starts[number], self._ends[number]).setCharFormat(self._format(piece))
        for start, end in self._muted:
            self._span(start, end).setCharFormat(self._muted_format())
        for number in self._headings:
            line = QTextCursor(self.document().findBlockByNumber(number))
            line.select(QTextCursor.SelectionType.BlockUnderCursor)
            line.setCharFormat(self._heading_format())
        cursor.endEditBlock()
        self._mark()

    def _span(self, start: int, end: int) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.setPosition(start)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        return cursor

    def _end(self) -> QTextCursor:
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        return cursor

    def _bring_into_view(self, number: int) -> None:
        rect = self.cursorRect(self._span(self._starts[number], self._ends[number]))
        bar = self.verticalScrollBar()
        if rect.top() < 0:
            bar.setValue(bar.value() + rect.top() - theme.px(self, 8))
        elif rect.bottom() > self.viewport().height():
            bar.setValue(bar.value() + rect.bottom() - self.viewport().height() + theme.px(self, 8))

    def _at(self, position: int) -> int | None:
        number = bisect_right(self._starts, position) - 1
        while number >= 0 and self._starts[number] == self._ends[number]:
            number -= 1
        return number if number >= 0 and self._starts[number] <= position < self._ends[number] else None

    def _at_point(self, point: QPoint) -> int | None:
        position = (
            self.document().documentLayout().hitTest(point.toPointF() + self._scrolled(), Qt.HitTestAccuracy.ExactHit)
        )
        return self._at(position) if position >= 0 else None

    def _scrolled(self) -> QPointF:
        return QPointF(self.horizontalScrollBar().value(), self.verticalScrollBar().value())

    # Qt.

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Select the piece under the mouse, unless text was marked by dragging; open it when it is selected already."""
        super().mouseReleaseEvent(event)
        if event.button() != Qt.MouseButton.LeftButton or self.textCursor().hasSelection():
            return
        number = self._at_point(event.position().toPoint())
        if number is None:
            return
        if number == self._selected:
            self.piece_opened.emit(number)
        else:
            self._choose(number)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open the piece under the mouse (or the selected one, from the keyboard); marked text has its usual menu."""
        asked_by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        number = self._selected if asked_by_key else self._at_point(event.pos())
        if number is None or self.textCursor().hasSelection():
            super().contextMenuEvent(event)
            return
        if number != self._selected:
            self._choose(number)
        self.piece_opened.emit(number)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move between pieces with the left and right arrow keys; open the selected one with Alt+Down."""
        if event.key() == Qt.Key.Key_Down and event.modifiers() & Qt.KeyboardModifier.AltModifier:
            if self._selected is not None:
                self.piece_opened.emit(self._selected)
            return
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or not self._pieces or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(event)
            return
        last = len(self._pieces) - 1
        now = self._selected if self._selected is not None else (last + 1 if step < 0 else -1)
        self._choose(min(max(now + step, 0), last))

    def viewportEvent(self, event: QEvent) -> bool:
        """Show the tooltip of the piece under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            number = self._at_point(event.pos())
            QToolTip.showText(event.globalPos(), self._pieces[number].tip if number is not None else "", self)
            return True
        return super().viewportEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow theme and zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_tinted"):
            self._paint_anew()

    def _choose(self, number: int) -> None:
        self.set_selected(number)
        self.piece_clicked.emit(number)


def _shown(text: str) -> str:
    """Control characters as their pictures; lone surrogates as U+FFFD."""
    return _CONTROLS.sub(lambda match: chr(0x2400 + ord(match.group())), drawable(text))

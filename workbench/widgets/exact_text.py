"""A plain-text editor that neither loses nor changes a character, and stays quick with ten megabytes on one line."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain

from PySide6.QtCore import QEvent, QMimeData, Qt, QTimer
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QInputMethodEvent,
    QKeyEvent,
    QMouseEvent,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from workbench.widgets import theme
from workbench.widgets.document_places import MARK, Wide, changed, document_offsets, part_of, units_of

#: Characters of a line that Qt lays out in one go: a megabyte takes it a quarter of a second at every key, and where
#: it has no blanks a quarter of a minute.
PIECE = 4000
#: Characters up to which a text is given to Qt at once; of a longer one those of each turn of the event loop, and
#: milliseconds to the next.
AT_ONCE, TURN, _REST = 1_200_000, 200_000, 5
#: Characters that a line of its own counts as beside those in it: short lines take longer than long ones.
_LINE = 50
#: Marks the paragraph separators between the pieces of one line. It is a property of the separator itself, so that it
#: is undone and redone with it.
_JOINT = int(QTextFormat.Property.UserProperty) + 1
_SHIFT = Qt.KeyboardModifier.ShiftModifier
#: Digits that a tab is wide.
_TAB = 4
#: Categories of signs that are drawn in one with the character before them, and what joins the one after it.
_CLINGING = frozenset(("Mn", "Mc", "Me", "Cf", "Cs", "Sk"))
_JOINER = "\u200d"


class ExactTextEdit(QPlainTextEdit):
    """A `QPlainTextEdit` whose text is exact: no-break spaces and line separators stay what they are.

    A text given by `set_text` is handed back unchanged until the person edits it, even where Qt could not hold all of
    it: carriage returns, a byte-order mark at the beginning. A line longer than `PIECE` characters is shown in pieces,
    whose breaks are no part of the text. What is longer than `AT_ONCE` characters comes in over some turns of the
    event loop; of what is pasted ``textChanged`` tells once it is all there, and keys that are pressed meanwhile act
    then.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self._given = ""
        self._revision = self.document().revision()
        self._known = True
        self._units: Sequence[int] | None = None
        self._large = False
        self._pieced = False
        self._joints: list[int] = []
        self._coming: Iterator[None] | None = None
        self._typed: deque[QKeyEvent] = deque()
        self._is_given = False
        self._next = QTimer(self, singleShot=True, interval=_REST)
        self._next.timeout.connect(self._take)
        self.document().contentsChange.connect(self._on_contents_change)
        self._follow_zoom()

    def text(self) -> str:
        """The exact text."""
        if self.document().revision() == self._revision:
            return self._given
        raw = self.document().toRawText()
        if units_of(raw) != self.document().characterCount() - 1:
            raw = self._unit_by_unit()
        self._given, self._revision = self._joined(raw), self.document().revision()
        self._known, self._units = True, None
        return self._given

    @property
    def settled(self) -> bool:
        """Whether all of what was set, pasted or typed last is in the document."""
        return self._coming is None and not self._typed

    def set_text(self, text: str) -> None:
        """Show a text; the undo history starts anew."""
        self._next.stop()
        self._coming = None
        self._typed.clear()
        self._given = text
        self._pieced, self._joints, self._large = False, [], False
        # The revision that belongs to this text is known only afterwards, and who hears of the change asks for it.
        blocked = self.blockSignals(True)
        self._is_given = True
        if len(text) > AT_ONCE or _has_long_line(text):
            self.setPlainText("")
            self.document().setUndoRedoEnabled(False)
            self._coming = self._parts(QTextCursor(self.document()), text, crowded=False)
            self._take()
            self.moveCursor(QTextCursor.MoveOperation.Start)
        else:
            self.setPlainText(text)
            self._end_given()
        self.blockSignals(blocked)
        self._revision = self.document().revision()
        self._known, self._units = True, None
        self.textChanged.emit()

    @property
    def position(self) -> int:
        """Where the cursor stands, in characters of `text`."""
        return self.index_of(self.textCursor().position())

    def index_of(self, place: int) -> int:
        """The character of `text` at a position of the document."""
        place -= bisect_left(self._joints, place)
        units = self._offsets()
        return place if isinstance(units, range) else bisect_right(units, place) - 1

    def place_of(self, index: int, *, end: bool = False) -> int:
        """Where a character of `text` is in the document, at most its end; as ``end`` of a part before any break."""
        units, joints = self._offsets(), self._joints
        unit = int(units[min(index, len(units) - 1)])
        before = bisect_left if end else bisect_right
        place = unit + before(range(len(joints)), unit, key=lambda number: joints[number] - number)
        return place if self.settled else min(place, self.document().characterCount() - 1)

    def line_of(self, block: QTextBlock) -> int | None:
        """The line of `text`, counted from 0, that a block is or begins; None for a further piece of one."""
        before = bisect_left(self._joints, block.position())
        if before and self._joints[before - 1] == block.position() - 1:
            return None
        return block.blockNumber() - before

    def block_of(self, line: int) -> QTextBlock:
        """The block that is or begins a line of `text`, counted from 0."""
        for joint in self._joints:
            line += self.document().findBlock(joint).blockNumber() < line
        return self.document().findBlockByNumber(line)

    def select(self, start: int, end: int) -> QTextCursor:
        """A cursor with the characters ``[start, end)`` selected; that of the person stays."""
        cursor = QTextCursor(self.document())
        cursor.setPosition(self.place_of(start))
        cursor.setPosition(self.place_of(end, end=end > start), QTextCursor.MoveMode.KeepAnchor)
        return cursor

    def mark(self, start: int, end: int) -> None:
        """Highlight the characters ``[start, end)`` and scroll to them; the cursor stays where it is."""
        marked = QTextEdit.ExtraSelection()
        marked.cursor = self.select(start, end)
        marked.format.setBackground(QColor(theme.current().accent_soft))
        marked.format.setFontUnderline(True)
        self.setExtraSelections([marked])
        self._scroll_to(marked.cursor)

    def clear_mark(self) -> None:
        """Take the highlight away."""
        self.setExtraSelections([])

    def marked(self) -> str:
        """The highlighted characters."""
        return "".join(self._selected(each.cursor) for each in self.extraSelections())

    def _selected(self, cursor: QTextCursor) -> str:
        return self.text()[self.index_of(cursor.selectionStart()) : self.index_of(cursor.selectionEnd())]

    def _insert(self, cursor: QTextCursor, text: str) -> None:
        first = len(text.partition("\n")[0])
        crowded = cursor.block().length() + first > 2 * PIECE and not cursor.atBlockStart()
        if not crowded and len(text) <= AT_ONCE and not _has_long_line(text):
            cursor.insertText(text, QTextCharFormat())
            return
        # So that what comes is followed from now on.
        self.text()
        self._coming = self._parts(cursor, text, crowded)
        if len(text) > AT_ONCE:
            self._next.start()
        else:
            self._take()

    def _parts(self, cursor: QTextCursor, text: str, crowded: bool) -> Iterator[None]:
        """Insert a text, a part of it at each step, to be undone as one."""
        # In formats of its own: after the break between two pieces Qt would write on in that of the break.
        plain, joint = QTextCharFormat(), QTextCharFormat()
        joint.setProperty(_JOINT, True)
        self._pieced, self._large = True, len(text) > AT_ONCE
        cursor.beginEditBlock()
        cursor.removeSelectedText()
        if crowded:
            cursor.insertBlock(QTextBlockFormat(), joint)
        written = 0
        for piece, broken in _pieces(text):
            if written > TURN and self._large:
                written = 0
                cursor.endEditBlock()
                yield
                cursor.joinPreviousEditBlock()
            cursor.insertText(piece, plain)
            if broken:
                cursor.insertBlock(QTextBlockFormat(), joint)
            written += len(piece) + _LINE * piece.count("\n")
        cursor.endEditBlock()
        self._large = False

    def _take(self) -> None:
        """Insert the next part of what is coming."""
        if self._coming is None:
            return
        blocked = self.blockSignals(True)
        unfinished = next(self._coming, self) is None
        self.blockSignals(blocked)
        if unfinished:
            self._next.start()
            return
        self._coming = None
        self.blockCountChanged.emit(self.blockCount())
        self.updateRequest.emit(self.viewport().rect(), 0)
        if self._is_given:
            self._end_given()
        else:
            self.ensureCursorVisible()
            self.textChanged.emit()
            self.cursorPositionChanged.emit()
        while self._typed and self._coming is None:
            self.keyPressEvent(self._typed.popleft())

    def _end_given(self) -> None:
        """What is done from now on is the person's, and can be undone."""
        self._is_given = False
        self.document().setUndoRedoEnabled(True)
        self._revision = self.document().revision()

    def _take_all(self) -> None:
        """Insert what is still coming, as something is about to be done to the text."""
        self._next.stop()
        while self._coming is not None:
            self._take()

    def _joined(self, raw: str) -> str:
        """What Qt holds, without the breaks between the pieces of a line."""
        if not self._joints:
            return raw.replace("\u2029", "\n")
        blocks = raw.split("\u2029")
        ends = ["\n"] * (len(blocks) - 1) + [""]
        for joint in self._joints:
            ends[self.document().findBlock(joint).blockNumber()] = ""
        return "".join(chain.from_iterable(zip(blocks, ends, strict=True)))

    def _unit_by_unit(self) -> str:
        # PySide leaves lone surrogates out of a whole text, yet hands each over when it is asked for alone.
        units = "".join(self.document().characterAt(place) for place in range(self.document().characterCount() - 1))
        return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

    def _offsets(self) -> Sequence[int]:
        if self._units is None:
            self._units = document_offsets(self.text())
        return self._units

    def _on_contents_change(self, place: int, removed: int, added: int) -> None:
        """Keep the places of the breaks between pieces, which what is undone may bring back, and the text."""
        first, last = (bisect_left(self._joints, edge) for edge in (place, place + removed))
        if self._pieced:
            after = [joint + added - removed for joint in self._joints[last:]]
            self._joints[first:] = [*self._joints_between(place, place + added), *after]
        if self._is_given:
            self._revision = self.document().revision()
            return
        known, self._known = self._known, False
        # Of much that is new in a text that is not too long, Qt tells all in less time than that is walked through.
        worth = added < TURN // 10 or self._large or self.document().characterCount() > AT_ONCE
        if known and worth:
            self._follow(place - first, place + removed - last, self._standing(place, place + added))
        if not self._known:
            self._units = None

    def _follow(self, begin: int, stop: int, new: str | None) -> None:
        """Put what is new in the place of what stood between two places of the document before.

        To ask Qt for all of ten megabytes takes it longer than there is between two keys.
        """
        if new is None:
            return
        given = self._given
        units = self._units if self._units is not None else document_offsets(given)
        if not isinstance(units, range | Wide):
            # What is edited is as Qt holds it.
            given = given.removeprefix(MARK).replace("\r\n", "\n").replace("\r", "\n")
            units = document_offsets(given)
            if not isinstance(units, range | Wide):
                return
        start, end = (bisect_right(units, edge) - 1 for edge in (begin, stop))
        if (units[start], units[end]) != (begin, stop):
            return
        text = "".join((given[:start], new, given[end:]))
        units = changed(units, start, end, new)
        if units[-1] + len(self._joints) == self.document().characterCount() - 1 and not text.startswith(MARK):
            self._given, self._revision = text, self.document().revision()
            self._known, self._units = True, units

    def _standing(self, start: int, stop: int) -> str | None:
        """The characters between two places of the document; None where one of them is only half of a character."""
        parts = []
        block = self.document().findBlock(start)
        while block.isValid():
            text, begin = block.text(), block.position()
            size = block.length() - 1
            if units_of(text) != size:
                return None
            part = part_of(text, max(0, start - begin), max(0, stop - begin), size)
            if part is None:
                return None
            parts.append(part)
            block = block.next()
            if block.position() > stop:
                break
            if block.isValid() and not block.charFormat().hasProperty(_JOINT):
                parts.append("\n")
        return "".join(parts)

    def _joints_between(self, start: int, end: int) -> Iterator[int]:
        block = self.document().findBlock(start).next()
        while block.isValid() and block.position() <= end:
            if block.charFormat().hasProperty(_JOINT):
                yield block.position() - 1
            block = block.next()

    def _follow_zoom(self) -> None:
        self.setTabStopDistance(_TAB * self.fontMetrics().horizontalAdvance("0"))

    def _scroll_to(self, cursor: QTextCursor) -> None:
        box = self.cursorRect(cursor)
        view = self.viewport().rect()
        if box.top() < view.top() or box.bottom() > view.bottom():
            block = self.document().findBlock(cursor.selectionStart())
            self.verticalScrollBar().setValue(max(0, block.firstLineNumber() - 2))

    # Qt.

    def changeEvent(self, event: QEvent) -> None:
        """Let the highlight follow the theme, and the tabs the font."""
        super().changeEvent(event)
        if event.type() not in theme.CHANGES:
            return
        self._follow_zoom()
        if marks := self.extraSelections():
            for marked in marks:
                marked.format.setBackground(QColor(theme.current().accent_soft))
            self.setExtraSelections(marks)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Paste as plain text."""
        self._take_all()
        self._insert(self.textCursor(), source.text())
        self.ensureCursorVisible()

    def createMimeDataFromSelection(self) -> QMimeData:
        """Copy exactly what is selected."""
        self._take_all()
        made = QMimeData()
        made.setText(self._selected(self.textCursor()))
        return made

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Make Shift+Enter an ordinary line break too; Qt's would be U+2028, another token."""
        if self._coming is not None:
            # To take in what is left of ten megabytes at this key would hold the window for seconds.
            self._typed.append(_kept(event))
            return
        if self.isReadOnly():
            super().keyPressEvent(event)
            return
        breaking = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if breaking and not event.modifiers() & ~(_SHIFT | Qt.KeyboardModifier.KeypadModifier):
            self.textCursor().insertText("\n", QTextCharFormat())
            self.ensureCursorVisible()
            return
        if event.key() in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self._step_over(back=event.key() == Qt.Key.Key_Backspace)
        super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Let what was typed stand where it was typed before the cursor goes elsewhere."""
        if self._typed:
            self._take_all()
        super().mousePressEvent(event)

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        """Let what an input method writes stand in the whole text."""
        self._take_all()
        super().inputMethodEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to undo all of what was pasted."""
        self._take_all()
        super().contextMenuEvent(event)

    def _step_over(self, *, back: bool) -> None:
        """Before a character is deleted: past the break between two pieces, which is none of the text."""
        cursor = self.textCursor()
        while not cursor.hasSelection() and cursor.position() - back in self._joints:
            cursor.setPosition(cursor.position() + (-1 if back else 1))
            self.setTextCursor(cursor)


def _kept(event: QKeyEvent) -> QKeyEvent:
    """A key event of one's own, as Qt's own ends with its handler."""
    return QKeyEvent(event.type(), event.key(), event.modifiers(), event.text(), event.isAutoRepeat(), event.count())


def _has_long_line(text: str) -> bool:
    return len(text) > PIECE and max(map(len, text.split("\n"))) > PIECE


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Cut a text so that none of its lines is longer than `PIECE` characters, after a blank where there is one.

    Yields:
        A piece, and whether it ends within a line; others end behind one, at the latest after some lines.
    """
    begun = line = 0
    while line < len(text):
        end = text.find("\n", line)
        end = len(text) if end < 0 else end
        while end - line > PIECE + text.startswith("\r", end - 1):
            cut = _cut(text, line)
            yield text[begun:cut], True
            begun = line = cut
        line = end + 1
        if line - begun > TURN // 10 and not text.startswith(MARK, line):
            yield text[begun:line], False
            begun = line
    yield text[begun:], False


def _cut(text: str, line: int) -> int:
    end = line + PIECE
    blank = text.rfind(" ", end - PIECE // 4, end)
    if blank >= 0:
        return blank + 1
    # Signs that are drawn in one with what stands before them stay with it.
    while end > line + PIECE // 2 and (unicodedata.category(text[end]) in _CLINGING or text[end - 1] == _JOINER):
        end -= 1
    return end

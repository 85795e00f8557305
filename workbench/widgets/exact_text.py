"""A plain-text editor that neither loses nor changes a character, and stays quick with a megabyte."""

from __future__ import annotations

import re
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QMimeData, Qt
from PySide6.QtGui import QColor, QKeyEvent, QTextCursor, QTextOption
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QWidget

from workbench.widgets import theme

#: Qt's word wrap takes time that grows with the square of a run without blanks: 16 s for a megabyte.
_LONGEST_RUN = 4000
_LONG_RUN = re.compile(rf"\S{{{_LONGEST_RUN}}}")
_BLANK = re.compile(r"\s")
_NOT_ONE_UNIT = re.compile("[\r\U00010000-\U0010ffff]")


class ExactTextEdit(QPlainTextEdit):
    """A `QPlainTextEdit` whose text is exact: no-break spaces and line separators stay what they are.

    A text given by `set_text` is handed back unchanged until the person edits it, even where Qt could not hold all of
    it: carriage returns, a byte-order mark at the beginning.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self._given = ""
        self._revision = self.document().revision()
        self._units: Sequence[int] | None = None
        self.textChanged.connect(self._on_changed)

    def text(self) -> str:
        """The exact text."""
        if self.document().revision() == self._revision:
            return self._given
        raw = self.document().toRawText()
        units = len(raw) if raw.isascii() else len(raw.encode("utf-16-le")) // 2
        if units != self.document().characterCount() - 1:
            raw = self._unit_by_unit()
        self._given, self._revision = raw.replace("\u2029", "\n"), self.document().revision()
        return self._given

    def set_text(self, text: str) -> None:
        """Show a text; the undo history starts anew."""
        self._given = text
        long_run = has_long_run(text)
        if long_run:
            self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
        # The revision that belongs to this text is known only afterwards, and who hears of the change asks for it.
        blocked = self.blockSignals(True)
        self.setPlainText(text)
        self.blockSignals(blocked)
        if not long_run:
            self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self._revision = self.document().revision()
        self._units = None
        self.textChanged.emit()

    @property
    def position(self) -> int:
        """Where the cursor stands, in characters of `text`."""
        units = self._offsets()
        place = self.textCursor().position()
        if isinstance(units, range):
            return place
        low, high = 0, len(units) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if units[middle] <= place else (low, middle - 1)
        return low

    def mark(self, start: int, end: int) -> None:
        """Highlight the characters ``[start, end)`` and scroll to them; the cursor stays where it is."""
        units = self._offsets()
        last = len(units) - 1
        cursor = QTextCursor(self.document())
        cursor.setPosition(units[min(start, last)])
        cursor.setPosition(units[min(end, last)], QTextCursor.MoveMode.KeepAnchor)
        marked = QTextEdit.ExtraSelection()
        marked.cursor = cursor
        marked.format.setBackground(QColor(theme.current().accent_soft))
        marked.format.setFontUnderline(True)
        self.setExtraSelections([marked])
        self._scroll_to(cursor)

    def clear_mark(self) -> None:
        """Take the highlight away."""
        self.setExtraSelections([])

    def marked(self) -> str:
        """The highlighted characters."""
        return "".join(each.cursor.selectedText().replace("\u2029", "\n") for each in self.extraSelections())

    def _unit_by_unit(self) -> str:
        # PySide leaves lone surrogates out of a whole text, yet hands each over when it is asked for alone.
        units = "".join(self.document().characterAt(place) for place in range(self.document().characterCount() - 1))
        return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

    def _offsets(self) -> Sequence[int]:
        if self._units is None:
            self._units = document_offsets(self.text())
        return self._units

    def _on_changed(self) -> None:
        self._units = None

    def _scroll_to(self, cursor: QTextCursor) -> None:
        box = self.cursorRect(cursor)
        view = self.viewport().rect()
        if box.top() < view.top() or box.bottom() > view.bottom():
            block = self.document().findBlock(cursor.selectionStart())
            self.verticalScrollBar().setValue(max(0, block.firstLineNumber() - 2))

    # Qt.

    def changeEvent(self, event: QEvent) -> None:
        """Let the highlight follow the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and (marks := self.extraSelections()):
            for marked in marks:
                marked.format.setBackground(QColor(theme.current().accent_soft))
            self.setExtraSelections(marks)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Paste as plain text, wrapped so that even a megabyte without blanks is quick."""
        text = source.text()
        if has_long_run(text):
            self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
        self.textCursor().insertText(text)
        self.ensureCursorVisible()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Make Shift+Enter an ordinary line break too; Qt's would be U+2028, another token."""
        shifted = event.modifiers() == Qt.KeyboardModifier.ShiftModifier
        if shifted and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.textCursor().insertText("\n")
            self.ensureCursorVisible()
            return
        super().keyPressEvent(event)


def has_long_run(text: str) -> bool:
    """Whether a text has so many characters without a blank between them that they can't be wrapped word by word."""
    # Every long run covers one of these windows whole; nearly all have a blank within a few characters.
    half = _LONGEST_RUN // 2
    return any(
        _BLANK.search(text, start, start + half) is None
        and _LONG_RUN.search(text, max(0, start - _LONGEST_RUN), start + 2 * _LONGEST_RUN) is not None
        for start in range(0, len(text) - half + 1, half)
    )


def document_offsets(text: str) -> Sequence[int]:
    """Map characters of a text to positions in the Qt document made of it.

    Returns:
        ``len(text) + 1`` positions; entry ``i`` is where character ``i`` starts.
    """
    bom = text.startswith("\ufeff")
    if not bom and not _NOT_ONE_UNIT.search(text):
        return range(len(text) + 1)
    offsets = [0]
    place = 0
    before = ""
    for number, character in enumerate(text):
        code = ord(character)
        # A line feed after a return and a byte-order mark at the beginning take no place in the document.
        unseen = (character == "\n" and before == "\r") or (bom and number == 0)
        place += 0 if unseen else 2 if code > 0xFFFF else 1
        offsets.append(place)
        before = character
    return offsets

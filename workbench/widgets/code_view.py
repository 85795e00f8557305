"""Code to read and to take away, in colours."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtGui import QColor, QShowEvent, QSyntaxHighlighter, QTextCharFormat, QTextDocument
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QWidget

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable, utf16_offsets


class CodeView(QPlainTextEdit):
    """Read-only code, Python if nothing else is said, highlighted by Pygments once it is first seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._code = ""
        self._language = "python"
        self._ink = _Ink(self.document())
        self.setReadOnly(True)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setAccessibleName("Code")
        self._restyle()

    @property
    def code(self) -> str:
        """The code shown."""
        return self._code

    def set_language(self, language: str) -> None:
        """Colour what is set from now on as another language; an unknown one is not coloured."""
        self._language = language

    def set_code(self, code: str) -> None:
        """Show code; the place read stays where it is, so that it can follow a moving slider."""
        if code == self._code:
            return
        self._code = code
        across, down = self.horizontalScrollBar().value(), self.verticalScrollBar().value()
        shown = drawable(code)
        self._ink.spans = _spans(shown, self._language) if self.isVisible() else None
        self.setPlainText(shown)
        self.horizontalScrollBar().setValue(across)
        self.verticalScrollBar().setValue(down)

    def copy_code(self) -> None:
        """Put all of the code on the clipboard."""
        QApplication.clipboard().setText(drawable(self._code))

    def showEvent(self, event: QShowEvent) -> None:
        """Colour what was set while hidden."""
        super().showEvent(event)
        if self._ink.spans is None:
            self._ink.spans = _spans(self.toPlainText(), self._language)
            self._ink.rehighlight()

    def changeEvent(self, event: QEvent) -> None:
        """Follow theme and zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_ink"):
            self._restyle()

    def _restyle(self) -> None:
        font = theme.mono_font(QApplication.activeWindow() or self.parentWidget() or self)
        font.setPointSizeF(QApplication.font().pointSizeF() * 0.96)
        if self.document().defaultFont() != font:
            self.document().setDefaultFont(font)
            self.setTabStopDistance(4 * self.fontMetrics().horizontalAdvance(" "))
        self._ink.set_theme(theme.current())


class _Ink(QSyntaxHighlighter):
    """Colours each line from spans found once for the whole code."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        self.spans: list[list[tuple[int, int, str]]] | None = None
        self._theme: theme.Theme | None = None
        self._formats: dict[str, QTextCharFormat] = {}

    def set_theme(self, look: theme.Theme) -> None:
        if look is self._theme:
            return
        self._theme = look
        for kind, color in look.code.items():
            ink = QTextCharFormat()
            ink.setForeground(QColor(color))
            ink.setFontItalic(kind == "comment")
            if kind == "keyword":
                ink.setFontWeight(600)
            self._formats[kind] = ink
        self.rehighlight()

    def highlightBlock(self, text: str) -> None:
        number = self.currentBlock().blockNumber()
        if self.spans and number < len(self.spans):
            for start, length, kind in self.spans[number]:
                self.setFormat(start, length, self._formats[kind])


def _spans(code: str, language: str) -> list[list[tuple[int, int, str]]]:
    """Find the coloured spans of each line, in UTF-16 units."""
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    lines: list[list[tuple[int, int, str]]] = [[]]
    column = 0
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return lines
    for kind, value in lexer.get_tokens(code):
        name = _kind(str(kind))
        for index, piece in enumerate(value.split("\n")):
            if index:
                lines.append([])
                column = 0
            units = utf16_offsets(piece)[-1]
            if name and piece:
                lines[-1].append((column, units, name))
            column += units
    return lines


def _kind(token: str) -> str | None:
    for part, name in (
        ("Keyword", "keyword"), ("Word", "keyword"), ("Comment", "comment"), ("Number", "number"), ("String", "string"),
        ("Name.Function", "name"), ("Name.Class", "name"), ("Name.Builtin", "name"), ("Name.Decorator", "name"),
        ("Operator", "operator"), ("Punctuation", "operator"),
    ):  # fmt: skip
        if part in token:
            return name
    return None

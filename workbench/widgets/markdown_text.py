"""Markdown that arrives while one reads: cut into parts that stay as they are, and a last one that grows calmly."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QResizeEvent,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrame,
    QTextFrameFormat,
    QTextOption,
    QTextTable,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextEdit, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.card_view import LIMIT, CardView
from workbench.widgets.visible_text import drawable

#: Characters after which prose is cut at the next paragraph, so that what stands is not laid out again.
_SEAL = 1500
#: Percent of the font's own line height.
_LINE = 118
#: Characters of a person's own words that are shown.
_PLAIN_LIMIT = 20_000
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`\n]*$")
_FENCE_BEGUN = re.compile(r" {0,3}(`{3}|~{3})")
#: A line that may yet become something else: a rule, a heading underline, a list mark, a fence.
_BEGUN = re.compile(r"[ \t]*([-=*_+#>|:~`. \t]+|\d{1,3}[.)]?)[ \t]*")
_CODE = re.compile(r"(`+[^`]*`+)")
#: A paragraph that a new document can begin with.
_PARAGRAPH = re.compile(r"\n{2,}(?=[^\W\d_]|#{1,6} )")
_LONG_RUN = re.compile(r"\S{4000}")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a Markdown text.

    Attributes:
        kind: ``prose`` or ``code``.
        text: Markdown, or code without its fences.
        language: What stands behind the opening fence.
    """

    kind: str
    text: str
    language: str = ""


def parts(text: str, *, done: bool = True) -> tuple[Part, ...]:
    """Cut Markdown at its fenced code and, where it is long, between paragraphs.

    Args:
        text: GitHub's Markdown.
        done: Whether nothing follows. Otherwise the end is held back where it would change its shape with the next
            characters: a line that may become a fence or a rule, the rows of a table that has no head yet.
    """
    found: list[Part] = []
    prose: list[str] = []
    code: list[str] | None = None
    fence, language = "", ""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        mark = _FENCE.match(line.rstrip("\r\n"))
        unfinished = not done and number == len(lines) - 1 and not line.endswith("\n")
        if code is None:
            if mark and not unfinished:
                found += _prose("".join(prose), done=True)
                prose, code = [], []
                fence, language = mark[1], mark[2]
            elif not (unfinished and (_BEGUN.fullmatch(line) or _FENCE_BEGUN.match(line))):
                prose.append(line)
        elif mark and mark[1][0] == fence[0] and len(mark[1]) >= len(fence) and not mark[2]:
            found.append(Part("code", "".join(code).rstrip("\r\n"), language))
            code = None
        elif not (unfinished and set(line.strip()) <= {fence[0]}):
            code.append(line)
    if code is not None:
        found.append(Part("code", "".join(code).rstrip("\r\n"), language))
    return (*found, *_prose("".join(prose), done=done))


def _prose(text: str, *, done: bool) -> list[Part]:
    if not text.strip():
        return []
    found = []
    while len(text) > _SEAL and (cut := _PARAGRAPH.search(text, _SEAL)):
        found.append(Part("prose", text[: cut.start()]))
        text = text[cut.end() :]
    text = text if done else _calm(text)
    return [*found, Part("prose", text)] if text.strip() else found


def _calm(text: str) -> str:
    """A text that is still being written, without the end that would jump with the next characters."""
    lines = text.splitlines(keepends=True)
    row = len(lines)
    while row and lines[row - 1].lstrip().startswith("|"):
        row -= 1
    if row < len(lines):
        whole = [line for line in lines[row:] if line.endswith("\n")]
        # A table is one from its second line on; until then it would be a paragraph of bars.
        return "".join([*lines[:row], *(whole if len(whole) >= 2 else [])])
    last = text[text.rfind("\n\n") + 1 :]
    for mark in ("**", "`"):
        if last.count(mark) % 2 and not last.endswith(mark):
            return text + mark
    return text


class MarkdownText(CardView):
    """Text as tall as it is: Markdown of strangers, made safe, or plain words.

    HTML stands there as it was written, a picture is a link, and a link opens in the browser when it is clicked; its
    tooltip says where it leads.

    Signals:
        pressed(): The mouse went down on it.
    """

    pressed = Signal()

    def __init__(self, *, markdown: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._markdown = markdown
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setUndoRedoEnabled(False)
        # Wrapped by the window's width, the text would go back to it whenever another one is tried.
        self.setLineWrapMode(QTextEdit.LineWrapMode.FixedPixelWidth)
        theme.set_role(self, "bare")
        self.document().setDocumentMargin(0)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def set_text(self, text: str) -> None:
        """Show a text."""
        self._text = text
        shown = drawable(text)
        self.setWordWrapMode(
            QTextOption.WrapMode.WrapAnywhere
            if _LONG_RUN.search(shown)
            else QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere
        )
        if self._markdown:
            shown = shown if len(shown) <= LIMIT else f"{shown[:LIMIT]}\n\n*(cut here; Copy takes all of it)*"
            features = (
                QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
            )
            self.document().setMarkdown(
                "".join(part if part.startswith("`") else _literal(part) for part in _CODE.split(shown)), features
            )
            self._dress()
        else:
            more = len(shown) - _PLAIN_LIMIT
            self.setPlainText(
                shown if more <= 0 else f"{shown[:_PLAIN_LIMIT]}…\n({more:,} more characters; Copy takes all of them)"
            )
        self.updateGeometry()

    def heightForWidth(self, width: int) -> int:
        """The height at which all of it is seen."""
        self._wrap(width)
        return max(1, math.ceil(self.document().size().height()))

    def hasHeightForWidth(self) -> bool:
        """It has one."""
        return True

    def sizeHint(self) -> QSize:
        """As tall as it is at this width."""
        width = max(1, self.width())
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        """It breaks anywhere."""
        return QSize(1, 1)

    def _wrap(self, width: int) -> None:
        if self.lineWrapColumnOrWidth() != width:
            self.setLineWrapColumnOrWidth(width)

    def _dress(self) -> None:
        """Give headings calm sizes, code its ground, tables thin lines."""
        document = self.document()
        document.setIndentWidth(theme.px(self, 18))
        # One block of edits, found first: laid out once, and no fragment moves while it is looked for.
        code = [span for block in _blocks(document) for span in _code_spans(block)]
        cursor = QTextCursor(document)
        cursor.beginEditBlock()
        for number, block in enumerate(_blocks(document)):
            cursor.setPosition(block.position())
            shape = QTextBlockFormat()
            shape.setLineHeight(_LINE, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
            if not number:
                shape.setTopMargin(0)
            if not block.next().isValid():
                shape.setBottomMargin(0)
            cursor.mergeBlockFormat(shape)
            if block.blockFormat().hasProperty(QTextFormat.Property.BlockQuoteLevel):
                cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
                quoted = QTextCharFormat()
                quoted.setForeground(QColor(theme.current().muted))
                cursor.mergeCharFormat(quoted)
            elif level := block.blockFormat().headingLevel():
                cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
                size = QTextCharFormat()
                size.setProperty(QTextFormat.Property.FontSizeAdjustment, max(0, 2 - level // 2))
                cursor.mergeCharFormat(size)
        shape = QTextCharFormat()
        shape.setFontFamilies(theme.mono_font(self).families())
        shape.setBackground(QColor(theme.current().window))
        for start, end in code:
            cursor.setPosition(start)
            cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
            cursor.mergeCharFormat(shape)
        _thin(document.rootFrame(), QColor(theme.current().border), theme.px(self, 5))
        cursor.endEditBlock()

    # Qt.

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap at the new width."""
        self._wrap(event.size().width())
        super().resizeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Say so, too."""
        super().mousePressEvent(event)
        self.pressed.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the click here."""
        super().mouseReleaseEvent(event)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Mark, copy, and open a link; what moves between texts is left to what this stands in."""
        own = event.matches(QKeySequence.StandardKey.Copy) or event.matches(QKeySequence.StandardKey.SelectAll)
        keys = (Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if own or event.key() in keys or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave it to what this stands in."""
        event.ignore()

    def viewportEvent(self, event: QEvent) -> bool:
        """Show where a link leads."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), drawable(self.anchorAt(event.pos())), self)
            return True
        return super().viewportEvent(event)


def _literal(text: str) -> str:
    # A picture would be an empty frame, since nothing is fetched: its description becomes a link to it.
    return text.replace("![", "[picture: ")


def _blocks(document: QTextDocument) -> Iterator[QTextBlock]:
    block = document.begin()
    while block.isValid():
        yield block
        block = block.next()


def _code_spans(block: QTextBlock) -> Iterator[tuple[int, int]]:
    place = block.begin()
    while not place.atEnd():
        piece = place.fragment()
        if piece.charFormat().fontFixedPitch():
            yield piece.position(), piece.position() + piece.length()
        place += 1


def _thin(frame: QTextFrame, color: QColor, padding: int) -> None:
    for child in frame.childFrames():
        if isinstance(child, QTextTable):
            shape = child.format()
            shape.setBorder(1)
            shape.setBorderBrush(color)
            shape.setBorderCollapse(True)
            shape.setCellPadding(padding)
            shape.setCellSpacing(0)
            shape.setTopMargin(padding)
            shape.setBottomMargin(padding)
            child.setFormat(shape)
            for row in range(child.rows()):
                for column in range(child.columns()):
                    cell = child.cellAt(row, column)
                    lines = cell.format().toTableCellFormat()
                    lines.setBorder(1)
                    lines.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
                    lines.setBorderBrush(color)
                    cell.setFormat(lines)
        _thin(child, color, padding)

"""Text with marked spans, each with its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QTextEdit, QWidget

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable, utf16_offsets


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``[start, end)`` with their label and what the tooltip says."""

    start: int
    end: int
    label: str
    tip: str = ""


class EntityText(QTextEdit):
    """A read-only text; spans are tinted by label, followed by the label's name.

    Spans that lie in or over one another stand in brackets besides, so that each can be followed from its beginning.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self._text = ""
        self._spans: tuple[Span, ...] = ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """What is marked, by place."""
        return self._spans

    def set_spans(self, text: str, spans: Sequence[Span]) -> None:
        """Show a text with spans; a span outside the text is left out."""
        self._text = drawable(text)
        inside = (span for span in spans if 0 <= span.start < span.end <= len(text))
        self._spans = tuple(sorted(inside, key=lambda span: (span.start, -span.end)))
        self.setAccessibleDescription("; ".join(f"{text[s.start : s.end]}: {s.label}" for s in self._spans))
        self._draw()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_spans"):
            self._draw()

    def _draw(self) -> None:
        look = theme.current()
        labels = sorted({span.label for span in self._spans})
        self.setPlainText(self._text)
        offsets = utf16_offsets(self._text)
        for span in self._spans:
            style = QTextCharFormat()
            style.setBackground(QColor(look.tints[labels.index(span.label) % len(look.tints)]))
            style.setFontUnderline(True)
            style.setUnderlineColor(QColor(look.accent))
            style.setToolTip(span.tip or span.label)
            cursor = QTextCursor(self.document())
            cursor.setPosition(offsets[span.start])
            cursor.setPosition(offsets[span.end], QTextCursor.MoveMode.KeepAnchor)
            cursor.mergeCharFormat(style)
        tag = QTextCharFormat()
        tag.setForeground(QColor(look.muted))
        tag.setBackground(QColor(look.sunken))
        tag.setFontWeight(600)
        tag.setFontPointSize(max(1.0, self.font().pointSizeF() * 0.8))
        crossed = {span for span in self._spans if any(_meet(span, other) for other in self._spans)}
        marks = [(span.end, 1, span.start, _tag(span, span in crossed)) for span in self._spans]
        marks += [(span.start, 0, span.end, "[") for span in crossed]
        # From the end, so that what is written in does not move the spans before it; of two at one place the one
        # that is to stand first is written last: an end before a beginning, an inner end before an outer one.
        for place, _, _, words in sorted(marks, key=lambda mark: (-mark[0], mark[1], mark[2])):
            cursor = QTextCursor(self.document())
            cursor.setPosition(offsets[place])
            cursor.insertText(words, tag)


def _meet(span: Span, other: Span) -> bool:
    return span is not other and span.start < other.end and other.start < span.end


def _tag(span: Span, crossed: bool) -> str:
    # Without places to break at, so that a label stays in one piece.
    words = drawable(span.label).replace(" ", "\N{NO-BREAK SPACE}")
    return f"] {words} " if crossed else f" {words} "

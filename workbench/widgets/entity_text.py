"""Text with marked spans, each with its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from PySide6.QtCore import QEvent
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QTextEdit, QWidget

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable


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
        self.setUndoRedoEnabled(False)
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
        """Write the text anew, from its beginning, in one step: a change of a long one is laid out once."""
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        tag, styles, plain = self._tag_format(), self._styles(), QTextCharFormat()
        crossed = _crossed(self._spans)
        starts = {place: list(spans) for place, spans in groupby(self._spans, key=lambda span: span.start)}
        ends: dict[int, list[Span]] = {}
        for span in self._spans:
            ends.setdefault(span.end, []).append(span)
        inside: list[Span] = []
        before = 0
        for place in sorted({*starts, *ends, len(self._text)}):
            cursor.insertText(self._text[before:place], _styled(styles, inside[-1]) if inside else plain)
            before = place
            # Of two that end together, the inner one ends first.
            for span in reversed(ends.get(place, ())):
                inside.remove(span)
                cursor.insertText(_tag(span, span in crossed), tag)
            for span in starts.get(place, ()):
                inside.append(span)
                if span in crossed:
                    cursor.insertText("[", tag)
        cursor.endEditBlock()
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def _styles(self) -> dict[str, QTextCharFormat]:
        """How the characters of each label look."""
        look = theme.current()
        styles = {}
        for number, label in enumerate(sorted({span.label for span in self._spans})):
            style = styles[label] = QTextCharFormat()
            style.setBackground(QColor(look.tints[number % len(look.tints)]))
            style.setFontUnderline(True)
            style.setUnderlineColor(QColor(look.accent))
        return styles

    def _tag_format(self) -> QTextCharFormat:
        look = theme.current()
        tag = QTextCharFormat()
        tag.setForeground(QColor(look.muted))
        tag.setBackground(QColor(look.sunken))
        tag.setFontWeight(600)
        tag.setFontPointSize(max(1.0, self.font().pointSizeF() * 0.8))
        return tag


def _styled(styles: dict[str, QTextCharFormat], span: Span) -> QTextCharFormat:
    style = QTextCharFormat(styles[span.label])
    style.setToolTip(span.tip or span.label)
    return style


def _crossed(spans: Sequence[Span]) -> set[Span]:
    """Those that lie in or over another, of spans by their beginning."""
    crossed: set[Span] = set()
    widest: Span | None = None
    for span in spans:
        if widest is not None and span.start < widest.end:
            crossed |= {widest, span}
        if widest is None or span.end > widest.end:
            widest = span
    return crossed


def _tag(span: Span, crossed: bool) -> str:
    # Without places to break at, so that a label stays in one piece.
    words = drawable(span.label).replace(" ", "\N{NO-BREAK SPACE}")
    return f"] {words} " if crossed else f" {words} "

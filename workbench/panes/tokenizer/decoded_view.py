"""The ids turned back into text, and how that compares with the text they came from."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.naming import named

#: Characters of the decoded text that are shown.
DECODED = 4000


class DecodedView(LeastHeight):
    """The beginning of the decoded text below its verdict."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = named(
            ExactTextEdit(),
            "tokenizer.decoded",
            "decode(ids)",
            "The ids turned back into text, special tokens included",
        )
        self._text.setReadOnly(True)
        self._verdict = named(
            QLabel(),
            "tokenizer.verdict",
            "Verdict",
            "Whether the ids give the text back; those of tokenizers that lower-case or strip accents do not",
        )
        self._verdict.setWordWrap(True)
        self._verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._verdict, "muted")
        heading = QLabel("decode(ids)")
        heading.setBuddy(self._text)
        top = QHBoxLayout()
        top.addWidget(heading)
        top.addWidget(self._verdict, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self._text, 1)
        self._follow_zoom()

    def show_text(self, decoded: str, verdict: str) -> None:
        """Show a decoded text, all of it, and the words about it; both may be empty."""
        if len(decoded) > DECODED:
            verdict += f"; the first {DECODED:,} of {len(decoded):,} characters are shown"
        self._text.set_text(decoded[:DECODED])
        self._verdict.setText(verdict)
        self._verdict.setAccessibleName(verdict or "Verdict")

    def _follow_zoom(self) -> None:
        self._text.setMinimumHeight(theme.px(self, 56))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_verdict"):
            self._follow_zoom()

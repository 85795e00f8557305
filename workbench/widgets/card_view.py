"""Markdown from strangers: text and tables are rendered, nothing is fetched, opened or run."""

from __future__ import annotations

import re

from PySide6.QtCore import QByteArray, QEvent, QUrl
from PySide6.QtGui import QDesktopServices, QTextCursor, QTextDocument
from PySide6.QtWidgets import QTextBrowser, QWidget

#: Longer texts are cut: laying out a megabyte of Markdown would stop the window for seconds.
LIMIT = 120_000

_CODE = re.compile(r"(^```.*?^```[^\n]*$|^~~~.*?^~~~[^\n]*$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


class CardView(QTextBrowser):
    """Renders GitHub's Markdown without its HTML; images stay out, and only web links open, in the browser."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self._text = ""
        self.anchorClicked.connect(self._on_link)

    @property
    def text(self) -> str:
        """The Markdown shown."""
        return self._text

    def set_text(self, text: str) -> None:
        """Show Markdown, from its start."""
        self._text = text
        shown = text if len(text) <= LIMIT else text[:LIMIT] + "\n\n*(cut here)*"
        shown = "".join(part if part.startswith(("`", "~")) else _plain(part) for part in _CODE.split(shown) if part)
        features = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
        self.document().setMarkdown(shown, features)
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def loadResource(self, type_: int, name: QUrl | str) -> QByteArray:
        """Give nothing: a text from a stranger reads no file of this machine and sends no request."""
        return QByteArray()

    def changeEvent(self, event: QEvent) -> None:
        """Render again in the new colours: links keep theirs otherwise."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and getattr(self, "_text", ""):
            self.set_text(self._text)

    def _on_link(self, link: QUrl) -> None:
        if link.scheme() in ("http", "https"):
            QDesktopServices.openUrl(link)
        elif link.isRelative() and link.fragment():
            self.scrollToAnchor(link.fragment())


def _plain(text: str) -> str:
    # Cards are full of HTML that Qt would print as it stands; a picture's description says more than an empty frame.
    text = re.sub(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>", "", text, flags=re.DOTALL | re.IGNORECASE)
    text = re.sub(r"\[?!\[([^\]\n]*)\]\([^)\n]*\)(\]\([^)\n]*\))?", _described, text)
    text = re.sub(r"<br\s*/?>", "  \n", text, flags=re.IGNORECASE)
    return re.sub(r"</?[a-zA-Z][^<>]*>", "", text)


def _described(match: re.Match[str]) -> str:
    return f"*{match[1].strip()}*" if match[1].strip() else ""

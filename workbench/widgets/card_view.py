"""Markdown from strangers: text and tables are rendered, nothing is fetched, opened or run.

Pictures are shown only when they are handed in, by whoever asked the person first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from PySide6.QtCore import QBuffer, QByteArray, QEvent, QIODevice, QSize, Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QImage, QImageReader, QTextCursor, QTextDocument
from PySide6.QtWidgets import QTextBrowser, QWidget

#: Longer texts are cut: laying out a megabyte of Markdown would stop the window for seconds.
LIMIT = 120_000

#: Pixels of a picture's longer side before it is shown, and as it is shown.
_LARGEST, _SHOWN = 8192, 640
_MOST = 30
_FORMATS = ((b"\x89PNG", b"png"), (b"\xff\xd8\xff", b"jpeg"), (b"GIF8", b"gif"), (b"RIFF", b"webp"))
# Bounded and without a way back: a card of brackets alone would hold the window up for minutes otherwise.
_PICTURE = re.compile(
    r"\[?!\[([^\]\n]{0,1000}+)\]\([ \t]{0,9}+<?([^)\s>]{0,2000}+)[^)\n]{0,1000}+\)(\]\([^)\n]{0,2000}+\))?"
)
_TAG = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
#: Cells of all tables: laying out more of them takes Qt seconds. What comes behind them is shown as text.
_CELLS = 3000
_HIDDEN = re.compile(r"<!--|<script\b|<style\b", re.IGNORECASE)
_ENDS = {
    "<!--": re.compile("-->"),
    "<script": re.compile(r"</script\s*>", re.IGNORECASE),
    "<style": re.compile(r"</style\s*>", re.IGNORECASE),
}
_CODE = re.compile(r"(^```.*?^```[^\n]*$|^~~~.*?^~~~[^\n]*$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


class CardView(QTextBrowser):
    """Renders GitHub's Markdown without its HTML; images stay out, and only web links open, in the browser."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self._text = ""
        self._pictures: dict[str, QImage] = {}
        # A change of theme sends several events, some turns apart, and a long card takes a while.
        self._unrendered = QTimer(self, singleShot=True, interval=50)
        self._unrendered.timeout.connect(self._render)
        self.anchorClicked.connect(self._on_link)

    @property
    def text(self) -> str:
        """The Markdown shown."""
        return self._text

    @property
    def pictures(self) -> tuple[str, ...]:
        """Addresses of the pictures of the text, each once, in order."""
        found: dict[str, None] = {}
        for part in _CODE.split(self._text[:LIMIT]):
            if part and not part.startswith(("`", "~")):
                found.update(dict.fromkeys(match[2] for match in _PICTURE.finditer(_pictured(part)) if match[2]))
        return tuple(found)[:_MOST]

    def set_text(self, text: str) -> None:
        """Show Markdown, from its start, without its pictures."""
        self._text, self._pictures = text, {}
        self._render()

    def set_pictures(self, found: Mapping[str, bytes]) -> None:
        """Show these pictures in their places; what is none, or is too large, stays a description.

        Args:
            found: PNG, JPEG, GIF or WebP by address, as `pictures` has it.
        """
        images = {address: _image(content) for address, content in found.items()}
        self._pictures = {address: image for address, image in images.items() if not image.isNull()}
        self._render()

    def _render(self) -> None:
        self._unrendered.stop()
        text = self._text
        shown = text if len(text) <= LIMIT else text[:LIMIT] + "\n\n*(cut here)*"
        shown = "".join(
            part if part.startswith(("`", "~")) else _plain(part, self._placed) for part in _CODE.split(shown) if part
        )
        features = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
        self.document().setMarkdown(_bounded(shown), features)
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def loadResource(self, type_: int, name: QUrl | str) -> object:
        """Give what was handed in and nothing else: a text from a stranger reads no file and sends no request."""
        address = name.toString() if isinstance(name, QUrl) else name
        place = address.removeprefix("picture:")
        if address != place and place.isdigit() and int(place) < len(self._pictures):
            return list(self._pictures.values())[int(place)]
        return QByteArray()

    def _placed(self, match: re.Match[str]) -> str:
        if match[2] in self._pictures:
            # By number: an address of a stranger never gets to Qt.
            return f"![{match[1]}](picture:{list(self._pictures).index(match[2])})"
        return f"*{match[1].strip()}*" if match[1].strip() else ""

    def changeEvent(self, event: QEvent) -> None:
        """Render again in the new colours: links keep theirs otherwise."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and getattr(self, "_text", ""):
            self._unrendered.start()

    def _on_link(self, link: QUrl) -> None:
        if link.scheme() in ("http", "https"):
            QDesktopServices.openUrl(link)
        elif link.isRelative() and link.fragment():
            self.scrollToAnchor(link.fragment())


def _plain(text: str, placed: Callable[[re.Match[str]], str]) -> str:
    # Cards are full of HTML that Qt would print as it stands; a picture's description says more than an empty frame.
    text = _without_hidden(text)
    text = _PICTURE.sub(placed, _pictured(text))
    text = re.sub(r"<br\s*/?>", "  \n", text, flags=re.IGNORECASE)
    return re.sub(r"</?[a-zA-Z][^<>]*>", "", text)


def _bounded(text: str) -> str:
    """Text whose tables have `_CELLS` cells at most, the rows behind them as lines of text."""
    lines, room, width = [], _CELLS, 0
    for line in text.split("\n"):
        bare = line.strip(" \t>")
        if not bare:
            width = 0
        elif "|" in bare and "-" in bare and not bare.strip("|-: \t"):
            # The rule beneath a head makes a table of all that follows, up to the next empty line.
            width = bare.count("|") + 1
        if width and room < width:
            width = -1
            lines.append("")
        elif width > 0:
            room -= width
        lines.append(line.replace("|", "\\|") if width < 0 else line)
        if width < 0:
            lines.append("")
    return "\n".join(lines)


def _without_hidden(text: str) -> str:
    """Text without comments, scripts and styles; one that never ends stays, as text."""
    kept, at = [], 0
    endless: set[str] = set()
    for match in _HIDDEN.finditer(text):
        kind = match[0].lower()
        if match.start() < at or kind in endless:
            continue
        end = _ENDS[kind].search(text, match.end())
        if end is None:
            endless.add(kind)
            continue
        kept.append(text[at : match.start()])
        at = end.end()
    return "".join([*kept, text[at:]])


def _pictured(text: str) -> str:
    """Text with the pictures of its HTML written as Markdown has them."""
    return _TAG.sub(_from_tag, text)


def _from_tag(match: re.Match[str]) -> str:
    given = dict(re.findall(r"""\b(src|alt)\s*=\s*["']?([^"'<>\n]*)""", match[0], re.IGNORECASE))
    address = given.get("src", "").strip()
    words = re.sub(r"[\[\]]", "", given.get("alt", ""))
    return f"![{words}]({address})" if address and not re.search(r"[\s()]", address) else words


def _image(content: bytes) -> QImage:
    """A picture scaled to what is shown, or an empty one when it is none of the plain kinds or too large."""
    kind = next((name for start, name in _FORMATS if content.startswith(start)), None)
    if kind is None:
        return QImage()
    data = QBuffer()
    data.setData(QByteArray(content))
    data.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(data, QByteArray(kind))
    size = reader.size()
    if not size.isValid() or max(size.width(), size.height()) > _LARGEST:
        return QImage()
    if max(size.width(), size.height()) > _SHOWN:
        reader.setScaledSize(size.scaled(QSize(_SHOWN, _SHOWN), Qt.AspectRatioMode.KeepAspectRatio))
    return reader.read()

"""A text from a stranger is rendered, and reaches neither disk nor network."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QBuffer, QByteArray, QUrl
from PySide6.QtGui import QDesktopServices, QImage, QTextDocument
from pytestqt.qtbot import QtBot

from workbench.widgets.card_view import LIMIT, CardView


@pytest.fixture
def view(qtbot: QtBot) -> CardView:
    view = CardView()
    qtbot.addWidget(view)
    return view


def test_markdown_is_rendered_without_its_html(view: CardView) -> None:
    view.set_text(
        "# Title\n\n<div align='center'><b>bold</b></div><script>alert(1)</script><!-- hidden -->\n\n"
        "[![badge](https://x/y.png)](https://x)\n\n![Logo](x.png)\n\n`<kept>`\n\n```html\n<also kept>\n```\n"
    )
    text = view.toPlainText()
    assert "Title" in text and "bold" in text and "Logo" in text
    assert "<kept>" in text and "<also kept>" in text
    assert "alert" not in text and "hidden" not in text and "<div" not in text and "https" not in text


def test_no_resource_is_read(view: CardView, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    url = QUrl.fromLocalFile(str(secret))
    assert view.loadResource(QTextDocument.ResourceType.ImageResource, url).isEmpty()


@pytest.mark.parametrize(
    ("link", "opens"),
    [("https://example.org", True), ("http://example.org", True), ("file:///etc/passwd", False), ("ftp://x", False),
     ("javascript:alert(1)", False), ("other.md", False), ("#part", False)],
)  # fmt: skip
def test_only_web_links_open(view: CardView, monkeypatch: pytest.MonkeyPatch, link: str, opens: bool) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    view.set_text(f"[link]({link})")
    view.anchorClicked.emit(QUrl(link))
    assert bool(opened) == opens
    assert "link" in view.toPlainText()


def test_long_cards_are_cut(view: CardView) -> None:
    view.set_text("word " * LIMIT)
    assert len(view.toPlainText()) <= LIMIT + 100


def png(width: int = 8) -> bytes:
    data = QBuffer()
    image = QImage(width, 4, QImage.Format.Format_RGB32)
    image.fill(0)
    assert image.save(data, "PNG")
    return data.data().data()


def shown(view: CardView) -> list[str]:
    html = view.toHtml()
    return re.findall(r'<img src="([^"]*)"', html)


def test_pictures_stay_out_until_they_are_handed_in(view: CardView) -> None:
    view.set_text(
        "![A](a.png) [![B](https://x/b.png)](https://x) <img src='c.png' alt='C' onerror=alert(1)>\n\n"
        "`![no](code.png)`\n\n![A](a.png) ![](file:///etc/passwd)"
    )
    assert view.pictures == ("a.png", "https://x/b.png", "c.png", "file:///etc/passwd")
    assert shown(view) == [] and "alert" not in view.toPlainText()
    view.set_pictures({"a.png": png(), "c.png": png()})
    assert shown(view) == ["picture:0", "picture:1", "picture:0"]
    assert isinstance(view.loadResource(QTextDocument.ResourceType.ImageResource, QUrl("picture:1")), QImage)
    assert "B" in view.toPlainText() and "![no](code.png)" in view.toPlainText()
    view.set_text("other")
    assert view.pictures == () and shown(view) == []


@pytest.mark.parametrize("name", ["picture:7", "picture:x", "picture:-1", "a.png", "https://x/a.png", "file:///a.png"])
def test_nothing_else_is_given(view: CardView, name: str) -> None:
    view.set_text("![A](a.png)")
    view.set_pictures({"a.png": png()})
    found = view.loadResource(QTextDocument.ResourceType.ImageResource, QUrl(name))
    assert isinstance(found, QByteArray) and found.isEmpty()


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", b"\x89PNG broken",
     b"GIF89a\xff\xff\xff\xff", b"RIFF1234WAVE"],
)  # fmt: skip
def test_what_is_no_picture_stays_a_description(view: CardView, content: bytes) -> None:
    view.set_text("![Words](a.png)")
    view.set_pictures({"a.png": content})
    assert shown(view) == [] and "Words" in view.toPlainText()


def test_a_picture_of_many_pixels_is_left_out_and_a_wide_one_scaled(view: CardView) -> None:
    view.set_text("![Words](a.png)")
    view.set_pictures({"a.png": png(9000)})
    assert shown(view) == []
    view.set_pictures({"a.png": png(2000)})
    found = view.loadResource(QTextDocument.ResourceType.ImageResource, QUrl("picture:0"))
    assert isinstance(found, QImage) and found.width() == 640


@pytest.mark.parametrize(
    "text",
    ["|a|b|\n|-|-|\n" + "|1|2|\n" * (LIMIT // 6), "a|b\n-|-\n" + "1\n" * (LIMIT // 2), "![a](" * (LIMIT // 5),
     "![" * (LIMIT // 2), "<!--" * (LIMIT // 4), "<a" * (LIMIT // 2), "<img src=" * (LIMIT // 9), "[" * LIMIT,
     ">" * LIMIT, "- " * (LIMIT // 2) + "x", "```\n" * (LIMIT // 4)],
    ids=["table", "bare table", "pictures", "brackets", "comments", "tags", "img", "links", "quotes", "lists", "code"],
)  # fmt: skip
def test_a_text_made_to_hold_the_window_up_does_not(view: CardView, text: str) -> None:
    view.resize(600, 600)
    begun = time.thread_time()
    view.set_text(text)
    view.grab()
    assert len(view.pictures) <= 30
    assert time.thread_time() - begun < 4


def test_a_long_table_goes_on_as_text(view: CardView) -> None:
    view.set_text("|a|b|\n|-|-|\n" + "".join(f"|row {number}|x|\n" for number in range(3000)) + "\n|c|\n|-|\n|end|\n")
    text = view.toPlainText()
    assert "row 5\n" in text and "|row 2999|x|" in text and "end" in text

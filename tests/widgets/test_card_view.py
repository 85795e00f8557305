"""A text from a stranger is rendered, and reaches neither disk nor network."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QTextDocument
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

"""Markdown arrives calmly, and nothing in it is fetched, run or opened by itself."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QTextDocument
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from workbench.widgets.code_block import CodeBlock
from workbench.widgets.markdown_text import MarkdownText, Part, parts

TEXT = """Look:

```python
def fox():
    return "```"
```

| a | b |
|---|---|
| 1 | 2 |

- one
- two

~~~
x
```
~~~

The **end** of `it`.
"""


@pytest.fixture
def shown(qtbot: QtBot) -> MarkdownText:
    widget = MarkdownText()
    qtbot.addWidget(widget)
    widget.resize(400, 300)
    return widget


def test_fenced_code_stands_apart_with_its_language() -> None:
    assert [(part.kind, part.language) for part in parts(TEXT)] == [
        ("prose", ""), ("code", "python"), ("prose", ""), ("code", ""), ("prose", ""),
    ]  # fmt: skip
    assert parts(TEXT)[1].text == 'def fox():\n    return "```"'
    assert parts(TEXT)[3].text == "x\n```"
    assert parts("") == ()


def test_code_without_an_end_is_code_to_the_end() -> None:
    assert parts("a\n```c\nint x;\n") == (Part("prose", "a\n"), Part("code", "int x;", "c"))


def test_what_stands_while_it_is_written_stays_as_it_is() -> None:
    """Between two redraws only the last part changes, and its kind never goes back and forth."""
    last: tuple[Part, ...] = ()
    for end in range(len(TEXT) + 1):
        now = parts(TEXT[:end], done=False)
        assert len(now) >= len(last), TEXT[:end]
        assert now[: max(0, len(last) - 1)] == last[: max(0, len(last) - 1)]
        assert [part.kind for part in now][: len(last)] == [part.kind for part in last]
        last = now


def test_no_half_table_fence_or_rule_is_shown() -> None:
    for end in range(len(TEXT)):
        prose = [part.text for part in parts(TEXT[:end], done=False) if part.kind == "prose"]
        for text in prose:
            assert "```" not in text
            lines = [line for line in text.splitlines() if line.startswith("|")]
            assert len(lines) != 1
            assert all(line.endswith("|") for line in lines)
    assert parts("Title\n--", done=False) == (Part("prose", "Title\n"),)
    assert parts("a **bold", done=False) == (Part("prose", "a **bold**"),)


def test_long_prose_is_cut_between_paragraphs() -> None:
    paragraph = "word " * 100
    found = parts("\n\n".join([paragraph] * 12), done=False)
    assert len(found) > 2
    assert all(len(part.text) < 2200 for part in found)
    steps = "\n\n".join(f"{number}. {paragraph}" for number in range(1, 9))
    assert len(parts(steps)) == 1


def test_html_is_text_and_a_picture_a_link(shown: MarkdownText) -> None:
    shown.set_text('<b>x</b> <img src="http://127.0.0.1:9/a.png"> ![fox](http://127.0.0.1:9/b.png) `![c](d)`')
    assert shown.toPlainText() == '<b>x</b> <img src="http://127.0.0.1:9/a.png"> picture: fox ![c](d)'
    assert shown.loadResource(
        QTextDocument.ResourceType.ImageResource.value, QUrl("http://127.0.0.1:9/b.png")
    ).isEmpty()


def test_a_link_opens_when_clicked_and_only_on_the_web(shown: MarkdownText, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    shown.set_text("[a](https://example.org/x) [b](file:///etc/passwd) [c](javascript:alert)")
    assert opened == []
    for address in ("https://example.org/x", "file:///etc/passwd", "javascript:alert"):
        shown.anchorClicked.emit(QUrl(address))
    assert opened == ["https://example.org/x"]


def test_it_is_as_tall_as_it_is_long(shown: MarkdownText) -> None:
    shown.set_text("word " * 200)
    assert shown.heightForWidth(200) > 1.8 * shown.heightForWidth(400)
    assert shown.heightForWidth(400) < 1000


def test_a_megabyte_without_blanks_and_half_characters_do_no_harm(qtbot: QtBot, shown: MarkdownText) -> None:
    shown.set_text("x" * 1_000_000 + "\ud83d")
    assert "cut here" in shown.toPlainText()
    plain = MarkdownText(markdown=False)
    qtbot.addWidget(plain)
    plain.set_text("# no *markdown*\n" + "y" * 1_000_000)
    assert plain.toPlainText().startswith("# no *markdown*")
    assert "more characters" in plain.toPlainText()


def test_a_block_of_code_is_copied_as_it_is(qtbot: QtBot, qapp) -> None:
    block = CodeBlock("test.copy_code")
    qtbot.addWidget(block)
    block.set_code("SELECT 1;\n\tx", "sql")
    block.show()
    block.findChild(QToolButton, "test.copy_code").click()
    assert qapp.clipboard().text() == "SELECT 1;\n\tx"
    block.set_code("a", "no-such-language")

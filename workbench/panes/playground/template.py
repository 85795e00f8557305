"""What the model is really given: the conversation as its template writes it, character by character and as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from workbench.engine import tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.models import LoadedModel
from workbench.engine.task import Task
from workbench.engine.tokens.chat import Rendered, rendered
from workbench.engine.values import Message
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.naming import named
from workbench.widgets.theme import CHANGES, mono_font, px, set_role
from workbench.widgets.token_strip import Chip, TokenStrip

if TYPE_CHECKING:
    from workbench.engine.tokens import Tokenizer

#: Place on the scale of tints that marks the generation prompt.
_OPENING = 0.3


class TemplateView(QWidget):
    """The rendered template above its tokens.

    Args:
        runner: Whose text lane writes it.
    """

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._model: LoadedModel | None = None
        self._own: list[Tokenizer] = []
        self._asked: tuple[Message, ...] | None = None
        self._given = ""
        self._rendered: Rendered | None = None
        self._job: Job | None = None
        self.words = named(QLabel(), "playground.template_words", "Rendered template", "How many tokens it has")
        self.words.setWordWrap(True)
        set_role(self.words, "muted")
        self.text = named(
            ExactTextEdit(), "playground.template_text", "Exact text", "The exact text that the model is given"
        )
        self.text.setReadOnly(True)
        self.strip = named(
            TokenStrip(),
            "playground.template_tokens",
            "Tokens of the template",
            "Its tokens; special ones are outlined, the generation prompt is tinted. A click marks one in the text",
        )
        self.strip.set_placeholder("")
        across = QSplitter(Qt.Orientation.Vertical)
        across.setChildrenCollapsible(False)
        across.addWidget(self.text)
        across.addWidget(self.strip)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(px(self, 4))
        column.addWidget(self.words)
        column.addWidget(across, 1)
        self.strip.token_clicked.connect(self._on_token)
        self._restyle()

    def show_messages(self, model: LoadedModel | None, messages: Sequence[Message], given: str) -> None:
        """Show what the template makes of a conversation.

        Args:
            model: Its tokenizer has the template.
            messages: The turns; none shows nothing.
            given: What it is, in words, such as ``Given for the last answer``.
        """
        if model is not self._model:
            self._model, self._own, self._asked = model, [], None
        messages = tuple(messages)
        if messages == self._asked and given == self._given:
            return
        self._asked, self._given = messages, given
        if self._job is not None:
            self._job.abandon()
            self._job = None
        if model is None or model.tokenizer is None or not messages:
            self._clear("The template as it is filled in comes here once something has been said.")
            return
        if any(message.images or message.sounds for message in messages):
            self._clear("The tokens of pictures and sounds are put in when the message is sent.")
            return
        job = Job(
            "Fill in the chat template", _render, self._own, model.tokenizer, messages, pane="playground", quiet=True
        )
        job.succeeded.connect(self._on_rendered)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="playground.template")

    def _on_rendered(self, found: Rendered) -> None:
        self._job, self._rendered = None, found
        encoding, opened = found.encoding, found.opened_at
        count = len(encoding.tokens)
        special = sum(token.special for token in encoding.tokens)
        parts = [
            f"{self._given}: {count:,} {'token' if count == 1 else 'tokens'}",
            f"{special:,} special",
            f"the last {count - opened:,} are the generation prompt" if opened < count else "",
        ]
        self.words.setText(" · ".join(part for part in parts if part))
        self.text.set_text(encoding.text)
        self.strip.set_tokens(
            [
                Chip(
                    token.text or token.piece,
                    token.special,
                    _OPENING if token.position >= opened else None,
                    f"id {token.id}" + (" · generation prompt" if token.position >= opened else ""),
                )
                for token in encoding.tokens
            ]
        )
        self.strip.set_selected(None)
        self.strip.verticalScrollBar().setValue(self.strip.verticalScrollBar().maximum())
        if opened < count:
            self.text.mark(found.opening, len(encoding.text))
        else:
            self.text.clear_mark()

    def _on_failed(self, error: WorkbenchError) -> None:
        self._job = None
        self._clear(" ".join(part for part in (error.what, error.why, error.remedy) if part))

    def _clear(self, words: str) -> None:
        self._rendered = None
        self.words.setText(words)
        self.text.set_text("")
        self.strip.set_tokens([])

    def _on_token(self, position: int) -> None:
        if self._rendered is not None:
            offsets = self._rendered.encoding.tokens[position].offsets
            if offsets is not None:
                self.text.mark(*offsets)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "strip"):
            self._restyle()

    def _restyle(self) -> None:
        font = mono_font(self)
        if self.text.document().defaultFont() != font:
            self.text.document().setDefaultFont(font)


def _render(own: list[Tokenizer], theirs: Tokenizer, messages: tuple[Message, ...], *, task: Task) -> Rendered:
    """Fill in the template with a tokenizer of this lane's own, made the first time."""
    if not own:
        own.append(tokens.own_tokenizer(theirs, task=task))
    return rendered(own[0], messages, task=task)

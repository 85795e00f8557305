"""The text as it comes: tokens of the session's steps, tinted by surprise, redrawn some 10 times a second."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Message, Step
from workbench.runtime.session import Session
from workbench.widgets.tinted_text import Piece, TintedText, token_piece

#: Milliseconds between two redraws, at least; smooth enough to read, and it leaves the processor to the model.
FRAME = 100
#: Tokens that are drawn in one go.
_AT_ONCE = 2000
#: Characters of a prompt that are shown in front of what follows it.
_TAIL = 600
_ROLES = {"system": "System", "user": "You", "assistant": "Assistant", "tool": "Tool result"}


class Output(TintedText):
    """Shows a conversation or the end of the prompt, and behind it the steps.

    Args:
        session: Whose steps and selection it follows.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._turns: tuple[Message, ...] = ()
        self._answering = False
        self._behind = False
        self._clock = QTimer(self, singleShot=True)
        self._clock.timeout.connect(self.flush)
        self.piece_clicked.connect(self._on_piece)
        session.step_added.connect(self._on_step)
        session.steps_reset.connect(self.show_anew)
        session.selection_changed.connect(self._show_selection)

    def show_turns(self, turns: Sequence[Message], *, answering: bool) -> None:
        """Show a conversation.

        Args:
            turns: What was said before the steps; empty shows the end of the prompt instead.
            answering: Whether the steps are (or will be) an answer to these turns.
        """
        self._turns, self._answering = tuple(turns), answering
        self.show_anew()

    def show_anew(self) -> None:
        """Write everything again; a conversation nobody sees is written once it is seen."""
        self._clock.stop()
        self.clear_text()
        self._behind = bool(self._turns) and not self.isVisible()
        if self._behind:
            return
        for turn in self._turns:
            self.add_heading(_ROLES.get(turn.role, turn.role))
            self.add_plain(turn.content)
        if self._turns and self._answering and self._turns[-1].role != "assistant":
            self.add_heading(_ROLES["assistant"])
        elif not self._turns and self._session.steps and self._session.encoding is not None:
            text = self._session.encoding.text
            shown = text if len(text) <= _TAIL else f"…{text[-_TAIL:]}"
            start = self._session.start
            if start is not None and start.decoder_start:
                self.add_heading("Encoder reads")
                # Where it reads a picture and no text, a text is what the decoder begins with.
                seen = "" if self._session.encoding.tokens else ", ".join(path.name for path in start.files)
                self.add_plain(seen or shown, muted=True)
                self.add_heading("Decoder writes")
                spelled = self._session.vocabulary.spell(start.decoder_start) if self._session.vocabulary else ()
                self.add_plain("".join(spelled), muted=True)
            else:
                self.add_plain(shown, muted=True)
        self._draw()

    def flush(self) -> None:
        """Draw the steps that have come since the last time."""
        if self.isVisible() and self._session.steps and not (self.pieces or self._turns) and self.document().isEmpty():
            self.show_anew()
        else:
            self._draw()

    def _draw(self) -> None:
        steps = self._session.steps
        if self.isVisible() and self.pieces < len(steps) and (self._answering or not self._turns):
            began = time.perf_counter()
            more = steps[self.pieces : self.pieces + _AT_ONCE]
            self.append_pieces(piece_of(step, self._session.vocabulary) for step in more)
            self._show_selection()
            if self.pieces < len(steps):
                # A long branch is walked to; the window stays usable while it is drawn.
                self._clock.start(FRAME)
                return
            # A very long paragraph takes longer to lay out; the window keeps nine tenths of its time for the rest.
            self._clock.setInterval(max(FRAME, round(10_000 * (time.perf_counter() - began))))

    def _on_step(self) -> None:
        if not self._clock.isActive():
            self._clock.start(max(FRAME, self._clock.interval()))

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while it was not seen."""
        super().showEvent(event)
        if self._behind:
            self.show_anew()
        self.flush()

    def _on_piece(self, number: int) -> None:
        if self._session.encoding is not None:
            self._session.set_selection(len(self._session.encoding.tokens) + number)

    def _show_selection(self) -> None:
        step = self._session.selected_step
        self.set_selected(step.index if step is not None else None)


def piece_of(step: Step, vocabulary: Vocabulary | None) -> Piece:
    """A step as a piece of text.

    Args:
        step: A generated token.
        vocabulary: Spells special tokens, which have no text of their own.
    """
    text, special = vocabulary.read(step.token_id, step.text) if vocabulary is not None else (step.text, False)
    return token_piece(
        text, step.index, step.token_id, step.probability, step.rank, step.surprise, special=special, forced=step.forced
    )

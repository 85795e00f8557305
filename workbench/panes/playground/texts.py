"""What goes in and what comes out: the prompt or the message, the output, and the buttons below them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.panes.playground.attached import Attached
from workbench.panes.playground.branches import Branches
from workbench.panes.playground.chat_area import ChatArea, RoleButton
from workbench.panes.playground.output import Output
from workbench.panes.playground.sequences import Columns
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import icons
from workbench.widgets.beam_view import BeamRow, BeamView
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.naming import named
from workbench.widgets.steady_label import SteadyLabel
from workbench.widgets.theme import CHANGES, px, set_role


class ChatInput(ExactTextEdit):
    """An editor in which Enter sends.

    Signals:
        submitted(): Enter was pressed; Shift+Enter starts a new line.
    """

    submitted = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Send on Enter."""
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self.submitted.emit()
        else:
            super().keyPressEvent(event)


class Texts(QWidget):
    """The left side of the playground.

    Args:
        session: Whose steps the output shows.
        runner: Reads sounds.

    Attributes:
        prompt, generate: Of the prompt mode.
        system, chat_input, send: Of the chat mode.
        attached: Pictures and sounds, for checkpoints that take some.
        role: Who says the next message of a chat.
        area: Where the output is, or the views of a conversation.
        output, stop, next, copy, clear, status: Of both modes.
        verdict: On a text with a watermark.
        columns: Takes the place of the output while several texts are shown.
        beams: Below the output while beams are shown.
        branches: Below them.
    """

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.prompt = named(ExactTextEdit(), "playground.prompt", "Prompt", "The text to continue (Ctrl+Enter)")
        self.system = named(
            QLineEdit(),
            "playground.system",
            "System message",
            "What the model is told before the conversation; empty leaves it to the template",
        )
        self.output = named(
            Output(session),
            "playground.output",
            "Output",
            "The text as it comes. A click selects a token; the left and right arrow keys move from one to the next",
        )
        self.area = ChatArea(self.output)
        self.role = named(RoleButton(), "playground.role", "You", "Who says the next message")
        self.chat_input = named(
            ChatInput(), "playground.chat_input", "Message", "Enter sends, Shift+Enter starts a new line"
        )
        self._message = QWidget()
        self.attached = named(
            Attached(runner), "playground.attached", "Files", "Pictures and sounds that go in with the prompt"
        )
        self.columns = Columns()
        self.beams = named(BeamView(), "playground.beams", "Beams", "The texts that beam search keeps, step by step")
        self.branches = Branches(session)
        self.generate = named(
            QPushButton("Generate"), "playground.generate", "Generate", "Continue the prompt (Ctrl+Enter)"
        )
        self.send = named(QPushButton("Send"), "playground.chat_send", "Send", "Send the message (Enter or Ctrl+Enter)")
        self.stop = named(QPushButton("Stop"), "playground.stop", "Stop", "Stop within a token and keep the text (Esc)")
        self.next = named(
            QPushButton("Next token"),
            "playground.next_token",
            "Next token",
            "Score every token that could come next, without choosing one; Probabilities shows them",
        )
        self.copy = named(QToolButton(), "playground.copy", "Copy", "Copy the new text")
        self.clear = named(QToolButton(), "playground.clear", "Clear", "Clear the output or the conversation")
        self.status = named(
            SteadyLabel(), "playground.status", "Status", "Tokens, speed, how it ended, and what the knobs hold"
        )
        self.verdict = named(
            QLabel(), "playground.verdict", "Watermark", "What the library's detector finds in the new text"
        )
        self._lay_out()

    def show_mode(self, *, chats: bool) -> None:
        """Show what belongs to one of the modes."""
        of_chat: tuple[QWidget, ...] = (self.system, self._message, self.send)
        of_prompt: tuple[QWidget, ...] = (self.prompt, self.generate)
        for widget in (*of_chat, *of_prompt):
            widget.setVisible((widget in of_chat) == chats)
        self.area.show_mode(chats=chats)
        self._measure()

    def show_columns(self, shown: bool) -> None:
        """Show several texts instead of one, or one again."""
        self._area.setCurrentWidget(self.columns if shown else self.area)

    def show_beams(self, steps: Sequence[Sequence[BeamRow]], winner: tuple[int, int] | None) -> None:
        """Show what beam search did below the output; no steps hide it."""
        if not steps and self.beams.isHidden():
            return
        appears = self.beams.isHidden()
        self.beams.set_steps(steps)
        self.beams.set_winner(winner)
        self.beams.setVisible(bool(steps))
        if appears:
            self._give(self.beams, self.beams.sizeHint().height())

    def _fit_branches(self) -> None:
        self._give(self.branches, min(self.branches.wanted_height, px(self, 170)))

    def _give(self, part: QWidget, wanted: int) -> None:
        """Give a part the room it wants, and the output the rest: a splitter heeds no maximum."""
        sizes = self._editors.sizes()
        mine, others = self._editors.indexOf(part), self._editors.indexOf(self._area)
        wanted = wanted if not part.isHidden() else 0
        sizes[others] += sizes[mine] - wanted
        sizes[mine] = wanted
        self._editors.setSizes(sizes)

    def show_running(self, runs: bool) -> None:
        """Allow what can be done now."""
        for button in (self.generate, self.send, self.next):
            button.setEnabled(not runs)
        self.stop.setEnabled(runs)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_editors"):
            self._measure()

    def _measure(self) -> None:
        """Let none be squeezed until it says nothing; what the pane has no room for is scrolled to."""
        for editor in (self.prompt, self._message):
            editor.setMinimumHeight(px(self, 44))
        self._area.setMinimumHeight(px(self, 150 if self.prompt.isHidden() else 110))

    def _lay_out(self) -> None:
        for button, picture in (
            (self.stop, "stop"), (self.next, "probabilities"), (self.copy, "copy"), (self.clear, "trash"),
        ):  # fmt: skip
            icons.put(button, picture)
        for button in (self.generate, self.send):
            set_role(button, "primary")
            icons.put(button, "play", "accent_text")
        self.prompt.setPlaceholderText("Write the beginning of a text…")
        self.chat_input.setPlaceholderText("Write a message…  Enter sends")
        self.system.setPlaceholderText("System message (optional)")
        self.output.setPlaceholderText("The text comes here.")
        set_role(self.status, "muted")
        self.verdict.setWordWrap(True)
        self.verdict.hide()

        message = QHBoxLayout(self._message)
        message.setContentsMargins(0, 0, 0, 0)
        message.addWidget(self.role, 0, Qt.AlignmentFlag.AlignTop)
        message.addWidget(self.chat_input)
        self._editors = QSplitter(Qt.Orientation.Vertical)
        self._editors.setChildrenCollapsible(False)
        self._area = QStackedWidget()
        self._area.addWidget(self.area)
        self._area.addWidget(self.columns)
        for editor in (self.prompt, self._area, self.beams, self.branches, self._message):
            self._editors.addWidget(editor)
        self._measure()
        self.beams.hide()
        self.attached.hide()
        self.attached.accept_on(self.prompt)
        self.attached.accept_on(self.chat_input)
        line = px(self, 18)
        self._editors.setSizes([5 * line, 14 * line, 9 * line, 10 * line, 3 * line])
        for place, share in enumerate((0, 1, 0, 0, 0)):
            self._editors.setStretchFactor(place, share)
        self.branches.height_changed.connect(self._fit_branches)
        actions = QHBoxLayout()
        for button in (self.generate, self.send, self.stop, self.next):
            actions.addWidget(button)
        actions.addStretch(1)
        # In the line below, so that the pane is no wider than its buttons and the knobs.
        below = QHBoxLayout()
        below.addWidget(self.status, 1)
        for tool in (self.copy, self.clear):
            set_role(tool, "quiet")
            below.addWidget(tool, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, px(self, 6), 0)
        column.addWidget(self.system)
        column.addWidget(self.attached)
        column.addWidget(self._editors, 1)
        column.addLayout(actions)
        column.addLayout(below)
        column.addWidget(self.verdict)

"""A conversation through the chat template: messages to edit, what they become, and the template itself."""

from __future__ import annotations

from bisect import bisect_right

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from workbench.engine import codegen, tokens
from workbench.engine.errors import NotSupported, WorkbenchError
from workbench.engine.task import Task
from workbench.engine.tokens import template
from workbench.engine.tokens.positions import takes_none
from workbench.engine.tokens.template import ROLES, Stretch, Talk, Turn, Written
from workbench.engine.tokens.template_errors import TemplateError
from workbench.engine.values import Checkpoint
from workbench.panes.tokenizer.reading import face, goes_on, many, tip
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import theme
from workbench.widgets.foldable import Foldable
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.margin_text import Ground, MarginText
from workbench.widgets.message_list import ListedMessage, MessageList
from workbench.widgets.naming import named
from workbench.widgets.token_strip import Chip, TokenStrip
from workbench.widgets.turning_splitter import TurningSplitter

#: Messages to begin with.
_START = (
    ListedMessage("system", "You are brief."),
    ListedMessage("user", "What is the capital of France?"),
    ListedMessage("assistant", "Paris."),
    ListedMessage("user", "And of Italy?"),
)
#: A tool to begin with, once tools are wanted.
_TOOL = """[
  {
    "type": "function",
    "function": {
      "name": "get_weather",
      "description": "The weather in a city.",
      "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"]
      }
    }
  }
]"""
#: The place of a role in the cycle of tints; another role has the last one.
_TINTS = {"system": 0, "user": 1, "assistant": 2, "tool": 3, "generation prompt": 4, "template": 5, "developer": 0}
_NO_TEMPLATE = "This checkpoint has no chat template: write one here."
_PROGRAM = "This tokenizer writes conversations by a program of its own, and takes no template."
#: Chips laid out at most.
_CHIPS = 4200
_CODED = 40_000


class ChatTemplateView(QWidget):
    """Messages on the left, what they become in the middle, the template beside it; worked out on the text lane.

    Args:
        runner: Has the text lane.

    Signals:
        changed(): What the script says changed.
    """

    changed = Signal()

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._job: Job | None = None
        self._tokenizer: tokens.Tokenizer | None = None
        self._behind = False
        self._source = ""
        self._edited = False
        self._written: Written | None = None
        self._names: dict[int, str] = {}

        self._messages = MessageList("tokenizer.chat_message", ROLES)
        self._messages.set_messages(_START)
        self._prompt = named(
            QCheckBox("add_generation_prompt"),
            "tokenizer.chat_generation_prompt",
            "add_generation_prompt",
            "End with the opening of the assistant's turn; on to generate, off to train",
        )
        self._prompt.setChecked(True)
        self._goes_on = named(
            QCheckBox("continue_final_message"),
            "tokenizer.chat_continue",
            "continue_final_message",
            "Leave the last message open, so that the model goes on with it; not together with the generation prompt",
        )
        self._tools_fold = Foldable(
            "tokenizer.chat_tools_fold", "Tools (JSON)", "Schemas of the functions that the model may call"
        )
        self._tools = named(
            MarginText(),
            "tokenizer.chat_tools",
            "Tools",
            "A JSON list of schemas, as apply_chat_template(tools=) takes",
        )
        self._example = named(
            QPushButton("Put an example"),
            "tokenizer.chat_tool_example",
            "Put an example",
            "Write one tool to start from",
        )
        self._tools_fold.body.addWidget(self._tools)
        self._tools_fold.body.addWidget(self._example, 0, Qt.AlignmentFlag.AlignLeft)
        self._variables_fold = Foldable(
            "tokenizer.chat_variables_fold", "Variables (JSON)", "Further variables of the template"
        )
        self._variables = named(
            MarginText(),
            "tokenizer.chat_variables",
            "Variables",
            'A JSON object that the template reads besides, such as {"enable_thinking": false}',
        )
        self._variables.setPlaceholderText('{"enable_thinking": false}')
        self._variables_fold.body.addWidget(self._variables)

        self._summary = named(QLabel(), "tokenizer.chat_summary", "Summary", "How long the conversation is")
        self._note = named(QLabel(), "tokenizer.chat_note", "Note", "What can't be shown, and why")
        self._text = named(
            MarginText(),
            "tokenizer.chat_text",
            "Rendered text",
            "The exact text that the model is given; in the margin, whose words they are",
        )
        self._text.setReadOnly(True)
        self._text.set_names(self._whose)
        self._chips = named(
            TokenStrip(), "tokenizer.chat_tokens", "Tokens", "The tokens of the text, in the colours of its parts"
        )
        self._masked = named(
            QCheckBox("Assistant mask"),
            "tokenizer.chat_mask",
            "Assistant mask",
            "Dim all tokens that are not the assistant's, as training on answers alone does",
        )
        self._template = named(
            MarginText(), "tokenizer.chat_template", "Template", "The Jinja source; changes stay in a copy of your own"
        )
        self._reset = named(
            QPushButton("Reset"), "tokenizer.chat_reset", "Reset", "Take the checkpoint's own template again"
        )
        self._template_title = named(QLabel(), "tokenizer.chat_template_title", "Template")
        for label in (self._summary, self._note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._template_title, "heading")
        self._lay_out()

        self._messages.changed.connect(self._write)
        self._prompt.toggled.connect(self._on_prompt_toggled)
        self._goes_on.toggled.connect(self._on_continue_toggled)
        self._tools.textChanged.connect(self._write)
        self._variables.textChanged.connect(self._write)
        self._example.clicked.connect(self._on_example)
        self._masked.toggled.connect(self._show_chips)
        self._chips.token_clicked.connect(self._on_chip_clicked)
        self._template.textChanged.connect(self._on_template_edited)
        self._reset.clicked.connect(self._on_reset)
        self._show_title()
        self._show_measures()

    def _lay_out(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(theme.set_role(QLabel("Messages"), "heading"))
        column.addWidget(self._messages, 1)
        self._messages.add_below(self._tools_fold)
        self._messages.add_below(self._variables_fold)
        column.addWidget(self._prompt)
        column.addWidget(self._goes_on)

        text, below = LeastHeight(), QWidget()
        column = QVBoxLayout(text)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._summary)
        column.addWidget(self._note)
        column.addWidget(self._text, 1)
        column = QVBoxLayout(below)
        column.setContentsMargins(0, 0, 0, 0)
        top = QHBoxLayout()
        top.addWidget(theme.set_role(QLabel("Tokens"), "heading"))
        top.addStretch(1)
        top.addWidget(self._masked)
        column.addLayout(top)
        column.addWidget(self._chips, 1)
        middle = QSplitter(Qt.Orientation.Vertical)
        middle.addWidget(text)
        middle.addWidget(below)

        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        top = QHBoxLayout()
        top.addWidget(self._template_title, 1)
        top.addWidget(self._reset)
        column.addLayout(top)
        column.addWidget(self._template, 1)

        thirds = TurningSplitter()
        for number, (part, stretch) in enumerate(((left, 3), (middle, 5), (right, 4))):
            thirds.addWidget(part)
            thirds.setStretchFactor(number, stretch)
        thirds.setSizes([300, 500, 400])
        for splitter in (middle, thirds):
            splitter.setChildrenCollapsible(False)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, theme.px(self, 4), 0, 0)
        outer.addWidget(thirds)

    # Verbs.

    @property
    def busy(self) -> bool:
        """Whether what is shown will be replaced shortly."""
        return self._job is not None and self._job.active

    @property
    def talk(self) -> Talk:
        """All that the template is given."""
        turns = tuple(
            # A message that only calls tools has no content at all.
            Turn(each.role, None if not each.content and each.more.strip() else each.content, each.more)
            for each in self._messages.messages
        )
        return Talk(
            turns,
            self._tools.text(),
            self._variables.text(),
            self._prompt.isChecked(),
            self._goes_on.isChecked(),
            self._template.text() if self._edited else None,
        )

    def set_tokenizer(self, tokenizer: tokens.Tokenizer | None) -> None:
        """Write with another tokenizer's template, when it can be seen; a copy that was edited stays."""
        self._tokenizer = tokenizer
        # Mistral's own takes no template, and a box that can be written into would say it does.
        fixed = tokenizer is not None and takes_none(tokenizer)
        self._template.setReadOnly(fixed)
        self._template.setPlaceholderText(_PROGRAM if fixed else _NO_TEMPLATE)
        self._write()

    def script(self, checkpoint: Checkpoint) -> str:
        """The code that writes this conversation."""
        talk = self.talk
        if not talk.turns:
            return ""
        if sum(len(turn.content or "") + len(turn.more) for turn in talk.turns) + len(talk.template or "") > _CODED:
            return "# This conversation is too long to be written into a script.\n"
        try:
            mask = self._written is not None and self._written.assistant is not None
            return codegen.chat_template(checkpoint, talk, mask=mask)
        except TemplateError as error:
            return f"# {error.what}\n"

    def _write(self) -> None:
        self.changed.emit()
        if self._tokenizer is None:
            self._behind = False
            self._forget()
            return
        if not self.isVisible():
            self._behind = True
            return
        self._behind = False
        job = Job("Apply the chat template", _apply, self._tokenizer, self.talk, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_written)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.chat")

    def _forget(self) -> None:
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._show_source("")
        self._show(None)
        self._say("", "")

    # What the person did, and what came of it.

    def _on_prompt_toggled(self, on: bool) -> None:
        if on:
            _silently(self._goes_on, False)
        self._write()

    def _on_continue_toggled(self, on: bool) -> None:
        if on:
            _silently(self._prompt, False)
        self._write()

    def _on_example(self) -> None:
        self._tools.set_text(_TOOL)

    def _on_template_edited(self) -> None:
        self._edited = self._template.text() != self._source
        self._show_title()
        self._write()

    def _on_reset(self) -> None:
        self._edited = False
        self._template.set_text(self._source)

    def _on_chip_clicked(self, number: int) -> None:
        self._chips.set_selected(number)
        assert self._written is not None
        offsets = self._written.encoding.tokens[number].offsets
        if offsets is not None:
            self._text.bring(offsets[0])

    def _on_written(self, made: tuple[str, Written | TemplateError | WorkbenchError]) -> None:
        source, written = made
        self._show_source(source)
        self._template.mark_line(None)
        self._tools.mark_line(None)
        self._variables.mark_line(None)
        if isinstance(written, WorkbenchError):
            self._on_failed(written)
            return
        self._show(written)
        encoding = written.encoding
        said = [many(len(encoding.text), "character"), many(len(encoding.tokens), "token")]
        if written.assistant is not None:
            said.append(f"{sum(written.assistant):,} of them the assistant's")
        if len(encoding.tokens) > _CHIPS:
            said.append(f"the first {_CHIPS:,} are drawn")
        self._say(" · ".join(said), " ".join(written.notes))
        self.changed.emit()

    def _on_failed(self, error: WorkbenchError) -> None:
        self._show(None)
        self._say(error.what, " ".join(part for part in (error.why, error.remedy) if part), wrong=True)
        if isinstance(error, TemplateError):
            views = {"template": self._template, "tools": self._tools, "variables": self._variables}
            if error.where in views:
                views[error.where].mark_line(error.line)
        self.changed.emit()

    # What is shown.

    def _say(self, summary: str, note: str, *, wrong: bool = False) -> None:
        theme.set_role(self._summary, "error" if wrong else "heading")
        theme.set_role(self._note, "muted")
        self._summary.setText(summary)
        self._note.setText(note)
        self._note.setVisible(bool(note))

    def _show_source(self, source: str) -> None:
        self._source = source
        if not self._edited and self._template.text() != source:
            blocker = QSignalBlocker(self._template)
            self._template.set_text(source)
            blocker.unblock()
        self._show_title()

    def _show_title(self) -> None:
        self._template_title.setText("Template · your copy" if self._edited else "Template")
        self._reset.setEnabled(self._edited)

    def _show(self, written: Written | None) -> None:
        self._written = written
        self._names = {}
        self._text.set_text(written.encoding.text if written is not None else "")
        stretches = written.stretches if written is not None else ()
        starts = self._text.line_starts()
        for each in stretches:
            line, name = bisect_right(starts, each.start) - 1, _name(each)
            others = self._names.get(line, "")
            if name not in others.split(", "):
                self._names[line] = f"{others}, {name}" if others else name
        self._text.set_names(self._whose)
        self._text.set_grounds([Ground(each.start, each.end, _tint(each), _who(each)) for each in stretches])
        self._masked.setEnabled(written is not None and written.assistant is not None)
        self._show_chips()

    def _show_chips(self) -> None:
        written = self._written
        chips = []
        if written is not None:
            mask = written.assistant if self._masked.isChecked() else None
            for token in written.encoding.tokens[:_CHIPS]:
                owner = written.owners[token.position]
                stretch = written.stretches[owner] if owner is not None else None
                said = [_who(stretch)] if stretch is not None else []
                if written.assistant is not None:
                    said.append(f"assistant mask {written.assistant[token.position]}")
                said.append(tip(token))
                chips.append(
                    Chip(
                        face(token),
                        token.special,
                        None,
                        " · ".join(said),
                        muted=mask is not None and not mask[token.position],
                        group=_tint(stretch) if stretch is not None else None,
                        joined=goes_on(token),
                    )
                )
        self._chips.set_tokens(chips)

    def _whose(self, line: int) -> str:
        """The parts that begin in a line of the rendered text."""
        return self._names.get(line, "")

    def _show_measures(self) -> None:
        self._messages.setMinimumHeight(theme.px(self, 160))
        self._text.setMinimumHeight(theme.px(self, 80))
        self._chips.setMinimumHeight(theme.px(self, 64))
        self._tools.setFixedHeight(theme.px(self, 120))
        self._variables.setFixedHeight(theme.px(self, 64))
        self._template.setMinimumWidth(theme.px(self, 160))
        self._text.setMinimumWidth(theme.px(self, 220))

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with the tokenizer."""
        super().showEvent(event)
        if self._behind:
            self._write()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_template_title"):
            self._show_measures()


def _apply(tokenizer: tokens.Tokenizer, talk: Talk, *, task: Task) -> tuple[str, Written | WorkbenchError]:
    """The tokenizer's own template, and what it wrote or why it did not; for the text lane."""
    try:
        source = template.source(tokenizer, bool(talk.tools.strip()))
    except NotSupported:
        source = ""
    try:
        return source, template.write(tokenizer, talk, task=task)
    except WorkbenchError as error:
        return source, error


def _tint(stretch: Stretch) -> int:
    return _TINTS.get(stretch.role, 5)


def _name(stretch: Stretch) -> str:
    return "prompt" if stretch.role == "generation prompt" else stretch.role


def _who(stretch: Stretch) -> str:
    return stretch.role if stretch.turn is None else f"{stretch.role}, message {stretch.turn + 1}"


def _silently(box: QCheckBox, on: bool) -> None:
    blocker = QSignalBlocker(box)
    box.setChecked(on)
    blocker.unblock()

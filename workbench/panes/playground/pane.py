"""The Playground: a prompt or a chat goes in, text comes out and branches, and the knobs stay movable meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QButtonGroup, QPushButton, QSizePolicy, QWidget

from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.values import Message
from workbench.panes.playground.alternatives import Alternatives
from workbench.panes.playground.beams import Beams
from workbench.panes.playground.branches import grown
from workbench.panes.playground.chat import Chat
from workbench.panes.playground.code import code_of
from workbench.panes.playground.controls import Controls
from workbench.panes.playground.files import Files
from workbench.panes.playground.readiness import Readiness, has_template, writes
from workbench.panes.playground.runs import Runs, TooLong, missing
from workbench.panes.playground.side_by_side import SideBySide
from workbench.panes.playground.status import Status
from workbench.panes.playground.texts import Texts
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.turning_splitter import TurningSplitter


class PlaygroundPane(PaneFrame):
    """Prompt or chat on the left, knobs on the right, or below where the pane is narrow.

    Args:
        session: Gives model, prompt and knobs; takes the branches.
        runner: Runs generation on the model lane.

    Signals:
        hub_requested(): The person wants to load a checkpoint.
    """

    hub_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("playground", "Playground", parent)
        self._session = session
        self._runs = Runs(session, runner, self)
        self._asked: tuple[Message, ...] = ()
        self._looked_at: int | None = None
        self._waiting: tuple[int, int] | None = None

        self._plain_mode = named(
            QPushButton("Prompt"), "playground.plain_mode", "Prompt", "Continue a plain text, as it stands"
        )
        self._chat_mode = named(
            QPushButton("Chat"), "playground.chat_mode", "Chat", "Talk through the checkpoint's own chat template"
        )
        self._readiness = Readiness(session, self._runs, self, self.hub_requested.emit, self._plain_mode.click)
        self._texts = Texts(session, runner)
        self._side_by_side = SideBySide(session, self._runs, self._texts)
        self._chat = Chat(session, self._runs, self._texts, runner, self._ready)
        self._controls = named(Controls(), "playground.controls", "Knobs")
        self._alternatives = Alternatives(session, self)
        self._files = Files(session, runner, self, self._texts.beams)
        self._beams = Beams(session, self._runs, self._texts)
        self._status = Status(session, self._runs, self._texts, runner)
        self._lay_out()

        texts, branches = self._texts, self._texts.branches
        self._modes.buttonToggled.connect(self._on_mode)
        texts.prompt.textChanged.connect(self._on_prompt_edited)
        texts.system.textChanged.connect(self._show_code_text)
        texts.chat_input.textChanged.connect(self._show_code_text)
        texts.chat_input.submitted.connect(self.run_main_action)
        texts.generate.clicked.connect(self.run_main_action)
        texts.send.clicked.connect(self.run_main_action)
        texts.stop.clicked.connect(self.stop_main_action)
        texts.next.clicked.connect(self.score_next)
        texts.copy.clicked.connect(self._on_copy)
        texts.clear.clicked.connect(self._on_clear)
        texts.output.piece_opened.connect(self.open_alternatives)
        texts.attached.refused.connect(self._on_refused)
        texts.attached.files_changed.connect(self._show_code_text)
        texts.columns.column_chosen.connect(self._on_walked)
        texts.columns.closed.connect(self._on_columns_closed)
        branches.walked.connect(self._on_walked)
        branches.renamed.connect(session.rename)
        branches.prune_requested.connect(self.prune)
        branches.compare_requested.connect(self.compare)
        branches.continue_requested.connect(self.go_on)
        self._alternatives.chosen.connect(self.branch_at)
        self._chat.answer_requested.connect(self._on_answer_requested)
        self._chat.walk_requested.connect(self._on_turn_walked)
        self._chat.changed.connect(self._on_chat_changed)
        self._chat.said.connect(self._on_chat_said)
        self._chat.deleted.connect(self._on_turns_deleted)
        self._controls.tint.toggled.connect(texts.output.set_tinted)
        self._controls.tint.toggled.connect(texts.columns.set_tinted)
        self._controls.sampling_edited.connect(session.set_sampling)
        self._controls.strategy_edited.connect(session.set_strategy)
        self._runs.changed.connect(self._on_runs_changed)
        self._runs.began_branch.connect(self._on_began)
        self._runs.failed.connect(self._on_failed)
        self._runs.refused.connect(self._on_refused)
        self._runs.cancelled_.connect(self._take_back)
        self._runs.ended.connect(self._on_ended)
        self.code_shown.connect(self._show_code_text)
        session.model_changed.connect(self._on_model_changed)
        session.prompt_changed.connect(self._show_prompt)
        session.sampling_changed.connect(self._show_sampling)
        session.strategy_changed.connect(self._show_strategy)
        session.second_changed.connect(self._show_offers)
        session.encoding_changed.connect(self._show_turns)
        session.branches_changed.connect(self._on_branches_changed)
        session.steps_reset.connect(self._status.show)

        self._show_prompt()
        self._show_sampling()
        self._show_strategy()
        self._show_offers()
        self._show_mode()

    # What can be asked of it.

    @property
    def chats(self) -> bool:
        """Whether it is in chat mode."""
        return self._chat_mode.isChecked()

    @property
    def turns(self) -> tuple[Message, ...]:
        """The conversation, without the system message and without an answer that is still coming."""
        return self._chat.turns

    @property
    def is_running(self) -> bool:
        """Whether a generation runs or waits for one to stop."""
        return self._runs.active or self._waiting is not None

    def run_main_action(self) -> None:
        """Continue the prompt, or send the message."""
        if not self._ready():
            return
        if self.chats and not self._chat.say():
            self._texts.chat_input.setFocus()
            return
        self._asked = self._chat.asked if self.chats else ()
        self._generate(truncate=False)

    def stop_main_action(self) -> None:
        """Stop within a token; what there is stays."""
        self._waiting = None
        self._runs.stop()

    def score_next(self) -> None:
        """Score the token after the prompt or the conversation, without choosing one."""
        if not self._ready():
            return
        self._asked = self._chat.next_messages if self.chats else ()
        if self.chats and not self._asked:
            self._texts.chat_input.setFocus()
            return
        self.clear_notices()
        self._side_by_side.close()
        files = {} if self._asked else self._texts.attached.files
        self._runs.score(self._session.prompt, self._asked, **files)

    def branch_at(self, index: int, token_id: int) -> None:
        """Continue with another token at a step of the branch that is looked at; what runs is stopped first.

        Args:
            index: Of the step that gets another token.
            token_id: Any id of the vocabulary.
        """
        if self._runs.active:
            self._waiting = (index, token_id)
            self._runs.stop()
            return
        if self._readiness.can_go_on(self._session.branch, chats=self.chats) and self._runs.can_fork(index, token_id):
            self._start(lambda: self._runs.fork(index, token_id))

    def go_on(self) -> None:
        """Go on from the end of the branch that is looked at, as many new tokens as ``max_new_tokens`` says."""
        branch = self._session.branch
        if branch is None or self._runs.active or not self._readiness.can_go_on(branch, chats=self.chats):
            return
        self._start(
            lambda: self._runs.grow(branch.start, branch.steps, None, parent=branch, name=f"{branch.name} continued")
        )

    def open_alternatives(self, index: int) -> None:
        """Show what else could have come at a step of the branch that is looked at."""
        if 0 <= index < self._texts.output.pieces:
            self._alternatives.open_step(index, self._texts.output.place_of(index))

    def prune(self, key: int) -> None:
        """Delete a branch and all that grew out of it, unless one of them is being written."""
        branches = self._session.branches
        gone = grown(branches, key)
        name = next((branch.name for branch in branches if branch.key == key), "")
        self.clear_notices()
        if set(gone) & set(self._runs.keys):
            self.show_notice(f"“{name}” is being written.", remedy="Stop it first (Esc).", kind="info")
            return
        if set(gone) & set(self._side_by_side.keys):
            self._side_by_side.close()
        self._session.prune(key)
        more = len(gone) - 1
        grew_out = f" and {more} {'branch' if more == 1 else 'branches'} that grew out of it" if more else ""
        self.show_notice(f"Deleted “{name}”{grew_out}.", kind="info")

    def compare(self, keys: Sequence[int]) -> None:
        """Show branches side by side, the first token in which they differ marked."""
        self._side_by_side.compare(keys)

    # Building.

    def _lay_out(self) -> None:
        self._modes = QButtonGroup(self)
        for button in (self._plain_mode, self._chat_mode):
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            self._modes.addButton(button)
            self.header.addWidget(button)
        self.header.addWidget(self._files)
        self._plain_mode.setChecked(True)
        across = TurningSplitter()
        across.addWidget(self._texts)
        across.addWidget(self._controls)
        across.setStretchFactor(0, 3)
        across.setStretchFactor(1, 1)
        self.body.addWidget(across)

    # What the person did.

    def _on_mode(self, button: QPushButton, checked: bool) -> None:
        if checked:
            self._look_at_own()
            self._show_mode()

    def _look_at_own(self) -> None:
        """Look at what this mode wrote last: the text of the other one would stand below words that it is not of."""
        session, branch = self._session, self._session.branch
        if self._runs.active or branch is None or bool(branch.messages) == self.chats:
            return
        if self.chats:
            self._chat.look_at_end()
            return
        own = [each.key for each in session.branches if not each.messages and each.start.prompt == session.prompt]
        self._on_walked(own[-1]) if own else session.clear_steps()

    def _on_prompt_edited(self) -> None:
        self._session.set_prompt(self._texts.prompt.text())
        self._show_code_text()

    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText("".join(step.text for step in self._session.steps))

    def _on_clear(self) -> None:
        self._waiting = None
        self._runs.abandon()
        self._session.clear_steps()
        self._chat.clear()
        self._asked = ()
        self.clear_notices()
        self._side_by_side.close()
        self._session.set_next_logits(None)
        self._show_mode()

    def _on_walked(self, key: int) -> None:
        session = self._session
        session.walk(key)
        if key not in self._side_by_side.keys:
            self._side_by_side.close()
            self._side_by_side.show_run()
        self._side_by_side.mark()
        branch = session.branch
        if branch is None or branch.messages or branch.start.files:
            return
        # An edited prompt that nothing has been made of yet is not thrown away.
        encoding = branch.start.encoding
        known = {each.start.prompt for each in session.branches}
        if (not session.prompt or session.prompt in known) and not all(token.special for token in encoding.tokens):
            session.set_prompt(branch.start.prompt)

    def _on_turn_walked(self, key: int) -> None:
        self._session.walk(key)
        self._side_by_side.close()

    def _on_answer_requested(self) -> None:
        self._asked = self._chat.asked
        self._generate(truncate=False)

    def _on_chat_changed(self) -> None:
        branch = self._session.branch
        self._asked = branch.messages if branch is not None else ()
        self._show_turns()
        self._show_code_text()

    def _on_chat_said(self, what: str, why: str) -> None:
        self.clear_notices()
        self.show_notice(what, why, kind="info")

    def _on_turns_deleted(self, words: str) -> None:
        self.clear_notices()
        self.show_notice(words, kind="info", action=("Undo", self._on_undo))

    def _on_undo(self) -> None:
        self.clear_notices()
        self._chat.restore()

    def _on_columns_closed(self) -> None:
        self._side_by_side.close()
        self._texts.output.setFocus()

    # The work.

    def _ready(self) -> bool:
        """Whether something can be started; says why not."""
        return self._readiness.ready(chats=self.chats)

    def _generate(self, *, truncate: bool) -> None:
        # Those of a chat are with its turns.
        files = {} if self._asked else self._texts.attached.files
        self._start(lambda: self._runs.generate(self._session.prompt, self._asked, truncate=truncate, **files))

    def _start(self, begin: Callable[[], None]) -> None:
        self.clear_notices()
        self._side_by_side.close()
        try:
            begin()
        except InputError as error:
            self._on_failed(error, "")

    def _on_ended(self) -> None:
        if not self._side_by_side.keys:
            # Beam search has its sequences only now.
            self._side_by_side.show_run()
        self._beams.show()

    def _on_failed(self, error: WorkbenchError, details: str) -> None:
        action = ("Truncate left", self._on_truncate) if isinstance(error, TooLong) else None
        self.show_notice(error.what, error.why, error.remedy, details, action=action)
        self._take_back()

    def _on_refused(self, error: WorkbenchError) -> None:
        self.show_notice(error.what, error.why, error.remedy, kind="warning")

    def _on_truncate(self) -> None:
        if self._ready():
            if self.chats:
                if self._texts.chat_input.text().strip():
                    self._chat.say()
                self._asked = self._chat.asked
            self._generate(truncate=True)

    def _take_back(self) -> None:
        """Put an unanswered message back to where it was written."""
        self._asked = ()
        if self.chats:
            self._chat.take_back()

    # What the session says.

    def _on_model_changed(self) -> None:
        self._waiting = None
        self._runs.abandon()
        self._runs.kept.clear()
        self._show_offers()
        self._chat.clear()
        self._asked = ()
        self.clear_notices()
        self._side_by_side.close()
        self._show_mode()

    def _on_branches_changed(self) -> None:
        branch = self._session.branch
        key = branch.key if branch is not None else None
        if key == self._looked_at:
            self._status.show()
            return
        self._looked_at = key
        if branch is not None and self.is_empty:
            self._show_mode()
        if branch is not None:
            self._asked = branch.messages
            mode = self._chat_mode if branch.messages else self._plain_mode
            if not mode.isChecked():
                mode.click()
            if branch.messages:
                self._chat.follow(branch)
        self._show_turns()
        self._beams.show()
        self._show_running()
        self._show_code_text()

    def _on_began(self) -> None:
        self._show_turns()
        self._side_by_side.show_sequences(self._runs.keys)

    def _on_runs_changed(self) -> None:
        if not self._runs.active:
            self._texts.output.flush()
            self._side_by_side.flush()
            if not self._session.steps:
                self._show_turns()
            self._show_code_text()
        self._show_running()
        if self._waiting is not None and not self._runs.active:
            waiting, self._waiting = self._waiting, None
            self.branch_at(*waiting)

    # What is shown.

    def _show_mode(self) -> None:
        model = self._session.model
        if model is None or not writes(model):
            # What was recorded can be read without the model that wrote it.
            if self._session.branch is not None:
                self.show_body()
            else:
                self.show_empty(missing(model), "Open Hub", self.hub_requested.emit)
        else:
            self.show_body()
            if self.chats and not has_template(model):
                self._readiness.say_no_template()
            else:
                self.clear_notices()
        self._texts.show_mode(chats=self.chats)
        if self.chats:
            self._chat.show_model()
        self._texts.attached.show_model(model if model is not None and model.generates else None)
        self._show_turns()
        self._show_running()
        self._show_code_text()

    def _show_turns(self) -> None:
        answering = bool(self._asked) and (self._runs.active or bool(self._session.steps))
        turns = self._asked[self._asked[0].role == "system" :] if answering else self._chat.turns
        self._texts.output.show_turns(turns if self.chats else (), answering=self.chats and answering)

    def _show_prompt(self) -> None:
        if self._texts.prompt.text() != self._session.prompt:
            self._texts.prompt.set_text(self._session.prompt)

    def _show_sampling(self) -> None:
        self._controls.show_sampling(self._session.sampling)
        self._status.show()
        self._show_code_text()

    def _show_strategy(self) -> None:
        self._controls.show_strategy(self._session.strategy)
        self._show_code_text()

    def _show_offers(self) -> None:
        self._controls.show_model(self._session.model, self._session.second)

    def _show_running(self) -> None:
        runs = self._runs.active
        self._texts.show_running(runs)
        branch = self._session.branch
        self._texts.branches.allow_continue(not runs and branch is not None and bool(branch.steps))
        self._status.show()

    def _show_code_text(self) -> None:
        model = self._session.model
        if not self.code_is_shown or model is None or model.tokenizer is None:
            return
        messages = self._asked
        if self.chats and not messages:
            messages = self._chat.scripted
        asked, files = messages if self.chats else (), self._texts.attached.files
        self.set_code(code_of(self._session, model, asked, **files, writing=self._runs.active))

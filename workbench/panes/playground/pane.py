"""The Playground: a prompt or a chat goes in, text comes out, and the knobs stay movable meanwhile."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QButtonGroup, QPushButton, QSizePolicy, QSplitter, QWidget

from workbench.engine import codegen, forward, generate
from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.generate import Generation
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Knobs
from workbench.engine.task import Task
from workbench.engine.values import Encoding, Logits, Message, Step
from workbench.panes.playground.controls import Controls
from workbench.panes.playground.texts import Texts, held
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame

_ENDS = {
    "eos": "ended by the model's end token",
    "length": "ended at max_new_tokens",
    "context": "ended because the model's context is full",
    "stop": "ended by a stop criterion of the checkpoint",
    "stopped": "stopped",
}


class PlaygroundPane(PaneFrame):
    """Prompt or chat on the left, knobs on the right.

    Args:
        session: Gives model, prompt and knobs; takes the encoding and the steps.
        runner: Runs generation on the model lane.

    Signals:
        hub_requested(): The person wants to load a checkpoint.
    """

    hub_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("playground", "Playground", parent)
        self._session, self._runner = session, runner
        self._job: Job | None = None
        self._knobs: Knobs | None = None
        self._streams = False
        self._announcing = False
        self._turns: list[Message] = []
        self._asked: tuple[Message, ...] = ()
        self._ended = ""

        self._plain_mode = named(
            QPushButton("Prompt"), "playground.plain_mode", "Prompt", "Continue a plain text, as it stands"
        )
        self._chat_mode = named(
            QPushButton("Chat"), "playground.chat_mode", "Chat", "Talk through the checkpoint's own chat template"
        )
        self._texts = Texts(session)
        self._controls = named(Controls(), "playground.controls", "Knobs")
        self._clock = QTimer(self, interval=500)
        self._lay_out()

        self._modes.buttonToggled.connect(self._on_mode)
        self._texts.prompt.textChanged.connect(self._on_prompt_edited)
        self._texts.system.textChanged.connect(self._show_code_text)
        self._texts.chat_input.textChanged.connect(self._show_code_text)
        self._texts.chat_input.submitted.connect(self.run_main_action)
        self._texts.generate.clicked.connect(self.run_main_action)
        self._texts.send.clicked.connect(self.run_main_action)
        self._texts.stop.clicked.connect(self.stop_main_action)
        self._texts.next.clicked.connect(self.score_next)
        self._texts.copy.clicked.connect(self._on_copy)
        self._texts.clear.clicked.connect(self._on_clear)
        self._controls.tint.toggled.connect(self._texts.output.set_tinted)
        self._controls.sampling_edited.connect(session.set_sampling)
        self._clock.timeout.connect(self._show_status)
        self.code_shown.connect(self._show_code_text)
        session.model_changed.connect(self._on_model_changed)
        session.prompt_changed.connect(self._show_prompt)
        session.sampling_changed.connect(self._show_sampling)
        session.encoding_changed.connect(self._on_encoding_changed)
        session.steps_reset.connect(self._show_status)

        self._show_prompt()
        self._show_sampling()
        self._show_mode()

    # What can be asked of it.

    @property
    def chats(self) -> bool:
        """Whether it is in chat mode."""
        return self._chat_mode.isChecked()

    @property
    def turns(self) -> tuple[Message, ...]:
        """The conversation, without the system message and without an answer that is still coming."""
        return tuple(self._turns)

    def run_main_action(self) -> None:
        """Continue the prompt, or send the message."""
        if not self._ready():
            return
        if self.chats:
            said = self._texts.chat_input.text().strip("\n")
            if not said.strip():
                self._texts.chat_input.setFocus()
                return
            self._turns.append(Message("user", said))
            self._texts.chat_input.clear()
        self._asked = self._messages()
        self._knobs = Knobs(self._session.sampling)
        job = Job(
            f"Generate with {self._session.checkpoint.name if self._session.checkpoint else 'a model'}",
            generate.run,
            self._session.model,
            self._session.prompt,
            self._asked,
            self._knobs,
            pane="playground",
            stops="within a token; the text is kept",
        )
        job.succeeded.connect(self._on_generated)
        self._watch(job)

    def stop_main_action(self) -> None:
        """Stop within a token; what there is stays."""
        if self._job is not None:
            self._job.cancel()

    def score_next(self) -> None:
        """Score the token after the prompt or the conversation, without choosing one."""
        if not self._ready():
            return
        said = self._texts.chat_input.text().strip("\n") if self.chats else ""
        self._asked = (*self._messages(), *((Message("user", said),) if said.strip() else ()))
        if self.chats and not self._asked:
            self._texts.chat_input.setFocus()
            return
        job = Job(
            "Score the next token", _score, self._session.model, self._session.prompt, self._asked, pane="playground"
        )
        job.succeeded.connect(self._session.set_next_logits)
        self._watch(job)

    # Building.

    def _lay_out(self) -> None:
        self._modes = QButtonGroup(self)
        for button in (self._plain_mode, self._chat_mode):
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            self._modes.addButton(button)
            self.header.addWidget(button)
        self._plain_mode.setChecked(True)
        across = QSplitter(Qt.Orientation.Horizontal)
        across.setChildrenCollapsible(False)
        across.addWidget(self._texts)
        across.addWidget(self._controls)
        across.setStretchFactor(0, 3)
        across.setStretchFactor(1, 1)
        self.body.addWidget(across)

    # What the person did.

    def _on_mode(self, button: QPushButton, checked: bool) -> None:
        if checked:
            self._show_mode()

    def _on_prompt_edited(self) -> None:
        self._session.set_prompt(self._texts.prompt.text())
        self._show_code_text()

    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText("".join(step.text for step in self._session.steps))

    def _on_clear(self) -> None:
        self._abandon()
        self._turns.clear()
        self._asked, self._ended = (), ""
        self.clear_notices()
        self._session.clear_steps()
        self._session.set_next_logits(None)
        self._show_mode()

    # The work.

    def _ready(self) -> bool:
        """Whether something can be started; says why not."""
        model = self._session.model
        if model is None or model.tokenizer is None or self.is_empty or self._job is not None:
            return False
        if self.chats and not model.tokenizer.chat_template:
            self._say_no_template()
            return False
        return True

    def _messages(self) -> tuple[Message, ...]:
        if not self.chats or not self._turns:
            return ()
        system = self._texts.system.text().strip()
        return (*((Message("system", system),) if system else ()), *self._turns)

    def _watch(self, job: Job) -> None:
        self.clear_notices()
        self._ended, self._streams = "", False
        job.part_ready.connect(self._on_part)
        job.failed.connect(self._on_failed)
        job.cancelled_.connect(self._take_back)
        job.finished.connect(self._on_finished)
        self._job = job
        self._session.clear_steps()
        self._session.set_next_logits(None)
        self._show_turns()
        self._show_running()
        self._runner.start(job, Lane.MODEL, slot="playground.generate")

    def _abandon(self) -> None:
        if self._job is not None:
            self._job.abandon()
            self._job = self._knobs = None
            self._show_running()

    def _on_part(self, part: object) -> None:
        if self.sender() is not self._job:
            return
        if isinstance(part, Encoding):
            self._announcing = True
            self._session.set_encoding(part)
            self._announcing = False
            self._streams = True
        elif isinstance(part, Step):
            self._session.add_step(part)

    def _on_generated(self, result: Generation) -> None:
        self._ended = _ENDS[result.reason]
        if self._asked:
            self._turns.append(Message("assistant", result.text))

    def _on_failed(self, error: WorkbenchError) -> None:
        job = self.sender()
        details = job.details if isinstance(job, Job) and not isinstance(error, InputError) else ""
        self.show_notice(error.what, error.why, error.remedy, details)
        self._take_back()

    def _take_back(self) -> None:
        """Put an unanswered message back to where it was written."""
        if self._turns and self._turns[-1].role == "user" and not self._session.steps:
            message = self._turns.pop()
            if not self._texts.chat_input.text():
                self._texts.chat_input.set_text(message.content)
        self._asked = ()

    def _on_finished(self) -> None:
        if self.sender() is self._job:
            self._job = self._knobs = None
            self._texts.output.flush()
            if not self._session.steps:
                self._show_turns()
            self._show_running()
            self._show_code_text()

    # What the session says.

    def _on_model_changed(self) -> None:
        self._abandon()
        self._turns.clear()
        self._asked, self._ended = (), ""
        self.clear_notices()
        self._show_mode()

    def _on_encoding_changed(self) -> None:
        if self._streams and not self._announcing:
            # Another text is being looked at; what still comes does not follow it.
            self._abandon()
            self._asked = ()
        self._show_turns()

    def _show_mode(self) -> None:
        model = self._session.model
        if model is None or model.head != "AutoModelForCausalLM" or model.tokenizer is None:
            self.show_empty(_missing(model), "Open Hub", self.hub_requested.emit)
        else:
            self.show_body()
            if self.chats and not model.tokenizer.chat_template:
                self._say_no_template()
            else:
                self.clear_notices()
        self._texts.show_mode(chats=self.chats)
        self._show_turns()
        self._show_running()
        self._show_code_text()

    def _say_no_template(self) -> None:
        self.show_notice(
            "This checkpoint has no chat template.",
            "It was not trained on conversations, or its template was not saved with it.",
            "Write a plain prompt instead, or load a checkpoint whose name says Instruct or Chat.",
            kind="info",
            action=("Write a prompt", self._plain_mode.click),
        )

    def _show_turns(self) -> None:
        answering = bool(self._asked) and (self._job is not None or bool(self._session.steps))
        turns = tuple(turn for turn in self._asked if turn.role != "system") if answering else tuple(self._turns)
        self._texts.output.show_turns(turns if self.chats else (), answering=self.chats and answering)

    def _show_prompt(self) -> None:
        if self._texts.prompt.text() != self._session.prompt:
            self._texts.prompt.set_text(self._session.prompt)

    def _show_sampling(self) -> None:
        self._controls.show_sampling(self._session.sampling)
        if self._knobs is not None:
            self._knobs.current = self._session.sampling
        self._show_status()
        self._show_code_text()

    def _show_running(self) -> None:
        runs = self._job is not None
        self._texts.show_running(runs)
        if runs:
            self._clock.start()
        else:
            self._clock.stop()
        self._show_status()

    def _show_status(self) -> None:
        steps = self._session.steps
        parts = []
        if self._job is not None and not steps:
            parts.append("reading the prompt…")
        if steps:
            parts.append(f"{len(steps):,} {'token' if len(steps) == 1 else 'tokens'}")
            recent = steps[1:] if len(steps) < 64 else steps[-63:]
            seconds = sum(step.seconds for step in recent)
            if seconds > 0:
                parts.append(f"{len(recent) / seconds:.1f} tokens/s")
        if self._ended and steps:
            parts.append(self._ended)
        now = " · ".join(parts)
        self._texts.status.setText(f"{now}\n{held(self._session.sampling)}" if now else held(self._session.sampling))
        self._texts.copy.setEnabled(bool(steps))

    def _show_code_text(self) -> None:
        model = self._session.model
        if not self.code_is_shown or model is None or model.tokenizer is None:
            return
        messages = self._asked
        if self.chats and not messages:
            said = self._texts.chat_input.text().strip("\n")
            messages = (*self._messages(), Message("user", said or "Hello!"))
        text = self._session.prompt
        if not text and not model.tokenizer("")["input_ids"]:
            text = model.tokenizer.bos_token or ""
        self.set_code(
            codegen.generate(
                model.checkpoint,
                text,
                messages if self.chats else None,
                self._session.sampling,
                model.dtype,
                model.device,
            )
        )


def _score(model: LoadedModel, text: str, messages: tuple[Message, ...], *, task: Task) -> Logits:
    """Encode, announce the encoding, and score what could follow it."""
    encoding = generate.prepare(model, text, messages, task=task)
    task.send(encoding)
    return forward.next_token(model, encoding, task=task)


def _missing(model: LoadedModel | None) -> str:
    if model is None:
        return "No model is loaded.\nLoad a causal language model, such as the SmolLM2 starter, to generate text."
    if model.tokenizer is None:
        return f"{model.checkpoint.name} has no tokenizer.\nLoad a checkpoint that has one to generate text."
    return (
        f"{model.checkpoint.name} was loaded as {model.head}, which does not generate text.\n"
        "Load a causal language model, such as the SmolLM2 starter."
    )

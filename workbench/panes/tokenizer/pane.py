"""The Tokenizer pane: one text from all sides, many as a batch, a conversation, and several tokenizers compared."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QTabWidget, QWidget

from workbench.engine import tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.values import Encoding, TokenizerOptions
from workbench.panes.tokenizer.batch_view import BatchView
from workbench.panes.tokenizer.chat_view import ChatTemplateView
from workbench.panes.tokenizer.compare_view import TokenizersView
from workbench.panes.tokenizer.reading import Reading
from workbench.panes.tokenizer.text_view import TextView
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame


class TokenizerPane(PaneFrame):
    """Its sections share a tokenizer of the pane's own, on the text lane.

    Args:
        session: Whose model's tokenizer it is.
        runner: Encodes on the text lane.

    Signals:
        hub_requested(): The person wants to load a checkpoint.
    """

    hub_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("tokenizer", "Tokenizer", parent)
        self._session = session
        self._runner = runner
        self._job: Job | None = None
        self._stale = False

        self._text = TextView(session, runner)
        self._batch = BatchView(runner)
        self._chat = ChatTemplateView(runner)
        self._others = TokenizersView(runner)
        self._sections = named(
            QTabWidget(),
            "tokenizer.sections",
            "Sections",
            "One text from all sides, many as a batch, a conversation through the chat template, several tokenizers",
        )
        self._sections.setDocumentMode(True)
        for title, section in (
            ("Text", self._text),
            ("Batch", self._batch),
            ("Chat template", self._chat),
            ("Compare", self._others),
        ):
            self._sections.addTab(section, title)
            section.changed.connect(self._show_script)
        self.body.addWidget(self._sections)

        self._sections.currentChanged.connect(self._on_section_changed)
        self._text.begun.connect(self.clear_notices)
        self._text.read_whole.connect(self._on_read)
        self._text.failed.connect(self._show_error)
        self.code_shown.connect(self._show_script)
        session.local_changed.connect(self._others.list_anew)
        session.model_changed.connect(self._show_model)
        session.prompt_changed.connect(self._show_prompt)

        self._fit_sections()
        self._take_model()
        self._show_prompt()

    # Verbs.

    @property
    def options(self) -> TokenizerOptions:
        """The switches of the tokenizer call; what has no effect is left at its default."""
        return self._text.options

    @property
    def encoding(self) -> Encoding | None:
        """The encoding whose positions are shown, or None."""
        return self._text.encoding

    @property
    def busy(self) -> bool:
        """Whether what is shown will be replaced shortly: the tokenizer loads, or a text is being encoded."""
        return self._text.busy or (self._job is not None and self._job.active)

    def select(self, position: int | None) -> None:
        """Select a position of `encoding` in all views, and in the session when that holds the same encoding."""
        self._text.select(position)

    def encode(self) -> None:
        """Encode the text anew; an encoding under way is abandoned."""
        self._text.encode()

    # What the person did, and what came of it.

    def _on_section_changed(self) -> None:
        self._fit_sections()
        self._show_script()

    def _on_read(self, reading: Reading) -> None:
        self._batch.offer(reading.text)
        self._others.set_text(reading.text)

    def _on_load_failed(self, error: WorkbenchError) -> None:
        self._show_error(error, self._job.details if self._job is not None else "")
        self._text.clear()
        self._text.say("There is no tokenizer to cut the text with.")

    # The state changed.

    def _show_model(self) -> None:
        self._stale = True
        self._give(None)
        if self.isVisible():
            self._take_model()

    def _on_seen(self) -> None:
        if self._stale and self.isVisible():
            self._take_model()

    def _take_model(self) -> None:
        self._stale = False
        self.clear_notices()
        model = self._session.model
        if model is None:
            self.show_empty(
                "No checkpoint is loaded. Load any one in Hub, and its tokenizer cuts a text of yours here.",
                "Open Hub",
                self.hub_requested.emit,
            )
        elif model.tokenizer is None:
            self.show_empty(
                f"{model.checkpoint.name} has no tokenizer. Load another checkpoint in Hub.",
                "Open Hub",
                self.hub_requested.emit,
            )
        else:
            self.show_body()
            self._text.say(f"Taking the tokenizer of {model.checkpoint.name} …")
            title = f"Take the tokenizer of {model.checkpoint.name}"
            job = Job(title, tokens.own_tokenizer, model.tokenizer, pane="tokenizer", quiet=True)
            job.succeeded.connect(self._give)
            job.failed.connect(self._on_load_failed)
            self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.load")

    def _give(self, tokenizer: tokens.Tokenizer | None) -> None:
        for view in (self._text, self._batch, self._chat):
            view.set_tokenizer(tokenizer)
        self._others.set_tokenizer(self._session.checkpoint, tokenizer)

    def _show_prompt(self) -> None:
        self._text.show_prompt(now=self.isVisible())

    def _show_script(self) -> None:
        checkpoint = self._session.checkpoint
        if self.code_is_shown and checkpoint is not None:
            script = self._sections.currentWidget().script(checkpoint)
            if script:
                self.set_code(script)

    def _fit_sections(self) -> None:
        # A section that is not on show asks for no room.
        kinds = QSizePolicy.Policy
        for number in range(self._sections.count()):
            kind = kinds.Preferred if number == self._sections.currentIndex() else kinds.Ignored
            self._sections.widget(number).setSizePolicy(kind, kind)

    def _show_error(self, error: WorkbenchError, details: str) -> None:
        self.show_notice(error.what, error.why, error.remedy, details)

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what changed while nobody looked."""
        super().showEvent(event)
        if self._stale:
            # The pane is painted first, then the parser takes the GIL.
            QTimer.singleShot(60, self, self._on_seen)
        self._text.catch_up()

    def hideEvent(self, event: QHideEvent) -> None:
        """Hand the text over before another pane is looked at."""
        super().hideEvent(event)
        self._text.hand_over()

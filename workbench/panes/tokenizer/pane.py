"""The text, its chips, the table of positions, and the switches of the tokenizer call."""

from __future__ import annotations

import functools
from bisect import bisect_right

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QSizePolicy,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.values import Encoding, TokenizerOptions
from workbench.panes.tokenizer.batch_view import BatchView
from workbench.panes.tokenizer.chat_view import ChatTemplateView
from workbench.panes.tokenizer.compare_view import TokenizersView
from workbench.panes.tokenizer.reading import (
    CHIPS,
    COLUMNS,
    LONG,
    Reading,
    back,
    change,
    chips,
    face,
    let_go,
    read,
    row,
    script,
    tip,
)
from workbench.panes.tokenizer.stages_view import StagesView
from workbench.panes.tokenizer.switches import Switches
from workbench.panes.tokenizer.vocabulary_view import VocabularyView
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.token_grid import TokenGrid
from workbench.widgets.token_strip import TokenStrip

#: Characters of the decoded text that are shown.
DECODED = 4000
#: Characters from which a reading is freed on the text lane.
LARGE = 50_000
#: Milliseconds without a key after which a long text is shared, and encoded whole.
PAUSE = 200


class TokenizerPane(PaneFrame):
    """The text shared with Playground, cut into tokens on the text lane by a tokenizer of the pane's own.

    Signals:
        hub_requested(): The person wants to load a checkpoint.
    """

    hub_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("tokenizer", "Tokenizer", parent)
        self._session = session
        self._runner = runner
        self._tokenizer: tokens.Tokenizer | None = None
        self._job: Job | None = None
        self._reading: Reading | None = None
        self._row = 0
        self._position: int | None = None
        self._first_chip = 0
        self._in_step = False
        self._behind = False
        self._base: Reading | None = None
        self._later = QTimer(self, singleShot=True, interval=PAUSE)
        self._later.timeout.connect(self.encode)
        self._unshared = QTimer(self, singleShot=True, interval=PAUSE)
        self._unshared.timeout.connect(self._share)
        self._undecoded = QTimer(self, singleShot=True, interval=PAUSE // 2)
        self._undecoded.timeout.connect(self._decode)

        self._text = named(
            ExactTextEdit(), "tokenizer.text", "Text", "The text to cut into tokens; Playground has the same one"
        )
        self._text.setPlaceholderText("Type or paste a text")
        self._by_line = named(
            QCheckBox("One text a line"), "tokenizer.batch", "One text a line", "Encode each line as a text of its own"
        )
        self._switches = Switches()
        self._decoded = named(
            QPlainTextEdit(),
            "tokenizer.decoded",
            "decode(ids)",
            "The ids turned back into text, special tokens included",
        )
        self._decoded.setReadOnly(True)
        self._decoded.setTabChangesFocus(True)
        self._verdict = named(
            QLabel(),
            "tokenizer.verdict",
            "Verdict",
            "Whether the ids give the text back; those of tokenizers that lower-case or strip accents do not",
        )
        self._summary = named(
            QLabel(), "tokenizer.summary", "Summary", "The size of the text in characters, in UTF-8 bytes and in tokens"
        )
        self._shape = named(
            QLabel(), "tokenizer.shape", "Shape", "What the model is given: texts × positions, and what is padding"
        )
        for line in (self._summary, self._shape, self._verdict):
            line.setWordWrap(True)
            line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._verdict, "muted")
        theme.set_role(self._shape, "muted")
        theme.set_role(self._summary, "heading")
        self._chips = named(
            TokenStrip(),
            "tokenizer.chips",
            "Tokens",
            "The tokens as the model sees them; click one, or use the arrow keys",
        )
        self._grid = named(
            TokenGrid(), "tokenizer.grid", "Batch", "One row a text, one column a position; padding is greyed"
        )
        self._table = named(
            DataTable(monospace=True), "tokenizer.table", "Positions", "Everything about each position; select a row"
        )

        self._stages = StagesView(runner)
        self._vocabulary = VocabularyView(runner)
        self._tabs = named(
            QTabWidget(), "tokenizer.tabs", "Inspect", "The positions, how they came to be, and the whole vocabulary"
        )
        self._tabs.setDocumentMode(True)
        self._tabs.addTab(self._table, "Positions")
        self._tabs.addTab(self._stages, "How it came to be")
        self._tabs.addTab(self._vocabulary, "Vocabulary")
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

        self._lay_out()

        self._text.textChanged.connect(self._on_text_changed)
        self._text.cursorPositionChanged.connect(self._on_cursor_moved)
        self._by_line.toggled.connect(self.encode)
        self._switches.changed.connect(self.encode)
        self._chips.token_clicked.connect(self._on_chip_clicked)
        self._table.row_selected.connect(self.select)
        self._grid.token_selected.connect(self._on_cell_selected)
        self._sections.currentChanged.connect(self._on_section_changed)
        self._tabs.currentChanged.connect(self._show_script)
        for view in (self._batch, self._chat, self._others, self._vocabulary):
            view.changed.connect(self._show_script)
        self.code_shown.connect(self._show_script)
        session.local_changed.connect(self._others.list_anew)
        session.model_changed.connect(self._show_model)
        session.prompt_changed.connect(self._show_prompt)
        session.encoding_changed.connect(self._show_link)
        session.selection_changed.connect(self._show_selection)

        self._fit_sections()
        self._show_measures()
        self._stale = False
        self._take_model()
        self._show_prompt()

    def _lay_out(self) -> None:
        heading = theme.set_role(QLabel("Text"), "heading")
        top = QHBoxLayout()
        top.addWidget(heading)
        top.addStretch(1)
        top.addWidget(self._by_line)
        back = QHBoxLayout()
        back.addWidget(_buddy("decode(ids)", self._decoded))
        back.addWidget(self._verdict, 1)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self._text, 3)
        column.addWidget(self._switches)
        column.addLayout(back)
        column.addWidget(self._decoded, 1)

        self._views = QSplitter(Qt.Orientation.Vertical)
        for number, view in enumerate((self._grid, self._chips, self._tabs)):
            self._views.addWidget(view)
            self._views.setStretchFactor(number, (0, 1, 2)[number])
        self._views.setChildrenCollapsible(False)
        self._grid.hide()
        right = QWidget()
        seen = QVBoxLayout(right)
        seen.setContentsMargins(0, 0, 0, 0)
        seen.addWidget(self._summary)
        seen.addWidget(self._shape)
        seen.addWidget(self._views, 1)

        halves = QSplitter(Qt.Orientation.Horizontal)
        halves.addWidget(left)
        halves.addWidget(right)
        halves.setStretchFactor(0, 1)
        halves.setStretchFactor(1, 2)
        halves.setSizes([360, 800])
        halves.setChildrenCollapsible(False)
        for title, section in (
            ("Text", halves),
            ("Batch", self._batch),
            ("Chat template", self._chat),
            ("Compare", self._others),
        ):
            self._sections.addTab(section, title)
        self.body.addWidget(self._sections)

    # Verbs.

    @property
    def options(self) -> TokenizerOptions:
        """The switches of the tokenizer call; what has no effect is left at its default."""
        return self._switches.options

    @property
    def encoding(self) -> Encoding | None:
        """The encoding whose positions are shown, or None."""
        encodings = self._reading.batch.encodings if self._reading else ()
        return encodings[self._row] if self._row < len(encodings) else None

    @property
    def busy(self) -> bool:
        """Whether what is shown will be replaced shortly: the tokenizer loads, or a text is being encoded."""
        waits = any(timer.isActive() for timer in (self._later, self._unshared, self._undecoded))
        return waits or (self._job is not None and self._job.active)

    def select(self, position: int | None) -> None:
        """Select a position of `encoding` in all views, and in the session when that holds the same encoding."""
        encoding = self.encoding
        if encoding is None or (position is not None and not 0 <= position < len(encoding.tokens)):
            position = None
        self._position = position
        self._show_chips()
        if self._reading is not None and self._reading.final:
            self._table.select_row(position)
        self._grid.select(self._row, position)
        self._show_mark()
        if self._in_step and not self._by_line.isChecked() and position is not None:
            self._session.set_selection(position)

    def encode(self) -> None:
        """Encode the text anew; an encoding under way is abandoned."""
        self._later.stop()
        # Others hold the text too, and take their time with a long one.
        if len(self._text.text()) < LARGE:
            self._share()
        else:
            self._unshared.start()
        if self._tokenizer is None:
            return
        arguments = (self._tokenizer, self._text.text(), self._by_line.isChecked(), self.options, self._place)
        self._start(Job("Tokenize the text", read, *arguments, pane="tokenizer", quiet=True))

    # What the person did, and what came of it.

    def _on_text_changed(self) -> None:
        base, text = self._base, self._text.text()
        if base is None or self._tokenizer is None or len(text) < LONG or self._by_line.isChecked():
            self.encode()
            return
        arguments = (self._tokenizer, base, text, self.options, self._place)
        job = Job("Tokenize the change", change, *arguments, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_changed)
        self._later.stop()
        self._unshared.start()
        self._start(job)

    def _on_changed(self, reading: Reading) -> None:
        if not reading.final:
            self._later.start()

    @property
    def _place(self) -> int | None:
        return self._text.position if self._text.hasFocus() else None

    def _share(self) -> None:
        if not self._behind:
            self._session.set_prompt(self._text.text())

    def _decode(self) -> None:
        if self._tokenizer is None or self._reading is None:
            return
        self._start(Job("Decode the ids", back, self._tokenizer, self._reading, pane="tokenizer", quiet=True))

    def _start(self, job: Job) -> None:
        self._undecoded.stop()
        job.part_ready.connect(self._on_read)
        job.succeeded.connect(self._on_read)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.encode")

    def _on_cursor_moved(self) -> None:
        if self._reading is not None and self._reading.text == self._text.text():
            self._select_at_cursor()

    def _on_section_changed(self) -> None:
        self._fit_sections()
        self._show_script()

    def _on_chip_clicked(self, number: int) -> None:
        self.select(self._first_chip + number)

    def _on_cell_selected(self, row: int, position: int) -> None:
        if row != self._row:
            self._row = row
            self._show_row()
        self.select(position)

    def _on_loaded(self, tokenizer: tokens.Tokenizer) -> None:
        self._give(tokenizer)
        self._switches.show_tokenizer(tokenizer)
        self.encode()

    def _on_load_failed(self, error: WorkbenchError) -> None:
        self._show_error(error)
        self._clear()
        _say(self._summary, "There is no tokenizer to cut the text with.")

    def _on_read(self, reading: Reading) -> None:
        before, self._reading = self._reading, reading
        if reading.final:
            self._later.stop()
            self._base = reading if self.options == TokenizerOptions(self.options.add_special_tokens) else None
        if before is not None and before.batch.encodings is reading.batch.encodings:
            self._show_back()
            return
        self.clear_notices()
        by_line = self._by_line.isChecked()
        self._row = min(self._row, max(0, len(reading.batch.encodings) - 1)) if by_line else 0
        _say(self._summary, reading.summary)
        _say(self._shape, reading.shape)
        self._show_grid(reading if by_line else None)
        place = None if by_line else self._place
        seen = place is not None and bool(reading.text) and place <= len(reading.batch.encodings[0].text)
        self._show_row(reading.at(0, place or 0) if seen else None)
        if reading.final:
            self._vocabulary.set_text(reading.text)
            self._batch.offer(reading.text)
            self._others.set_text(reading.text)
            self._show_script()
            if reading.text and not reading.verdicts:
                self._undecoded.start()
        self._show_link()
        if self._text.hasFocus() and reading.text:
            self._select_at_cursor()
        if before is not None and len(before.text) > LARGE:
            held = [before]
            del before
            self._runner.start(Job("Free the text before", let_go, held, pane="tokenizer", quiet=True), Lane.TEXT)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._clear()
        self._show_error(error)

    def _select_at_cursor(self) -> None:
        reading = self._reading
        if reading is None or not reading.places:
            return
        place = self._text.position
        row = max(0, bisect_right(reading.places, place) - 1)
        local = place - reading.places[row]
        if not 0 <= local <= len(reading.batch.encodings[row].text):
            return
        position = reading.at(row, local)
        if position is None:
            return
        if row != self._row:
            self._row = row
            self._show_row()
        self.select(position)

    # The state changed.

    def _show_model(self) -> None:
        self._stale = True
        self._tokenizer = None
        if self.isVisible():
            self._take_model()

    def _on_seen(self) -> None:
        if self._stale and self.isVisible():
            self._take_model()

    def _take_model(self) -> None:
        self._stale = False
        self._give(None)
        self._clear()
        self.clear_notices()
        model = self._session.model
        if model is None:
            self.show_empty("No checkpoint is loaded. Load a checkpoint in Hub.", "Open Hub", self.hub_requested.emit)
        elif model.tokenizer is None:
            self.show_empty(
                f"{model.checkpoint.name} has no tokenizer. Load another checkpoint in Hub.",
                "Open Hub",
                self.hub_requested.emit,
            )
        else:
            self.show_body()
            _say(self._summary, f"Taking the tokenizer of {model.checkpoint.name} …")
            title = f"Take the tokenizer of {model.checkpoint.name}"
            job = Job(title, tokens.own_tokenizer, model.tokenizer, pane="tokenizer", quiet=True)
            job.succeeded.connect(self._on_loaded)
            job.failed.connect(self._on_load_failed)
            self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.load")

    def _give(self, tokenizer: tokens.Tokenizer | None) -> None:
        self._tokenizer = tokenizer
        for view in (self._vocabulary, self._batch, self._chat):
            view.set_tokenizer(tokenizer)
        self._others.set_tokenizer(self._session.checkpoint, tokenizer)

    def _show_prompt(self) -> None:
        if self._text.text() == self._session.prompt:
            return
        # A pane nobody sees keeps its hands off the two cores that generate; it catches up when it is shown.
        if not self.isVisible():
            self._behind = True
            return
        blocker = QSignalBlocker(self._text)
        self._text.set_text(self._session.prompt)
        blocker.unblock()
        self.encode()

    def _show_grid(self, reading: Reading | None) -> None:
        self._grid.setVisible(reading is not None)
        if reading is None:
            return
        encodings = reading.batch.encodings

        def cell(row: int, position: int) -> tuple[str, str, bool]:
            token = encodings[row].tokens[position]
            return face(token), tip(token), not token.mask

        self._grid.set_rows(tuple(len(encoding.tokens) for encoding in encodings), cell)

    def _show_row(self, position: int | None = None) -> None:
        self._position = position
        self._first_chip = -1
        self._show_chips()
        self._text.clear_mark()
        if self._reading is not None and not self._reading.final:
            return
        encoding = self.encoding
        all_tokens = encoding.tokens if encoding is not None else ()
        mask = encoding.attention_mask if encoding is not None else ()
        self._table.set_muted(lambda number: not mask[number])
        # A table asks for each cell of a row several times.
        rows = functools.lru_cache(maxsize=512)(lambda number: row(all_tokens[number]))
        self._table.set_rows(COLUMNS, len(all_tokens), rows)
        self._table.select_row(position)
        self._show_back()
        self._stages.set_text(
            self._tokenizer if encoding else None, encoding.text if encoding else "", self.options.add_special_tokens
        )

    def _show_back(self) -> None:
        decoded, verdict = "", ""
        if self._reading is not None and self._row < len(self._reading.verdicts):
            decoded, verdict = self._reading.batch.decoded[self._row], self._reading.verdicts[self._row]
        if len(decoded) > DECODED:
            verdict += f"; the first {DECODED:,} of {len(decoded):,} characters are shown"
        self._decoded.setPlainText(decoded[:DECODED])
        _say(self._verdict, verdict)

    def _show_chips(self) -> None:
        first = (self._position or 0) // CHIPS * CHIPS
        if first != self._first_chip:
            self._first_chip = first
            encoding, reading = self.encoding, self._reading
            ready = reading is not None and self._row == 0 and reading.first == first and reading.chips
            self._chips.set_tokens(ready or (chips(encoding, first) if encoding is not None else ()))
        self._chips.set_selected(None if self._position is None else self._position - first)

    def _show_mark(self) -> None:
        encoding, reading = self.encoding, self._reading
        if encoding is None or reading is None or self._position is None or reading.text != self._text.text():
            self._text.clear_mark()
            return
        start, end = encoding.tokens[self._position].offsets or (0, 0)
        if start == end:
            self._text.clear_mark()
            return
        place = reading.places[self._row]
        self._text.mark(place + start, place + end)

    def _show_link(self) -> None:
        shown = None if self._by_line.isChecked() else self.encoding
        self._in_step = shown is not None and shown == self._session.encoding
        self._show_selection()

    def _show_selection(self) -> None:
        selection = self._session.selection
        if self._in_step and selection != self._position:
            self.select(selection)

    def _show_script(self) -> None:
        checkpoint = self._session.checkpoint
        if not self.code_is_shown or checkpoint is None:
            return
        section = self._sections.currentWidget()
        if section in (self._batch, self._chat, self._others):
            self.set_code(section.script(checkpoint))
        elif self._tabs.currentWidget() is self._vocabulary:
            self.set_code(self._vocabulary.script(checkpoint))
        elif self._reading is not None:
            staged = self.encoding if self._tabs.currentWidget() is self._stages else None
            self.set_code(script(checkpoint, self._reading, self.options, staged))

    def _fit_sections(self) -> None:
        # A section that is not on show asks for no room.
        kinds = QSizePolicy.Policy
        for number in range(self._sections.count()):
            kind = kinds.Preferred if number == self._sections.currentIndex() else kinds.Ignored
            self._sections.widget(number).setSizePolicy(kind, kind)

    def _show_measures(self) -> None:
        self._decoded.setMinimumHeight(theme.px(self, 56))
        self._chips.setMinimumHeight(theme.px(self, 64))
        self._grid.setMinimumHeight(theme.px(self, 148))

    def _show_error(self, error: WorkbenchError) -> None:
        details = self._job.details if self._job is not None else ""
        self.show_notice(error.what, error.why, error.remedy, details)

    def _clear(self) -> None:
        self._reading = self._base = None
        self._later.stop()
        self._undecoded.stop()
        self._in_step = False
        self._row = 0
        self._grid.hide()
        self._show_row()
        _say(self._summary, "")
        _say(self._shape, "")

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what changed while nobody looked."""
        super().showEvent(event)
        if self._stale:
            # The pane is painted first, then the parser takes the GIL.
            QTimer.singleShot(60, self, self._on_seen)
        if self._behind:
            self._behind = False
            self._show_prompt()

    def hideEvent(self, event: QHideEvent) -> None:
        """Hand the text over before another pane is looked at."""
        super().hideEvent(event)
        if self._unshared.isActive() or self._later.isActive():
            self.encode()
            self._unshared.stop()
            self._share()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom and the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_decoded"):
            self._show_measures()
            self._show_mark()


def _say(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setAccessibleName(text or label.objectName().rpartition(".")[2].capitalize())


def _buddy(text: str, control: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(control)
    return label

"""One text: its chips, the table of positions, how they came to be, and the switches of the tokenizer call."""

from __future__ import annotations

from bisect import bisect_right

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.values import Checkpoint, Encoding, TokenizerOptions
from workbench.panes.tokenizer.decoded_view import DecodedView
from workbench.panes.tokenizer.positions_table import PositionsTable
from workbench.panes.tokenizer.reading import (
    CHIPS,
    LONG,
    Reading,
    back,
    change,
    chips,
    face,
    let_go,
    read,
    script,
    tip,
)
from workbench.panes.tokenizer.size_lines import SizeLines
from workbench.panes.tokenizer.stages_view import StagesView
from workbench.panes.tokenizer.switches import Switches
from workbench.panes.tokenizer.vocabulary_view import VocabularyView
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.naming import named
from workbench.widgets.token_grid import TokenGrid
from workbench.widgets.token_strip import TokenStrip
from workbench.widgets.turning_splitter import TurningSplitter

#: Characters from which a reading is freed on the text lane.
LARGE = 50_000
#: Milliseconds without a key after which a long text is shared, and encoded whole.
PAUSE = 200


class TextView(QWidget):
    """The text shared with Playground, cut into tokens on the text lane.

    Args:
        session: Holds the text, and the encoding whose selected position is shared.
        runner: Encodes on the text lane.

    Signals:
        read_whole(Reading): The whole text was encoded, not only what of it is in sight.
        changed(): `script` gives other code.
        begun(): An encoding arrived; what was said of the last one no longer holds.
        failed(WorkbenchError, str): An encoding failed; the error and its details.
    """

    read_whole = Signal(object)
    changed = Signal()
    begun = Signal()
    failed = Signal(object, str)

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._tokenizer: tokens.Tokenizer | None = None
        self._job: Job | None = None
        self._reading: Reading | None = None
        self._tabled: Encoding | None = None
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
        self._decoded = DecodedView()
        self._size = SizeLines()
        self._chips = named(
            TokenStrip(),
            "tokenizer.chips",
            "Tokens",
            "The tokens as the model sees them; click one, or use the arrow keys",
        )
        self._grid = named(
            TokenGrid(), "tokenizer.grid", "Batch", "One row a text, one column a position; padding is greyed"
        )
        self._table = PositionsTable(runner)
        self._stages = StagesView(runner)
        self._vocabulary = VocabularyView(runner)
        self._tabs = named(
            QTabWidget(), "tokenizer.tabs", "Inspect", "The positions, how they came to be, and the whole vocabulary"
        )
        self._tabs.setDocumentMode(True)
        self._tabs.addTab(self._table, "Positions")
        self._tabs.addTab(self._stages, "How it came to be")
        self._tabs.addTab(self._vocabulary, "Vocabulary")

        self._lay_out()

        self._text.textChanged.connect(self._on_text_changed)
        self._text.cursorPositionChanged.connect(self._on_cursor_moved)
        self._by_line.toggled.connect(self.encode)
        self._switches.changed.connect(self.encode)
        self._chips.token_clicked.connect(self._on_chip_clicked)
        self._table.row_selected.connect(self.select)
        self._table.ranked.connect(self._show_table)
        self._grid.token_selected.connect(self._on_cell_selected)
        self._tabs.currentChanged.connect(self.changed)
        self._vocabulary.changed.connect(self.changed)
        session.encoding_changed.connect(self._show_link)
        session.selection_changed.connect(self._show_selection)

        self._show_measures()

    def _lay_out(self) -> None:
        heading = theme.set_role(QLabel("Text"), "heading")
        top = QHBoxLayout()
        top.addWidget(heading)
        top.addStretch(1)
        top.addWidget(self._by_line)
        left = LeastHeight()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self._text, 3)
        column.addWidget(self._switches)
        column.addWidget(self._decoded, 1)

        self._views = QSplitter(Qt.Orientation.Vertical)
        for number, view in enumerate((self._grid, self._chips, self._tabs)):
            self._views.addWidget(view)
            self._views.setStretchFactor(number, (0, 1, 2)[number])
        self._views.setChildrenCollapsible(False)
        self._grid.hide()
        # Three lines of chips.
        self._views.setSizes([0, 120, 520])
        right = LeastHeight()
        seen = QVBoxLayout(right)
        seen.setContentsMargins(0, 0, 0, 0)
        seen.addWidget(self._size)
        seen.addWidget(self._views, 1)

        halves = TurningSplitter()
        halves.addWidget(left)
        halves.addWidget(right)
        halves.setStretchFactor(0, 1)
        halves.setStretchFactor(1, 2)
        halves.setSizes([360, 800])
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(halves)

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
        return waits or not self._text.settled or self._table.busy or (self._job is not None and self._job.active)

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
        self._start(Job("Tokenize the text", read, *arguments, known=self._known, pane="tokenizer", quiet=True))

    def set_tokenizer(self, tokenizer: tokens.Tokenizer | None) -> None:
        """Take the tokenizer that cuts the text from now on; without one nothing is shown."""
        self._tokenizer = tokenizer
        self._table.set_tokenizer(tokenizer)
        self._vocabulary.set_tokenizer(tokenizer)
        if tokenizer is None:
            self.clear()
        else:
            self._switches.show_tokenizer(tokenizer)
            self.encode()

    def say(self, text: str) -> None:
        """Say something where the size of the text stands."""
        self._size.say(text)

    def show_prompt(self, *, now: bool) -> None:
        """Take the session's text.

        Args:
            now: Otherwise later, with `catch_up`: a text nobody sees keeps its hands off the cores that generate.
        """
        if self._text.text() == self._session.prompt:
            return
        if not now:
            self._behind = True
            return
        blocker = QSignalBlocker(self._text)
        self._text.set_text(self._session.prompt)
        blocker.unblock()
        self.encode()

    def catch_up(self) -> None:
        """Take what the session's text has become meanwhile."""
        if self._behind:
            self._behind = False
            self.show_prompt(now=True)

    def hand_over(self) -> None:
        """Share the text at once, before something else is looked at."""
        if self._unshared.isActive() or self._later.isActive():
            self.encode()
            self._unshared.stop()
            self._share()

    def script(self, checkpoint: Checkpoint) -> str:
        """Python that gives what is shown; empty where nothing is."""
        if self._tabs.currentWidget() is self._vocabulary:
            return self._vocabulary.script(checkpoint)
        if self._reading is None:
            return ""
        staged = self.encoding if self._tabs.currentWidget() is self._stages else None
        return script(checkpoint, self._reading, self.options, staged)

    # What the person did, and what came of it.

    def _on_text_changed(self) -> None:
        base, text = self._base, self._text.text()
        if base is None or self._tokenizer is None or len(text) < LONG or self._by_line.isChecked():
            self.encode()
            return
        arguments = (self._tokenizer, base, text, self.options, self._place)
        job = Job("Tokenize the change", change, *arguments, known=self._known, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_changed)
        self._later.stop()
        self._unshared.start()
        self._start(job)

    def _on_changed(self, reading: Reading) -> None:
        if not reading.final:
            self._later.start()

    @property
    def _known(self) -> int | None:
        model = self._session.model
        return model.facts.vocab_size if model is not None else None

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

    def _on_chip_clicked(self, number: int) -> None:
        self.select(self._first_chip + number)

    def _on_cell_selected(self, row: int, position: int) -> None:
        if row != self._row:
            self._row = row
            self._show_row()
        self.select(position)

    def _on_read(self, reading: Reading) -> None:
        before, self._reading, tabled = self._reading, reading, self._tabled
        if reading.final:
            self._later.stop()
            self._base = reading if self.options == TokenizerOptions(self.options.add_special_tokens) else None
        if before is not None and before.batch.encodings is reading.batch.encodings:
            self._show_back()
            return
        self.begun.emit()
        by_line = self._by_line.isChecked()
        self._row = min(self._row, max(0, len(reading.batch.encodings) - 1)) if by_line else 0
        self._size.say(reading.summary, reading.shape)
        self._show_grid(reading if by_line else None)
        place = None if by_line else self._place
        seen = place is not None and bool(reading.text) and place <= len(reading.batch.encodings[0].text)
        self._show_row(reading.at(0, place or 0) if seen else None)
        if reading.final:
            self._vocabulary.set_text(reading.text)
            self.read_whole.emit(reading)
            self.changed.emit()
            if reading.text and not reading.verdicts:
                self._undecoded.start()
            self._table.rank()
        self._show_link()
        if self._text.hasFocus() and reading.text:
            self._select_at_cursor()
        held = self._gone(before, tabled)
        del before, tabled
        self._free(held)

    def _on_failed(self, error: WorkbenchError) -> None:
        self.clear()
        self.failed.emit(error, self._job.details if self._job is not None else "")

    def _gone(self, before: Reading | None, tabled: Encoding | None) -> list[Encoding]:
        """The encodings of a long text that are shown no more: of the reading before, and what the table showed."""
        gone = list(before.batch.encodings) if before is not None and len(before.text) > LARGE else []
        if tabled is not None and tabled is not self._tabled and len(tabled.text) > LARGE:
            gone.append(tabled)
        return gone

    def _free(self, held: list[Encoding]) -> None:
        if held:
            self._runner.start(Job("Free the text before", let_go, held, pane="tokenizer", quiet=True), Lane.TEXT)

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

    # What is shown.

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
        self._show_table()
        self._show_back()
        encoding = self.encoding
        self._stages.set_text(
            self._tokenizer if encoding else None, encoding.text if encoding else "", self.options.add_special_tokens
        )

    def _show_table(self) -> None:
        self._tabled = self.encoding
        self._table.set_encoding(self._tabled, self._position)

    def _show_back(self) -> None:
        decoded, verdict = "", ""
        if self._reading is not None and self._row < len(self._reading.verdicts):
            decoded, verdict = self._reading.batch.decoded[self._row], self._reading.verdicts[self._row]
        self._decoded.show_text(decoded, verdict)

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

    def _show_measures(self) -> None:
        self._chips.setMinimumHeight(theme.px(self, 64))
        self._grid.setMinimumHeight(theme.px(self, 148))

    def clear(self) -> None:
        """Show no encoding."""
        before, tabled = self._reading, self._tabled
        self._reading = self._base = None
        self._later.stop()
        self._undecoded.stop()
        self._in_step = False
        self._row = 0
        self._grid.hide()
        self._show_row()
        self._size.say("", "")
        held = self._gone(before, tabled)
        del before, tabled
        self._free(held)

    # Qt.

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom and the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_decoded"):
            self._show_measures()
            self._show_mark()

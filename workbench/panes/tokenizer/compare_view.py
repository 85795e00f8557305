"""Tokenizers side by side on one text, a file, or the same sentences in many languages."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import codegen, hub, tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Task
from workbench.engine.tokens import versus
from workbench.engine.tokens.versus import Comparison, Measure, Price
from workbench.engine.values import Checkpoint
from workbench.panes.tokenizer.reading import many
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.naming import named
from workbench.widgets.turning_splitter import TurningSplitter
from workbench.widgets.visible_text import visible

_MEASURES = (
    "vocabulary", "tokens", "characters per token", "bytes per token", "tokens per word", "words in one token, %",
    "unknown tokens", "characters lost on the round trip", "places changed on the round trip",
)  # fmt: skip
_TRIPS = ("tokenizer", "characters", "was", "became", "why")
_CODED = 20_000
_LANGUAGES = 4
#: Characters from which a comparison is a job that people see, and can cancel.
_LARGE = 50_000


class TokenizersView(QWidget):
    """Tokenizers compared on the text lane, those of other checkpoints loaded on the IO lane, and only while seen.

    Args:
        runner: Has both lanes.

    Signals:
        changed(): What the script says changed.
    """

    changed = Signal()

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._own: tuple[Checkpoint, tokens.Tokenizer] | None = None
        self._loaded: dict[Path, tokens.Tokenizer] = {}
        self._found: tuple[Checkpoint, ...] = ()
        self._text = ""
        self._file: tuple[Path, str] | None = None
        self._jobs: dict[str, Job] = {}
        self._listed = False
        self._behind = False
        self._priced: tuple[Path, ...] = ()
        self._seen: Comparison | None = None

        self._list = named(
            QListWidget(),
            "tokenizer.compare_list",
            "Tokenizers on this machine",
            "Tick those to compare; the loaded checkpoint's own stands first",
        )
        # Long names are broken, and never scrolled for sideways.
        self._list.setWordWrap(True)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._file_button = named(
            QPushButton("Choose a file…"),
            "tokenizer.compare_file",
            "Choose a file",
            "Compare on a UTF-8 text file of up to a million characters",
        )
        self._back = named(
            QPushButton("Use the text"),
            "tokenizer.compare_text",
            "Use the text",
            "Compare on what Text holds",
        )
        self._on = named(QLabel(), "tokenizer.compare_on", "Compared on", "What the tokenizers are compared on")
        self._summary = named(QLabel(), "tokenizer.compare_summary", "Summary", "Which takes the fewest tokens")
        self._note = named(QLabel(), "tokenizer.compare_note", "Note", "What can't be shown, and why")
        for label in (self._on, self._summary, self._note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._on, "muted")
        self._measures = _table("measures", "Measures", "What each tokenizer makes of the text")
        self._differences = _table(
            "differences", "Differences", "Where they cut differently, lined up by the characters of the text"
        )
        self._words = _table("words", "Words split most", "Words by the most pieces that a tokenizer makes of them")
        self._trips = _table("trips", "Round trip", "decode(encode(text)) against the text, each difference explained")
        self._prices = _table(
            "languages", "Languages", "The same sentences in each language: tokens, and how many times those of English"
        )
        for table in (self._measures, self._prices):
            # The last numbers stand beside the others, not at the far edge.
            table.horizontalHeader().setStretchLastSection(False)
        self._tabs = named(QTabWidget(), "tokenizer.compare_tabs", "Comparison", "Numbers, differences and languages")
        self._tabs.setDocumentMode(True)
        for table in (self._measures, self._differences, self._words, self._trips, self._prices):
            self._tabs.addTab(table, table.accessibleName())
        self._lay_out()

        self._list.itemChanged.connect(self._on_ticked)
        self._file_button.clicked.connect(self._on_choose_file)
        self._back.clicked.connect(self._on_back)
        self._tabs.currentChanged.connect(self._on_tab_changed)
        self._show_source()
        self._show_measures()

    def _lay_out(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(theme.set_role(QLabel("Tokenizers on this machine"), "heading"))
        column.addWidget(self._list, 1)
        column.addWidget(self._on)
        buttons = QHBoxLayout()
        buttons.addWidget(self._file_button)
        buttons.addWidget(self._back)
        buttons.addStretch(1)
        column.addLayout(buttons)
        right = LeastHeight()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._summary)
        column.addWidget(self._note)
        column.addWidget(self._tabs, 1)
        halves = TurningSplitter()
        halves.addWidget(left)
        halves.addWidget(right)
        halves.setStretchFactor(0, 1)
        halves.setStretchFactor(1, 3)
        halves.setSizes([280, 880])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, theme.px(self, 4), 0, 0)
        outer.addWidget(halves)

    # Verbs.

    @property
    def busy(self) -> bool:
        """Whether what is shown will be replaced shortly."""
        return any(job.active for job in self._jobs.values())

    def set_tokenizer(self, checkpoint: Checkpoint | None, tokenizer: tokens.Tokenizer | None) -> None:
        """Compare with the tokenizer of the loaded checkpoint; none shows nothing."""
        self._own = (checkpoint, tokenizer) if checkpoint is not None and tokenizer is not None else None
        self._show_list()
        self._compare()

    def set_text(self, text: str) -> None:
        """Compare on another text, unless a file was chosen."""
        if text != self._text:
            self._text = text
            if self._file is None:
                self._compare()

    def list_anew(self) -> None:
        """Look again at what is on this machine, when somebody looks."""
        self._listed = False
        if self.isVisible():
            self._look()

    def open_file(self, path: Path) -> None:
        """Compare on a file."""
        job = Job("Read the file", _read, path, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_file_read)
        self._start("file", job, Lane.IO)

    def script(self, checkpoint: Checkpoint) -> str:
        """The code that compares the same tokenizers."""
        chosen = [each for each, _ in self._chosen()] or [checkpoint]
        if self._tabs.currentIndex() == _LANGUAGES:
            return codegen.tokenizers(chosen, None)
        if self._file is not None:
            return codegen.tokenizers(chosen, self._file[0])
        if len(self._text) > _CODED:
            return f"# A text of {len(self._text):,} characters is too long to be written into a script.\n"
        return codegen.tokenizers(chosen, self._text)

    def _chosen(self) -> list[tuple[Checkpoint, tokens.Tokenizer]]:
        chosen = [] if self._own is None else [self._own]
        for each in self._ticked():
            if each.path in self._loaded and all(each.path != other.path for other, _ in chosen):
                chosen.append((each, self._loaded[each.path]))
        return chosen

    def _ticked(self) -> list[Checkpoint]:
        items = [self._list.item(number) for number in range(self._list.count())]
        return [
            item.data(Qt.ItemDataRole.UserRole)
            for item in items
            if item.checkState() == Qt.CheckState.Checked and item.data(Qt.ItemDataRole.UserRole) is not None
        ]

    # Work.

    def _start(self, key: str, job: Job, lane: Lane) -> None:
        job.failed.connect(self._on_failed)
        self._jobs[key] = self._runner.start(job, lane, slot=f"tokenizer.compare.{key}")

    def _look(self) -> None:
        self._listed = True
        job = Job("List the tokenizers on this machine", _tokenizers_here, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_listed)
        self._start("list", job, Lane.IO)

    def _compare(self) -> None:
        self.changed.emit()
        if not self.isVisible():
            self._behind = True
            return
        self._behind = False
        chosen = self._chosen()
        if not chosen:
            for key in ("compare", "prices"):
                if key in self._jobs:
                    self._jobs[key].abandon()
            self._show(None)
            self._show_prices(())
            return
        text = self._file[1] if self._file is not None else self._text
        names, tokenizers = versus.distinct([each.name for each, _ in chosen]), [each for _, each in chosen]
        long = len(text) > _LARGE
        if long:
            theme.set_role(self._summary, "heading")
            self._summary.setText(f"Comparing on {len(text):,} characters …")
        job = Job("Compare tokenizers", versus.compare, tokenizers, names, text, pane="tokenizer", quiet=not long)
        job.succeeded.connect(self._show)
        job.cancelled_.connect(self._on_cancelled)
        self._start("compare", job, Lane.TEXT)
        if self._tabs.currentIndex() == _LANGUAGES:
            self._price()

    def _price(self) -> None:
        chosen = self._chosen()
        paths = tuple(each.path for each, _ in chosen)
        if not chosen or paths == self._priced:
            return
        self._priced = paths
        job = Job("Compare languages", versus.prices, [each for _, each in chosen], pane="tokenizer", quiet=True)
        job.succeeded.connect(self._show_prices)
        self._start("prices", job, Lane.TEXT)

    # What the person did, and what came of it.

    def _on_ticked(self, item: QListWidgetItem) -> None:
        checkpoint: Checkpoint | None = item.data(Qt.ItemDataRole.UserRole)
        if checkpoint is None:
            return
        if item.checkState() == Qt.CheckState.Checked and checkpoint.path not in self._loaded:
            title = f"Load the tokenizer of {checkpoint.name}"
            job = Job(title, _load, checkpoint, pane="tokenizer", quiet=True)
            job.succeeded.connect(self._on_loaded)
            self._start(f"load {checkpoint.path}", job, Lane.IO)
        else:
            self._compare()

    def _on_loaded(self, loaded: tuple[Checkpoint, tokens.Tokenizer | WorkbenchError]) -> None:
        checkpoint, tokenizer = loaded
        if isinstance(tokenizer, WorkbenchError):
            self._untick(checkpoint)
            self._on_failed(tokenizer)
            return
        self._loaded[checkpoint.path] = tokenizer
        self._compare()

    def _untick(self, checkpoint: Checkpoint) -> None:
        blocker = QSignalBlocker(self._list)
        for number in range(self._list.count()):
            item = self._list.item(number)
            if item.data(Qt.ItemDataRole.UserRole) == checkpoint:
                item.setCheckState(Qt.CheckState.Unchecked)
        blocker.unblock()

    def _on_choose_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a text file", "", "Text (*.txt *.md *.py);;All files (*)")
        if chosen:
            self.open_file(Path(chosen))

    def _on_file_read(self, read: tuple[Path, str]) -> None:
        self._file = read
        self._show_source()
        self._compare()

    def _on_back(self) -> None:
        self._file = None
        self._show_source()
        self._compare()

    def _on_tab_changed(self) -> None:
        self.changed.emit()
        if self._tabs.currentIndex() == _LANGUAGES and self.isVisible():
            self._price()

    def _on_listed(self, found: tuple[Checkpoint, ...]) -> None:
        self._found = found
        self._show_list()

    def _on_failed(self, error: WorkbenchError) -> None:
        theme.set_role(self._summary, "error")
        self._summary.setText(error.what)
        self._note.setText(" ".join(part for part in (error.why, error.remedy) if part))
        self._note.show()

    def _on_cancelled(self) -> None:
        self._show(None)
        self._summary.setText("The comparison was cancelled. Tick a tokenizer or choose a text to compare again.")

    # What is shown.

    def _show_list(self) -> None:
        ticked = {each.path for each in self._ticked()}
        blocker = QSignalBlocker(self._list)
        self._list.clear()
        if self._own is not None:
            first = QListWidgetItem(f"{self._own[0].name} (loaded)")
            first.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            first.setCheckState(Qt.CheckState.Checked)
            self._list.addItem(first)
        for each in self._found:
            if self._own is not None and each.path == self._own[0].path:
                continue
            item = QListWidgetItem(each.name)
            item.setData(Qt.ItemDataRole.UserRole, each)
            item.setToolTip(str(each.path))
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if each.path in ticked else Qt.CheckState.Unchecked)
            self._list.addItem(item)
        blocker.unblock()

    def _show_source(self) -> None:
        self._on.setText("Compared on the text" if self._file is None else f"Compared on {self._file[0].name}")
        self._back.setEnabled(self._file is not None)

    def _show(self, seen: Comparison | None) -> None:
        self._seen = seen
        measures = seen.measures if seen is not None else ()
        names = tuple(each.name for each in measures)
        theme.set_role(self._summary, "heading")
        theme.set_role(self._note, "muted")
        self._summary.setText(_summary(measures))
        blind = [each.name for each in measures if not each.lined]
        note = f"Not lined up: {', '.join(blind)} does not say where its tokens stand." if blind else ""
        self._note.setText(note)
        self._note.setVisible(bool(note))
        values = zip(*map(_measured, measures), strict=True)
        rows = [(words, *row) for words, row in zip(_MEASURES, values, strict=bool(measures))]
        self._measures.set_rows(("measure", *names), rows)
        for column in range(1, len(names) + 1):
            self._measures.set_format(column, _number)
        lined = tuple(each.name for each in measures if each.lined)
        apart = seen.differences if seen is not None else ()
        text = seen.text if seen is not None else ""

        def difference(number: int) -> tuple[object, ...]:
            each = apart[number]
            return (
                f"{each.start}:{each.end}",
                visible(text[each.start : each.end]),
                *(_joined(pieces) for pieces in each.pieces),
            )

        self._differences.set_empty_text(
            "Tick a second tokenizer to see where they differ."
            if len(lined) < 2
            else "These tokenizers cut the text in the same places."
        )
        self._differences.set_rows(("characters", "text", *lined), len(apart), difference)
        words = seen.words if seen is not None else ()

        def word(number: int) -> tuple[object, ...]:
            spelled, count, pieces = words[number]
            return (visible(spelled), count, *(f"{len(each)}: {_joined(each)}" for each in pieces))

        self._words.set_rows(("word", "times", *names), len(words), word)
        self._trips.set_empty_text("The text comes back as it was." if measures else "")
        trips = [
            (each.name, f"{one.start}:{one.end}", visible(one.was), visible(one.became), one.why)
            for each in measures
            for one in each.back.differences
        ]
        self._trips.set_rows(_TRIPS, trips)

    def _show_prices(self, prices: tuple[Price, ...]) -> None:
        names = versus.distinct([each.name for each, _ in self._chosen()])
        columns = ("language", "characters", "bytes", *(part for name in names for part in (name, "× English")))
        if prices and len(prices[0].tokens) != len(names):
            return
        if not prices:
            self._priced = ()
        rows = [
            (
                each.language.name,
                sum(map(len, each.language.sentences)),
                sum(len(sentence.encode()) for sentence in each.language.sentences),
                *(part for pair in zip(each.tokens, each.premium, strict=True) for part in pair),
            )
            for each in prices
        ]
        self._prices.set_rows(columns, rows)
        for number in range(len(names)):
            self._prices.set_format(4 + 2 * number, _two)

    def _show_measures(self) -> None:
        self._list.setMinimumHeight(theme.px(self, 80))
        # Wide enough for a measure and its numbers.
        self._tabs.setMinimumSize(theme.px(self, 240), theme.px(self, 120))

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with text, tokenizer and what is on this machine."""
        super().showEvent(event)
        if not self._listed:
            self._look()
        if self._behind:
            self._compare()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_tabs"):
            self._show_measures()


def _tokenizers_here(*, task: Task) -> tuple[Checkpoint, ...]:
    """The checkpoints of this machine that are whole; for the IO lane."""
    task.check()
    return tuple(each for each in hub.local_checkpoints() if each.complete)


def _load(checkpoint: Checkpoint, *, task: Task) -> tuple[Checkpoint, tokens.Tokenizer | WorkbenchError]:
    """The tokenizer of a checkpoint, or why there is none; for the IO lane."""
    try:
        return checkpoint, tokens.load_tokenizer(checkpoint, task=task)
    except WorkbenchError as error:
        return checkpoint, error


def _read(path: Path, *, task: Task) -> tuple[Path, str]:
    """A file with its text; for the IO lane."""
    return path, versus.read_text(path, task=task)


def _measured(each: Measure) -> tuple[object, ...]:
    """The values of a tokenizer, in the order of `_MEASURES`."""
    return (
        each.vocabulary,
        each.tokens,
        each.characters_per_token,
        each.bytes_per_token,
        each.tokens_per_word,
        100 * each.whole / each.words if each.words else None,
        each.unknown,
        each.back.lost,
        len(each.back.differences),
    )


def _summary(measures: tuple[Measure, ...]) -> str:
    if not measures or not measures[0].characters:
        return "There is no text to compare on." if measures else ""
    size = f"{many(measures[0].characters, 'character')} · {many(measures[0].bytes, 'byte')}"
    if len(measures) == 1:
        return f"{size} · {many(measures[0].tokens, 'token')}"
    least, most = min(measures, key=_tokens), max(measures, key=_tokens)
    if least.tokens == most.tokens:
        return f"{size} · {many(least.tokens, 'token')} with each tokenizer"
    return f"{size} · fewest tokens: {least.name} with {least.tokens:,}; most: {most.name} with {most.tokens:,}"


def _tokens(each: Measure) -> int:
    return each.tokens


def _joined(pieces: tuple[str, ...]) -> str:
    return " | ".join(map(visible, pieces)) or "–"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _number(value: float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}"


def _table(name: str, label: str, words: str) -> DataTable:
    return named(DataTable(monospace=True), f"tokenizer.compare_{name}", label, words)

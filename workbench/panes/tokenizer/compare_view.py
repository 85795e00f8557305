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
    QVBoxLayout,
    QWidget,
)

from workbench.engine import codegen, hub, tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Task
from workbench.engine.tokens import versus
from workbench.engine.tokens.versus import Comparison, Measure, Price
from workbench.engine.values import Checkpoint
from workbench.panes.tokenizer.comparison_tables import ComparisonTables
from workbench.panes.tokenizer.reading import many
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import theme
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.naming import named
from workbench.widgets.turning_splitter import TurningSplitter

_CODED = 20_000
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
        self._tabs = ComparisonTables()
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
        if self._tabs.on_languages:
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
        if self._tabs.on_languages:
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
        if self._tabs.on_languages and self.isVisible():
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
        theme.set_role(self._summary, "heading")
        theme.set_role(self._note, "muted")
        self._summary.setText(_summary(measures))
        blind = [each.name for each in measures if not each.lined]
        note = f"Not lined up: {', '.join(blind)} does not say where its tokens stand." if blind else ""
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self._tabs.show_comparison(seen)

    def _show_prices(self, prices: tuple[Price, ...]) -> None:
        names = versus.distinct([each.name for each, _ in self._chosen()])
        if prices and len(prices[0].tokens) != len(names):
            return
        if not prices:
            self._priced = ()
        self._tabs.show_prices(names, prices)

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

"""The whole vocabulary as a table, and a line to search it with."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent
from PySide6.QtGui import QFontMetrics, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from workbench.engine import tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.tokens.browse import Entries, entries, find
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.visible_text import visible

_COLUMNS = ("id", "token", "piece", "marked")
_KINDS = (("Text", "text"), ("Id", "id"), ("Regex", "regex"), ("Special and added", "special"))


class VocabularyView(QWidget):
    """Every id of a vocabulary, read and searched on the text lane, and only while it can be seen.

    Args:
        runner: Has the text lane.
    """

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._job: Job | None = None
        self._tokenizer: tokens.Tokenizer | None = None
        self._entries: Entries | None = None

        self._query = named(
            QLineEdit(),
            "tokenizer.find",
            "Find",
            "A part of a token, with its blanks and in its own case; an id; or a regular expression",
        )
        self._query.setPlaceholderText("Find in the vocabulary")
        self._query.setClearButtonEnabled(True)
        self._kind = named(QuietComboBox(), "tokenizer.find_kind", "Find by", "What the search goes by")
        for label, kind in _KINDS:
            self._kind.addItem(label, kind)
        self._count = named(QLabel(), "tokenizer.found", "Found", "How much of the vocabulary the search found")
        self._count.setWordWrap(True)
        self._table = named(
            DataTable(monospace=True),
            "tokenizer.vocabulary",
            "Vocabulary",
            "Every token of the vocabulary; special and added ones are marked",
        )
        top = QHBoxLayout()
        top.addWidget(self._query, 1)
        top.addWidget(self._kind)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, theme.px(self, 4), 0, 0)
        column.addLayout(top)
        column.addWidget(self._count)
        column.addWidget(self._table, 1)
        self._query.textChanged.connect(self.search)
        self._kind.currentIndexChanged.connect(self.search)
        self._say("")

    @property
    def busy(self) -> bool:
        """Whether what is shown will be replaced shortly."""
        return self._job is not None and self._job.active

    def set_tokenizer(self, tokenizer: tokens.Tokenizer | None) -> None:
        """Show another vocabulary, when it can be seen."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._tokenizer, self._entries = tokenizer, None
        self._show_rows(())
        self._say("")
        if self.isVisible():
            self._read()

    def search(self) -> None:
        """Search for what is typed; a search under way is abandoned."""
        if self._entries is None:
            return
        arguments = (self._entries, self._query.text(), self._kind.currentData())
        job = Job("Search the vocabulary", find, *arguments, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_found)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.vocabulary")

    def _read(self) -> None:
        if self._tokenizer is None or self._entries is not None or self.busy:
            return
        self._table.set_empty_text("Reading the vocabulary …")
        job = Job("Read the vocabulary", entries, self._tokenizer, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_read)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.vocabulary")

    def _on_read(self, read: Entries) -> None:
        self._entries = read
        self.search()

    def _on_found(self, found: Sequence[int]) -> None:
        known = self._entries
        if known is None:
            return
        self._table.set_empty_text("Nothing in the vocabulary is like that.")
        self._show_rows(found)
        added = len(known.added | known.special)
        said = f"{len(found):,} of {len(known):,} tokens"
        self._say(f"{said}; {added:,} special or added" if len(found) == len(known) else said)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._table.set_empty_text("")
        self._show_rows(())
        self._say(str(error), wrong=True)

    def _show_rows(self, found: Sequence[int]) -> None:
        known = self._entries

        def row(number: int) -> tuple[object, ...]:
            if known is None:
                return ()
            id_ = found[number]
            return id_, visible(known.face(id_)), known.pieces[id_], known.kind(id_)

        self._table.set_rows(_COLUMNS, len(found), row)
        self._table.select_row(None)
        self._show_measures()

    def _show_measures(self) -> None:
        # The rows in view, which the columns are fitted to, have short ids; those further down do not.
        widest = f"{len(self._entries) if self._entries is not None else 0}00"
        header = self._table.horizontalHeader()
        header.setMinimumSectionSize(QFontMetrics(theme.mono_font(self._table)).horizontalAdvance(widest))
        if header.count():
            header.resizeSection(0, header.minimumSectionSize())
            excess = header.length() - self._table.viewport().width()
            for section in (1, 2) if excess > 0 else ():
                header.resizeSection(section, header.sectionSize(section) - (excess + 1) // 2)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        theme.set_role(self._count, "error" if wrong else "muted")
        self._count.setText(text)

    def showEvent(self, event: QShowEvent) -> None:
        """Read the vocabulary the first time somebody looks."""
        super().showEvent(event)
        self._read()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_table"):
            self._show_measures()

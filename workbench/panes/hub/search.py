"""The search line, its filters and the results, which page in as they are scrolled."""

from __future__ import annotations

import time

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import machine
from workbench.engine.fits import estimate
from workbench.engine.hub import Search
from workbench.engine.values import Listing
from workbench.panes.hub.filters import FilterRow
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Count, Size
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable

#: Tasks that can be searched for, as the Hub spells them; the ones the workbench runs come first.
TASKS = (
    "text-generation",
    "text-classification",
    "token-classification",
    "fill-mask",
    "feature-extraction",
    "sentence-similarity",
    "question-answering",
    "zero-shot-classification",
    "summarization",
    "translation",
    "image-text-to-text",
    "image-classification",
    "object-detection",
    "automatic-speech-recognition",
    "audio-classification",
)

#: Tasks that data sets are made for.
DATA_TASKS = (
    "text-classification",
    "text-generation",
    "token-classification",
    "question-answering",
    "summarization",
    "translation",
    "fill-mask",
    "sentence-similarity",
    "feature-extraction",
    "multiple-choice",
    "image-classification",
    "automatic-speech-recognition",
    "audio-classification",
)

_SORTS = (
    ("Most fetched", "downloads"),
    ("Most liked", "likes"),
    ("Trending", "trending_score"),
    ("Newest", "last_modified"),
)
_COLUMNS = ("Name", "Task", "Parameters", "Size", "Fits?", "Downloads", "Likes", "Licence", "Updated")
_COLUMNS_OF_DATA = ("Name", "Task", "Downloads", "Likes", "Updated", "Licence")


class SearchPanel(QWidget):
    """Query, task, order and the rows found.

    Signals:
        search_requested(Search): A new search; its pages are handed to `add_page`.
        more_requested(Search): The end of the list came into sight.
        chosen(Listing): A row was selected.
    """

    search_requested = Signal(object)
    more_requested = Signal(object)
    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._search: Search | None = None
        self._rows: list[Listing] = []
        self._free: int | None = None
        self._fit: dict[int, str] = {}
        self._busy = False
        self._kind_shown = "model"
        self._query = named(QLineEdit(), "hub.search", "Search", "Words of a checkpoint's name; Enter searches the Hub")
        self._query.setPlaceholderText("Search the Hub, for example qwen or minilm")
        self._query.setClearButtonEnabled(True)
        self._task = named(QuietComboBox(), "hub.task", "Task", "Only checkpoints made for this task")
        self._task.addItem("Any task", "")
        for task in TASKS:
            self._task.addItem(task, task)
        self._kind = named(QuietComboBox(), "hub.kind", "What", "Look for models or for data sets")
        self._kind.addItem("Models", "model")
        self._kind.addItem("Data sets", "dataset")
        self._filters = FilterRow()
        self._filters.hide()
        self._more = named(QToolButton(), "hub.filters", "Filters", "Author, language, licence, library, size and more")
        self._more.setText("Filters")
        self._more.setCheckable(True)
        set_role(self._more, "quiet")
        self._sort = named(QuietComboBox(), "hub.sort", "Sort", "The order of the results")
        for words, key in _SORTS:
            self._sort.addItem(words, key)
        self._run = named(QPushButton("Search"), "hub.run_search", "Search", "Search the Hub (Ctrl+Enter)")
        icons.put(self._run, "search")
        self._results = named(
            DataTable(least=6), "hub.results", "Results", "Checkpoints on the Hub; select one to see its card and files"
        )
        self._status = named(QLabel(), "hub.search_status", "Search status", "What the search gave")
        set_role(self._status, "muted")

        for combo, letters in ((self._kind, 5), (self._task, 5), (self._sort, 7)):
            combo.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(letters)
        line, second = QHBoxLayout(), QHBoxLayout()
        line.addWidget(self._query, 1)
        line.addWidget(self._run)
        for combo, share in ((self._kind, 2), (self._task, 3), (self._sort, 5)):
            second.addWidget(combo, share)
        second.addWidget(self._more)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(line)
        column.addLayout(second)
        column.addWidget(self._filters)
        column.addWidget(self._results, 1)
        column.addWidget(self._status)
        # No taller than its line until there are results: the shelf is what one sees first.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._results.hide()
        self._status.hide()

        self._query.returnPressed.connect(self.run)
        self._run.clicked.connect(self.run)
        self._more.toggled.connect(self._on_more)
        self._filters.changed.connect(self._on_filter)
        self._kind.activated.connect(self._on_kind)
        self._task.activated.connect(self._on_filter)
        self._sort.activated.connect(self._on_filter)
        self._results.row_selected.connect(self._on_row)
        self._results.verticalScrollBar().valueChanged.connect(self._on_scrolled)

    def look_for(self, name: str) -> None:
        """Search all models for a name."""
        for combo in (self._kind, self._task):
            combo.setCurrentIndex(0)
        self._query.setText(name)
        self.run()

    def run(self) -> None:
        """Search anew."""
        filters = self._filters.filters(self._kind.currentData(), self._task.currentData() or "")
        self._search = Search(self._query.text(), sort=self._sort.currentData(), filters=filters)
        self._kind_shown = filters.kind
        self._rows = []
        self._busy = True
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._results.show()
        self._status.show()
        self._show("Searching…")
        self.search_requested.emit(self._search)

    def add_page(self, search: Search, page: tuple[Listing, ...]) -> None:
        """Show more rows of the search, unless another one has begun since."""
        if search is not self._search:
            return
        self._busy = False
        self._rows.extend(page)
        one = "checkpoint" if self._kind_shown == "model" else "data set"
        count = f"{len(self._rows)} {one}{'s' * (len(self._rows) != 1)}"
        if not self._rows and search.finished:
            self._show("Nothing was found. Try fewer or shorter words, any task, or fewer filters.")
        elif not self._rows:
            self._show("Nothing passes the filters so far; looking further…")
            self._busy = True
            self.more_requested.emit(search)
        else:
            self._show(count if search.finished else f"{count} so far; scroll for more")

    def show_last(self, rows: tuple[Listing, ...], when: float, why: str) -> None:
        """Show what the last search gave, because this one can't be asked.

        Args:
            rows: What was kept.
            when: In seconds since the epoch.
            why: Why the Hub was not asked.
        """
        self._search, self._busy = None, False
        words = self._query.text().strip().lower()
        kind = self._kind.currentData()
        self._rows = [row for row in rows if words in row.repo_id.lower() and row.kind == kind]
        self._kind_shown = kind
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
        self._show(f"{why} These {len(self._rows)} are from the last search, {day}." if self._rows else why)

    def stop(self, why: str) -> None:
        """Say that no more rows come, and why."""
        self._busy = False
        self._show(why)

    def clear_selection(self) -> None:
        """Select nothing, without announcing it."""
        self._results.select_row(None)

    def _show(self, status: str) -> None:
        self._status.setText(status)
        self._free = machine.free()
        before = self._results.model().rowCount()
        if 0 < before < len(self._rows):
            # A selected row stays selected, and those that stand are not asked for again.
            self._results.grow(len(self._rows))
            return
        self._fit = {}
        columns = _COLUMNS if self._kind_shown == "model" else _COLUMNS_OF_DATA
        self._results.set_rows(columns, len(self._rows), self._row)

    def _row(self, number: int) -> tuple[object, ...]:
        listing = self._rows[number]
        name = drawable(listing.repo_id) + (" (gated)" if listing.gated else "")
        sizes = (
            Count(listing.parameters) if listing.parameters else None,
            Size(listing.size) if listing.size else None,
        )
        counts, licence = (Count(listing.downloads), Count(listing.likes)), drawable(listing.licence)
        if self._kind_shown == "dataset":
            return (name, drawable(listing.task), *counts, listing.updated, licence)
        # Asked for every cell that comes into sight.
        if number not in self._fit:
            fits = estimate(listing.stored, None, free=self._free).fits if listing.stored else None
            self._fit[number] = "" if fits is None else "yes" if fits else "no"
        return (name, drawable(listing.task), *sizes, self._fit[number], *counts, licence, listing.updated)

    def _on_more(self, shown: bool) -> None:
        self._filters.setVisible(shown)

    def _on_kind(self) -> None:
        of_data = self._kind.currentData() == "dataset"
        self._filters.set_kind(self._kind.currentData())
        chosen = self._task.currentData()
        self._task.clear()
        self._task.addItem("Any task", "")
        for task in DATA_TASKS if of_data else TASKS:
            self._task.addItem(task, task)
        self._task.setCurrentIndex(max(0, self._task.findData(chosen)))
        self._on_filter()

    def _on_filter(self) -> None:
        if self._search is not None:
            self.run()

    def _on_row(self, number: int) -> None:
        if number < len(self._rows):
            self.chosen.emit(self._rows[number])

    def _on_scrolled(self, value: int) -> None:
        bar = self._results.verticalScrollBar()
        near = value >= bar.maximum() - 2 * bar.pageStep()
        if near and self._rows and not self._busy and self._search is not None and not self._search.finished:
            self._busy = True
            self.more_requested.emit(self._search)

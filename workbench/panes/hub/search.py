"""The search line and its results, which page in as they are scrolled."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from workbench.engine.hub import Search
from workbench.engine.values import Listing
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Count, Size
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role

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

_SORTS = (
    ("Downloads", "downloads"),
    ("Likes", "likes"),
    ("Trending", "trending_score"),
    ("Newest", "last_modified"),
)
_COLUMNS = ("Name", "Task", "Parameters", "Size", "Downloads")


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
        self._busy = False
        self._query = named(QLineEdit(), "hub.search", "Search", "Words of a checkpoint's name; Enter searches the Hub")
        self._query.setPlaceholderText("Search the Hub, for example qwen or minilm")
        self._query.setClearButtonEnabled(True)
        self._task = named(QuietComboBox(), "hub.task", "Task", "Only checkpoints made for this task")
        self._task.addItem("Any task", "")
        for task in TASKS:
            self._task.addItem(task, task)
        self._sort = named(QuietComboBox(), "hub.sort", "Sort", "The order of the results")
        for words, key in _SORTS:
            self._sort.addItem(words, key)
        self._run = named(QPushButton("Search"), "hub.run_search", "Search", "Search the Hub (Ctrl+Enter)")
        icons.put(self._run, "search")
        self._results = named(
            DataTable(), "hub.results", "Results", "Checkpoints on the Hub; select one to see its card and files"
        )
        self._status = named(QLabel(), "hub.search_status", "Search status", "What the search gave")
        set_role(self._status, "muted")

        for combo in (self._task, self._sort):
            combo.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(8)
        line = QHBoxLayout()
        line.addWidget(self._query, 5)
        line.addWidget(self._task, 2)
        line.addWidget(self._sort, 2)
        line.addWidget(self._run)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(line)
        column.addWidget(self._results, 1)
        column.addWidget(self._status)
        # No taller than its line until there are results: the shelf is what one sees first.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._results.hide()
        self._status.hide()

        self._query.returnPressed.connect(self.run)
        self._run.clicked.connect(self.run)
        self._task.activated.connect(self._on_filter)
        self._sort.activated.connect(self._on_filter)
        self._results.row_selected.connect(self._on_row)
        self._results.verticalScrollBar().valueChanged.connect(self._on_scrolled)

    def run(self) -> None:
        """Search anew."""
        self._search = Search(
            self._query.text(), task_filter=self._task.currentData() or "", sort=self._sort.currentData()
        )
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
        count = f"{len(self._rows)} checkpoints" if len(self._rows) != 1 else "1 checkpoint"
        if not self._rows:
            self._show("Nothing was found. Try fewer or shorter words, or any task.")
        else:
            self._show(count if search.finished else f"{count} so far; scroll for more")

    def stop(self, why: str) -> None:
        """Say that no more rows come, and why."""
        self._busy = False
        self._show(why)

    def clear_selection(self) -> None:
        """Select nothing, without announcing it."""
        self._results.select_row(None)

    def _show(self, status: str) -> None:
        self._status.setText(status)
        self._results.set_rows(_COLUMNS, len(self._rows), self._row)

    def _row(self, number: int) -> tuple[object, ...]:
        listing = self._rows[number]
        return (
            listing.repo_id + (" (gated)" if listing.gated else ""),
            listing.task,
            Count(listing.parameters) if listing.parameters else None,
            Size(listing.size) if listing.size else None,
            Count(listing.downloads),
        )

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

"""The tab "Choose files": what a repository holds, with what transformers needs ticked."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from workbench.engine.hub import Offered
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import one_line

_NAME, _KIND, _SIZE = range(3)


class FileChooser(QWidget):
    """Files with ticks.

    Signals:
        download_requested(str, tuple): Fetch these files of a repository.
        closed(): Nothing is to be chosen any more.
    """

    download_requested = Signal(str, tuple)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._repo_id = ""
        self._files: tuple[Offered, ...] = ()
        self._title = QLabel()
        self._title.setWordWrap(True)
        set_role(self._title, "heading")
        self._list = named(
            QTreeWidget(),
            "hub.choice",
            "Files to fetch",
            "Space ticks a file; pickles and code never run",
        )
        self._list.setHeaderLabels(["File", "Kind", "Size"])
        self._list.setRootIsDecorated(False)
        self._list.setUniformRowHeights(True)
        self._sum = named(QLabel(), "hub.choice_sum", "Chosen", "How many files are ticked, and their bytes")
        self._needed = named(
            QPushButton("What transformers needs"), "hub.choice_needed", "What transformers needs", "Tick the default"
        )
        self._every = named(QPushButton("All"), "hub.choice_all", "All", "Tick every file")
        self._get = named(QPushButton("Download"), "hub.choice_download", "Download", "Fetch what is ticked")
        self._close = named(QPushButton("Close"), "hub.choice_close", "Close", "Leave without fetching")
        set_role(self._get, "primary")
        icons.put(self._get, "download", "accent_text")
        line = QHBoxLayout()
        line.addWidget(self._needed)
        line.addWidget(self._every)
        line.addStretch(1)
        line.addWidget(self._close)
        line.addWidget(self._get)
        column = QVBoxLayout(self)
        column.addWidget(self._title)
        column.addWidget(self._list, 1)
        column.addWidget(self._sum)
        column.addLayout(line)
        self._list.itemChanged.connect(self._show_sum)
        self._needed.clicked.connect(self._on_needed)
        self._every.clicked.connect(self._on_every)
        self._get.clicked.connect(self._on_get)
        self._close.clicked.connect(self.closed)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the files that are ticked."""
        items = (self._list.topLevelItem(number) for number in range(len(self._files)))
        return tuple(
            file.name
            for file, item in zip(self._files, items, strict=True)
            if item is not None and item.checkState(_NAME) == Qt.CheckState.Checked
        )

    def show_files(self, repo_id: str, files: tuple[Offered, ...]) -> None:
        """Offer the files of a repository, the default ticked."""
        self._repo_id, self._files = repo_id, files
        self._title.setText(f"Files of {repo_id}")
        self._list.blockSignals(True)
        self._list.clear()
        for file in files:
            size = format_bytes(file.size) if file.size is not None else ""
            item = QTreeWidgetItem([one_line(file.name), file.kind, size])
            item.setTextAlignment(_SIZE, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setToolTip(_NAME, file.name)
            self._list.addTopLevelItem(item)
        self._list.blockSignals(False)
        self._on_needed()
        for column in (_KIND, _SIZE):
            self._list.resizeColumnToContents(column)
        self._list.header().setStretchLastSection(False)
        self._list.header().setSectionResizeMode(_NAME, self._list.header().ResizeMode.Stretch)

    def _tick(self, wanted: tuple[bool, ...]) -> None:
        self._list.blockSignals(True)
        for number, on in enumerate(wanted):
            item = self._list.topLevelItem(number)
            if item is not None:
                item.setCheckState(_NAME, Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        self._list.blockSignals(False)
        self._show_sum()

    def _show_sum(self) -> None:
        names = set(self.chosen)
        size = sum(file.size or 0 for file in self._files if file.name in names)
        pickles = sum(file.kind == "pickle" for file in self._files if file.name in names)
        words = f"{len(names)} of {len(self._files)} files, {format_bytes(size)}"
        self._sum.setText(words + (f"; {pickles} pickled, which are not opened" if pickles else ""))
        self._get.setEnabled(bool(names))

    def _on_needed(self) -> None:
        self._tick(tuple(file.needed for file in self._files))

    def _on_every(self) -> None:
        self._tick((True,) * len(self._files))

    def _on_get(self) -> None:
        names = self.chosen
        # The default is asked for as the default, so that what the repository gains later is part of it.
        default = tuple(file.name for file in self._files if file.needed)
        self.download_requested.emit(self._repo_id, () if names == default else names)

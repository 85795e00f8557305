"""What is on this machine, as a table with what can be done to a row."""

from __future__ import annotations

import datetime

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.engine.values import Checkpoint
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Size, format_bytes
from workbench.widgets.theme import set_role

_COLUMNS = ("Name", "Source", "Revision", "Size", "Last used")
_SOURCES = {"hub": "Hub cache", "starter": "starter", "run": "fine-tuned here", "folder": "folder"}


class LocalPanel(QWidget):
    """The table "On this machine".

    Signals:
        chosen(Checkpoint): A row was selected.
        load_requested(Checkpoint): A row was double-clicked.
        open_requested(): A folder is to be asked for.
        delete_requested(Checkpoint): The selected one is to be deleted; consent has yet to be asked for.
    """

    chosen = Signal(object)
    load_requested = Signal(object)
    open_requested = Signal()
    delete_requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[Checkpoint, ...] = ()
        title = QLabel("On this machine")
        set_role(title, "heading")
        self._total = QLabel()
        set_role(self._total, "muted")
        self._open = named(
            QPushButton("Open folder…"),
            "hub.open_folder",
            "Open folder…",
            "Take any folder with config.json and safetensors; it can also be dropped onto this pane",
        )
        icons.put(self._open, "folder")
        self._delete = named(
            QPushButton("Delete…"), "hub.delete", "Delete…", "Delete the selected checkpoint from the disk; asks first"
        )
        icons.put(self._delete, "trash")
        self._table = named(
            DataTable(), "hub.local", "On this machine", "Checkpoints that need no network; double-click loads one"
        )
        self._nothing = QLabel(
            "Nothing yet. Get a starter from the shelf (a minute, no Hub needed), search the Hub, or open a folder."
        )
        self._nothing.setWordWrap(True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        set_role(self._nothing, "muted")
        line = QHBoxLayout()
        line.addWidget(title)
        line.addWidget(self._total, 1)
        line.addWidget(self._open)
        line.addWidget(self._delete)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(line)
        column.addWidget(self._nothing, 1)
        column.addWidget(self._table, 1)
        self._open.clicked.connect(self.open_requested)
        self._delete.clicked.connect(self._on_delete)
        self._table.row_selected.connect(self._on_row)
        self._table.row_activated.connect(self._on_activated)
        self._table.set_muted(self._is_unfinished)
        self.set_rows(())

    @property
    def rows(self) -> tuple[Checkpoint, ...]:
        """What is shown."""
        return self._rows

    @property
    def selected(self) -> Checkpoint | None:
        """The selected row."""
        number = self._table.selected_row
        return self._rows[number] if number is not None and number < len(self._rows) else None

    def set_rows(self, rows: tuple[Checkpoint, ...]) -> None:
        """Show what is there, the selection staying with its folder."""
        before = self.selected
        self._rows = rows
        self._table.set_rows(_COLUMNS, len(rows), self._row)
        self._table.fit_columns()
        self._total.setText(format_bytes(sum(row.size for row in rows)) if rows else "")
        self._nothing.setVisible(not rows)
        self._table.setVisible(bool(rows))
        self.select(before)

    def select(self, checkpoint: Checkpoint | None) -> None:
        """Select a row, without announcing it."""
        paths = [row.path for row in self._rows]
        self._table.select_row(paths.index(checkpoint.path) if checkpoint and checkpoint.path in paths else None)
        self._delete.setEnabled(self.selected is not None)

    def _row(self, number: int) -> tuple[object, ...]:
        row = self._rows[number]
        name = row.name if row.complete else f"{row.name} (unfinished)"
        used = _date(row.last_used)
        return (name, _SOURCES.get(row.source, row.source), (row.revision or "")[:8], Size(row.size), used)

    def _is_unfinished(self, number: int) -> bool:
        return number < len(self._rows) and not self._rows[number].complete

    def _on_row(self, number: int) -> None:
        self._delete.setEnabled(True)
        if number < len(self._rows):
            self.chosen.emit(self._rows[number])

    def _on_activated(self, number: int) -> None:
        if number < len(self._rows):
            self.load_requested.emit(self._rows[number])

    def _on_delete(self) -> None:
        if self.selected is not None:
            self.delete_requested.emit(self.selected)


def _date(seconds: float) -> str:
    if not seconds:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).astimezone().strftime("%Y-%m-%d %H:%M")

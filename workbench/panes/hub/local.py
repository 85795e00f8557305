"""What is on this machine, as a table with what can be done to its rows."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.engine.values import Checkpoint
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Size, format_bytes, format_many
from workbench.widgets.theme import set_role
from workbench.widgets.wrapping_row import WrappingRow

_COLUMNS = ("Name", "State", "Size", "Last used", "Revision", "Source")
_SOURCES = {
    "hub": "Hub",
    "dataset": "Hub, data",
    "starter": "starter",
    "run": "own run",
    "folder": "folder",
    "imported": "imported",
}


class LocalPanel(QWidget):
    """The table "On this machine".

    Signals:
        chosen(Checkpoint): A row was selected.
        load_requested(Checkpoint): A row was double-clicked.
        open_requested(): A folder is to be asked for.
        import_requested(): A GGUF file or a model pack is to be asked for.
        delete_requested(tuple): The selected ones are to be deleted; consent has yet to be asked for.
        verify_requested(tuple), pack_requested(tuple): The selected ones are to be verified, or packed.
        pin_requested(tuple, bool): They are to be pinned, or no longer.
        folder_requested(Checkpoint): Its folder is to be shown in the file manager.
    """

    chosen = Signal(object)
    load_requested = Signal(object)
    open_requested = Signal()
    import_requested = Signal()
    delete_requested = Signal(tuple)
    verify_requested = Signal(tuple)
    pack_requested = Signal(tuple)
    pin_requested = Signal(tuple, bool)
    folder_requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[Checkpoint, ...] = ()
        self._pinned: frozenset[str] = frozenset()
        self._refs: Mapping[Path, tuple[str, ...]] = {}
        self._total = QLabel()
        set_role(self._total, "muted")
        self._table = named(
            DataTable(),
            "hub.local",
            "On this machine",
            "Checkpoints that need no network; double-click loads one, Ctrl or Shift selects several",
        )
        self._nothing = QLabel(
            "Nothing yet. Get a starter from the shelf (a minute, no Hub needed), search the Hub, open a folder, "
            "or drop a folder, a GGUF file or a model pack here."
        )
        self._nothing.setWordWrap(True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        set_role(self._nothing, "muted")
        self._build_buttons()
        column = QVBoxLayout(self)
        column.addWidget(WrappingRow((self._total,), (self._open, self._import)))
        column.addWidget(self._nothing, 1)
        column.addWidget(self._table, 1)
        column.addWidget(WrappingRow(self._actions, (self._delete,)))
        self._table.row_selected.connect(self._on_row)
        self._table.row_activated.connect(self._on_activated)
        self._table.set_muted(self._is_unfinished)
        self.set_rows(())

    def _build_buttons(self) -> None:
        self._open = named(
            QPushButton("Open folder…"),
            "hub.open_folder",
            "Open folder…",
            "Take any folder with config.json and safetensors; it can also be dropped onto this pane",
        )
        self._import = named(
            QPushButton("Import…"),
            "hub.import",
            "Import…",
            "Take a GGUF file, which is widened to safetensors once, or a model pack; both can be dropped here too",
        )
        self._verify = named(
            QPushButton("Verify"), "hub.verify", "Verify", "Compare every byte of the selected ones with its hash"
        )
        self._pin = named(QPushButton("Pin"), "hub.pin", "Pin", "Protect the selected ones from Delete")
        self._show_folder = named(
            QPushButton("Folder"), "hub.show_folder", "Folder", "Show its folder in the file manager"
        )
        self._pack = named(
            QPushButton("Pack…"), "hub.pack_begin", "Pack…", "Put the selected ones and data into a model pack"
        )
        self._delete = named(
            QPushButton("Delete…"),
            "hub.delete",
            "Delete…",
            "Delete the selected ones from the disk; says first what is freed, and asks",
        )
        self._actions = (self._verify, self._pin, self._show_folder, self._pack)
        pictures = ("folder", "download", "check", "warning", "folder", "export", "trash")
        for button, picture in zip((self._open, self._import, *self._actions, self._delete), pictures, strict=True):
            if button is not self._pin:
                icons.put(button, picture)
        self._open.clicked.connect(self.open_requested)
        self._import.clicked.connect(self.import_requested)
        self._verify.clicked.connect(self._on_verify)
        self._pin.clicked.connect(self._on_pin)
        self._show_folder.clicked.connect(self._on_show_folder)
        self._pack.clicked.connect(self._on_pack)
        self._delete.clicked.connect(self._on_delete)

    @property
    def rows(self) -> tuple[Checkpoint, ...]:
        """What is shown."""
        return self._rows

    @property
    def selected(self) -> Checkpoint | None:
        """The first selected row."""
        return self.selection[0] if self.selection else None

    @property
    def selection(self) -> tuple[Checkpoint, ...]:
        """The selected rows, in the order of the table."""
        numbers = sorted(index.row() for index in self._table.selectionModel().selectedRows())
        return tuple(self._rows[number] for number in numbers if number < len(self._rows))

    def set_rows(
        self,
        rows: tuple[Checkpoint, ...],
        pinned: frozenset[str] = frozenset(),
        refs: Mapping[Path, tuple[str, ...]] | None = None,
    ) -> None:
        """Show what is there, the selection staying with its folder.

        Args:
            rows: Checkpoints and cached data sets.
            pinned: Folders that are not to be deleted.
            refs: Branches and tags of cached revisions, by folder.
        """
        before = self.selected
        same = [row.path for row in rows] == [row.path for row in self._rows]
        self._rows, self._pinned, self._refs = rows, pinned, refs or {}
        self._table.set_rows(_COLUMNS, len(rows), self._row)
        self._table.fit_columns()
        data = sum(row.source == "dataset" for row in rows)
        parts = [format_many(len(rows) - data, "checkpoint")] + ([format_many(data, "data set")] if data else [])
        self._total.setText(", ".join([*parts, format_bytes(sum(row.size for row in rows))]) if rows else "")
        self._nothing.setVisible(not rows)
        self._table.setVisible(bool(rows))
        if same:
            # Several may be selected, and stay so.
            self._show_buttons()
        else:
            self.select(before)

    def select(self, checkpoint: Checkpoint | None) -> None:
        """Select a row, without announcing it."""
        paths = [row.path for row in self._rows]
        self._table.select_row(paths.index(checkpoint.path) if checkpoint and checkpoint.path in paths else None)
        self._show_buttons()

    def _show_buttons(self) -> None:
        selection = self.selection
        for button in (*self._actions, self._delete):
            button.setEnabled(bool(selection))
        self._show_folder.setEnabled(len(selection) == 1)
        pinned = self._all_pinned
        self._pin.setText("Unpin" if pinned else "Pin")
        self._pin.setAccessibleName(self._pin.text())
        self._delete.setEnabled(bool(selection) and not any(str(row.path) in self._pinned for row in selection))
        self._pack.setEnabled(bool(selection) and all(row.complete for row in selection))

    @property
    def _all_pinned(self) -> bool:
        return bool(self.selection) and all(str(row.path) in self._pinned for row in self.selection)

    def _row(self, number: int) -> tuple[object, ...]:
        row = self._rows[number]
        used = _date(row.last_used)
        state = "complete" if row.complete else "unfinished"
        if str(row.path) in self._pinned:
            state = "pinned" if row.complete else f"{state}, pinned"
        revision = " ".join(((row.revision or "")[:7], *self._refs.get(row.path, ())[:2]))
        return (row.name, state, Size(row.size), used, revision, _SOURCES.get(row.source, row.source))

    def _is_unfinished(self, number: int) -> bool:
        return number < len(self._rows) and not self._rows[number].complete

    def _on_row(self, number: int) -> None:
        self._show_buttons()
        if number < len(self._rows):
            self.chosen.emit(self._rows[number])

    def _on_activated(self, number: int) -> None:
        if number < len(self._rows):
            self.load_requested.emit(self._rows[number])

    def _on_verify(self) -> None:
        self.verify_requested.emit(self.selection)

    def _on_pin(self) -> None:
        self.pin_requested.emit(self.selection, not self._all_pinned)

    def _on_show_folder(self) -> None:
        if self.selected is not None:
            self.folder_requested.emit(self.selected)

    def _on_pack(self) -> None:
        self.pack_requested.emit(self.selection)

    def _on_delete(self) -> None:
        if self.selection:
            self.delete_requested.emit(self.selection)


def _date(seconds: float) -> str:
    if not seconds:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).astimezone().strftime("%Y-%m-%d")

"""The tab "Model pack": chosen checkpoints and data files on their way to a stick or another machine."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.engine.values import Checkpoint
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Size, format_bytes, format_many
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role

_DATA = "Data (*.csv *.tsv *.json *.jsonl *.parquet *.txt);;All files (*)"


class PackView(QWidget):
    """What goes into a pack.

    Signals:
        export_requested(tuple, tuple, Path): Checkpoints and data files, and where the pack is to be.
        closed(): Nothing is to be packed any more.
    """

    export_requested = Signal(tuple, tuple, object)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._checkpoints: tuple[Checkpoint, ...] = ()
        self._data: tuple[Path, ...] = ()
        self._sum = named(QLabel(), "hub.pack_sum", "Model pack", "What the pack takes on the disk")
        self._sum.setWordWrap(True)
        set_role(self._sum, "heading")
        self._table = named(DataTable(), "hub.pack", "Model pack", "What goes into the pack")
        self._add = named(
            QPushButton("Add data…"), "hub.pack_data", "Add data…", "Data files of yours that go with the checkpoints"
        )
        self._kind = named(
            QuietComboBox(), "hub.pack_kind", "Kind", "One .zip archive, or a folder, which FAT sticks take beyond 4 GB"
        )
        self._kind.addItem("Archive (.zip)", ".zip")
        self._kind.addItem("Folder", "")
        self._export = named(QPushButton("Export…"), "hub.pack_export", "Export…", "Choose where, copy, and verify")
        set_role(self._export, "primary")
        icons.put(self._export, "export", "accent_text")
        self._close = named(QPushButton("Close"), "hub.pack_close", "Close", "Leave without packing")
        line = QHBoxLayout()
        line.addWidget(self._add)
        line.addWidget(self._kind)
        line.addStretch(1)
        line.addWidget(self._close)
        line.addWidget(self._export)
        column = QVBoxLayout(self)
        column.addWidget(self._sum)
        column.addWidget(self._table, 1)
        column.addLayout(line)
        self._add.clicked.connect(self._on_add)
        self._export.clicked.connect(self._on_export)
        self._close.clicked.connect(self.closed)

    def show_checkpoints(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        """Begin a pack with these."""
        self._checkpoints, self._data = checkpoints, ()
        self._show()

    def add_data(self, files: tuple[Path, ...]) -> None:
        """Put data files beside them."""
        self._data += tuple(file for file in files if file not in self._data)
        self._show()

    def export_to(self, path: Path) -> None:
        """Ask for the pack to be written there, with the ending of the chosen kind."""
        ending = str(self._kind.currentData())
        if ending and path.suffix != ending:
            path = path.with_name(path.name + ending)
        self.export_requested.emit(self._checkpoints, self._data, path)

    def _show(self) -> None:
        rows = [(each.name, (each.revision or "")[:8], Size(each.size)) for each in self._checkpoints]
        rows += [(file.name, "data", Size(file.stat().st_size if file.is_file() else 0)) for file in self._data]
        self._table.set_rows(("Name", "Revision", "Size"), rows)
        self._table.fit_columns()
        total = sum(int(row[2]) for row in rows)
        data = f", {format_many(len(self._data), 'data file')}" if self._data else ""
        self._sum.setText(f"{format_many(len(self._checkpoints), 'checkpoint')}{data}, {format_bytes(total)}")
        self._export.setEnabled(bool(rows))

    def _on_add(self) -> None:
        dialog = QFileDialog(self, "Add data files", str(Path.home()), _DATA)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self._on_added)
        self._open(dialog)

    def _on_added(self, names: list[str]) -> None:
        self.add_data(tuple(map(Path, names)))

    def _on_export(self) -> None:
        name = self._checkpoints[0].name.split("/")[-1] if len(self._checkpoints) == 1 else "model-pack"
        dialog = QFileDialog(self, "Export a model pack", str(Path.home()))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.selectFile(name + str(self._kind.currentData()))
        dialog.fileSelected.connect(self._on_chosen)
        self._open(dialog)

    def _on_chosen(self, name: str) -> None:
        self.export_to(Path(name))

    def _open(self, dialog: QFileDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

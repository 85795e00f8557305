"""Many inputs from a file: which column is what, and the table of what became of each row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import data
from workbench.engine.models import LoadedModel
from workbench.engine.task import Task
from workbench.engine.tasks import Spec, batch, files
from workbench.engine.values import DataSource, Table, TaskInput, TaskOptions
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable, one_line

_FILTER = "Rows (*.csv *.tsv *.jsonl *.json *.parquet *.txt);;All files (*)"
_AS_WRITTEN = "as written for one input"
#: Milliseconds after which rows that came are listed.
_SOON = 300
#: Names that columns for a field often have.
_USUAL = {
    "text": ("text", "sentence", "question", "premise", "prompt", "content", "review", "sentence1"),
    "second": ("context", "second", "hypothesis", "sentence2", "text_pair"),
    "labels": ("labels", "choices", "candidate_labels"),
    "image": ("image", "path", "file", "picture"),
    "audio": ("audio", "path", "file", "sound"),
    "other": ("other", "second_image", "image2", "pair"),
    "video": ("video", "path", "file", "film"),
    "beside": ("voice", "speaker", "regions", "mask"),
}


def read_rows(path: Path, takes: Sequence[str], *, task: Task) -> Table:
    """Look into what holds the inputs of a task.

    Args:
        path: A file of rows; or a folder, of files of the kind that the task is done on where there is one, else of
            files of rows.
        takes: The fields of `TaskInput` that the task reads.
        task: May stop it.

    Raises:
        DataError: It can't be read, or there is nothing in it.
    """
    kind = files.field(takes)
    if not path.is_dir() or not kind:
        return data.read(DataSource(path), task=task)
    found = files.listed(path, kind)
    return Table(DataSource(path), (files.COLUMN,), tuple((name,) for name in found[:100]), len(found))


def run_file(
    model: LoadedModel,
    name: str,
    source: DataSource,
    columns: Mapping[str, str],
    written: TaskInput,
    options: TaskOptions,
    batch_size: int,
    *,
    task: Task,
) -> tuple[batch.BatchRow, ...]:
    """Do a task on each row of a file.

    Args:
        model: Does it.
        name: The task.
        source: The file, or a folder of files, each of them an input.
        columns: Column by field of `TaskInput`; other fields are taken from ``written`` for every row.
        written: The input as it stands in the pane.
        options: As for one input.
        batch_size: Rows a pass.
        task: Hears of rows, and may stop.

    Raises:
        DataError: The file can't be read.
    """
    path = source.path or Path()
    kind = next((field for field, column in columns.items() if column == files.COLUMN and field in files.ENDINGS), "")
    if path.is_dir() and kind:
        places = files.listed(path, kind)
        given = [_row(written, {kind: place}, path) for place in places]
    else:
        rows = data.load(source, columns, task=task)
        places = rows.places
        given = [
            _row(written, {field: rows.columns[field][index] for field in columns}, path.parent)
            for index in range(len(places))
        ]
    return batch.run(model, name, given, options, batch_size=batch_size, places=places, task=task)


def _row(written: TaskInput, cells: Mapping[str, Any], folder: Path) -> TaskInput:
    fields: dict[str, Any] = {name: getattr(written, name) for name in TaskInput.__slots__}
    for field, cell in cells.items():
        words = "" if cell is None else data.as_text(cell)
        if field == "labels":
            fields[field] = tuple(str(each) for each in (cell if isinstance(cell, list) else words.split("|")))
        elif field in ("image", "audio", "other", "video", "beside"):
            fields[field] = folder / words if words else None
        else:
            fields[field] = words
    return TaskInput(**fields)


class ManyForm(QWidget):
    """A file of rows, and the column of each field.

    Signals:
        file_chosen(Path): A file was chosen; who owns the form reads it and hands its table over.
        changed(): The person changed something.
    """

    file_chosen = Signal(object)
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: Table | None = None
        self._spec: Spec | None = None
        self._about = set_role(QLabel("No file yet: CSV, JSON Lines, Parquet or plain lines."), "muted")
        self._about.setWordWrap(True)
        self._choose = named(
            QPushButton("Choose a file"), "tasks.many_choose", "Choose a file", "Choose a file of rows"
        )
        icons.put(self._choose, "folder")
        self._folder = named(
            QPushButton("Choose a folder"),
            "tasks.many_folder",
            "Choose a folder",
            "Choose a folder of pictures, sounds or videos, each of them an input",
        )
        icons.put(self._folder, "folder")
        self.setAcceptDrops(True)
        self._batch_size = named(
            QuietSpinBox(), "tasks.batch_size", "Batch size", "Rows that go through the model together; usually 1 to 64"
        )
        self._batch_size.setRange(1, 1024)
        self._batch_size.setValue(8)
        self._columns: dict[str, QuietComboBox] = {}
        self._form = QFormLayout()
        for field in TaskInput.__slots__:
            box = named(QuietComboBox(), f"tasks.many_{field}", field.capitalize(), "The column it is taken from")
            self._columns[field] = box
            self._form.addRow(field.capitalize(), box)
            box.currentIndexChanged.connect(self.changed)
        self._form.addRow("Batch size", self._batch_size)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self._choose)
        row.addWidget(self._folder)
        row.addStretch(1)
        column.addLayout(row)
        column.addWidget(self._about)
        column.addLayout(self._form)
        column.addStretch(1)
        self._choose.clicked.connect(self._on_choose)
        self._folder.clicked.connect(self._on_folder)

    @property
    def ready(self) -> bool:
        """Whether there is a file with rows and a column is chosen."""
        return self._table is not None and bool(self.columns)

    @property
    def source(self) -> DataSource | None:
        """The file."""
        return self._table.source if self._table is not None else None

    @property
    def columns(self) -> dict[str, str]:
        """Column by field, for those that a column is chosen for."""
        takes = self._spec.takes if self._spec is not None else ()
        return {field: str(self._columns[field].currentData()) for field in takes if self._columns[field].currentData()}

    @property
    def batch_size(self) -> int:
        """Rows a pass."""
        return self._batch_size.value()

    def show_for(self, spec: Spec) -> None:
        """Ask for the fields of a task."""
        self._spec = spec
        names = dict(spec.inputs)
        self._folder.setVisible(bool(files.field(spec.takes)))
        for field, box in self._columns.items():
            self._form.setRowVisible(box, field in names)
            if field in names:
                label = self._form.labelForField(box)
                label.setText(names[field].split(",")[0])
                box.setAccessibleName(names[field].split(",")[0])
        self._guess()

    def show_table(self, table: Table) -> None:
        """Show what a file has."""
        self._table = table
        self._about.setText(f"{drawable(table.source.name)}: {table.total:,} rows")
        for box in self._columns.values():
            box.blockSignals(True)
            box.clear()
            box.addItem(_AS_WRITTEN, "")
            for name in table.columns:
                box.addItem(drawable(name), name)
            box.blockSignals(False)
        self._guess()

    def _guess(self) -> None:
        if self._table is None or self._spec is None:
            return
        taken: set[str] = set()
        for field in self._spec.takes:
            box = self._columns[field]
            chosen = self._likely(self._table, field, taken)
            if not chosen and field == "text" == self._spec.takes[0]:
                chosen = _longest(self._table)
            box.setCurrentIndex(max(0, box.findData(chosen)))
            taken.add(chosen)
        self.changed.emit()

    @staticmethod
    def _likely(table: Table, field: str, taken: set[str]) -> str:
        """The column whose name says that it is a field: all of its name, or a word of it."""
        free = [name for name in table.columns if name not in taken]
        whole = [name for name in free if name.strip().lower() in _USUAL[field]]
        part = [name for name in free if {*re.split(r"[\W_]+", name.lower())} & {*_USUAL[field]}]
        return next(iter(whole + part), "")

    def _on_choose(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a file of inputs", "", _FILTER)
        if chosen:
            self.file_chosen.emit(Path(chosen))

    def _on_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose a folder of inputs")
        if chosen:
            self.file_chosen.emit(Path(chosen))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take one file or folder."""
        if len(event.mimeData().urls()) == 1 and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """As if it had been chosen."""
        event.acceptProposedAction()
        self.file_chosen.emit(Path(event.mimeData().urls()[0].toLocalFile()))


class ManyView(QWidget):
    """What became of the rows: a line for each item, those that failed named, and all of it to be saved.

    Signals:
        save_requested(Path): The person wants all rows in this file.
        row_requested(BatchRow): The person wants to look into the three steps of a row.
    """

    save_requested = Signal(object)
    row_requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._listing = batch.Listing()
        self._summary = named(QLabel(), "tasks.many_summary", "Summary", "How many rows were done, and how many failed")
        self._failed = named(
            QCheckBox("Failed rows only"), "tasks.many_failed", "Failed rows only", "Show only the rows that failed"
        )
        self._save = named(
            QPushButton("Save results"), "tasks.many_save", "Save results", "As CSV, JSON Lines or Parquet"
        )
        icons.put(self._save, "save")
        self._table = named(
            DataTable(),
            "tasks.many_results",
            "Results",
            "A line for each item of each row's result; Enter or a double click shows the three steps of a row",
        )
        row = QHBoxLayout()
        row.addWidget(self._summary, 1)
        row.addWidget(self._failed)
        row.addWidget(self._save)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self._table, 1)
        self._failed.toggled.connect(self._show)
        self._save.clicked.connect(self._on_save)
        self._table.row_activated.connect(self._on_row_activated)
        self._soon = QTimer(self, singleShot=True, interval=_SOON)
        self._soon.timeout.connect(self._list)

    @property
    def rows(self) -> tuple[batch.BatchRow, ...]:
        """What is shown."""
        return tuple(self._listing.rows)

    @property
    def filled(self) -> bool:
        """Whether there are rows."""
        return bool(self._listing.rows)

    def begin(self) -> None:
        """Forget the rows before."""
        self._listing = batch.Listing()
        self._say()
        self._show()

    def add(self, rows: Sequence[batch.BatchRow]) -> None:
        """List some more rows."""
        self._listing.add(rows)
        if not self._soon.isActive():
            # What is drawn takes from what the model could do meanwhile.
            self._soon.start()

    def finish(self) -> str:
        """List all there is, and say it in words."""
        self._soon.stop()
        self._list()
        return self._summary.text()

    def _list(self) -> None:
        self._say()
        if self._table.columns == self._listing.columns and self._table.model().rowCount():
            self._table.grow(self._count)
        else:
            self._show()

    @property
    def _count(self) -> int:
        return len(self._listing.failed) if self._failed.isChecked() else len(self._listing)

    def _say(self) -> None:
        failed = len(self._listing.failed)
        cut = f", {self._listing.cut:,} cut at the context" if self._listing.cut else ""
        self._summary.setText(f"{len(self._listing.rows) - failed:,} rows done, {failed:,} failed{cut}")
        self._save.setEnabled(bool(self._listing.rows))

    def _show(self) -> None:
        read = self._listing.failure if self._failed.isChecked() else self._listing.line

        def line(number: int) -> tuple[str, ...]:
            return tuple(_cell(value) for value in read(number).values())

        self._table.set_rows(self._listing.columns if self._count else (), self._count, line)

    def _on_row_activated(self, number: int) -> None:
        listing = self._listing
        failed = self._failed.isChecked()
        self.row_requested.emit(listing.rows[listing.failed[number]] if failed else listing.row(number))

    def _on_save(self) -> None:
        kinds = "CSV (*.csv);;JSON Lines (*.jsonl);;Parquet (*.parquet)"
        chosen, kind = QFileDialog.getSaveFileName(self, "Save the results", "results.csv", kinds)
        if not chosen:
            return
        path = Path(chosen)
        if path.suffix.lower() not in batch.KINDS:
            path = path.with_name(path.name + kind.rpartition("*")[2].rstrip(")"))
        self.save_requested.emit(path)


def _longest(table: Table) -> str:
    """The column with the most to read in the first rows."""
    lengths = [sum(len(row[place]) for row in table.rows) for place in range(len(table.columns))]
    return table.columns[lengths.index(max(lengths))] if lengths else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return f"{len(value)} numbers"
    return one_line(str(value))

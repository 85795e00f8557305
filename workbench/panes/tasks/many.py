"""Many inputs from a file: which column is what, and the table of what became of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
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
from workbench.engine.tasks import Spec, batch
from workbench.engine.values import DataSource, Table, TaskInput, TaskOptions
from workbench.widgets import icons, saving
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable, one_line

_FILTER = "Rows (*.csv *.tsv *.jsonl *.json *.parquet *.txt);;All files (*)"
_AS_WRITTEN = "as written for one input"
#: Names that columns for a field often have.
_USUAL = {
    "text": ("text", "sentence", "question", "premise", "prompt", "content", "review", "sentence1"),
    "second": ("context", "second", "hypothesis", "sentence2", "text_pair"),
    "labels": ("labels", "choices", "candidate_labels"),
    "image": ("image", "path", "file", "picture"),
    "audio": ("audio", "path", "file", "sound"),
    "other": ("other", "second_image", "image2", "pair"),
    "video": ("video", "path", "file", "film"),
    "voice": ("voice", "speaker"),
}


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
        source: The file.
        columns: Column by field of `TaskInput`; other fields are taken from ``written`` for every row.
        written: The input as it stands in the pane.
        options: As for one input.
        batch_size: Rows a pass.
        task: Hears of rows, and may stop.

    Raises:
        DataError: The file can't be read.
    """
    rows = data.load(source, columns, task=task)
    folder = source.path.parent if source.path is not None else Path()
    given = [
        _row(written, {field: rows.columns[field][index] for field in columns}, folder)
        for index in range(len(rows.places))
    ]
    return batch.run(model, name, given, options, batch_size=batch_size, places=rows.places, task=task)


def _row(written: TaskInput, cells: Mapping[str, Any], folder: Path) -> TaskInput:
    fields: dict[str, Any] = {name: getattr(written, name) for name in TaskInput.__slots__}
    for field, cell in cells.items():
        words = "" if cell is None else data.as_text(cell)
        if field == "labels":
            fields[field] = tuple(str(each) for each in (cell if isinstance(cell, list) else words.split("|")))
        elif field in ("image", "audio", "other", "video", "voice"):
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
        row.addWidget(self._about, 1)
        column.addLayout(row)
        column.addLayout(self._form)
        column.addStretch(1)
        self._choose.clicked.connect(self._on_choose)

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
            likely = [name for name in self._table.columns if name.lower() in _USUAL[field] and name not in taken]
            if not likely and field == "text" == self._spec.takes[0]:
                likely = list(self._table.columns[:1])
            box.setCurrentIndex(max(0, box.findData(likely[0])) if likely else 0)
            taken.update(likely[:1])
        self.changed.emit()

    def _on_choose(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a file of inputs", "", _FILTER)
        if chosen:
            self.file_chosen.emit(Path(chosen))


class ManyView(QWidget):
    """What became of the rows: a line for each item, those that failed named, and all of it to be saved."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[batch.BatchRow] = []
        self._summary = named(QLabel(), "tasks.many_summary", "Summary", "How many rows were done, and how many failed")
        self._failed = named(
            QCheckBox("Failed rows only"), "tasks.many_failed", "Failed rows only", "Show only the rows that failed"
        )
        self._save = named(
            QPushButton("Save results"), "tasks.many_save", "Save results", "As CSV, JSON Lines or Parquet"
        )
        icons.put(self._save, "save")
        self._table = named(DataTable(), "tasks.many_results", "Results", "A line for each item of each row's result")
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

    @property
    def rows(self) -> tuple[batch.BatchRow, ...]:
        """What is shown."""
        return tuple(self._rows)

    def begin(self) -> None:
        """Forget the rows before."""
        self._rows = []
        self._show()

    def add(self, rows: Sequence[batch.BatchRow]) -> None:
        """Take some more rows; they are listed when all are there, or when it stops."""
        self._rows.extend(rows)
        self._say()

    def finish(self) -> str:
        """List what there is, and say it in words."""
        self._show()
        return self._summary.text()

    def _say(self) -> None:
        failed = sum(bool(row.error) for row in self._rows)
        self._summary.setText(f"{len(self._rows) - failed:,} rows done, {failed:,} failed")
        self._save.setEnabled(bool(self._rows))

    def _show(self) -> None:
        self._say()
        shown = [row for row in self._rows if row.error or not self._failed.isChecked()]
        lines = batch.lines(shown)
        columns = tuple(dict.fromkeys(key for line in lines for key in line))
        self._table.set_rows(columns, [tuple(_cell(line.get(column)) for column in columns) for line in lines])

    def _on_save(self) -> None:
        kinds = "CSV (*.csv);;JSON Lines (*.jsonl);;Parquet (*.parquet)"
        chosen, kind = QFileDialog.getSaveFileName(self, "Save the results", "results.csv", kinds)
        if not chosen:
            return
        path = Path(chosen)
        if path.suffix.lower() not in batch.KINDS:
            path = path.with_name(path.name + kind.rpartition("*")[2].rstrip(")"))
        saving.write_or_tell(self, path, self._write)

    def _write(self, path: Path) -> None:
        batch.save(self._rows, path)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return f"{len(value)} numbers"
    return one_line(str(value))

"""Step 1, the data: which file, what its columns are for, and its first rows."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import paths
from workbench.engine.data import guess_columns
from workbench.engine.train import Head
from workbench.engine.values import Table
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import CHANGES, px, set_role

SAMPLE = "Film reviews (sample)"
_FILES = "Data (*.csv *.tsv *.json *.jsonl *.ndjson *.txt);;All files (*)"
_SHOWN_LABELS = 6


class DataStep(QWidget):
    """Chooses a data file and its columns.

    Attributes:
        table: The file that is shown, parsed, or None.

    Signals:
        file_requested(Path): The person chose a file; whoever reads it calls `show_table`.
        edited(): A column was chosen, or another table is shown.
    """

    file_requested = Signal(object)
    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table: Table | None = None
        self._dataset = named(
            QuietComboBox(),
            "trainer.dataset",
            "Dataset",
            "A CSV, TSV, JSON, JSON Lines or text file: choose or type its path",
        )
        self._dataset.setEditable(True)
        self._dataset.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._dataset.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._dataset.addItem(SAMPLE, str(paths.asset("samples/movie_reviews.csv")))
        self._browse = named(QPushButton("Browse…"), "trainer.browse", "Browse…", "Choose a data file of this machine")
        self._roles: dict[str, QuietComboBox] = {}
        self._counts = QLabel()
        self._counts.setWordWrap(True)
        set_role(self._counts, "muted")
        self.preview = named(DataTable(), "trainer.preview", "Preview", "The first rows, as the trainer reads them")

        file = QHBoxLayout()
        file.addWidget(self._dataset, 1)
        file.addWidget(self._browse)
        self._columns = QGridLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(file)
        layout.addLayout(self._columns)
        layout.addWidget(self._counts)
        layout.addWidget(self.preview)

        self._dataset.activated.connect(self._on_activated)
        if (line := self._dataset.lineEdit()) is not None:
            line.editingFinished.connect(self._on_typed)
        self._browse.clicked.connect(self._on_browse)
        self._fit()

    @property
    def columns(self) -> dict[str, str]:
        """The chosen column of each role that has one."""
        return {role: box.currentText() for role, box in self._roles.items() if box.currentText()}

    @property
    def labels(self) -> dict[str, int]:
        """How often each label occurs; empty where none is learned, or where there are too many to be labels."""
        return {} if self.table is None else self.table.labels.get(self.columns.get("label", ""), {})

    def show_table(self, table: Table) -> None:
        """Show a parsed file and guess what its columns are for."""
        self.table = table
        path = str(table.source.path)
        place = self._dataset.findData(path)
        if place < 0:
            place = self._dataset.count()
            self._dataset.addItem(table.source.name, path)
        self._dataset.setCurrentIndex(place)
        self._dataset.setToolTip(path)
        self._offer_columns()
        self._show_preview()
        self._show_counts()
        self.edited.emit()

    def show_unread(self) -> None:
        """Go back to the name of the file that is shown, after another could not be read."""
        place = self._dataset.findData(str(self.table.source.path)) if self.table else 0
        self._dataset.setCurrentIndex(place)

    def show_head(self, head: Head) -> None:
        """Ask for the columns that this head wants."""
        while (item := self._columns.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()
        self._roles = {}
        for place, role in enumerate(head.roles):
            box = named(QuietComboBox(), f"trainer.{role.name}_column", role.title, role.tip)
            label = QLabel(role.title)
            label.setBuddy(box)
            self._columns.addWidget(label, 0, place)
            self._columns.addWidget(box, 1, place)
            box.currentIndexChanged.connect(self._on_column)
            self._roles[role.name] = box
        self._offer_columns()
        self._show_preview()
        self._show_counts()

    def _on_activated(self, place: int) -> None:
        self.file_requested.emit(Path(self._dataset.itemData(place)))

    def _on_typed(self) -> None:
        text = self._dataset.currentText().strip()
        if text and self._dataset.findText(text) < 0:
            self.file_requested.emit(Path(text).expanduser())

    def _on_browse(self) -> None:
        chosen = self.table.source.path if self.table and self._dataset.currentIndex() > 0 else None
        folder = str(chosen.parent if chosen else Path.home())
        path, _ = QFileDialog.getOpenFileName(self, "Choose a data file", folder, _FILES)
        if path:
            self.file_requested.emit(Path(path))

    def _offer_columns(self) -> None:
        if self.table is None:
            return
        guessed = dict(zip(("text", "label"), guess_columns(self.table), strict=True))
        for role, box in self._roles.items():
            chosen = guessed.get(role)
            box.blockSignals(True)
            box.clear()
            box.addItems(self.table.columns)
            box.setCurrentIndex(-1 if chosen is None else self.table.columns.index(chosen))
            box.blockSignals(False)

    def _on_column(self) -> None:
        self._show_preview()
        self._show_counts()
        self.edited.emit()

    def _show_preview(self) -> None:
        if self.table is None:
            return
        # What is trained on comes first: a long text would push a label behind it out of sight.
        columns = self.table.columns
        used = [name for name in reversed(self.columns.values()) if name in columns]
        order = [columns.index(name) for name in dict.fromkeys((*used, *columns))]
        rows = [tuple(row[place] for place in order) for row in self.table.rows]
        self.preview.set_rows([columns[place] for place in order], rows)

    def _show_counts(self) -> None:
        if self.table is None:
            return
        counts, label = self.labels, self.columns.get("label", "")
        parts = [f"{self.table.total:,} rows"]
        parts += [f"{name or '(empty)'} {count:,}" for name, count in list(counts.items())[:_SHOWN_LABELS]]
        if len(counts) > _SHOWN_LABELS:
            parts.append(f"{len(counts) - _SHOWN_LABELS} more labels")
        elif label and not counts:
            parts.append(f"“{label}” has more than 50 different values")
        self._counts.setText(" · ".join(parts))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "preview"):
            self._fit()

    def _fit(self) -> None:
        self.preview.setFixedHeight(px(self, 148))

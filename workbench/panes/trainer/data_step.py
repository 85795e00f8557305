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
        self._text = named(
            QuietComboBox(), "trainer.text_column", "Text column", "The column that goes into the tokenizer"
        )
        self._label = named(
            QuietComboBox(), "trainer.label_column", "Label column", "The column with what is to be learned"
        )
        self._text_label, self._label_label = QLabel("Text column"), QLabel("Label column")
        self._counts = QLabel()
        self._counts.setWordWrap(True)
        set_role(self._counts, "muted")
        self.preview = named(DataTable(), "trainer.preview", "Preview", "The first rows, as the trainer reads them")

        file = QHBoxLayout()
        file.addWidget(self._dataset, 1)
        file.addWidget(self._browse)
        columns = QGridLayout()
        for place, (label, box) in enumerate(((self._text_label, self._text), (self._label_label, self._label))):
            label.setBuddy(box)
            columns.addWidget(label, 0, place)
            columns.addWidget(box, 1, place)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(file)
        layout.addLayout(columns)
        layout.addWidget(self._counts)
        layout.addWidget(self.preview)

        self._dataset.activated.connect(self._on_activated)
        if (line := self._dataset.lineEdit()) is not None:
            line.editingFinished.connect(self._on_typed)
        self._browse.clicked.connect(self._on_browse)
        self._text.currentIndexChanged.connect(self._on_column)
        self._label.currentIndexChanged.connect(self._on_column)
        self._fit()

    @property
    def text_column(self) -> str:
        """The chosen text column."""
        return self._text.currentText()

    @property
    def label_column(self) -> str:
        """The chosen label column, empty when there is none to choose."""
        return self._label.currentText()

    def show_table(self, table: Table) -> None:
        """Show a parsed file and guess what its columns are for."""
        self.table = table
        place = self._dataset.findData(str(table.path))
        if place < 0:
            place = self._dataset.count()
            self._dataset.addItem(table.path.name, str(table.path))
        self._dataset.setCurrentIndex(place)
        self._dataset.setToolTip(str(table.path))
        text, label = guess_columns(table)
        for box, chosen in ((self._text, text), (self._label, label)):
            box.blockSignals(True)
            box.clear()
            box.addItems(table.columns)
            box.setCurrentIndex(-1 if chosen is None else table.columns.index(chosen))
            box.blockSignals(False)
        self._show_preview()
        self._show_counts()
        self.edited.emit()

    def show_unread(self) -> None:
        """Go back to the name of the file that is shown, after another could not be read."""
        place = self._dataset.findData(str(self.table.path)) if self.table else 0
        self._dataset.setCurrentIndex(place)

    def show_task(self, classification: bool) -> None:
        """Offer a label column only where labels are learned."""
        self._label.setVisible(classification)
        self._label_label.setVisible(classification)

    def _on_activated(self, place: int) -> None:
        self.file_requested.emit(Path(self._dataset.itemData(place)))

    def _on_typed(self) -> None:
        text = self._dataset.currentText().strip()
        if text and self._dataset.findText(text) < 0:
            self.file_requested.emit(Path(text).expanduser())

    def _on_browse(self) -> None:
        folder = str(self.table.path.parent) if self.table and self._dataset.currentIndex() > 0 else str(Path.home())
        path, _ = QFileDialog.getOpenFileName(self, "Choose a data file", folder, _FILES)
        if path:
            self.file_requested.emit(Path(path))

    def _on_column(self) -> None:
        self._show_preview()
        self._show_counts()
        self.edited.emit()

    def _show_preview(self) -> None:
        if self.table is None:
            return
        # What is trained on comes first: a long text would push a label behind it out of sight.
        columns = self.table.columns
        used = [name for name in (self.label_column, self.text_column) if name in columns]
        order = [columns.index(name) for name in dict.fromkeys((*used, *columns))]
        rows = [tuple(row[place] for place in order) for row in self.table.rows]
        self.preview.set_rows([columns[place] for place in order], rows)

    def _show_counts(self) -> None:
        if self.table is None:
            return
        counts = self.table.labels.get(self.label_column, {})
        parts = [f"{self.table.total:,} rows"]
        parts += [f"{name or '(empty)'} {count:,}" for name, count in list(counts.items())[:_SHOWN_LABELS]]
        if len(counts) > _SHOWN_LABELS:
            parts.append(f"{len(counts) - _SHOWN_LABELS} more labels")
        elif self.label_column and not counts:
            parts.append(f"“{self.label_column}” has more than 50 different values")
        self._counts.setText(" · ".join(parts))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "preview"):
            self._fit()

    def _fit(self) -> None:
        self.preview.setFixedHeight(px(self, 148))

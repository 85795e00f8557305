"""Step 1, the data: where the rows come from, what their columns are for, and the first of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import paths
from workbench.engine.data import ConfigNeeded, guess_roles
from workbench.engine.errors import WorkbenchError
from workbench.engine.train import Head, remarks
from workbench.engine.values import DataSource, Table
from workbench.panes.trainer.data_hub import HubForm
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import CHANGES, px, set_role

SAMPLE = "Film reviews (sample)"
_FILES = "Data (*.csv *.tsv *.json *.jsonl *.ndjson *.parquet *.txt);;All files (*)"
_SHOWN_LABELS = 6
_ROLES_A_ROW = 2
_HELD_OUT = "Rows held out"
_NONE = "none"
#: Bytes of a file that is read in about a second.
_QUICK = 50 * 2**20


class DataStep(QWidget):
    """Chooses a data source and its columns.

    Attributes:
        table: The source that is shown, parsed (its first rows, while ``complete`` is False), or None.

    Signals:
        source_requested(DataSource): The person chose a source; whoever reads it calls `show_table`.
        edited(): A column or the evaluation was chosen, or another table is shown.
    """

    source_requested = Signal(object)
    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table: Table | None = None
        self._head: Head | None = None
        self._by_hand = False
        self._whole: Table | None = None
        self._dataset = named(
            QuietComboBox(),
            "trainer.dataset",
            "Dataset",
            "A CSV, TSV, JSON, JSON Lines, Parquet or text file, a folder of them or of pictures, or a saved data set: "
            "choose or type its path",
        )
        self._dataset.setEditable(True)
        self._dataset.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._dataset.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._dataset.addItem(SAMPLE, DataSource(paths.asset("samples/movie_reviews.csv")))
        self._browse = named(
            QPushButton("Browse"), "trainer.browse", "Browse", "Choose a file, a folder, or a data set of the Hub"
        )
        menu = QMenu(self._browse)
        menu.addAction("File…").triggered.connect(self._on_file)
        menu.addAction("Folder…").triggered.connect(self._on_folder)
        menu.addAction("Hub data set…").triggered.connect(self._on_hub)
        self._browse.setMenu(menu)
        self._hub = HubForm()
        self._hub.hide()
        self._split = _box("trainer.data_split", "Split", "Which split of the data set is trained on")
        self._evaluation = _box(
            "trainer.evaluation_data",
            "Evaluate on",
            "Rows held out of these (their share is in the settings), another split, or another file",
        )
        self._roles: dict[str, QuietComboBox] = {}
        self._counts = QLabel()
        self._counts.setWordWrap(True)
        set_role(self._counts, "muted")
        self._remarks = named(QLabel(), "trainer.data_remarks", "What is not used")
        self._remarks.setWordWrap(True)
        self._remarks.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.preview = named(DataTable(), "trainer.preview", "Preview", "The first rows, as the trainer reads them")
        self._lay_out()

        self._dataset.activated.connect(self._on_activated)
        if (line := self._dataset.lineEdit()) is not None:
            line.editingFinished.connect(self._on_typed)
        self._hub.source_requested.connect(self.source_requested)
        self._hub.closed.connect(self._hub.hide)
        self._split.activated.connect(self._on_split)
        self._evaluation.activated.connect(self._on_evaluation)
        self._show_splits()
        self._fit()

    # What is chosen.

    @property
    def columns(self) -> dict[str, str]:
        """The chosen column of each role that has one."""
        return {role: box.currentText() for role, box in self._roles.items() if box.currentText() not in ("", _NONE)}

    @property
    def is_whole(self) -> bool:
        """Whether all rows of what is shown were read."""
        return self.table is not None and self.table.complete

    @property
    def evaluation(self) -> DataSource | None:
        """Where the rows to evaluate on are, or None where some are held out."""
        chosen = self._evaluation.currentData()
        return chosen if isinstance(chosen, DataSource) else None

    @property
    def labels(self) -> dict[str, int]:
        """How often each label occurs; empty where none is learned, or where there are too many to be labels."""
        return {name: count for name, count in self._values.items() if name}

    @property
    def _values(self) -> dict[str, int]:
        return {} if self.table is None else self.table.labels.get(self.columns.get("label", ""), {})

    # What it shows.

    def show_table(self, table: Table) -> None:
        """Show a parsed source and guess what its columns are for; choices for its first rows hold for the whole."""
        before = self.table
        same = before is not None and before.source == table.source and before.columns == table.columns
        self.table = table
        if table.complete:
            self._whole = table
        if not same:
            self._by_hand = False
        place = self._place_of(table.source)
        if place < 0:
            place = self._dataset.count()
            self._dataset.addItem(table.source.name, table.source)
        self._dataset.setItemData(place, table.source)
        self._dataset.setCurrentIndex(place)
        self._dataset.setToolTip(str(table.source.path or table.source.repo))
        if table.source.path is not None:
            self._hub.hide()
        self._show_splits(keep=same)
        if not self._by_hand:
            self._offer_columns()
        self._show_preview()
        self._show_counts()
        self.edited.emit()

    def choose(self, columns: dict[str, str]) -> None:
        """Choose the column of each role, as a person does; a column that is not there leaves the guess."""
        self._by_hand = True
        for role, box in self._roles.items():
            place = box.findText(columns.get(role, _NONE))
            if place >= 0:
                box.setCurrentIndex(place)

    def show_unread(self, error: WorkbenchError | None = None) -> None:
        """Go back to the name of the source that is shown, after another could not be read."""
        if self.table is not None and not self.table.complete:
            # Its first rows were fine; what was whole before comes back.
            self.table = None
            if self._whole is not None:
                self.show_table(self._whole)
        self._dataset.setCurrentIndex(self._place_of(self.table.source) if self.table else 0)
        if isinstance(error, ConfigNeeded):
            self._hub.show_configs(error.configs)

    def show_head(self, head: Head) -> None:
        """Ask for the columns that this head wants."""
        while (item := self._columns.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()
        self._head = head
        self._by_hand = False
        self._roles = {}
        before: QWidget = self._evaluation
        for number, role in enumerate(head.roles):
            box = _box(f"trainer.{role.name}_column", role.title, role.tip)
            label = QLabel(role.title)
            label.setBuddy(box)
            line, place = divmod(number, _ROLES_A_ROW)
            self._columns.addWidget(label, 2 * line, place)
            self._columns.addWidget(box, 2 * line + 1, place)
            self._columns.setColumnStretch(place, 1)
            QWidget.setTabOrder(before, box)
            before = box
            box.currentIndexChanged.connect(self._on_column)
            self._roles[role.name] = box
        self._offer_columns()
        self._show_preview()
        self._show_counts()

    # What the person did.

    def _on_activated(self, place: int) -> None:
        self.source_requested.emit(self._dataset.itemData(place))

    def _on_typed(self) -> None:
        text = self._dataset.currentText().strip()
        if text and self._dataset.findText(text) < 0:
            self.source_requested.emit(DataSource(Path(text).expanduser()))

    def _on_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose a data file", self._folder(), _FILES)
        if path:
            self.source_requested.emit(DataSource(Path(path)))

    def _on_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(
            self, "Choose a folder of data files or pictures, or a saved data set", self._folder()
        )
        if path:
            self.source_requested.emit(DataSource(Path(path)))

    def _on_hub(self) -> None:
        self._hub.show()
        self._hub.begin()

    def _on_split(self) -> None:
        if self.table is not None and self._split.currentText() != self.table.source.split:
            self.source_requested.emit(replace(self.table.source, split=self._split.currentText()))

    def _on_evaluation(self, place: int) -> None:
        if place == self._evaluation.count() - 1:
            self._evaluation.setCurrentIndex(0)
            path, _ = QFileDialog.getOpenFileName(self, "Choose a file to evaluate on", self._folder(), _FILES)
            if path:
                self.evaluate_on(DataSource(Path(path)))
                return
        self.edited.emit()

    def evaluate_on(self, source: DataSource | None) -> None:
        """Evaluate on another source, with the same columns, or on rows held out of this one."""
        places = range(self._evaluation.count() - 1)
        place = next((n for n in places if self._evaluation.itemData(n) == source), -1)
        if place < 0 and source is not None:
            place = self._evaluation.count() - 1
            self._evaluation.insertItem(place, source.name, source)
        self._evaluation.setCurrentIndex(place)
        self.edited.emit()

    def _on_column(self) -> None:
        self._by_hand = True
        self._show_preview()
        self._show_counts()
        self.edited.emit()

    # How it is shown.

    def _place_of(self, source: DataSource) -> int:
        for place in range(self._dataset.count()):
            known = self._dataset.itemData(place)
            if (known.path, known.repo, known.config) == (source.path, source.repo, source.config):
                return place
        return -1

    def _folder(self) -> str:
        chosen = self.table.source.path if self.table and self._dataset.currentIndex() > 0 else None
        return str(chosen.parent if chosen else Path.home())

    def _show_splits(self, *, keep: bool = False) -> None:
        splits = self.table.splits if self.table is not None else ()
        self._split.clear()
        self._split.addItems(list(splits))
        for widget in (self._split, self._split_label):
            widget.setVisible(bool(splits))
        if self.table is not None and splits:
            self._split.setCurrentText(self.table.source.split)
        if keep:
            return
        self._evaluation.clear()
        self._evaluation.addItem(_HELD_OUT, None)
        for name in splits:
            if self.table is not None and name != self.table.source.split:
                self._evaluation.addItem(f"Split {name}", replace(self.table.source, split=name))
        self._evaluation.addItem("Another file…", None)
        # Who made a split for it wants it to be used: validation before test.
        wanted = next(
            (place for name in ("validation", "test") if (place := self._evaluation.findText(f"Split {name}")) > 0), 0
        )
        self._evaluation.setCurrentIndex(wanted)

    def _offer_columns(self) -> None:
        if self.table is None or self._head is None:
            return
        guessed = guess_roles(self.table, self._head.roles)
        for role in self._head.roles:
            box, chosen = self._roles[role.name], guessed.get(role.name)
            box.blockSignals(True)
            box.clear()
            box.addItems([*([] if role.required else [_NONE]), *self.table.columns])
            box.setCurrentIndex(box.findText(chosen) if chosen is not None else -1 if role.required else 0)
            box.blockSignals(False)

    def _show_preview(self) -> None:
        if self.table is None:
            return
        # What is trained on comes first: a long text would push a label behind it out of sight.
        columns = self.table.columns
        order = [columns.index(name) for name in used_first(columns, self.columns)]
        rows = [tuple(row[place] for place in order) for row in self.table.rows]
        self.preview.set_rows([columns[place] for place in order], rows)

    def _show_counts(self) -> None:
        if self.table is None:
            return
        said = " ".join(remarks(self.table, self.columns))
        self._remarks.setText(said)
        self._remarks.setVisible(bool(said))
        if not self.table.complete:
            self._counts.setText(f"The first {self.table.total:,} rows; reading on …")
            return
        counts, label = self._values, self.columns.get("label", "")
        parts = [f"{self.table.total:,} rows"]
        parts += [f"{name or '(empty)'} {count:,}" for name, count in list(counts.items())[:_SHOWN_LABELS]]
        if len(counts) > _SHOWN_LABELS:
            parts.append(f"{len(counts) - _SHOWN_LABELS} more labels")
        elif label and not counts:
            parts.append(f"“{label}” has more than 50 different values")
        self._counts.setText(" · ".join(parts))

    def _lay_out(self) -> None:
        file = QHBoxLayout()
        file.addWidget(self._dataset, 1)
        file.addWidget(self._browse)
        parts = QHBoxLayout()
        self._split_label = QLabel("Split")
        self._split_label.setBuddy(self._split)
        label = QLabel("Evaluate on")
        label.setBuddy(self._evaluation)
        for text, box in ((self._split_label, self._split), (label, self._evaluation)):
            parts.addWidget(text)
            parts.addWidget(box, 1)
        self._columns = QGridLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(file)
        layout.addWidget(self._hub)
        layout.addLayout(parts)
        layout.addLayout(self._columns)
        layout.addWidget(self._counts)
        layout.addWidget(self._remarks)
        layout.addWidget(self.preview)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_columns"):
            self._fit()

    def _fit(self) -> None:
        self.preview.setMinimumHeight(px(self, 148))


def is_quick(source: DataSource) -> bool:
    """Whether reading it takes so short that it needs no line among the jobs."""
    try:
        return source.path is not None and source.path.is_file() and source.path.stat().st_size < _QUICK
    except OSError:
        return True


def used_first(columns: tuple[str, ...], roles: dict[str, str]) -> list[str]:
    """Columns with those that have a role in front, the last role first: labels are short, and texts are long."""
    used = [name for name in reversed(roles.values()) if name in columns]
    return list(dict.fromkeys((*used, *columns)))


def _box(name: str, title: str, tip: str) -> QuietComboBox:
    box = named(QuietComboBox(), name, title, tip)
    box.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box

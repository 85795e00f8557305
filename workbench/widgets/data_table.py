"""A table over rows that are asked for only when they are seen."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from PySide6.QtCore import QAbstractTableModel, QEvent, QItemSelection, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QAction, QFont, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QFileDialog, QHeaderView, QTableView, QWidget

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable, one_line

Row = Sequence[object]
_Index = QModelIndex | QPersistentModelIndex


class TableModel(QAbstractTableModel):
    """Columns, and a function that gives row ``n``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: tuple[str, ...] = ()
        self._count = 0
        self._row: Callable[[int], Row] = lambda number: ()
        self.muted: Callable[[int], bool] = lambda number: False
        self.mono: QFont | None = None

    def set_rows(self, columns: Sequence[str], count: int, row: Callable[[int], Row]) -> None:
        """Show ``count`` rows, each asked of ``row`` when it is seen."""
        same_shape = tuple(columns) == self._columns and count == self._count
        if not same_shape:
            self.beginResetModel()
        self._columns, self._count, self._row = tuple(columns), count, row
        if same_shape:
            if count:
                self.dataChanged.emit(self.index(0, 0), self.index(count - 1, len(columns) - 1))
        else:
            self.endResetModel()

    def row(self, number: int) -> Row:
        """The values of a row."""
        return self._row(number)

    @property
    def columns(self) -> tuple[str, ...]:
        """The headers."""
        return self._columns

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Rows."""
        return 0 if parent.isValid() else self._count

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Columns."""
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The cell: text for people, the value itself under UserRole."""
        if role not in (
            Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.TextAlignmentRole,
            Qt.ItemDataRole.UserRole, Qt.ItemDataRole.ForegroundRole, Qt.ItemDataRole.FontRole,
        ):  # fmt: skip
            return None
        if role == Qt.ItemDataRole.FontRole:
            return self.mono
        if role == Qt.ItemDataRole.ForegroundRole:
            return QGuiApplication.palette().placeholderText() if self.muted(index.row()) else None
        value = self._row(index.row())[index.column()]
        if role == Qt.ItemDataRole.UserRole:
            return value
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if isinstance(value, int | float) else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return drawable(shown(value))[:2000]
        return one_line(shown(value))

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Column names; rows are not numbered."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._columns[section]
        return None


def shown(value: object) -> str:
    """A value as a cell says it: nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


class DataTable(QTableView):
    """A read-only table with copy and CSV export.

    Args:
        monospace: Show cells in the monospaced font.

    Signals:
        row_selected(int): The person moved to a row.
        row_activated(int): The person double-clicked a row or pressed Enter on it.
    """

    row_selected = Signal(int)
    row_activated = Signal(int)

    def __init__(self, parent: QWidget | None = None, *, monospace: bool = False) -> None:
        super().__init__(parent)
        self._monospace = monospace
        self._model = TableModel(self)
        self.setModel(self._model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setStretchLastSection(True)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setTabKeyNavigation(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        copy = QAction("Copy", self)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy_selection)
        export = QAction("Export CSV…", self)
        export.triggered.connect(self._on_export)
        self.addActions([copy, export])
        self.activated.connect(self._on_activated)
        self._follow_font()

    @property
    def columns(self) -> tuple[str, ...]:
        """The headers."""
        return self._model.columns

    def set_rows(
        self, columns: Sequence[str], rows: Sequence[Row] | int, row: Callable[[int], Row] | None = None
    ) -> None:
        """Show rows.

        Args:
            columns: Headers.
            rows: The rows, or how many there are when ``row`` gives them.
            row: Gives row ``n`` when it is seen.
        """
        new_columns = tuple(columns) != self._model.columns
        before = self._model.rowCount()
        if isinstance(rows, int):
            self._model.set_rows(columns, rows, row or (lambda number: ()))
        else:
            self._model.set_rows(columns, len(rows), rows.__getitem__)
        if new_columns or (before == 0 and self._model.rowCount()):
            self.fit_columns()

    def set_muted(self, muted: Callable[[int], bool]) -> None:
        """Dim the rows for which ``muted(row)`` is true."""
        self._model.muted = muted
        self.viewport().update()

    def row(self, number: int) -> Row:
        """The values of a row."""
        return self._model.row(number)

    def select_row(self, number: int | None) -> None:
        """Select a row without announcing it."""
        selection = self.selectionModel()
        if number is None or not 0 <= number < self._model.rowCount():
            self.blockSignals(True)
            selection.clearSelection()
            self.blockSignals(False)
            return
        if [index.row() for index in selection.selectedRows()] == [number]:
            return
        self.blockSignals(True)
        self.selectRow(number)
        self.scrollTo(self._model.index(number, 0))
        self.blockSignals(False)

    @property
    def selected_row(self) -> int | None:
        """The selected row."""
        rows = self.selectionModel().selectedRows()
        return rows[0].row() if rows else None

    def fit_columns(self) -> None:
        """Give each column the width of what it shows in its first rows."""
        header = self.horizontalHeader()
        header.setResizeContentsPrecision(40)
        self.resizeColumnsToContents()
        limit = max(120, self.fontMetrics().averageCharWidth() * 48)
        for column in range(self._model.columnCount()):
            header.resizeSection(column, min(limit, header.sectionSize(column) + self.fontMetrics().averageCharWidth()))

    def as_csv(self) -> str:
        """The whole table as CSV, values in full."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self._model.columns)
        for number in range(self._model.rowCount()):
            writer.writerow(["" if value is None else value for value in self._model.row(number)])
        return out.getvalue()

    def copy_selection(self) -> None:
        """Copy the selected rows, columns separated by tabs."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        text = "\n".join("\t".join(shown(value) for value in self._model.row(row)) for row in rows)
        QGuiApplication.clipboard().setText(text)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Announce the row moved to."""
        super().selectionChanged(selected, deselected)
        current = self.selected_row
        if current is not None:
            self.row_selected.emit(current)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and hasattr(self, "_model"):
            self._follow_font()

    def _follow_font(self) -> None:
        self._model.mono = theme.mono_font(self) if self._monospace else None
        self.verticalHeader().setMinimumSectionSize(1)
        self.verticalHeader().setDefaultSectionSize(round(self.fontMetrics().height() * 1.55))
        if self._model.columnCount():
            self.fit_columns()

    def _on_activated(self, index: QModelIndex) -> None:
        self.row_activated.emit(index.row())

    def _on_export(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Export the table", "table.csv", "CSV (*.csv)")
        if path:
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(self.as_csv())

"""A table over rows that are asked for only when they are seen."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelection,
    QModelIndex,
    QPersistentModelIndex,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QAction,
    QColor,
    QFont,
    QFontMetrics,
    QGuiApplication,
    QHelpEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from workbench.widgets import theme
from workbench.widgets.in_turns import InTurns
from workbench.widgets.late_look import LateLook
from workbench.widgets.saving import save, tell
from workbench.widgets.visible_text import drawable, one_line

#: Letters that a column is narrowed to at most, and the first one.
_SHORTEST, _WORDS = 10, 22
#: Rows in view that a column is as wide as.
_LOOKED_AT = 40

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
        self.formats: dict[int, Callable[[Any], str]] = {}
        self._numeric: dict[int, bool] = {}

    def set_rows(self, columns: Sequence[str], count: int, row: Callable[[int], Row]) -> None:
        """Show ``count`` rows, each asked of ``row`` when it is seen."""
        same_shape = tuple(columns) == self._columns and count == self._count
        if not same_shape:
            self.beginResetModel()
        self._columns, self._count, self._row = tuple(columns), count, row
        self._numeric.clear()
        if same_shape:
            if count:
                self.dataChanged.emit(self.index(0, 0), self.index(count - 1, len(columns) - 1))
        else:
            self.endResetModel()

    def grow(self, count: int) -> None:
        """Show more rows behind those that stand, which stay as they are."""
        if count > self._count:
            self.beginInsertRows(QModelIndex(), self._count, count - 1)
            self._count = count
            self.endInsertRows()

    def row(self, number: int) -> Row:
        """The values of a row."""
        return self._row(number)

    @property
    def row_getter(self) -> Callable[[int], Row]:
        """Gives row ``n`` as it is now, whatever is shown later."""
        return self._row

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
            return _side(value) | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return drawable(self._words(value, index.column())[:2000])
        return one_line(self._words(value, index.column()))

    def words(self, row: int, column: int) -> str:
        """What a cell says."""
        return one_line(self._words(self._row(row)[column], column))

    def _words(self, value: object, column: int) -> str:
        return shown(value) if value is None else self.formats.get(column, shown)(value)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Column names; rows are not numbered."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            # A header stands over its numbers; the first rows tell what a column holds.
            if section not in self._numeric:
                values = (self._row(number)[section] for number in range(min(self._count, 8)))
                first = next((value for value in values if value is not None and value != ""), "")
                self._numeric[section] = _side(first) == Qt.AlignmentFlag.AlignRight
            side = Qt.AlignmentFlag.AlignRight if self._numeric[section] else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None


def _side(value: object) -> Qt.AlignmentFlag:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Qt.AlignmentFlag.AlignRight if number else Qt.AlignmentFlag.AlignLeft


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
        least: Rows that there is room for, however little room there is.

    Signals:
        row_selected(int): The person moved to a row.
        row_activated(int): The person double-clicked a row or pressed Enter on it.
    """

    row_selected = Signal(int)
    row_activated = Signal(int)

    def __init__(self, parent: QWidget | None = None, *, monospace: bool = False, least: int = 2) -> None:
        super().__init__(parent)
        self._monospace, self._least_rows = monospace, least
        self._empty_text = "nothing here yet"
        self._fitted = self._arranged = False
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
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.horizontalHeader().setStretchLastSection(True)
        self.horizontalHeader().setHighlightSections(False)
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
        self.horizontalHeader().sectionResized.connect(self._on_column_resized)
        self._look = LateLook(self, kinds=(QEvent.Type.FontChange, QEvent.Type.StyleChange))
        self._look.due.connect(self._follow_font)
        self._look.catch_up()

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
        if new_columns:
            self._arranged = False
        if new_columns or (before == 0 and self._model.rowCount()):
            self._fitted = self.isVisible()
            self.fit_columns()

    def grow(self, count: int) -> None:
        """Show ``count`` rows of the function that gives them: more than there were, the others as they are."""
        self._model.grow(count)

    def set_format(self, column: int, words: Callable[[Any], str]) -> None:
        """Write the values of a column another way; copies of rows and CSV keep the values in full."""
        self._model.formats[column] = words
        self.viewport().update()

    def set_empty_text(self, text: str) -> None:
        """Say what the table is empty of, and what fills it, while it has no rows."""
        self._empty_text = text
        self.viewport().update()

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
        if self.selected_rows == [range(number, number + 1)]:
            return
        self.blockSignals(True)
        self.selectRow(number)
        self.scrollTo(self._model.index(number, 0))
        self.blockSignals(False)

    @property
    def selected_row(self) -> int | None:
        """The selected row."""
        rows = self.selected_rows
        return rows[0].start if rows else None

    @property
    def selected_rows(self) -> list[range]:
        """The selected rows, from the first to the last: to list each of a million takes a minute."""
        parts = self.selectionModel().selection()
        return sorted((range(part.top(), part.bottom() + 1) for part in parts), key=lambda part: part.start)

    def fit_columns(self) -> None:
        """Give each column the width of its header and of what it shows in the rows in view.

        Where that is more than there is room for, the widest columns give way, down to their headers; the first one,
        which says what the row is about, to some words. A table that has to be scrolled all the same cuts less.
        """
        header, letter = self.horizontalHeader(), self.fontMetrics().averageCharWidth()
        columns = [column for column in range(self._model.columnCount()) if not self.isColumnHidden(column)]
        heads = {column: header.sectionSizeFromContents(column).width() for column in columns}
        widths = {
            column: max(heads[column], min(letter * 48, self._widest_cell(column) + letter)) for column in columns
        }
        least = {column: max(heads[column], letter * (_SHORTEST if column else _WORDS)) for column in columns}
        room = self._room()
        if sum(least.values()) > room:
            least = {column: max(least[column], min(widths[column], letter * _WORDS)) for column in columns}
        while (excess := sum(widths.values()) - room) > 0:
            widest = max(columns, key=lambda column: widths[column] - least[column], default=None)
            if widest is None or widths[widest] <= least[widest]:
                break
            widths[widest] = max(least[widest], widths[widest] - max(1, excess // 3))
        for column in columns:
            header.resizeSection(column, widths[column])

    def _widest_cell(self, column: int) -> int:
        """Pixels that the cells of a column need in the rows in view.

        As `sizeHintForColumn`, which asks the model a thousand times: beside a busy thread each waits for the lock.
        """
        first = max(0, self.rowAt(0))
        rows = range(first, min(first + _LOOKED_AT, self._model.rowCount()))
        texts = [self._model.words(row, column) for row in rows]
        if not texts:
            return 0
        metrics = self.fontMetrics() if self._model.mono is None else QFontMetrics(self._model.mono)
        cell = self._model.index(first, column)
        around = self.sizeHintForIndex(cell).width() - metrics.horizontalAdvance(texts[0])
        return metrics.size(0, "\n".join(texts)).width() + around

    def _room(self) -> int:
        """Pixels for the columns, beside the bar that the rows need."""
        bar = self.verticalScrollBar()
        needs = self._model.rowCount() * self.verticalHeader().defaultSectionSize() > self.viewport().height()
        return self.viewport().width() - (bar.sizeHint().width() if needs and not bar.isVisible() else 0)

    def as_csv(self) -> str:
        """The whole table as CSV, values in full."""
        out = io.StringIO()
        for _ in self.write_csv(out):
            pass
        return out.getvalue()

    def write_csv(self, out: TextIO) -> Iterator[None]:
        """Write the whole table as it is now as CSV, a row at each step."""
        count, row = self._model.rowCount(), self._model.row_getter
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self._model.columns)
        for number in range(count):
            writer.writerow(["" if value is None else value for value in row(number)])
            yield

    def export_csv(self, path: Path) -> None:
        """Write the whole table as UTF-8 CSV; of a long one the rest in later turns, so that the window goes on.

        Raises:
            OSError: It can't be written.
        """
        rows = self._model.rowCount()
        InTurns(
            self,
            self._written(path),
            f"Saving {rows:,} rows in {path.name} …",
            f"Saved {rows:,} rows in {path.name}.",
            partial(tell, self, path),
        )

    def _written(self, path: Path) -> Generator[None]:
        unfinished = path.with_name(f"{path.name}.part")
        try:
            with unfinished.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield from self.write_csv(file)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def copy_selection(self) -> None:
        """Copy the selected rows, columns separated by tabs."""
        rows = self.selected_rows
        count = f"{sum(map(len, rows)):,} rows"
        InTurns(self, self._copied(rows), f"Copying {count} …", f"Copied {count}.")

    def _copied(self, rows: list[range]) -> Generator[None]:
        row, lines = self._model.row_getter, []
        for number in chain.from_iterable(rows):
            lines.append("\t".join(shown(value) for value in row(number)))
            yield
        QGuiApplication.clipboard().setText(drawable("\n".join(lines)))

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Announce the row moved to."""
        super().selectionChanged(selected, deselected)
        current = self.selected_row
        if current is not None:
            self.row_selected.emit(current)

    def minimumSizeHint(self) -> QSize:
        """Room for the headers and a few rows."""
        return QSize(super().minimumSizeHint().width(), self.height_of(self._least_rows))

    def height_of(self, count: int) -> int:
        """Pixels that the headers and so many rows take."""
        # Layouts keep what this gives: the style must not make the header higher later.
        self.horizontalHeader().ensurePolished()
        head = 0 if self.horizontalHeader().isHidden() else self.horizontalHeader().sizeHint().height()
        return head + count * self.verticalHeader().defaultSectionSize() + 2 * self.frameWidth()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns to the width, unless the person has chosen their own."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width() and not self._arranged:
            self._fitted = False
        self._fit_if_seen()

    def showEvent(self, event: QShowEvent) -> None:
        """Follow the look when it changed meanwhile."""
        super().showEvent(event)
        self._look.catch_up()
        self._fit_if_seen()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows, or what there is none of."""
        super().paintEvent(event)
        if self._model.rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme.current().muted))
            edge = theme.px(self, 12)
            box = self.viewport().rect().adjusted(edge, edge, -edge, -edge)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._empty_text)

    def viewportEvent(self, event: QEvent) -> bool:
        """Show a tooltip only for what the cell could not show."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.indexAt(event.pos())
            if index.isValid() and self.sizeHintForIndex(index).width() <= self.visualRect(index).width():
                return True
        return super().viewportEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if hasattr(self, "_look"):
            self._look.on_change(event)

    def _follow_font(self) -> None:
        self._model.mono = theme.mono_font(self) if self._monospace else None
        self.verticalHeader().setMinimumSectionSize(1)
        self.verticalHeader().setDefaultSectionSize(round(self.fontMetrics().height() * 1.55))
        self.updateGeometry()
        self._fitted = False
        self._fit_if_seen()

    def _fit_if_seen(self) -> None:
        # In a font that is about to change it would be done twice.
        if not self._fitted and not self._look.behind and self._model.columnCount() and self.isVisible():
            self._fitted = True
            self.fit_columns()

    def _on_column_resized(self) -> None:
        if QGuiApplication.mouseButtons() and self.horizontalHeader().underMouse():
            self._arranged = True

    def _on_activated(self, index: QModelIndex) -> None:
        self.row_activated.emit(index.row())

    def _on_export(self) -> None:
        name = (self.accessibleName() or "table").lower().replace(" ", "-")
        save(self, "Export the table", f"{name}.csv", "CSV (*.csv)", ".csv", self.export_csv)

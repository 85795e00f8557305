"""A table of numbers, each cell tinted by how strong it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from workbench.widgets import theme
from workbench.widgets.visible_text import one_line

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_LONGEST = 40


class _Cells(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: tuple[str, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.strengths = np.zeros((0, 0), np.float32)
        self.words: Callable[[int, int], str] = lambda row, column: ""
        self.tip: Callable[[int, int], str] = lambda row, column: ""

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            return self.words(index.row(), index.column())
        if role == Qt.ItemDataRole.UserRole:
            return float(self.strengths[index.row(), index.column()])
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tip(index.row(), index.column())
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        titles = self.columns if orientation == Qt.Orientation.Horizontal else self.rows
        if role == Qt.ItemDataRole.ToolTipRole:
            return titles[section]
        if role == Qt.ItemDataRole.DisplayRole:
            title = one_line(titles[section])
            return title if len(title) <= _LONGEST else title[: _LONGEST - 1] + "…"
        return None


class _Tinted(QStyledItemDelegate):
    """Draws a cell on its tint; a style sheet would draw over a BackgroundRole."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        tint = theme.strength_color(index.data(Qt.ItemDataRole.UserRole))
        painter.save()
        painter.fillRect(option.rect, tint)
        painter.setPen(theme.ink_on(tint))
        painter.drawText(option.rect, Qt.AlignmentFlag.AlignCenter, index.data())
        painter.restore()
        chosen = option.state & (QStyle.StateFlag.State_HasFocus | QStyle.StateFlag.State_Selected)
        if chosen:
            theme.draw_focus(painter, QRectF(option.rect), 0.0, 2.0)


class TintedMatrix(QTableView):
    """Rows against columns.

    Signals:
        cell_chosen(int, int): The person chose a cell, by row and column.
    """

    cell_chosen = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cells = _Cells(self)
        self.setModel(self._cells)
        self.setItemDelegate(_Tinted(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.verticalHeader().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.selectionModel().currentChanged.connect(self._on_current)
        self._follow_font()

    def set_cells(
        self,
        rows: Sequence[str],
        columns: Sequence[str],
        strengths: np.ndarray,
        words: Callable[[int, int], str],
        tip: Callable[[int, int], str],
    ) -> None:
        """Show a matrix.

        Args:
            rows: Titles of the rows.
            columns: Titles of the columns.
            strengths: Of shape ``(rows, columns)``, in ``[0, 1]``: how deep each tint is.
            words: What stands in a cell, by row and column.
            tip: Its tooltip.
        """
        cells = self._cells
        cells.beginResetModel()
        cells.rows, cells.columns, cells.strengths, cells.words, cells.tip = (
            tuple(rows), tuple(columns), strengths, words, tip,
        )  # fmt: skip
        cells.endResetModel()
        self._follow_font()
        self.updateGeometry()

    def text(self, row: int, column: int) -> str:
        """What stands in a cell."""
        return self._cells.words(row, column)

    def minimumSizeHint(self) -> QSize:
        """Room for the titles and three rows, or as many as there are."""
        head, row = self.horizontalHeader().sizeHint().height(), self.verticalHeader().defaultSectionSize()
        rows = min(3, max(1, len(self._cells.rows)))
        return QSize(super().minimumSizeHint().width(), head + rows * row + 2 * self.frameWidth())

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_cells"):
            self._follow_font()

    def _on_current(self, index: QModelIndex) -> None:
        if index.isValid():
            self.cell_chosen.emit(index.row(), index.column())

    def _follow_font(self) -> None:
        metrics = self.fontMetrics()
        widest = max((metrics.horizontalAdvance(title[:_LONGEST]) for title in self._cells.columns), default=0)
        self.verticalHeader().setDefaultSectionSize(theme.px(self, 30))
        self.horizontalHeader().setDefaultSectionSize(max(theme.px(self, 64), widest + theme.px(self, 20)))

"""A matrix of cosines between lines of text, each cell tinted by its value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QHeaderView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView, QWidget

from workbench.widgets import theme

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class _Cosines(QAbstractTableModel):
    """Cosines of shape ``(lines, lines)`` under the lines themselves."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._lines: tuple[str, ...] = ()
        self._values = np.zeros((0, 0), np.float32)

    def set_values(self, lines: Sequence[str], values: np.ndarray) -> None:
        self.beginResetModel()
        self._lines, self._values = tuple(lines), values
        self.endResetModel()

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._lines)

    def columnCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._lines)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        value = float(self._values[index.row(), index.column()])
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{value:.3f}"
        if role == Qt.ItemDataRole.UserRole:
            return value
        if role == Qt.ItemDataRole.ToolTipRole:
            return (
                f"{value:.6f}\n{index.row() + 1}: {self._lines[index.row()]}\n{index.column() + 1}: "
                + (self._lines[index.column()])
            )
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._lines[section]
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return str(section + 1)
        line = self._lines[section]
        return f"{section + 1}  {line if len(line) <= 40 else line[:39] + '…'}"


class _Tinted(QStyledItemDelegate):
    """Draws a cell on its tint; a style sheet would draw over a BackgroundRole."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        tint = theme.strength_color(index.data(Qt.ItemDataRole.UserRole))
        painter.save()
        painter.fillRect(option.rect, tint)
        painter.setPen(theme.ink_on(tint))
        painter.drawText(option.rect, Qt.AlignmentFlag.AlignCenter, index.data())
        painter.restore()
        if option.state & QStyle.StateFlag.State_HasFocus:
            theme.draw_focus(painter, QRectF(option.rect), 0.0, 2.0)


class SimilarityTable(QTableView):
    """Lines against lines; 1.000 is the same direction, 0.000 a right angle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cosines = _Cosines(self)
        self.setModel(self._cosines)
        self.setItemDelegate(_Tinted(self))
        self.setTabKeyNavigation(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._follow_font()

    def set_values(self, lines: Sequence[str], values: np.ndarray) -> None:
        """Show cosines of shape ``(lines, lines)`` in ``[-1, 1]``."""
        self._cosines.set_values(lines, values)
        self._follow_font()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_cosines"):
            self._follow_font()

    def _follow_font(self) -> None:
        self.verticalHeader().setDefaultSectionSize(theme.px(self, 30))
        self.horizontalHeader().setDefaultSectionSize(theme.px(self, 64))

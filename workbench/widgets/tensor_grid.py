"""A tensor as numbers: shape, dtype, and its values as a grid, the leading dimensions chosen by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QAction, QFont, QFontMetrics, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from workbench.widgets import theme
from workbench.widgets.empty_words import EmptyWords
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietSpinBox

if TYPE_CHECKING:
    import numpy as np

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class _Values(QAbstractTableModel):
    """A matrix; a cell is read when it is seen, so that 150,000 columns cost nothing."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.page: np.ndarray | None = None
        self.font: QFont | None = None

    def set_page(self, page: np.ndarray | None) -> None:
        self.beginResetModel()
        self.page = page
        self.endResetModel()

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() or self.page is None else int(self.page.shape[0])

    def columnCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() or self.page is None else int(self.page.shape[1])

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if self.page is None:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.FontRole:
            return self.font
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.UserRole):
            return None
        value = self.page[index.row(), index.column()].item()
        if role == Qt.ItemDataRole.UserRole:
            return value
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"[{index.row()}, {index.column()}]  {value!r}"
        return written(value)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        return str(section) if role == Qt.ItemDataRole.DisplayRole else None


def written(value: float | bool) -> str:
    """A value as a cell says it: whole numbers in full, others to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class TensorGrid(QWidget):
    """One tensor; only the cells in view are asked for.

    Args:
        name: First part of the object names: ``name_grid`` of the table, ``name_index_0`` … of the dimensions.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._values: np.ndarray | None = None
        self._title = QLabel()
        theme.set_role(self._title, "mono")
        self._model = _Values(self)
        self._table = named(QTableView(), f"{name}_grid", "Values", "Values of the tensor")
        self._table.setModel(self._model)
        self._table.setTabKeyNavigation(False)
        self._table.setWordWrap(False)
        self._table.setShowGrid(False)
        self._table.setAlternatingRowColors(True)
        self._table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._table.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        for header in (self._table.horizontalHeader(), self._table.verticalHeader()):
            # Widths are the same for all columns: measuring the contents of a vocabulary takes minutes.
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            header.setHighlightSections(False)
        copy = QAction("Copy", self._table)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy_selection)
        self._table.addAction(copy)
        self._empty = EmptyWords(self._table)
        self._indices: list[tuple[int, QuietSpinBox]] = []
        self._slices = QHBoxLayout()
        self._slices.addWidget(self._title)
        self._slices.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._slices)
        layout.addWidget(self._table, 1)
        self.set_tensor("", "", None)

    @property
    def table(self) -> QTableView:
        """The grid."""
        return self._table

    def set_empty_text(self, text: str) -> None:
        """Say what it is empty of, and what fills it, while there is no tensor."""
        self._empty.setText(text)

    def set_tensor(self, title: str, dtype: str, values: np.ndarray | None, axes: Sequence[str] = ()) -> None:
        """Show a tensor.

        Args:
            title: Its name; without one, shape and dtype are not written out either.
            dtype: As torch spells it.
            values: Of any number of dimensions; the last two are the rows and columns of the grid, the others are
                chosen by index where there is a choice. None shows nothing.
            axes: What each dimension is, where that is known.
        """
        self._values = values
        for _, box in self._indices:
            self._slices.removeWidget(box)
            box.hide()
            box.deleteLater()
        self._indices = []
        shape = "" if values is None else " × ".join(str(size) for size in values.shape) or "number"
        self._title.setText(f"{title}  [{shape}]  {dtype}" if title else "")
        self._title.setVisible(bool(title))
        self._empty.setVisible(values is None)
        if values is not None and values.size:
            for dimension, size in enumerate(values.shape[:-2]):
                if size > 1:
                    self._add_index(dimension, size, axes[dimension] if axes else f"dim {dimension}")
        self._show()

    def copy_selection(self) -> None:
        """Copy the selected cells, columns separated by tabs."""
        indexes = sorted(self._table.selectionModel().selectedIndexes(), key=lambda each: (each.row(), each.column()))
        rows: dict[int, list[str]] = {}
        for index in indexes:
            rows.setdefault(index.row(), []).append(str(self._model.data(index, Qt.ItemDataRole.UserRole)))
        QGuiApplication.clipboard().setText("\n".join("\t".join(row) for row in rows.values()))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_indices"):
            self._measure()

    def _add_index(self, dimension: int, size: int, axis: str) -> None:
        box = named(
            QuietSpinBox(),
            f"{self._name}_index_{dimension}",
            f"Index {dimension}",
            f"Place in dimension {dimension}, from 0 to {size - 1}",
        )
        box.setRange(0, size - 1)
        box.setPrefix(f"{axis}: ")
        box.valueChanged.connect(self._show)
        self._slices.addWidget(box)
        self._indices.append((dimension, box))

    def _show(self) -> None:
        page = self._values
        if page is not None and page.size:
            chosen = {dimension: box.value() for dimension, box in self._indices}
            if page.ndim > 2:
                page = page[tuple(chosen.get(dimension, 0) for dimension in range(page.ndim - 2))]
            while page.ndim < 2:
                page = page[None]
        else:
            page = None
        self._model.set_page(page)
        self._measure()

    def _measure(self) -> None:
        mono = theme.mono_font(self)
        if self._model.font != mono:
            self._model.font = mono
        page = self._model.page
        digits = 10 if page is None or page.dtype.kind == "f" else _digits(page)
        metrics = QFontMetrics(mono)
        width = metrics.horizontalAdvance("0" * max(digits, 3)) + theme.px(self, 20)
        self._table.horizontalHeader().setDefaultSectionSize(width)
        self._table.verticalHeader().setDefaultSectionSize(round(metrics.height() * 1.5))


def _digits(page: np.ndarray) -> int:
    return max(len(str(page.min())), len(str(page.max())), len(str(page.shape[1] - 1)))

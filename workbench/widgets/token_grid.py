"""Several texts as the one rectangle of tokens that a model is given."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPen
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
from workbench.widgets.visible_text import drawable, visible

_Index = QModelIndex | QPersistentModelIndex
#: Text and tooltip of a cell, and whether it is padding.
Cell = tuple[str, str, bool]
#: The number of the word that a position belongs to, or None.
Words = Callable[[int, int], int | None]
#: Under this role a cell says its word.
WORD = Qt.ItemDataRole.UserRole


def _empty(_row: int, _column: int) -> Cell:
    return "", "", False


class _GridModel(QAbstractTableModel):
    """Rows of different length; a cell is asked for when it is seen."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.lengths: tuple[int, ...] = ()
        self._width = 0
        self._cell: Callable[[int, int], Cell] = _empty
        self.word: Words | None = None

    def set_rows(self, lengths: tuple[int, ...], cell: Callable[[int, int], Cell], word: Words | None) -> None:
        self.beginResetModel()
        self.lengths, self._width, self._cell, self.word = lengths, max(lengths, default=0), cell, word
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.lengths)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else self._width

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if index.column() >= self.lengths[index.row()]:
            return None
        if role not in (
            Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.BackgroundRole,
            Qt.ItemDataRole.ForegroundRole, WORD,
        ):  # fmt: skip
            return None
        word = self.word(index.row(), index.column()) if self.word is not None else None
        if role == WORD:
            return word
        text, tip, padding = self._cell(index.row(), index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return visible(text)
        if role == Qt.ItemDataRole.ToolTipRole:
            return drawable(tip)
        look = theme.current()
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(look.muted if padding else look.text)
        if padding or (self.word is not None and word is None):
            return QColor(look.sunken)
        return QColor(look.tints[(index.column() if word is None else word) % len(look.tints)])

    def flags(self, index: _Index) -> Qt.ItemFlag:
        return super().flags(index) if index.column() < self.lengths[index.row()] else Qt.ItemFlag.NoItemFlags

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        return str(section) if role == Qt.ItemDataRole.DisplayRole else None


class _CellDelegate(QStyledItemDelegate):
    """Fills cells itself, because a style sheet on the view leaves their own background out."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        ground = index.data(Qt.ItemDataRole.BackgroundRole)
        if ground is None:
            return
        box = option.rect.adjusted(1, 1, -2, -2)
        painter.save()
        painter.fillRect(box, ground)
        painter.setPen(index.data(Qt.ItemDataRole.ForegroundRole))
        painter.setFont(option.font)
        text = option.fontMetrics.elidedText(index.data(), Qt.TextElideMode.ElideMiddle, box.width() - 4)
        word = index.data(WORD)
        lower = box if word is None else box.adjusted(0, box.height() // 3, 0, 0)
        painter.drawText(lower, Qt.AlignmentFlag.AlignCenter, text)
        if word is not None:
            small = QFont(option.font)
            small.setPointSizeF(0.8 * small.pointSizeF())
            painter.setFont(small)
            upper = box.adjusted(box.width() // 20, 0, 0, -box.height() // 2)
            painter.drawText(upper, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, str(word))
        if option.state & QStyle.StateFlag.State_Selected:
            width = max(2, round(option.fontMetrics.height() / 8))
            painter.setPen(QPen(QColor(theme.current().accent), width))
            painter.drawRect(box.adjusted(width // 2, width // 2, -width // 2, -width // 2))
        painter.restore()


class TokenGrid(QTableView):
    """One row a text, one column a position, padding greyed.

    Signals:
        token_selected(int, int): The person moved to a cell: row and position.
    """

    token_selected = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = _GridModel(self)
        self._announcing = True
        self.setModel(self._model)
        self.setItemDelegate(_CellDelegate(self))
        self.setShowGrid(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setCornerButtonEnabled(False)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            header.setMinimumSectionSize(1)
            header.setHighlightSections(False)
        self._follow_font()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and positions of the longest."""
        return self._model.rowCount(), self._model.columnCount()

    def set_rows(self, lengths: tuple[int, ...], cell: Callable[[int, int], Cell], word: Words | None = None) -> None:
        """Show texts.

        Args:
            lengths: Positions of each row.
            cell: Gives the cell at a row and a position when it is seen.
            word: Gives the word there. With it the cells of a word share a tint and say its number.
        """
        self._announcing = False
        self._model.set_rows(lengths, cell, word)
        self._follow_font()
        self._announcing = True

    def select(self, row: int, position: int | None) -> None:
        """Select a cell (or none) without announcing it."""
        self._announcing = False
        if position is None or not (0 <= row < len(self._model.lengths) and 0 <= position < self._model.lengths[row]):
            self.clearSelection()
        else:
            self.setCurrentIndex(self._model.index(row, position))
        self._announcing = True

    # Qt.

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        """Announce the cell moved to."""
        super().currentChanged(current, previous)
        if self._announcing and current.isValid() and current.column() < self._model.lengths[current.row()]:
            self.token_selected.emit(current.row(), current.column())

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and hasattr(self, "_model"):
            self._follow_font()

    def _follow_font(self) -> None:
        self.verticalHeader().setDefaultSectionSize(
            round(self.fontMetrics().height() * (1.6 if self._model.word is None else 2.2))
        )
        self.horizontalHeader().setDefaultSectionSize(self.fontMetrics().averageCharWidth() * 9)

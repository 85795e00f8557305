"""An answer out of a table, with the cells it is made of marked in the table."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLabel,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from workbench.engine.tasks.table_question_answering import rows
from workbench.engine.values import TaskResult
from workbench.widgets import theme
from workbench.widgets.naming import named
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable


class Marked(QStyledItemDelegate):
    """Draws bold cells on the soft accent; a style sheet would draw over a BackgroundRole."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Fill the cell first where its words are bold."""
        self.initStyleOption(option, index)
        if option.font.bold():
            painter.fillRect(option.rect, QColor(theme.current().accent_soft))
        super().paint(painter, option, index)


class CellsView(QWidget):
    """The answer in words above the table; its cells are tinted and bold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cells: tuple[tuple[int, int], ...] = ()
        self._answer = named(QLabel(), "tasks.table_answer", "Answer", "The answer, after what is done with the cells")
        self._answer.setWordWrap(True)
        set_role(self._answer, "title")
        self._table = named(QTableWidget(), "tasks.table", "Table", "The table, with the cells of the answer marked")
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setTabKeyNavigation(False)
        self._table.setAlternatingRowColors(False)
        self._table.setItemDelegate(Marked(self._table))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._answer)
        column.addWidget(self._table, 1)

    @property
    def marked(self) -> tuple[str, ...]:
        """What stands in the marked cells."""
        return tuple(self._table.item(row, column).text() for row, column in self._cells)

    def show_result(self, result: TaskResult) -> str:
        """Show a result, and say it in words."""
        answer = result.items[-1]
        header, *body = rows(result.given.second)
        self._cells = answer.cells
        told = [(each.question, drawable(each.text) or "No cell answers it") for each in result.items]
        # Of several, the cells of the last one are marked.
        words = "\n".join(f"{drawable(question)} {text}" for question, text in told) if len(told) > 1 else told[0][1]
        self._answer.setText(words)
        self._table.clear()
        self._table.setRowCount(len(body))
        self._table.setColumnCount(len(header))
        self._table.setHorizontalHeaderLabels([drawable(name) for name in header])
        for row, cells in enumerate(body):
            for column, cell in enumerate(cells):
                self._table.setItem(row, column, QTableWidgetItem(drawable(cell)))
        self._mark()
        self._table.resizeColumnsToContents()
        return words

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_table"):
            self._mark()

    def _mark(self) -> None:
        for row, column in self._cells:
            item = self._table.item(row, column)
            font = self._table.font()
            font.setBold(True)
            item.setFont(font)

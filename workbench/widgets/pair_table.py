"""Two distributions over one another: a row for each token, a bar for each side."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.probability_table import format_percent
from workbench.widgets.visible_text import visible

_TOKEN, _IDS, _LEFT, _RIGHT, _BARS = range(5)

#: A row: the token's text, its id on each side, its probability on each side, None where a side does not list it; and
#: a mark in front of the text, or none.
PairRow = tuple[str, int | None, int | None, float | None, float | None, str]


class PairTable(DataTable):
    """What two sides thought of the next token: the left one as a full bar, the right one as an outline below it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: Sequence[PairRow] = ()
        self._names = ("A", "B")
        self.set_empty_text("no distributions yet")
        for column in (_LEFT, _RIGHT):
            self.set_format(column, _percent)
        self._delegate = _Bars(self)
        self.setItemDelegateForColumn(_BARS, self._delegate)
        self._show()

    def set_pairs(self, names: tuple[str, str], rows: Sequence[PairRow]) -> None:
        """Show these rows under the names of the two sides."""
        self._names, self._rows = names, rows
        self._show()

    def pair(self, number: int) -> PairRow:
        """A row."""
        return self._rows[number]

    def fit_columns(self) -> None:
        """The bars take what the numbers leave."""
        metrics, header, gap = self.fontMetrics(), self.horizontalHeader(), theme.px(self, 20)
        widths = {_TOKEN: metrics.averageCharWidth() * 16, _IDS: metrics.horizontalAdvance("88888 / 88888") + gap}
        for column in (_LEFT, _RIGHT):
            least = header.sectionSizeFromContents(column).width()
            widths[column] = max(metrics.horizontalAdvance("not listed") + gap, min(least, theme.px(self, 160)))
        widths[_BARS] = max(theme.px(self, 80), self.viewport().width() - sum(widths.values()))
        for column, width in widths.items():
            header.resizeSection(column, width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the room anew."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.fit_columns()

    def _show(self) -> None:
        columns = ("token", "id", f"p of {self._names[0]}", f"p of {self._names[1]}", "both")
        self.set_rows(columns, len(self._rows), self._row)
        self.fit_columns()

    def _row(self, number: int) -> Sequence[object]:
        text, left, right, *chances, mark = self._rows[number]
        ids = f"{left}" if left == right else " / ".join("–" if each is None else str(each) for each in (left, right))
        one, other = (chance if isinstance(chance, float) else -1.0 for chance in chances)
        return (f"{mark} {visible(text)}".strip(), ids, one, other, "")


def _percent(chance: float) -> str:
    return "not listed" if chance < 0 else format_percent(chance)


class _Bars(QStyledItemDelegate):
    """Two bars, one above the other."""

    def __init__(self, table: PairTable) -> None:
        super().__init__(table)
        self._table = table

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw the cell's ground and both bars."""
        table, look = self._table, theme.current()
        table.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, table)
        edge = theme.px(table, 6)
        box = QRectF(option.rect).adjusted(edge, edge / 2, -edge, -edge / 2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        radius = theme.px(table, 2)
        for place, chance in enumerate(table.pair(index.row())[3:5]):
            half = QRectF(box.left(), box.top() + place * box.height() / 2, box.width(), box.height() / 2)
            half.adjust(0, radius / 2, 0, -radius / 2)
            half.setWidth(half.width() * (chance or 0.0))
            painter.setPen(Qt.PenStyle.NoPen if place == 0 else QPen(QColor(look.text), theme.px(table, 1)))
            painter.setBrush(QColor(look.accent) if place == 0 else QBrush(Qt.BrushStyle.NoBrush))
            if chance:
                painter.drawRoundedRect(half, radius, radius)
        painter.restore()

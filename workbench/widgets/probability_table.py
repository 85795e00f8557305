"""The distribution of one step: raw beside filtered, with bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from workbench.widgets.data_table import DataTable
from workbench.widgets.visible_text import visible

_COLUMNS = ("token", "id", "rank", "logit", "probability", "after the knobs", "cut by")
_RAW, _AFTER, _CUT = 4, 5, 6


def format_percent(probability: float) -> str:
    """A probability in per cent, honest at both ends.

    Args:
        probability: In ``[0, 1]``.

    Returns:
        Two digits after the point; ``< 0.01 %`` and ``> 99.99 %`` only when it is so; ``0 %`` and ``100 %`` only when
        exact.
    """
    if probability <= 0:
        return "0 %"
    if probability >= 1:
        return "100 %"
    percent = probability * 100
    if percent < 0.01:
        return "< 0.01 %"
    if percent > 99.99:
        return "> 99.99 %"
    return f"{percent:.2f} %"


class ProbabilityRow(Protocol):
    """A candidate: ``after`` is 0 and ``cut_by`` names the knob when it was removed."""

    id: int
    text: str
    rank: int
    logit: float
    probability: float
    after: float
    cut_by: str | None


class ProbabilityTable(DataTable):
    """Candidates by falling probability."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._candidates: Sequence[ProbabilityRow] = ()
        self._chosen: int | None = None
        self.log_scale = False
        self.set_muted(self._is_cut)
        self._bars = _Bars(self)
        self.setItemDelegateForColumn(_RAW, self._bars)
        self.setItemDelegateForColumn(_AFTER, self._bars)
        self.set_rows(_COLUMNS, 0, self._row)

    def set_candidates(self, rows: Sequence[ProbabilityRow]) -> None:
        """Show these candidates."""
        self._candidates = rows
        self.set_rows(_COLUMNS, len(rows), self._row)

    def set_chosen(self, token_id: int | None) -> None:
        """Mark the token that was taken."""
        if token_id != self._chosen:
            self._chosen = token_id
            self.viewport().update()

    def set_log_scale(self, log_scale: bool) -> None:
        """Draw bars by the logarithm of the probability, from 1e-6 to 1."""
        self.log_scale = log_scale
        self.viewport().update()

    def share(self, probability: float) -> float:
        """Length of a bar, in ``[0, 1]``."""
        if probability <= 0:
            return 0.0
        if not self.log_scale:
            return probability
        import math

        return max(0.0, 1 + math.log10(probability) / 6)

    def _row(self, number: int) -> Sequence[object]:
        row = self._candidates[number]
        name = f"▶ {visible(row.text)}" if row.id == self._chosen else visible(row.text)
        cut = f"cut by {row.cut_by}" if row.cut_by else ""
        return (name, row.id, row.rank, f"{row.logit:.3f}", row.probability, row.after, cut)

    def _is_cut(self, number: int) -> bool:
        return number < len(self._candidates) and self._candidates[number].cut_by is not None

    def fit_columns(self) -> None:
        """Fixed widths, so that nothing jumps while a slider moves."""
        unit = self.fontMetrics().averageCharWidth()
        for column, letters in enumerate((16, 9, 8, 10, 24, 24, 14)):
            self.horizontalHeader().resizeSection(column, unit * letters)


class _Bars(QStyledItemDelegate):
    """A bar with its per cent."""

    def __init__(self, table: ProbabilityTable) -> None:
        super().__init__(table)
        self._table = table

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        probability = index.data(Qt.ItemDataRole.UserRole)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        palette = self._table.palette()
        painter.save()
        if selected:
            painter.fillRect(option.rect, palette.highlight())
        words = format_percent(probability)
        text_width = option.fontMetrics.horizontalAdvance("> 99.99 %") + 10
        room = QRectF(option.rect).adjusted(6, 5, -text_width, -5)
        bar = QRectF(room.left(), room.top(), room.width() * self._table.share(probability), room.height())
        ink = palette.highlightedText() if selected else palette.highlight()
        painter.fillRect(bar, ink if index.column() == _AFTER or selected else palette.mid())
        role = palette.highlightedText() if selected else (palette.text() if probability else palette.placeholderText())
        painter.setPen(role.color())
        painter.drawText(
            option.rect.adjusted(0, 0, -6, 0), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words
        )
        painter.restore()

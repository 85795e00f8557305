"""The distribution of one step: raw beside filtered, with bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QResizeEvent
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.visible_text import visible

_COLUMNS = ("token", "id", "rank", "logit", "raw p", "after p", "cut by")
_TOKEN, _ID, _RANK, _LOGIT, _RAW, _AFTER, _CUT = range(7)
#: Powers of ten that a logarithmic bar covers.
_DECADES = 6


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

    @property
    def id(self) -> int:
        """Vocabulary id."""
        ...

    @property
    def text(self) -> str:
        """Decoded."""
        ...

    @property
    def rank(self) -> int:
        """1 is the most probable."""
        ...

    @property
    def logit(self) -> float:
        """Raw."""
        ...

    @property
    def probability(self) -> float:
        """Before any knob."""
        ...

    @property
    def after(self) -> float:
        """After every knob; 0.0 when cut."""
        ...

    @property
    def cut_by(self) -> str | None:
        """The knob that removed it, or None."""
        ...


class ProbabilityTable(DataTable):
    """Candidates by falling probability: what the model said, and what the knobs made of it.

    What a knob cut is dimmed and says so where its bar would be.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._candidates: Sequence[ProbabilityRow] = ()
        self._chosen: int | None = None
        self.log_scale = False
        self.set_empty_text("no distribution yet")
        self.set_muted(self._is_cut)
        self.set_format(_LOGIT, _logit)
        self.set_format(_RAW, format_percent)
        self.set_format(_AFTER, format_percent)
        self._bars = _Bars(self)
        self.setItemDelegateForColumn(_RAW, self._bars)
        self.setItemDelegateForColumn(_AFTER, self._bars)
        self.set_rows(_COLUMNS, 0, self._row)
        # The bars say it; the column is there for copies and exports.
        self.setColumnHidden(_CUT, True)

    @property
    def candidates(self) -> Sequence[ProbabilityRow]:
        """What is shown."""
        return self._candidates

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
        return max(0.0, 1 + math.log10(probability) / _DECADES) if self.log_scale else min(1.0, probability)

    def cut_words(self, number: int) -> str:
        """Why a row is cut, such as ``cut by top_p``; empty when it is kept."""
        cut = self._candidates[number].cut_by
        return f"cut by {cut}" if cut else ""

    def fit_columns(self) -> None:
        """Widths by the room there is, not by the content, so that nothing jumps while a slider moves."""
        metrics, header, gap = self.fontMetrics(), self.horizontalHeader(), theme.px(self, 18)
        widths = {
            _ID: max(metrics.horizontalAdvance("888888") + gap, header.sectionSizeFromContents(_ID).width()),
            _RANK: max(metrics.horizontalAdvance("88888") + gap, header.sectionSizeFromContents(_RANK).width()),
            _LOGIT: max(metrics.horizontalAdvance("-88.888") + gap, header.sectionSizeFromContents(_LOGIT).width()),
        }
        room = self.viewport().width() - sum(widths.values())
        letter = metrics.averageCharWidth()
        widths[_TOKEN] = min(letter * 26, max(letter * 9, room // 4))
        least = metrics.horizontalAdvance("> 99.99 %") + theme.px(self, 40)
        widths[_RAW] = widths[_AFTER] = max(least, (room - widths[_TOKEN]) // 2)
        for column, width in widths.items():
            if header.sectionSize(column) != width:
                header.resizeSection(column, width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the room anew."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.fit_columns()

    def _row(self, number: int) -> Sequence[object]:
        row = self._candidates[number]
        name = f"▶ {visible(row.text)}" if row.id == self._chosen else visible(row.text)
        return (name, row.id, row.rank, row.logit, row.probability, row.after, self.cut_words(number))

    def _is_cut(self, number: int) -> bool:
        return number < len(self._candidates) and self._candidates[number].cut_by is not None


def _logit(value: float) -> str:
    return f"{value:.3f}"


class _Bars(QStyledItemDelegate):
    """A bar with its per cent."""

    def __init__(self, table: ProbabilityTable) -> None:
        super().__init__(table)
        self._table = table

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw the cell's ground, its bar and its words."""
        table, look, after = self._table, theme.current(), index.column() == _AFTER
        probability = index.data(Qt.ItemDataRole.UserRole)
        cut = table.cut_words(index.row())
        ground = QStyleOptionViewItem(option)
        table.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, ground, painter, table)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = theme.px(table, 6)
        box = QRectF(option.rect).adjusted(edge, 0, -edge, 0)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(QColor(look.muted if cut else look.text))
        if after and cut:
            painter.drawText(box, right, cut)
        else:
            numbers = option.fontMetrics.horizontalAdvance("> 99.99 %") + edge
            room = box.adjusted(0, box.height() * 0.24, -numbers, -box.height() * 0.24)
            painter.drawText(box, right, format_percent(probability))
            painter.setPen(Qt.PenStyle.NoPen)
            radius = min(room.height() / 2, theme.px(table, 3))
            bar = QRectF(room.left(), room.top(), room.width() * table.share(probability), room.height())
            faded = theme.mix(QColor(look.muted), QColor(look.surface), 0.65 if cut else 0.4)
            painter.setBrush(QColor(look.accent) if after else faded)
            painter.drawRoundedRect(bar, min(radius, bar.width() / 2), radius)
        painter.restore()

"""The distribution of one step: logit, the score after each processor, raw beside filtered, with bars."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TextIO

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QHelpEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.probability_row import ProbabilityRow, format_rank, format_score, heading, score_cells
from workbench.widgets.visible_text import visible

_FRONT = ("token", "id", "rank", "logit")
_TOKEN, _ID, _RANK, _LOGIT = range(4)
#: What gives way, in this order, where there is no room for all.
_GIVE_WAY = (_RANK, _ID, _LOGIT)
_BACK = ("raw p", "after p", "cut by")
#: Cumulative probability of an id, before the knobs and after.
Reach = Callable[[int], tuple[float, float]]
#: Powers of ten that a logarithmic bar covers.
_DECADES = 6
#: Rows among which the selected token is looked for after the order changed.
_SEARCHED = 256


def format_percent(share: float, digits: int = 2) -> str:
    """A probability or another share in per cent, honest at both ends.

    Args:
        share: In ``[0, 1]``.
        digits: After the point.

    Returns:
        Such as ``71.30 %``; ``< 0.01 %`` and ``> 99.99 %`` only when it is so; ``0 %`` and ``100 %`` only when exact.
    """
    if share <= 0:
        return "0 %"
    if share >= 1:
        return "100 %"
    percent, least = share * 100, 10.0**-digits
    if percent < least:
        return f"< {least:.{digits}f} %"
    if percent > 100 - least:
        return f"> {100 - least:.{digits}f} %"
    return f"{percent:.{digits}f} %"


def bar_share(probability: float, log_scale: bool) -> float:
    """Length of a probability's bar, in ``[0, 1]``; logarithmic ones begin at 1e-6."""
    if probability <= 0:
        return 0.0
    return max(0.0, 1 + math.log10(probability) / _DECADES) if log_scale else min(1.0, probability)


def draw_line(painter: QPainter, points: Sequence[QPointF], color: QColor, unit: float) -> None:
    """Draw a line with a dot at each point.

    Args:
        painter: Its pen is left as it was.
        points: In their order.
        color: Of line and dots.
        unit: A pixel at this zoom.
    """
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, 1.5 * unit))
    painter.drawPolyline(QPolygonF(points))
    painter.setBrush(color)
    for point in points:
        painter.drawEllipse(point, 1.5 * unit, 1.5 * unit)
    painter.restore()


class ProbabilityTable(DataTable):
    """Candidates with what the model said, the score after each processor, and what they are drawn with.

    What a knob cut is dimmed, says so in the column of that knob and where its bar would be, and says why in its
    tooltip. All cells are painted in one go: a slider is followed within a frame.

    Attributes:
        log_scale: Whether bars are logarithmic.
        reach_of: What the line over the bars shows; see `set_reach`.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._candidates: Sequence[ProbabilityRow] = ()
        self._cells: dict[int, tuple[object, ...]] = {}
        self._acts: tuple[str, ...] = ()
        self._chosen: int | None = None
        self.reach_of: Reach | None = None
        self.log_scale = False
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.set_empty_text("no distribution yet")
        self.set_muted(self._is_cut)
        self._set_columns()
        self._follow_font()

    @property
    def candidates(self) -> Sequence[ProbabilityRow]:
        """What is shown."""
        return self._candidates

    @property
    def acts(self) -> tuple[str, ...]:
        """The processors that have a column, in their order."""
        return self._acts

    def set_candidates(self, rows: Sequence[ProbabilityRow], acts: Sequence[str] = ()) -> None:
        """Show these candidates.

        Args:
            rows: Asked for when they are seen; one may be made anew each time.
            acts: Names of the processors to show columns of, as many as a row has scores; none hides them.
        """
        selected, bars = self._selected_id(), (self.horizontalScrollBar(), self.verticalScrollBar())
        places = [bar.value() for bar in bars]
        self._candidates = rows
        self._cells = {}
        if tuple(acts) != self._acts:
            self._acts = tuple(acts)
            self._set_columns()
        else:
            self.set_rows(self.columns, len(rows), self._getter())
        self._keep_selected(selected)
        for bar, place in zip(bars, places, strict=True):
            bar.setValue(place)

    @property
    def selected_candidate(self) -> ProbabilityRow | None:
        """The candidate whose row is selected."""
        row = self.selected_row
        return self._candidates[row] if row is not None and row < len(self._candidates) else None

    def set_chosen(self, token_id: int | None) -> None:
        """Mark the token that was taken."""
        if token_id != self._chosen:
            self._chosen = token_id
            self._cells.clear()
            self.viewport().update()

    def set_log_scale(self, log_scale: bool) -> None:
        """Draw bars by the logarithm of the probability, from 1e-6 to 1."""
        self.log_scale = log_scale
        self.viewport().update()

    def set_reach(self, reach: Reach | None) -> None:
        """Draw a line over the bars: what each row's token and all that are at least as probable hold together.

        Args:
            reach: Gives that for an id, before the knobs and after; None draws no line. From 0 at the beginning of the
                bars to 1 at the end of their room, whatever the scale of the bars.
        """
        self.reach_of = reach
        self.viewport().update()

    def reach(self, number: int) -> tuple[float, float] | None:
        """What the line shows at a row, before the knobs and after; None without a line."""
        return self.reach_of(self._candidates[number].id) if self.reach_of is not None else None

    def share(self, probability: float) -> float:
        """Length of a bar, in ``[0, 1]``."""
        return bar_share(probability, self.log_scale)

    def cut_words(self, number: int) -> str:
        """Why a row is cut, such as ``cut by top_p``; empty when it is kept."""
        cut = self._candidates[number].cut_by
        return f"cut by {cut}" if cut else ""

    def tip(self, number: int) -> str:
        """What the tooltip of a row says: why it was cut, with numbers."""
        row, reach = self._candidates[number], self.reach(number)
        said = [row.why or self.cut_words(number)]
        if reach is not None:
            raw, after = reach
            with_after = "" if row.cut_by else f", {format_percent(after)} after the knobs"
            said.append(f"with all that are at least as probable: {format_percent(raw)} before{with_after}")
        return "\n".join(line for line in said if line)

    def has_room_for(self, acts: Sequence[str]) -> bool:
        """Whether the columns of these processors would fit beside the others."""
        return sum(self._least(tuple(acts))) <= self.viewport().width()

    def write_csv(self, out: TextIO) -> Iterator[None]:
        """Write what is listed as CSV, values in full, a row at each step."""
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        rows, acts = self._candidates, self._acts
        writer.writerow([*_FRONT, *acts, *_BACK])
        for row in rows:
            scores = row.scores[: len(acts)]
            cut = f"cut by {row.cut_by}" if row.cut_by else ""
            writer.writerow([row.text, row.id, row.rank, row.logit, *scores, row.probability, row.after, cut])
            yield

    def fit_columns(self) -> None:
        """Widths by the room there is, not by the content, so that nothing jumps while a slider moves.

        Where it is too narrow for all, the numbers beside the probabilities give way, the rank first.
        """
        if not hasattr(self, "_acts"):
            return
        widths, room = self._least(self._acts), self.viewport().width()
        for column in _GIVE_WAY:
            # A trace begins with the logit.
            hidden = sum(widths) > room and not (column == _LOGIT and self._acts)
            self.setColumnHidden(column, hidden)
            if hidden:
                widths[column] = 0
        spare = max(0, room - sum(widths))
        letter = self.fontMetrics().averageCharWidth()
        more = min(spare // 4, letter * 17)
        widths[_TOKEN] += more
        raw, after = len(_FRONT) + len(self._acts), len(_FRONT) + len(self._acts) + 1
        widths[raw] += (spare - more) // 2
        widths[after] += spare - more - (spare - more) // 2
        header = self.horizontalHeader()
        for column, width in enumerate(widths):
            if width and header.sectionSize(column) != width:
                header.resizeSection(column, width)

    def _least(self, acts: tuple[str, ...]) -> list[int]:
        """The narrowest widths at which every cell and every heading can be read."""
        metrics, gap = self.fontMetrics(), theme.px(self, 16)
        bold = QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        headings, margin = QFontMetrics(bold), theme.px(self, 22)

        def wide(words: str, heading: str) -> int:
            lines = (headings.horizontalAdvance(line) for line in heading.split("\n"))
            return max(metrics.horizontalAdvance(words) + gap, max(lines) + margin)

        percent = "> 99.99 %"
        return [
            wide("n" * 8, "token"),
            wide("88888", "id"),
            wide("88,888", "rank"),
            wide("-88.888", "logit"),
            *(wide("-88.888", heading(act)) for act in acts),
            wide(percent, "raw p") + theme.px(self, 8),
            max(wide(percent, "after p") + theme.px(self, 8), wide("cut by min_p", "")),
        ]

    def _set_columns(self) -> None:
        columns = (*_FRONT, *map(heading, self._acts), *_BACK)
        raw = len(_FRONT) + len(self._acts)
        self._model.formats = dict.fromkeys(range(_LOGIT, raw), format_score)
        self._model.formats |= {_RANK: format_rank, raw: format_percent, raw + 1: format_percent}
        for column in range(len(columns)):
            self.setColumnHidden(column, False)
        self.set_rows(columns, len(self._candidates), self._getter())
        # The bars say it; the column is there for copies.
        self.setColumnHidden(raw + 2, True)
        self.fit_columns()

    def _getter(self) -> Callable[[int], Sequence[object]]:
        """Gives the rows as they are now: who copies them may go on when others are shown."""
        return partial(self._row, self._candidates, self._cells, len(self._acts))

    def _row(
        self, rows: Sequence[ProbabilityRow], known: dict[int, tuple[object, ...]], acts: int, number: int
    ) -> Sequence[object]:
        cells = known.get(number)
        if cells is None:
            row = rows[number]
            name = f"▶ {visible(row.text)}" if row.id == self._chosen else visible(row.text)
            cut = f"cut by {row.cut_by}" if row.cut_by else ""
            cells = (name, row.id, row.rank, row.logit, *score_cells(row, acts), row.probability, row.after, cut)
            known[number] = cells
        return cells

    def _is_cut(self, number: int) -> bool:
        return number < len(self._candidates) and self._candidates[number].cut_by is not None

    def _selected_id(self) -> int | None:
        selected = self.selected_candidate
        return selected.id if selected is not None else None

    def _keep_selected(self, token_id: int | None) -> None:
        """Let the selection stay on its token, wherever its row has gone."""
        if token_id is None or token_id == self._selected_id():
            return
        searched = range(min(len(self._candidates), _SEARCHED))
        self.select_row(next((row for row in searched if self._candidates[row].id == token_id), None))

    # Qt.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows in view."""
        count = len(self._candidates)
        if not count:
            super().paintEvent(event)
            return
        painter = QPainter(self.viewport())
        pencil = _Pencil(self, painter)
        selected = self.selected_rows
        columns = [
            (column, self.columnViewportPosition(column), self.columnWidth(column))
            for column in range(len(_FRONT) + len(self._acts) + 2)
        ]
        columns = [each for each in columns if each[2] and each[1] + each[2] > 0 and each[1] < self.viewport().width()]
        first, last = max(0, self.rowAt(event.rect().top())), self.rowAt(event.rect().bottom())
        for number in range(first, count if last < 0 else last + 1):
            top, height = self.rowViewportPosition(number), self.rowHeight(number)
            pencil.draw(number, self.row(number), columns, top, height, any(number in rows for rows in selected))
        if self.reach_of is not None:
            # One row more at both ends, so that the line does not end with what is seen.
            rows = range(max(0, first - 1), min(count, (count if last < 0 else last + 1) + 1))
            pencil.draw_reach(rows, columns)
        painter.end()

    def viewportEvent(self, event: QEvent) -> bool:
        """Say in the tooltip why a row was cut."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.indexAt(event.pos())
            words = self.tip(index.row()) if index.isValid() else ""
            if words:
                QToolTip.showText(event.globalPos(), words, self.viewport(), self.visualRect(index))
                return True
        return super().viewportEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the room anew."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.fit_columns()

    def _follow_font(self) -> None:
        super()._follow_font()
        # Two lines from the start: a processor's heading that comes and goes moves no row.
        self.horizontalHeader().setFixedHeight(round(self.fontMetrics().height() * 2.5))


class _Pencil:
    """Draws rows in the current theme.

    Args:
        table: Whose rows.
        painter: On its viewport.
    """

    def __init__(self, table: ProbabilityTable, painter: QPainter) -> None:
        look = theme.current()
        self._table, self._painter = table, painter
        self._text, self._muted, self._accent = QColor(look.text), QColor(look.muted), QColor(look.accent)
        self._soft, self._sunken = QColor(look.accent_soft), QColor(look.sunken)
        surface = QColor(look.surface)
        self._raw, self._faint = theme.mix(self._muted, surface, 0.4), theme.mix(self._muted, surface, 0.65)
        self._edge = theme.px(table, 6)
        self._radius = theme.px(table, 3)
        self._metrics = table.fontMetrics()
        self._numbers = self._metrics.horizontalAdvance("> 99.99 %") + self._edge
        self._left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._raw_column = len(_FRONT) + len(table.acts)
        self._focused = table.currentIndex().row() if table.hasFocus() else -1

    def draw(
        self,
        number: int,
        cells: Sequence[object],
        columns: Sequence[tuple[int, int, int]],
        top: int,
        height: int,
        selected: bool,
    ) -> None:
        """Draw a row: its ground, its texts and its bars."""
        painter, edge = self._painter, self._edge
        cut = str(cells[-1])
        if selected or number % 2:
            ground = QRect(0, top, self._table.viewport().width(), height)
            painter.fillRect(ground, self._soft if selected else self._sunken)
        ink = self._muted if cut else self._text
        painter.setPen(ink)
        for column, left, width in columns:
            value = cells[column]
            box = QRect(left + edge, top, width - 2 * edge, height)
            if column == _TOKEN:
                words = self._metrics.elidedText(str(value), Qt.TextElideMode.ElideRight, box.width())
                painter.drawText(box, self._left, words)
            elif column < self._raw_column:
                if isinstance(value, str):
                    painter.setPen(self._muted)
                    painter.drawText(box, self._right, value)
                    painter.setPen(ink)
                else:
                    painter.drawText(
                        box,
                        self._right,
                        format_score(value)
                        if column >= _LOGIT
                        else format_rank(value)
                        if column == _RANK
                        else str(value),
                    )
            elif cut and column > self._raw_column:
                painter.drawText(box, self._right, self._shorten(cut, box.width()))
            else:
                painter.drawText(box, self._right, format_percent(value))
                self._bar(box, value, self._accent if column > self._raw_column else self._faint if cut else self._raw)
        if number == self._focused:
            ring = QRectF(0, top, self._table.viewport().width(), height)
            theme.draw_focus(painter, ring, self._radius, theme.px(self._table, 1))

    def draw_reach(self, rows: range, columns: Sequence[tuple[int, int, int]]) -> None:
        """Draw the lines over the bars of some rows; what is cut has no place on the one after the knobs."""
        for column, left, width in columns:
            side = column - self._raw_column
            if side not in (0, 1):
                continue
            room = width - 2 * self._edge - self._numbers
            points = []
            for number in rows:
                reach = self._table.reach(number)
                if reach is None or math.isnan(reach[side]) or (side and self._table.candidates[number].cut_by):
                    continue
                middle = self._table.rowViewportPosition(number) + self._table.rowHeight(number) / 2
                points.append(QPointF(left + self._edge + room * reach[side], middle))
            draw_line(self._painter, points, self._text, theme.px(self._table, 1))

    def _shorten(self, cut: str, width: int) -> str:
        """The whole of why it was cut, or the name of the knob, or the beginning of that."""
        if self._metrics.horizontalAdvance(cut) > width:
            cut = cut.removeprefix("cut by ")
        return self._metrics.elidedText(cut, Qt.TextElideMode.ElideRight, width)

    def _bar(self, box: QRect, probability: float, color: QColor) -> None:
        room = box.width() - self._numbers
        width = room * self._table.share(probability)
        if width <= 0:
            return
        bar = QRectF(box.left(), box.top() + box.height() * 0.24, width, box.height() * 0.52)
        self._painter.fillRect(bar, color)

"""Numbers by row and column as colours: names on both axes, words in the cells, a crosshair, and export."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QLinearGradient, QPainter, QPaintEvent, QPen, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from workbench.widgets import icons, theme
from workbench.widgets.color_table import strength_table
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.empty_words import EmptyWords
from workbench.widgets.late_look import LateLook
from workbench.widgets.naming import named
from workbench.widgets.plot_export import PlotExport
from workbench.widgets.plot_picture import write_picture
from workbench.widgets.visible_text import drawable, one_line

_TIP = "click a cell, or use the arrow keys; wheel zooms, drag pans, + and − zoom, Home shows all"


def short(value: float) -> str:
    """A value as the key and the readout say it."""
    if math.isnan(value):
        return "not computed"
    # What is still read at a glance is not written as a power of ten.
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


class HeatMap(QWidget):
    """A matrix drawn by one sequential scale; what is no number is left empty.

    Args:
        name: Object name; the export button's is ``name_export``, that which shows all ``name_fit``.
        label: What it is called.
        x_title, y_title: Axis titles.
        upward: Whether the first row stands at the bottom, as the first layer of a model does.

    Signals:
        cell_chosen(int, int): The person chose a cell, by row and column.
    """

    cell_chosen = Signal(int, int)

    def __init__(
        self, name: str, label: str, x_title: str, y_title: str, *, upward: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        # Half a second to import: only who plots pays for it.
        import pyqtgraph

        from workbench.widgets.heat_items import CellWords, NameAxis

        named(self, name, label, f"{label}: {_TIP}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._titles = (x_title, y_title)
        self._values = np.zeros((0, 0), np.float32)
        self._rows: tuple[str, ...] = ()
        self._columns: tuple[str, ...] = ()
        self._texts: Sequence[Sequence[str]] = ()
        self._what = ""
        self._range: tuple[float, float] | None = None
        self._log = False
        self._tip: Callable[[int, int], str] | None = None
        self._chosen: tuple[int | None, int | None] = (None, None)

        self._across, self._down = NameAxis("bottom"), NameAxis("left")
        self._plot = pyqtgraph.PlotWidget(axisItems={"bottom": self._across, "left": self._down})
        self._plot.setObjectName(f"{name}_canvas")
        self._plot.setAccessibleName(label)
        self._plot.setFocusProxy(self)
        self._item = self._plot.getPlotItem()
        self._item.hideButtons()
        # As in line plots: of pyqtgraph's own menu only the axes.
        self._item.setMenuEnabled(False, True)
        self._plot.scene().contextMenu = []
        self._box = self._item.getViewBox()
        self._box.invertY(not upward)
        self._upward = upward
        self._image = pyqtgraph.ImageItem(axisOrder="row-major")
        self._words = CellWords()
        self._mark = pyqtgraph.QtWidgets.QGraphicsRectItem()
        self._lines = [pyqtgraph.InfiniteLine(angle=angle, movable=False) for angle in (90, 0)]
        for item in (self._image, self._words, self._mark, *self._lines):
            self._item.addItem(item, ignoreBounds=item is not self._image)
        self._plot.scene().sigMouseMoved.connect(self._on_mouse)
        self._plot.scene().sigMouseClicked.connect(self._on_clicked)
        self._plot.viewport().installEventFilter(self)

        self._empty = EmptyWords(self._plot)
        title = theme.set_role(ElidedLabel(label), "heading")
        self._readout = QLabel()
        self._readout.setTextFormat(Qt.TextFormat.PlainText)
        self._readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        theme.set_role(self._readout, "muted")
        self._key = _Key()
        fit = named(QToolButton(), f"{name}_fit", f"Show all of {label.lower()}", "Ends zoom and pan (Home)")
        icons.put(fit, "fit")
        fit.clicked.connect(self.show_all)
        self._export = PlotExport(name, label, self.export)
        top = QHBoxLayout()
        top.addWidget(title)
        top.addWidget(self._readout, 1)
        top.addWidget(self._key)
        top.addWidget(fit)
        top.addWidget(self._export)
        card = theme.set_role(QFrame(), "card")
        self._card = QVBoxLayout(card)
        self._card.addWidget(self._plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(card, 1)
        self._look = LateLook(self)
        self._look.due.connect(self._follow_theme)
        self._look.catch_up()

    # What it shows.

    @property
    def values(self) -> np.ndarray:
        """What is drawn, of shape ``(rows, columns)``."""
        return self._values

    @property
    def chosen(self) -> tuple[int | None, int | None]:
        """Row and column that are marked."""
        return self._chosen

    @property
    def readout(self) -> str:
        """What is said of the cell that is pointed at or chosen."""
        return self._readout.text()

    def set_cells(
        self,
        values: np.ndarray,
        rows: Sequence[str],
        columns: Sequence[str],
        what: str,
        *,
        words: Sequence[Sequence[str]] = (),
        tip: Callable[[int, int], str] | None = None,
        reach: tuple[float, float] | None = None,
        log: bool = False,
    ) -> None:
        """Show a matrix; zoom and pan stay while its shape does.

        Args:
            values: Of shape ``(rows, columns)``; NaN for what was not computed.
            rows: Their names.
            columns: Their names.
            what: What the numbers are, with their unit.
            words: What stands in each cell where there is room, by row; empty for nothing.
            tip: What is said of a cell beyond names and number.
            reach: The values at both ends of the colours; None takes the smallest and the largest there are.
            log: Space the colours by ratio; what is not above zero takes the first of them.
        """
        same = values.shape == self._values.shape
        self._values = values
        self._rows, self._columns = (tuple(one_line(drawable(name)) for name in names) for names in (rows, columns))
        self._what, self._range, self._log, self._tip = what, reach, log, tip
        self._down.set_names(self._rows)
        self._across.set_names(self._columns)
        self._texts = words
        if not same:
            self.choose(None, None)
        self._draw()
        if not same:
            self.show_all()
        self._show_readout(None)

    def set_empty_text(self, text: str) -> None:
        """Say what the map is empty of, and what fills it, while it has no cells."""
        self._empty.setText(text)
        self._describe()

    def choose(self, row: int | None, column: int | None) -> None:
        """Mark a cell, a whole row or a whole column, without announcing it."""
        rows, columns = self._values.shape
        row = row if row is not None and 0 <= row < rows else None
        column = column if column is not None and 0 <= column < columns else None
        self._chosen = (row, column)
        self._mark.setVisible(row is not None or column is not None)
        left, width = (0, columns) if column is None else (column, 1)
        top, height = (0, rows) if row is None else (row, 1)
        self._mark.setRect(QRectF(left, top, width, height))
        self._show_readout(None)

    def show_all(self) -> None:
        """End zoom and pan."""
        rows, columns = self._values.shape
        if rows and columns:
            self._box.setRange(xRange=(0, columns), yRange=(0, rows), padding=0.0)

    def place(self, row: int, column: int) -> QPointF:
        """Where the middle of a cell is drawn, in the canvas."""
        return QPointF(self._plot.mapFromScene(self._box.mapViewToScene(QPointF(column + 0.5, row + 0.5))))

    def as_csv(self) -> str:
        """A line for each cell that was computed: row, column, value."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([self._titles[1], "row", self._titles[0], "column", self._what])
        for row, column in zip(*np.nonzero(~np.isnan(self._values)), strict=True):
            names = (self._rows[row], row, self._columns[column], column)
            writer.writerow([*names, float(self._values[row, column])])
        return out.getvalue()

    def export(self, path: str) -> None:
        """Save as PNG, SVG or CSV, by the ending of the path.

        Raises:
            OSError: It can't be written.
        """
        if path.endswith(".csv"):
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(self.as_csv())
        else:
            write_picture(self, self._plot, path)

    def sizeHint(self) -> QSize:
        """Room for some cells."""
        return QSize(theme.px(self, 420), theme.px(self, 300))

    # Drawing.

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        if not self._log:
            return values
        known = values[values > 0]
        return np.log10(np.where(values > 0, values, known.min() if known.size else 1.0)) + 0.0 * values

    def _ends(self) -> tuple[float, float]:
        if self._range is not None:
            return self._range
        known = self._values[np.isfinite(self._values) & ((self._values > 0) | (not self._log))]
        return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)

    def _levels(self) -> tuple[float, float]:
        low, high = (float(each) for each in self._scaled(np.array(self._ends())))
        return (low, high) if high > low else (low, low + 1.0)

    def _draw(self) -> None:
        if self._values.size:
            low, high = self._levels()
            values = self._scaled(self._values)
            steps = np.clip(np.nan_to_num((values - low) / (high - low) * 255), 0, 255).astype(np.ubyte)
            shades = np.dstack((strength_table()[steps], np.where(np.isnan(values), 0, 255).astype(np.ubyte)))
            self._image.setImage(shades, levels=(0, 255))
            self._words.set_words(self._texts, shades)
        else:
            self._image.clear()
            self._words.set_words((), np.zeros((0, 0, 4), np.ubyte))
        self._key.set_ends(*self._ends(), self._what)
        filled = bool(self._values.size)
        self._key.setVisible(filled)
        self._empty.setVisible(not filled)
        # Axes of nothing would look like a drawing that failed.
        for side in ("bottom", "left"):
            self._item.showAxis(side, filled)
        self._export.setEnabled(filled)
        self._describe()

    def _describe(self) -> None:
        told = f"{self._what}, {len(self._rows)} rows and {len(self._columns)} columns"
        self.setAccessibleDescription(told if self._values.size else self._empty.text())

    def _show_readout(self, cell: tuple[int, int] | None) -> None:
        row, column = cell if cell is not None else self._chosen
        if row is None or column is None or not self._values.size:
            self._readout.setText("")
            return
        value = short(float(self._values[row, column]))
        more = f" · {self._tip(row, column)}" if self._tip is not None else ""
        words = f"{self._rows[row]} · {column} “{self._columns[column]}”: {value}{more}"
        self._readout.setText(drawable(one_line(words)))
        self._readout.setToolTip(self._readout.text())

    def _follow_theme(self) -> None:
        look, font = theme.current(), self.font()
        self._plot.setBackground(QColor(look.surface))
        edge = theme.px(self, 4)
        self._card.setContentsMargins(edge, edge, edge, edge)
        self._plot.setMinimumHeight(theme.px(self, 120))
        for axis, title in ((self._across, self._titles[0]), (self._down, self._titles[1])):
            axis.setPen(QColor(look.strong_border))
            axis.setTextPen(QColor(look.muted))
            axis.follow_font(font, theme.px(self, 116))
            axis.setLabel(title, color=look.muted, **{"font-size": f"{font.pointSizeF():.1f}pt"})
        pen = QPen(QColor(look.accent), theme.px(self, 3))
        pen.setCosmetic(True)
        self._mark.setPen(pen)
        for line in self._lines:
            line.setPen(QPen(QColor(look.muted), 0, Qt.PenStyle.DotLine))
            line.hide()
        self._words.follow_font(font, theme.px(self, 34), theme.px(self, 4))
        self._draw()

    # Qt.

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme and the zoom, in a turn of its own and when seen."""
        super().changeEvent(event)
        if hasattr(self, "_look"):
            self._look.on_change(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Take on the look that changed meanwhile."""
        super().showEvent(event)
        self._look.catch_up()

    def eventFilter(self, watched: QWidget, event: QEvent) -> bool:
        """Take the crosshair away with the pointer."""
        if event.type() == QEvent.Type.Leave:
            self._point_at(None)
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose, zoom and show all with the keyboard."""
        up = 1 if self._upward else -1
        ways = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (up, 0), Qt.Key.Key_Down: (-up, 0)}
        way = ways.get(Qt.Key(event.key()))
        if way is not None and self._values.size:
            self._step(*way)
        elif event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            row, column = (each if each is not None else 0 for each in self._chosen)
            factor = 1.25 if event.key() == Qt.Key.Key_Minus else 0.8
            self._box.scaleBy((factor, factor), center=QPointF(column + 0.5, row + 0.5))
        elif event.key() == Qt.Key.Key_Home:
            self.show_all()
        else:
            super().keyPressEvent(event)

    def _step(self, down: int, right: int) -> None:
        rows, columns = self._values.shape
        if self._chosen == (None, None):
            row, column = (0 if self._upward else rows - 1), 0
        else:
            row = min(max((self._chosen[0] or 0) + down, 0), rows - 1)
            column = min(max((self._chosen[1] or 0) + right, 0), columns - 1)
        self.choose(row, column)
        self.cell_chosen.emit(row, column)

    def _cell(self, place: QPointF) -> tuple[int, int] | None:
        if not self._box.sceneBoundingRect().contains(place):
            return None
        point = self._box.mapSceneToView(place)
        row, column = math.floor(point.y()), math.floor(point.x())
        rows, columns = self._values.shape
        return (row, column) if 0 <= row < rows and 0 <= column < columns else None

    def _point_at(self, cell: tuple[int, int] | None) -> None:
        for line in self._lines:
            line.setVisible(cell is not None)
        if cell is not None:
            self._lines[0].setPos(cell[1] + 0.5)
            self._lines[1].setPos(cell[0] + 0.5)
        self._show_readout(cell)

    def _on_mouse(self, place: QPointF) -> None:
        self._point_at(self._cell(place))

    def _on_clicked(self, event: Any) -> None:
        cell = self._cell(event.scenePos())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self.choose(*cell)
            self.cell_chosen.emit(*cell)


class _Key(QWidget):
    """What the two ends of the colours are worth."""

    def __init__(self) -> None:
        super().__init__()
        self._ends = ("", "")

    def set_ends(self, low: float, high: float, what: str) -> None:
        self._ends = (short(low), short(high))
        self.setToolTip(f"{what}: from {self._ends[0]} to {self._ends[1]}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        words = sum(metrics.horizontalAdvance(each) for each in self._ends)
        return QSize(words + theme.px(self, 72), metrics.height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, metrics, gap = QPainter(self), self.fontMetrics(), theme.px(self, 4)
        painter.setPen(QColor(theme.current().muted))
        whole = QRectF(self.rect())
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(whole, Qt.AlignmentFlag.AlignLeft | middle, self._ends[0])
        painter.drawText(whole, Qt.AlignmentFlag.AlignRight | middle, self._ends[1])
        left, right = (metrics.horizontalAdvance(each) + gap for each in self._ends)
        bar = whole.adjusted(left, 0, -right, 0)
        bar = QRectF(bar.left(), bar.center().y() - gap, bar.width(), 2 * gap)
        shades = QLinearGradient(bar.topLeft(), bar.topRight())
        for step in range(6):
            shades.setColorAt(step / 5, theme.strength_color(step / 5))
        painter.setPen(QPen(QColor(theme.current().strong_border), 1))
        painter.setBrush(QBrush(shades))
        painter.drawRect(bar)

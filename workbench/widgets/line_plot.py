"""Lines over steps: live, with a crosshair, and exported as picture or numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from workbench.widgets import icons, theme
from workbench.widgets.naming import named
from workbench.widgets.saving import save

#: Milliseconds between redraws while points arrive.
_REDRAW = 500


@dataclass(slots=True)
class _Series:
    """One line: its points as they came, and how it is drawn."""

    number: int
    dashed: bool
    smooth: bool
    xs: list[float] = field(default_factory=list)
    ys: list[float] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)


class LinePlot(QWidget):
    """A plot with axis titles, zoom, pan, a crosshair that reads values, and export as PNG, SVG or CSV.

    Args:
        name: Object name; the export button's is ``name_export``.
        label: What it is called.
        x_title, y_title: Axis titles, with units.
        smoothing: Weight of the exponential mean drawn over a smoothed series, in ``[0, 1)``.
    """

    def __init__(
        self,
        name: str,
        label: str,
        x_title: str,
        y_title: str,
        *,
        smoothing: float = 0.9,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        # Half a second to import: only who plots pays for it.
        import pyqtgraph

        self._pg = pyqtgraph
        named(self, name, label, f"{label}: wheel zooms, drag pans, right click for more")
        self._titles = (x_title, y_title)
        self._smoothing = smoothing
        self._log = False
        self._series: dict[str, _Series] = {}
        self._timer = QTimer(self, singleShot=True, interval=_REDRAW)
        self._timer.timeout.connect(self._redraw)

        self._plot = pyqtgraph.PlotWidget()
        self._plot.setObjectName(f"{name}_canvas")
        self._plot.setAccessibleName(label)
        self._item = self._plot.getPlotItem()
        self._item.hideButtons()
        self._item.setMenuEnabled(True)
        self._legend = self._item.addLegend(offset=(-10, 10))
        self._cross = pyqtgraph.InfiniteLine(angle=90, movable=False)
        self._cross.hide()
        self._item.addItem(self._cross, ignoreBounds=True)
        self._plot.scene().sigMouseMoved.connect(self._on_mouse)
        self._readout = QLabel("no points yet")
        theme.set_role(self._readout, "muted")
        self._title = QLabel(label)
        theme.set_role(self._title, "heading")
        self._export = named(QToolButton(), f"{name}_export", f"Export {label.lower()}", "Save as PNG, SVG or CSV")
        self._export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        icons.put(self._export, "save")
        menu = QMenu(self._export)
        for kind, slot in (("PNG", self._on_png), ("SVG", self._on_svg), ("CSV", self._on_csv)):
            menu.addAction(f"Save as {kind}…").triggered.connect(slot)
        self._export.setMenu(menu)
        top = QHBoxLayout()
        top.addWidget(self._title)
        top.addWidget(self._readout, 1)
        top.addWidget(self._export)
        card = QFrame()
        theme.set_role(card, "card")
        self._card = QVBoxLayout(card)
        self._card.addWidget(self._plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(card, 1)
        self._follow_theme()

    # What it shows.

    def add_series(self, name: str, *, dashed: bool = False, smooth: bool = False) -> None:
        """Add a line.

        Args:
            name: In the legend.
            dashed: Dashed, with a mark at each point: sparse values such as evaluations.
            smooth: Draw the points faintly and their exponential mean over them.
        """
        if name not in self._series:
            self._series[name] = _Series(len(self._series), dashed, smooth)
            self._make_items(name)

    def add_point(self, series: str, x: float, y: float) -> None:
        """Add a point; a value that is no number leaves a gap. Redraws at most twice a second."""
        self.add_series(series)
        line = self._series[series]
        line.xs.append(x)
        line.ys.append(y if math.isfinite(y) else math.nan)
        self._mark_dirty()

    def set_series(self, series: str, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Show these points."""
        self.add_series(series)
        line = self._series[series]
        line.xs, line.ys = list(xs), [y if math.isfinite(y) else math.nan for y in ys]
        self._mark_dirty()

    def points(self, series: str) -> tuple[tuple[float, float], ...]:
        """The points of a line, as they came."""
        line = self._series.get(series)
        return tuple(zip(line.xs, line.ys, strict=True)) if line else ()

    def clear(self) -> None:
        """Drop all points; the lines stay."""
        for line in self._series.values():
            line.xs, line.ys = [], []
        self._item.enableAutoRange()
        self._mark_dirty()

    def set_log_y(self, log: bool) -> None:
        """Logarithmic y axis; what is not above zero has no place on it and is left out."""
        self._log = log
        self._redraw()
        self._item.setLogMode(y=log)
        self._item.enableAutoRange()

    def set_smoothing(self, weight: float) -> None:
        """Weight of the exponential mean, in ``[0, 1)``; 0 draws the points alone."""
        self._smoothing = weight
        self._mark_dirty()

    def link_x(self, other: LinePlot) -> None:
        """Zoom and pan along x together with another plot."""
        self._item.setXLink(other._item)

    def as_csv(self) -> str:
        """All points: series, x, y."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["series", self._titles[0], self._titles[1]])
        for name, line in self._series.items():
            writer.writerows([name, x, y] for x, y in zip(line.xs, line.ys, strict=True))
        return out.getvalue()

    def export(self, path: str) -> None:
        """Save as PNG, SVG or CSV, by the ending of the path.

        Raises:
            OSError: It can't be written.
        """
        self._redraw()
        if path.endswith(".csv"):
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(self.as_csv())
            return
        # Drawn here and not by pyqtgraph's exporters: theirs say nothing when a picture can't be written, and fail on
        # the paths that this Qt writes into SVG.
        with open(path, "wb"):
            pass
        size = self._plot.viewport().size()
        if path.endswith(".svg"):
            from PySide6.QtSvg import QSvgGenerator

            drawing = QSvgGenerator()
            drawing.setFileName(path)
            drawing.setTitle(self.accessibleName())
            drawing.setDescription(self.accessibleDescription())
            drawing.setSize(size)
            drawing.setResolution(self.logicalDpiX())
            drawing.setViewBox(QRect(QPoint(0, 0), size))
            painter = QPainter(drawing)
            self._plot.render(painter, QRectF(QPointF(0, 0), size), self._plot.viewport().rect())
            painter.end()
        elif not self._plot.grab().save(path, "PNG"):
            raise OSError(f"Could not write {path}")

    def sizeHint(self) -> QSize:
        """Room for a curve."""
        return QSize(theme.px(self, 420), theme.px(self, 240))

    # Drawing.

    def _make_items(self, name: str) -> None:
        line = self._series[name]
        faint = self._plot.plot([], [], connect="finite")
        strong = self._plot.plot([], [], connect="finite")
        line.items = [faint, strong]
        self._legend.addItem(strong, name)
        self._pens(line)

    def _pens(self, line: _Series) -> None:
        look = theme.current()
        colour = QColor(look.series[line.number % len(look.series)])
        style = Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine
        pen = QPen(colour, theme.px(self, 2), style)
        pen.setCosmetic(True)
        faint = QColor(colour)
        faint.setAlpha(70)
        thin = QPen(faint, 1)
        thin.setCosmetic(True)
        line.items[0].setPen(thin)
        line.items[1].setPen(pen)
        if line.dashed:
            line.items[1].setSymbol("o")
            line.items[1].setSymbolSize(theme.px(self, 6))
            line.items[1].setSymbolBrush(colour)
            line.items[1].setSymbolPen(colour)

    def _mark_dirty(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _redraw(self) -> None:
        self._timer.stop()
        words = []
        for name, line in self._series.items():
            smoothed = line.smooth and self._smoothing > 0 and len(line.ys) > 2
            ys = [y if y > 0 else math.nan for y in line.ys] if self._log else line.ys
            line.items[0].setData(line.xs if smoothed else [], ys if smoothed else [])
            line.items[1].setData(line.xs, _mean(ys, self._smoothing) if smoothed else ys)
            if line.ys:
                words.append(f"{name} {_number(line.ys[-1])}")
        text = f"last: {' · '.join(words)}" if words else "no points yet"
        self._readout.setText(text)
        self.setAccessibleDescription(text)

    def _follow_theme(self) -> None:
        look = theme.current()
        self._plot.setBackground(QColor(look.surface))
        font = self.font()
        edge = theme.px(self, 4)
        self._card.setContentsMargins(edge, edge, edge, edge)
        for side, title in zip(("bottom", "left"), self._titles, strict=True):
            axis = self._item.getAxis(side)
            # Switched off alone, pyqtgraph still scales the numbers by the range that happens to be shown.
            axis.setSIPrefixEnableRanges(())
            axis.enableAutoSIPrefix(False)
            axis.setPen(QColor(look.strong_border))
            axis.setTextPen(QColor(look.muted))
            # Grid lines at the minor ticks too would make each redraw six times as slow.
            axis.setStyle(tickFont=font, hideOverlappingLabels=True, maxTickLevel=0)
            axis.setLabel(title, color=look.muted, **{"font-size": f"{font.pointSizeF():.1f}pt"})
            if side == "bottom":
                axis.setHeight(round(self.fontMetrics().height() * 1.9) + theme.px(self, 6))
        self._item.showGrid(x=True, y=True, alpha=0.15)
        self._legend.setLabelTextColor(QColor(look.text))
        self._legend.setLabelTextSize(f"{font.pointSizeF() * 0.95:.1f}pt")
        for _, label in self._legend.items:
            label.setText(label.text)
        self._legend.updateSize()
        self._cross.setPen(QPen(QColor(look.muted), 0, Qt.PenStyle.DotLine))
        for line in self._series.values():
            self._pens(line)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme and the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_cross"):
            self._follow_theme()

    # The person.

    def _on_mouse(self, place: QPointF) -> None:
        if not self._item.sceneBoundingRect().contains(place) or not any(s.xs for s in self._series.values()):
            self._cross.hide()
            return
        x = self._item.getViewBox().mapSceneToView(place).x()
        words = []
        for name, line in self._series.items():
            if line.xs:
                nearest = min(range(len(line.xs)), key=lambda number: abs(line.xs[number] - x))
                words.append(f"{name} {_number(line.ys[nearest])} at {_number(line.xs[nearest])}")
        self._cross.setPos(x)
        self._cross.show()
        self._readout.setText(" · ".join(words))

    def _on_png(self) -> None:
        self._ask("PNG (*.png)", ".png")

    def _on_svg(self) -> None:
        self._ask("SVG (*.svg)", ".svg")

    def _on_csv(self) -> None:
        self._ask("CSV (*.csv)", ".csv")

    def _ask(self, kinds: str, ending: str) -> None:
        name = self.objectName().replace(".", "-") + ending
        save(self, "Export the plot", name, kinds, ending, self._export_to)

    def _export_to(self, path: Path) -> None:
        self.export(str(path))


def _mean(values: Sequence[float], weight: float) -> list[float]:
    """Exponential mean, corrected for its start; gaps are passed over."""
    means, total, norm = [], 0.0, 0.0
    for value in values:
        if math.isnan(value):
            means.append(value)
            continue
        total = weight * total + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        means.append(total / norm)
    return means


def _number(value: float) -> str:
    return "not a number" if math.isnan(value) else f"{value:.4g}"

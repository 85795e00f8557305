"""Lines over steps: live, with their whole history, past runs behind them, a crosshair, and export."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QElapsedTimer, QEvent, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from workbench.widgets import icons, theme
from workbench.widgets.crosshair import Crosshair, Reading
from workbench.widgets.late_look import LateLook
from workbench.widgets.naming import named
from workbench.widgets.plot_export import PlotExport
from workbench.widgets.plot_legend import PlotLegend
from workbench.widgets.plot_line import PlotLine, written
from workbench.widgets.plot_mark import PlotMark
from workbench.widgets.plot_picture import write_picture

#: Milliseconds between redraws while points arrive, and until the first of them.
_REDRAW, _AT_ONCE = 500, 50
#: What each plot waits longer than the one before, so that plots side by side are not all painted in one go.
_TURNS = itertools.cycle((0, 40, 80, 120))
#: Share of the view by which an arrow key moves.
_STRIDE = 0.01
#: The first colour of past runs: the same in plots with one line and with two.
_FIRST_PAST = 2
_TIP = "wheel zooms, drag pans; with the keyboard: arrows read, Shift and arrows pan, + and − zoom, Home shows all"


class LinePlot(QWidget):
    """A plot with axis titles, zoom, pan, a crosshair that reads values, and export as PNG, SVG or CSV.

    Args:
        name: Object name; the export button's is ``name_export``, that which shows all ``name_fit``.
        label: What it is called.
        x_title, y_title: Axis titles, with units.
        smoothing: Weight of the exponential mean drawn over a smoothed series, in ``[0, 1)``.
        legend: Whether the lines are named in the plot; a plot of one line has its name in the title.
        readout: Whether the last values, or those at the crosshair, stand beside the title.

    Signals:
        crossed(object): The crosshair stands at this x, or at None.
    """

    crossed = Signal(object)

    def __init__(
        self,
        name: str,
        label: str,
        x_title: str,
        y_title: str,
        *,
        smoothing: float = 0.9,
        legend: bool = True,
        readout: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        # Half a second to import: only who plots pays for it.
        import pyqtgraph

        named(self, name, label, f"{label}: {_TIP}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._titles = (x_title, y_title)
        self._smoothing = smoothing
        self._log = False
        self._series: dict[str, PlotLine] = {}
        self._past: list[PlotLine] = []
        self._leader: LinePlot | None = None
        self._y_range: tuple[float, float] | None = None
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._redraw)
        self._since = QElapsedTimer()
        self._numbered = True
        turn = next(_TURNS)
        self._rest = _REDRAW + turn

        self._plot = pyqtgraph.PlotWidget()
        self._plot.setObjectName(f"{name}_canvas")
        self._plot.setAccessibleName(label)
        self._plot.setFocusProxy(self)
        self._item = self._plot.getPlotItem()
        self._item.hideButtons()
        # Of pyqtgraph's own menu only the axes: its transforms and its export know nothing of these lines.
        self._item.setMenuEnabled(False, True)
        self._plot.scene().contextMenu = []
        self._legend = PlotLegend(self._plot)
        self._has_legend = legend
        self._legend.clicked.connect(self._on_sample)
        self._cross = Crosshair(self._plot)
        self._mark = PlotMark(self._plot)
        self._plot.scene().sigMouseMoved.connect(self._on_mouse)
        self._plot.viewport().installEventFilter(self)
        self._readout = QLabel("no points yet")
        self._readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        theme.set_role(self._readout, "muted")
        self._readout.setVisible(readout)
        self._title = QLabel(label)
        # Cut off before it makes a pane wider than its window.
        self._title.setMinimumWidth(1)
        theme.set_role(self._title, "heading")
        self._fit = named(QToolButton(), f"{name}_fit", f"Show all of {label.lower()}", "Ends zoom and pan (Home)")
        icons.put(self._fit, "fit")
        self._fit.clicked.connect(self.show_all)
        self._export = PlotExport(name, label, self.export)
        top = QHBoxLayout()
        top.addWidget(self._title)
        top.addWidget(self._readout, 1)
        top.addStretch(0)
        top.addWidget(self._fit)
        top.addWidget(self._export)
        card = QFrame()
        theme.set_role(card, "card")
        self._card = QVBoxLayout(card)
        self._card.addWidget(self._plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(card, 1)
        self._show_numbers()
        self._look = LateLook(self, wait=turn)
        self._look.due.connect(self._follow_theme)
        self._look.catch_up()

    # What it shows.

    def add_series(self, name: str, *, dashed: bool = False, smooth: bool = False) -> None:
        """Add a line.

        Args:
            name: In the legend.
            dashed: Dashed, with a mark at each point: sparse values such as evaluations.
            smooth: Draw the points faintly and their exponential mean over them.
        """
        if name not in self._series:
            self._series[name] = self._made(name, len(self._series), dashed, smooth)

    def add_point(self, series: str, x: float, y: float) -> None:
        """Add a point; a value that is no number leaves a gap. Redraws at most twice a second."""
        self.add_series(series)
        self._series[series].curve.append(x, y)
        self._mark_dirty()

    def set_series(self, series: str, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Show these points, in order of x."""
        self.add_series(series)
        self._series[series].curve.set(xs, ys)
        self._mark_dirty()

    def set_past(self, runs: Sequence[tuple[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]]]) -> None:
        """Draw past runs behind the others, muted; each takes the look of the series that it has points of.

        Args:
            runs: The name of each run, and x and y by series.
        """
        self._remove(self._past)
        self._past = []
        for number, (run, points) in enumerate(runs, _FIRST_PAST):
            for series, (xs, ys) in points.items():
                like = self._series.get(series)
                dashed, smooth = (like.dashed, like.smooth) if like is not None else (False, False)
                line = self._made(series, number, dashed, smooth, run)
                line.curve.set(xs, ys)
                self._past.append(line)
        self._name_lines()
        self._mark_dirty()

    @property
    def mark(self) -> tuple[float, str] | None:
        """The place that is marked, and its name."""
        return None if self._mark.x is None else (self._mark.x, self._mark.words)

    def set_mark(self, x: float | None, words: str = "") -> None:
        """Mark a place, such as the best step, under a name; None takes the mark away."""
        self._mark.put(x, words)

    def points(self, series: str) -> tuple[tuple[float, float], ...]:
        """The points of a line, in order of x."""
        line = self._series.get(series)
        return tuple(zip(line.curve.xs.tolist(), line.curve.ys.tolist(), strict=True)) if line else ()

    def past(self) -> tuple[str, ...]:
        """The names of the past runs that are drawn."""
        return tuple(dict.fromkeys(line.run for line in self._past))

    def readings(self, x: float) -> tuple[tuple[str, float, float], ...]:
        """Of each line that is to be seen: its name, and its point nearest to ``x``."""
        found = []
        for line in self._lines():
            at = line.nearest(x)
            if at is not None:
                found.append((line.name, float(line.curve.xs[at]), float(line.curve.ys[at])))
        return tuple(found)

    def remove_series(self) -> None:
        """Take all lines away, but for those of past runs."""
        self._remove(self._series.values())
        self._series = {}
        self.show_all()
        self._mark_dirty()

    def clear(self) -> None:
        """Drop all points; the lines stay, and so do past runs."""
        for line in self._series.values():
            line.curve.set((), ())
        self.show_all()
        self._mark_dirty()

    def set_log_y(self, log: bool) -> None:
        """Logarithmic y axis; what is not above zero has no place on it and is left out."""
        self._log = log
        self._redraw()
        self._item.setLogMode(y=log)
        self.show_all()

    def keep_y(self, low: float, high: float) -> None:
        """Show this range of y whatever the points are, such as 0 to 1 of probabilities."""
        self._y_range = (low, high)
        self.show_all()

    def show_all(self) -> None:
        """End zoom and pan; of linked plots all."""
        self._item.enableAutoRange(x=self._leader is None, y=self._y_range is None)
        if self._y_range is not None:
            self._item.setYRange(*self._y_range, padding=0.02)
        if self._leader is not None:
            self._leader.show_all()

    def set_smoothing(self, weight: float) -> None:
        """Weight of the exponential mean, in ``[0, 1)``; 0 draws the points alone."""
        self._smoothing = weight
        self._mark_dirty()

    def link_x(self, leader: LinePlot) -> None:
        """Zoom, pan and read along x together with another plot, whose range holds when all is shown.

        pyqtgraph's own link would set plots side by side apart, so that one goes on where the other ends.
        """
        self._leader = leader
        self._item.enableAutoRange(x=False)
        self._follow(leader._item.getViewBox(), leader._item.getViewBox().viewRange()[0])
        leader._item.sigXRangeChanged.connect(self._follow)
        self._item.sigXRangeChanged.connect(leader._follow)
        self.crossed.connect(leader.point_at)
        leader.crossed.connect(self.point_at)

    def show_cross(self, x: float | None) -> None:
        """Put the crosshair at ``x`` with as many values as there is room for, or take it away; not announced."""
        self.point_at(x)
        if self._cross.x is not None and x is not None:
            self._cross.show_values(f"{self._titles[0]} {written(x)}", self._readings(x))

    def point_at(self, x: float | None) -> None:
        """Put the crosshair at ``x`` and read the values in the heading, because another plot is pointed at."""
        if x is None or not any(len(line.curve) for line in self._lines()):
            self._cross.hide()
            self._show_last()
            return
        self._cross.show(x)
        live = [each for each in self._readings(x) if ": " not in each.name]
        values = " · ".join(each.value if len(live) == 1 else f"{each.name} {each.value}" for each in live)
        self._readout.setText(f"{written(x)}: {values}")

    def as_csv(self) -> str:
        """All points: series, x, y."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["series", self._titles[0], self._titles[1]])
        for line in self._lines():
            points = zip(line.curve.xs.tolist(), line.curve.ys.tolist(), strict=True)
            writer.writerows([line.name, x, y] for x, y in points)
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
        write_picture(self, self._plot, path)

    def sizeHint(self) -> QSize:
        """Room for a curve."""
        return QSize(theme.px(self, 420), theme.px(self, 240))

    # Drawing.

    def _lines(self) -> Iterator[PlotLine]:
        yield from self._series.values()
        yield from self._past

    def _readings(self, x: float) -> list[Reading]:
        found = (line.reading(x, self._smoothing) for line in self._lines())
        return [reading for reading in found if reading is not None]

    def _follow(self, _: object, reach: Sequence[float]) -> None:
        if self._item.getViewBox().viewRange()[0] != list(reach):
            self._item.setXRange(*reach, padding=0)

    def _made(self, series: str, number: int, dashed: bool, smooth: bool, run: str = "") -> PlotLine:
        line = PlotLine(series, number, dashed, smooth, run)
        for item in line.items:
            self._item.addItem(item)
        line.dress(self)
        return line

    def _name_lines(self) -> None:
        """Name in the legend what has points: each live line beside others, and each past run once."""
        first: dict[tuple[str, str], PlotLine] = {}
        for line in self._lines():
            if len(line.curve):
                first.setdefault((line.run, "" if line.run else line.series), line)
        named = self._has_legend and (len(first) > 1 or self._past)
        self._legend.name([(line.items[1], line.run or line.series) for line in first.values()] if named else [])

    def _remove(self, lines: Iterable[PlotLine]) -> None:
        for line in lines:
            for item in line.items:
                self._item.removeItem(item)

    def _mark_dirty(self) -> None:
        if not self._timer.isActive():
            passed = self._since.elapsed() if self._since.isValid() else self._rest
            self._timer.start(max(_AT_ONCE, self._rest - passed))

    def _redraw(self) -> None:
        self._timer.stop()
        self._since.start()
        self._name_lines()
        for line in self._lines():
            line.refresh(self._smoothing)
        self._show_numbers()
        if self._cross.x is None:
            self._show_last()

    def _show_numbers(self) -> None:
        """Numbers and grid lines at the axes, once there is a point to read by them."""
        numbered = any(len(line.curve) for line in self._lines())
        if numbered != self._numbered:
            self._numbered = numbered
            for side in ("bottom", "left"):
                self._item.getAxis(side).setTicks(None if numbered else [])

    def _show_last(self) -> None:
        live = [line for line in self._series.values() if len(line.curve)]
        values = {line.name: written(float(line.curve.ys[-1])) for line in live}
        words = " · ".join(f"{name} {value}" for name, value in values.items())
        # The title has the name of a single line.
        short = next(iter(values.values())) if len(self._series) == 1 and values else words
        # Of past runs the legend tells; they have no newest point.
        none = "" if self._past else "no points yet"
        self._readout.setText(f"last: {short}" if values else none)
        self.setAccessibleDescription(f"last: {words}" if values else none)

    def _follow_theme(self) -> None:
        look = theme.current()
        self._plot.setBackground(QColor(look.surface))
        font = self.font()
        edge = theme.px(self, 4)
        self._card.setContentsMargins(edge, edge, edge, edge)
        self._plot.setMinimumHeight(theme.px(self, 96))
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
        self._legend.follow_theme(font)
        self._cross.follow_theme()
        self._mark.follow_theme()
        for line in self._lines():
            line.dress(self)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme and the zoom."""
        super().changeEvent(event)
        if hasattr(self, "_look"):
            self._look.on_change(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Take on the look that changed meanwhile."""
        super().showEvent(event)
        self._look.catch_up()

    # The person.

    def eventFilter(self, watched: QWidget, event: QEvent) -> bool:
        """Take the crosshair away with the pointer."""
        if event.type() == QEvent.Type.Leave and not self.hasFocus():
            self._put_cross(None)
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Read, pan and zoom with the keyboard."""
        key = event.key()
        box = self._item.getViewBox()
        (low, high), _ = box.viewRange()
        way = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(key)
        at = self._cross.x if self._cross.x is not None else (low + high) / 2
        if way is not None and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            box.translateBy(x=way * 10 * _STRIDE * (high - low))
        elif way is not None:
            self._put_cross(min(max(at + way * _STRIDE * (high - low), low), high))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            box.scaleBy(x=1.25 if key == Qt.Key.Key_Minus else 0.8, center=(at, 0.0))
        elif key == Qt.Key.Key_Home:
            self.show_all()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show by the crosshair where the keyboard is."""
        super().focusInEvent(event)
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self._put_cross(sum(self._item.getViewBox().viewRange()[0]) / 2)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The keyboard is elsewhere."""
        super().focusOutEvent(event)
        self._put_cross(None)

    def _on_mouse(self, place: QPointF) -> None:
        box = self._item.getViewBox()
        self._put_cross(box.mapSceneToView(place).x() if box.sceneBoundingRect().contains(place) else None)

    def _put_cross(self, x: float | None) -> None:
        self.show_cross(x)
        self.crossed.emit(x)

    def _on_sample(self, item: Any) -> None:
        clicked = next(line for line in self._lines() if item in line.items)
        for line in self._lines():
            if line is clicked or (clicked.run and line.run == clicked.run):
                line.items[1].setVisible(item.isVisible())
        self._redraw()

"""A line of a plot that draws only what the pixels in view can show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from workbench.widgets.curve import Curve

#: Points from which dashes and marks would run into one another, and from which a thick line is drawn as strokes of its
#: own: Qt needs forty milliseconds to outline a jagged path, and one for its strokes.
_MANY = 400


class CurveItem(pyqtgraph.GraphicsObject):
    """Draws a `Curve`, or its running mean, for the range of x that the view shows.

    Args:
        curve: The points; call `refresh` when they change.
        mean: Draw the running mean.

    Attributes:
        opts: ``pen``, ``symbol``, ``size`` and ``brush``, by which pyqtgraph's legend draws its sample.
    """

    def __init__(self, curve: Curve, *, mean: bool = False) -> None:
        super().__init__()
        self.opts: dict[str, Any] = {"pen": QPen(), "symbol": None, "size": 0, "brush": None}
        self._curve = curve
        self._mean = mean
        self._log = False
        self._drawn: _Drawing | None = None

    def set_look(self, pen: QPen, mark: float = 0.0) -> None:
        """Choose the pen, and the diameter of a mark at each point in pixels; 0 draws none."""
        self.opts |= {"pen": pen, "symbol": "o" if mark else None, "size": mark, "brush": QColor(pen.color())}
        self._drawn = None
        self.update()

    def set_mean(self, mean: bool) -> None:
        """Draw the running mean instead of the values, or the other way round."""
        if mean != self._mean:
            self._mean = mean
            self.refresh()

    def setLogMode(self, x: bool | None, y: bool | None) -> None:  # noqa: N802 - pyqtgraph calls it
        """Draw decimal logarithms of y."""
        if y is not None and bool(y) != self._log:
            self._log = bool(y)
            self.refresh()

    def refresh(self) -> None:
        """The points have changed."""
        self.prepareGeometryChange()
        self._drawn = None
        self.informViewBoundsChanged()
        self.update()

    # What pyqtgraph and Qt ask.

    def dataBounds(  # noqa: N802 - pyqtgraph calls it
        self,
        ax: int,
        frac: float = 1.0,
        orthoRange: object = None,  # noqa: N803
    ) -> tuple[float, float] | tuple[None, None]:
        """The range of all points along an axis."""
        found = self._curve.x_bounds() if ax == 0 else self._curve.y_bounds(mean=self._mean, log=self._log)
        return found or (None, None)

    def pixelPadding(self) -> float:  # noqa: N802 - pyqtgraph calls it
        """Room that the pen takes around the points."""
        return max(self.opts["pen"].widthF(), float(self.opts["size"])) * 0.7

    def boundingRect(self) -> QRectF:
        """Where something may be drawn."""
        xs, ys = self._curve.x_bounds(), self._curve.y_bounds(mean=self._mean, log=self._log)
        if xs is None or ys is None:
            return QRectF()
        # A pen and a mark reach beyond the points, by so many pixels of this view.
        across, up = self.pixelVectors()
        pad = self.pixelPadding()
        width = pad * (across.length() if across is not None else 0.0)
        height = pad * (up.length() if up is not None else 0.0)
        return QRectF(xs[0], ys[0], xs[1] - xs[0], ys[1] - ys[0]).adjusted(-width, -height, width, height)

    def viewTransformChanged(self) -> None:  # noqa: N802 - pyqtgraph calls it
        """The pad of the bounding box is measured in pixels."""
        self.prepareGeometryChange()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the line and its marks."""
        if not len(self._curve):
            return
        drawing = self._drawing()
        pen = QPen(self.opts["pen"])
        if drawing.many:
            pen.setStyle(Qt.PenStyle.SolidLine)
        painter.setPen(pen)
        if drawing.strokes:
            painter.drawLines(drawing.strokes)
        else:
            painter.drawPath(drawing.path)
        if drawing.dots.size():
            dot = QPen(pen.color(), self.opts["size"], Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
            dot.setCosmetic(True)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(dot)
            painter.drawPoints(drawing.dots)

    def _drawing(self) -> _Drawing:
        box = self.getViewBox()
        (low, high), _ = box.viewRange()
        # A pen of two pixels fills two columns with each stroke.
        columns = max(1, round(box.width() / max(1.0, self.opts["pen"].widthF())))
        key = (self._curve.revision, low, high, columns, self._log, self._mean)
        if self._drawn is None or self._drawn.key != key:
            xs, ys, pairs = self._curve.visible(low, high, columns, mean=self._mean, log=self._log)
            many = len(xs) > _MANY
            thick = self.opts["pen"].widthF() > 1
            dots = QPolygonF() if many or not self.opts["size"] else _dots(xs, ys)
            if many and thick:
                self._drawn = _Drawing(key, many, QPainterPath(), _strokes(xs, ys, pairs), dots)
            else:
                self._drawn = _Drawing(key, many, pyqtgraph.arrayToQPath(xs, ys, connect="finite"), [], dots)
        return self._drawn


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What a line looks like in one view: a path, or strokes of its own, and the marks."""

    key: tuple[Any, ...]
    many: bool
    path: QPainterPath
    strokes: list[QLineF]
    dots: QPolygonF


def _strokes(xs: np.ndarray, ys: np.ndarray, pairs: bool) -> list[QLineF]:
    drawn = np.isfinite(ys[:-1]) & np.isfinite(ys[1:])
    if pairs:
        # Columns whose strokes reach one another need no line between them.
        low, high = np.minimum(ys[::2], ys[1::2]), np.maximum(ys[::2], ys[1::2])
        drawn[1::2] &= np.maximum(low[:-1], low[1:]) > np.minimum(high[:-1], high[1:])
    ends = (xs[:-1][drawn], ys[:-1][drawn], xs[1:][drawn], ys[1:][drawn])
    return [QLineF(*four) for four in zip(*(end.tolist() for end in ends), strict=True)]


def _dots(xs: np.ndarray, ys: np.ndarray) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True) if not math.isnan(y)])

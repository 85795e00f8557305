"""What a heat map is drawn with beside its colours: axes of names, and words in the cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QTransform

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable, one_line

#: The smallest words of cells, as a share of the size of the other text.
_SMALLEST = 0.65


class NameAxis(pyqtgraph.AxisItem):
    """An axis with a name for each row or column; those along the bottom stand on end."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._names: tuple[str, ...] = ()
        self._metrics = QFontMetrics(QFont())
        self._longest = 80
        # Zoomed in, some names stand outside; pyqtgraph would leave out all that touch another one's box.
        self.setStyle(tickLength=0, hideOverlappingLabels=False)
        # Without cells the axis would say “(x0.001)” behind its title.
        self.enableAutoSIPrefix(False)

    def set_names(self, names: Sequence[str]) -> None:
        """Take other names."""
        self._names = tuple(names)
        self._measure()

    def follow_font(self, font: QFont, longest: int) -> None:
        """Take another font; names are cut to so many pixels."""
        self._metrics, self._longest = QFontMetrics(font), longest
        self.setStyle(tickFont=font)
        self._measure()

    def _measure(self) -> None:
        widest = max((self._metrics.horizontalAdvance(name) for name in self._names), default=0)
        room = min(widest, self._longest) + round(self._metrics.height() * 1.6)
        if self.orientation == "bottom":
            self.setHeight(room)
        else:
            self.setWidth(room)
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:  # noqa: N802 - pyqtgraph's
        """The middle of each cell, or of every second, third … where names would lie on one another."""
        # Upside down where the first row stands at the top.
        low, high = min(low, high), max(low, high)
        cells = max(high - low, 1e-9)
        stride = max(1, math.ceil(self._metrics.height() * cells / max(size, 1.0)))
        first = max(0, math.floor(low / stride) * stride)
        last = min(len(self._names), math.ceil(high))
        places = [number + 0.5 for number in range(first, last, stride)]
        return [(stride, [place for place in places if low <= place <= high])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """The names, cut where they are long."""
        elide = Qt.TextElideMode.ElideRight
        return [self._metrics.elidedText(self._names[int(value)], elide, self._longest) for value in values]

    def drawPicture(self, p: QPainter, axis: Any, ticks: Any, texts: Any) -> None:  # noqa: N802 - pyqtgraph's
        """Draw the names along the bottom from bottom to top."""
        if self.orientation != "bottom":
            super().drawPicture(p, axis, ticks, texts)
            return
        super().drawPicture(p, axis, ticks, [])
        p.setPen(self.textPen())
        p.setFont(self.style["tickFont"] or p.font())
        height = self._metrics.height()
        for box, _, text in texts:
            p.save()
            p.translate(box.center().x(), box.top())
            p.rotate(-90)
            place = QRectF(-self._longest - 2, -height / 2, self._longest, height)
            p.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
            p.restore()


class CellWords(pyqtgraph.GraphicsObject):
    """The words of the cells in view, where the cells are large enough to hold some.

    It holds plain data alone: a function of the widget would make a ring of references, and Qt crashes when Python
    collects a graphics item before its scene.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shades = np.zeros((0, 0, 4), np.ubyte)
        self._words: Sequence[Sequence[str]] = ()
        self._font = QFont()
        self._least, self._gap = 30, 4

    def set_words(self, words: Sequence[Sequence[str]], shades: np.ndarray) -> None:
        """Take other words.

        Args:
            words: Of each cell, by row; empty for none.
            shades: The colours under them, as red, green, blue and alpha, of shape ``(rows, columns, 4)``.
        """
        self.prepareGeometryChange()
        self._words, self._shades = words, shades
        self.update()

    def follow_font(self, font: QFont, least: int, gap: int) -> None:
        """Take another font, the width of the narrowest cell with words, and what stays free in it."""
        self._font, self._least, self._gap = QFont(font), least, gap
        self.update()

    def boundingRect(self) -> QRectF:
        """The whole matrix."""
        rows, columns, _ = self._shades.shape
        return QRectF(0, 0, columns, rows)

    def paint(self, p: QPainter, *_: Any) -> None:
        """Write the words upright and in the size of the other text, whatever the zoom is."""
        rows, columns, _ = self._shades.shape
        if not self._words:
            return
        to_paper = p.worldTransform()
        cell = to_paper.mapRect(QRectF(0, 0, 1, 1))
        font = QFont(self._font)
        height = QFontMetrics(font).height()
        # Somewhat smaller before there are none: a model has many layers.
        font.setPointSizeF(font.pointSizeF() * min(1.0, max(_SMALLEST, cell.height() / height)))
        metrics = QFontMetrics(font)
        if cell.width() < self._least or cell.height() < _SMALLEST * height:
            return
        view = self.viewRect()
        p.setWorldTransform(QTransform())
        p.setFont(font)
        for row in range(max(0, math.floor(view.top())), min(rows, math.ceil(view.bottom()))):
            for column in range(max(0, math.floor(view.left())), min(columns, math.ceil(view.right()))):
                place = to_paper.mapRect(QRectF(column, row, 1, 1)).adjusted(self._gap / 2, 0, -self._gap / 2, 0)
                words = drawable(one_line(self._words[row][column]))
                words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, int(place.width()))
                p.setPen(self._ink(row, column))
                p.drawText(place, Qt.AlignmentFlag.AlignCenter, words)
        p.setWorldTransform(to_paper)

    def _ink(self, row: int, column: int) -> QColor:
        red, green, blue, shown = self._shades[row, column].tolist()
        return theme.ink_on(QColor(red, green, blue)) if shown else QColor(theme.current().muted)

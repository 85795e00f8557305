"""The names of a plot's lines: in a row above the lines where one holds them, else over them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont

from workbench.widgets import theme

#: Alpha of what lies behind names that stand over the lines: lines are to be guessed, and words to be read.
_VEIL = 215
#: Qt's largest height: QWIDGETSIZE_MAX, which PySide does not name.
_UNBOUND = 16_777_215


class PlotLegend(QObject):
    """Names the lines of a pyqtgraph plot.

    Args:
        plot: A ``PlotWidget``.

    Signals:
        clicked(object): The sign of this line was clicked, which hides or shows the line.
    """

    clicked = Signal(object)

    def __init__(self, plot: Any) -> None:
        super().__init__(plot)
        from pyqtgraph import LegendItem

        self._plot = plot
        item = plot.getPlotItem()
        self._over = item.addLegend(offset=(-10, 10))
        self._row = LegendItem(horSpacing=4, verSpacing=0)
        # pyqtgraph has a title there, which no plot uses.
        item.layout.addItem(item.titleLabel, 4, 1)
        item.layout.addItem(self._row, 0, 1)
        self._row.layout.setContentsMargins(0, 0, 0, 0)
        # Else names that don't fit would make the plot wider than its window.
        self._row.setMinimumWidth(0)
        # A row can't be dragged away as the legend over the lines can.
        self._row.mouseDragEvent = _ignore
        self._lines: list[tuple[Any, str]] = []
        for legend in (self._over, self._row):
            legend.hide()
            legend.sigSampleClicked.connect(self.clicked)
        plot.getViewBox().sigResized.connect(self._place)

    @property
    def names(self) -> tuple[str, ...]:
        """What is named, in its order."""
        return tuple(label.item.toPlainText() for _, label in self._row.items)

    @property
    def above(self) -> bool:
        """Whether the names stand above the lines, and hide none of them."""
        return self._row.isVisible()

    def name(self, lines: Sequence[tuple[Any, str]]) -> None:
        """Name these lines, each with its item of the plot."""
        if list(lines) != self._lines:
            self._lines = list(lines)
            self._fill()

    def follow_theme(self, font: QFont) -> None:
        """Take colours and size from the theme."""
        look = theme.current()
        for legend in (self._over, self._row):
            legend.setLabelTextColor(QColor(look.text))
            legend.setLabelTextSize(f"{font.pointSizeF() * 0.95:.1f}pt")
        veil = QColor(look.surface)
        veil.setAlpha(_VEIL)
        self._over.setBrush(veil)
        self._fill()

    def _fill(self) -> None:
        for legend in (self._over, self._row):
            legend.clear()
        self._row.setColumnCount(max(1, len(self._lines)))
        for item, name in self._lines:
            for legend in (self._over, self._row):
                legend.addItem(item, escape(name))
        self._place()

    def _place(self) -> None:
        axis = self._plot.getPlotItem().getAxis("left").width()
        needed = self._row.layout.effectiveSizeHint(Qt.SizeHint.MinimumSize).width()
        fits = needed + axis <= self._plot.viewport().width()
        self._row.setVisible(bool(self._lines) and fits)
        self._over.setVisible(bool(self._lines) and not fits)
        self._row.setMaximumHeight(_UNBOUND if fits else 0)


def _ignore(event: Any) -> None:
    event.ignore()

"""A place along x that is marked in a plot, and named."""

from __future__ import annotations

from html import escape
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen

from workbench.widgets import theme


class PlotMark:
    """A dotted line across a plot with its name beside it.

    Args:
        plot: A ``pyqtgraph.PlotWidget``.

    Attributes:
        x: Where it stands, or None.
        words: Its name.
    """

    def __init__(self, plot: Any) -> None:
        import pyqtgraph

        self.x: float | None = None
        self.words = ""
        self._plot = plot
        self._line = pyqtgraph.InfiniteLine(angle=90, movable=False)
        self._name = pyqtgraph.InfLineLabel(self._line, movable=False, position=0.06, anchors=[(0, 1), (1, 1)])
        self._line.hide()
        plot.getPlotItem().addItem(self._line, ignoreBounds=True)
        self.follow_theme()

    def put(self, x: float | None, words: str = "") -> None:
        """Stand at ``x`` under this name, or be gone."""
        self.x, self.words = x, words if x is not None else ""
        if x is not None:
            self._line.setPos(x)
            self.follow_theme()
        self._line.setVisible(x is not None)

    def follow_theme(self) -> None:
        """Take the colours and measures in force."""
        look = theme.current()
        self._line.setPen(QPen(QColor(look.success), 0, Qt.PenStyle.DotLine))
        points = self._plot.font().pointSizeF() * 0.95
        self._name.setHtml(
            f"<span style='color:{look.text}; background:{look.surface}; font-size:{points:.1f}pt'>"
            f"&nbsp;{escape(self.words)}&nbsp;</span>"
        )

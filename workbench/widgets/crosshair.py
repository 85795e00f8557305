"""A line across a plot where the pointer or the keyboard is, and beside it what each curve is worth there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QLabel

from workbench.widgets import theme


@dataclass(frozen=True, slots=True)
class Reading:
    """A curve at the crosshair.

    Attributes:
        name: The curve.
        value: As it is shown, with its place when that is another than the crosshair's.
        color: Of the line.
        dashed: Whether the line is dashed.
    """

    name: str
    value: str
    color: QColor
    dashed: bool


class Crosshair:
    """Stands in one plot.

    Args:
        plot: A ``pyqtgraph.PlotWidget``.
    """

    def __init__(self, plot: Any) -> None:
        import pyqtgraph

        self.x: float | None = None
        self._plot = plot
        self._line = pyqtgraph.InfiniteLine(angle=90, movable=False)
        self._line.hide()
        plot.getPlotItem().addItem(self._line, ignoreBounds=True)
        self._box = QLabel(plot.viewport())
        self._box.setTextFormat(Qt.TextFormat.RichText)
        self._box.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._box.hide()
        self.follow_theme()

    def show(self, x: float) -> None:
        """Stand at ``x``."""
        self.x = x
        self._line.setPos(x)
        self._line.show()
        self._box.hide()

    def show_values(self, place: str, readings: Sequence[Reading]) -> None:
        """Say beside the line what it is worth where it stands, which is called ``place``."""
        line = self._box.fontMetrics().height() * 1.2
        room = max(1, int((self._plot.viewport().height() - 4 * theme.px(self._plot, 6)) / line) - 1)
        rows = "".join(
            f"<tr><td style='color:{each.color.name()}'>{'╌╌' if each.dashed else '━━'}&nbsp;</td>"
            f"<td>{escape(each.name)}&nbsp;&nbsp;</td><td align='right'>{escape(each.value)}</td></tr>"
            for each in readings[:room]
        )
        self._box.setText(f"<b>{escape(place)}</b><table cellspacing='0'>{rows}</table>")
        self._box.adjustSize()
        self._place()
        self._box.show()

    def hide(self) -> None:
        """Be gone."""
        self.x = None
        self._line.hide()
        self._box.hide()

    def follow_theme(self) -> None:
        """Take the colours and measures in force."""
        look = theme.current()
        edge = theme.px(self._plot, 6)
        self._line.setPen(QPen(QColor(look.muted), 0, Qt.PenStyle.DotLine))
        self._box.setStyleSheet(
            f"background: {look.surface}; color: {look.text}; border: 1px solid {look.border};"
            f" border-radius: {theme.px(self._plot, 4)}px; padding: {edge}px;"
        )

    def _place(self) -> None:
        gap, view = theme.px(self._plot, 12), self._plot.viewport()
        box = self._plot.getPlotItem().getViewBox()
        across = self._plot.mapFromScene(box.mapViewToScene(QPointF(self.x or 0.0, 0.0))).x()
        left = across + gap if across + gap + self._box.width() <= view.width() else across - gap - self._box.width()
        top = self._plot.mapFromScene(box.sceneBoundingRect().topLeft()).y()
        self._box.move(max(0, left), top + gap // 2)

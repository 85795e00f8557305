"""One line of a plot: its points, how it is drawn, and what it is worth at a place."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QWidget

from workbench.widgets import theme
from workbench.widgets.crosshair import Reading


class PlotLine:
    """The points of a series, drawn twice: faintly as they are, and over them their mean where it is smoothed.

    Args:
        series: What it is called.
        number: Its place in the theme's cycle of colours.
        dashed: Dashed, with a mark at each point.
        smooth: Whether a mean is drawn over its points.
        run: The past run it is of.

    Attributes:
        curve: Its points.
        items: What is drawn: the points, and the line over them.
    """

    def __init__(self, series: str, number: int, dashed: bool, smooth: bool, run: str = "") -> None:
        from workbench.widgets.curve import Curve
        from workbench.widgets.curve_item import CurveItem

        self.series, self.run, self.dashed, self.smooth = series, run, dashed, smooth
        self._number = number
        self.curve = Curve()
        self.items: tuple[Any, Any] = (CurveItem(self.curve), CurveItem(self.curve))
        for place, item in enumerate(self.items):
            # What is live lies over what is past, and a mean over its points.
            item.setZValue((0 if run else 2) + place)

    @property
    def name(self) -> str:
        """In readings and files."""
        return f"{self.run}: {self.series}" if self.run else self.series

    @property
    def seen(self) -> bool:
        """Whether the person has it on show."""
        return self.items[1].isVisible()

    def dress(self, plot: QWidget) -> None:
        """Take on the theme, at the zoom of the plot."""
        look = theme.current()
        colour = QColor(look.series[self._number % len(look.series)])
        faint = QColor(colour)
        faint.setAlpha(70)
        if self.run:
            colour = theme.mix(colour, QColor(look.surface), 0.3)
        style = Qt.PenStyle.DashLine if self.dashed else Qt.PenStyle.SolidLine
        pen = QPen(colour, theme.px(plot, 1 if self.run else 2), style)
        pen.setCosmetic(True)
        thin = QPen(faint, 1)
        thin.setCosmetic(True)
        self.items[0].set_look(thin)
        self.items[1].set_look(pen, theme.px(plot, 4 if self.run else 6) if self.dashed else 0)

    def refresh(self, weight: float) -> None:
        """Draw the points as they are now, their mean with this weight in ``[0, 1)``."""
        smoothed = self.smooth and weight > 0 and len(self.curve) > 2
        if self.smooth:
            self.curve.set_weight(weight)
        # Past runs would only blur the live one with points of their own.
        self.items[0].setVisible(smoothed and not self.run and self.seen)
        self.items[1].set_mean(smoothed)
        for item in self.items:
            item.refresh()

    def nearest(self, x: float) -> int | None:
        """The number of the point nearest to ``x``, or None where there is none to be seen."""
        return self.curve.nearest(x) if self.seen else None

    def reading(self, x: float, weight: float) -> Reading | None:
        """What it is worth at ``x``, in words; None where there is no point to be seen."""
        at = self.nearest(x)
        if at is None:
            return None
        value = written(float(self.curve.ys[at]))
        if self.smooth and weight > 0:
            value += f", mean {written(float(self.curve.means[at]))}"
        if abs(self.curve.xs[at] - x) > 0.5:
            value += f" at {written(float(self.curve.xs[at]))}"
        return Reading(self.name, value, self.items[1].opts["pen"].color(), self.dashed)


def written(value: float) -> str:
    """A number as plots write it: four digits."""
    return "not a number" if math.isnan(value) else f"{value:.4g}"

"""Lengths that grow with the text."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

#: Point size of text at zoom 1.
BASE_POINTS = 10.0


def px(widget: QWidget, pixels: float) -> int:
    """Scale a measure, given for zoom 1 on a screen of 96 dots an inch, by the widget's font; at least 1."""
    return max(1, round(pixels * _factor(widget)))


def zoom_of(widget: QWidget) -> float:
    """The zoom in force, read back from the widget's font."""
    return widget.font().pointSizeF() / BASE_POINTS if widget.font().pointSizeF() > 0 else _factor(widget)


def _factor(widget: QWidget) -> float:
    points = widget.font().pointSizeF()
    if points <= 0:
        return widget.font().pixelSize() / (BASE_POINTS * 96 / 72)
    return points / BASE_POINTS * widget.logicalDpiY() / 96.0

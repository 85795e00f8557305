"""A plot as a picture in a file."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget


def write_picture(widget: QWidget, plot: Any, path: str) -> None:
    """Save a plot as PNG or SVG, by the ending of the path.

    Drawn here and not by pyqtgraph's exporters: theirs say nothing when a picture can't be written, and fail on the
    paths that this Qt writes into SVG.

    Args:
        widget: Whose name and description the picture has.
        plot: A ``pyqtgraph.PlotWidget``.
        path: Ends in ``.svg`` or ``.png``.

    Raises:
        OSError: It can't be written.
    """
    with open(path, "wb"):
        pass
    size = plot.viewport().size()
    if path.endswith(".svg"):
        from PySide6.QtSvg import QSvgGenerator

        drawing = QSvgGenerator()
        drawing.setFileName(path)
        drawing.setTitle(widget.accessibleName())
        drawing.setDescription(widget.accessibleDescription())
        drawing.setSize(size)
        drawing.setResolution(widget.logicalDpiX())
        drawing.setViewBox(QRect(QPoint(0, 0), size))
        painter = QPainter(drawing)
        plot.render(painter, QRectF(QPointF(0, 0), size), plot.viewport().rect())
        painter.end()
    elif not plot.grab().save(path, "PNG"):
        raise OSError(f"Could not write {path}")

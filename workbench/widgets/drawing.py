"""Drawings to files: PNG and SVG, by the ending of the path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QImage, QPainter

#: Image pixels for each logical one, so that a PNG is sharp in print.
_DENSITY = 2
#: Image pixels in one direction that can be drawn to.
_LARGEST = 32_000


def save_drawing(
    path: Path, size: QSize, draw: Callable[[QPainter], None], *, title: str = "", description: str = ""
) -> None:
    """Write a drawing.

    Args:
        path: Ends in ``.svg``, or it is a PNG.
        size: In logical pixels.
        draw: Draws it from the painter's origin.
        title: Of an SVG.
        description: Of an SVG.

    Raises:
        OSError: It can't be written, or it is too large for a PNG.
    """
    # Qt says nothing when it can't write; this does.
    with path.open("wb"):
        pass
    if path.suffix.lower() == ".svg":
        from PySide6.QtSvg import QSvgGenerator

        drawing = QSvgGenerator()
        drawing.setFileName(str(path))
        drawing.setTitle(title)
        drawing.setDescription(description)
        drawing.setSize(size)
        drawing.setViewBox(QRect(0, 0, size.width(), size.height()))
        painter = QPainter(drawing)
        draw(painter)
        painter.end()
        return
    longest = max(size.width(), size.height())
    if longest > _LARGEST:
        path.unlink()
        raise OSError(f"It is {longest:,} pixels long, too much for a PNG; an SVG has room for it")
    density = _DENSITY if longest * _DENSITY <= _LARGEST else 1
    image = QImage(size * density, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(density)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw(painter)
    painter.end()
    if not image.save(str(path), "PNG"):
        raise OSError(f"Could not write {path}")

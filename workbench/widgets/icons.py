"""Icons: strokes on a 24 × 24 grid, tinted in the ink of the theme."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication

from workbench.widgets.assets import folder
from workbench.widgets.looks import current, mix
from workbench.widgets.measures import px

_PROPERTY = "workbench_icon"
_SIZES = (16, 24, 32, 48, 72)


def icon(name: str, color: QColor | str | None = None) -> QIcon:
    """An icon of ``assets/icons`` in one ink.

    Args:
        name: Such as ``tokenizer`` or ``play``.
        color: Its ink; the theme's text colour when left out.

    Raises:
        FileNotFoundError: There is no such icon.
    """
    look = current()
    ink = QColor(color or look.text)
    faint = mix(QColor(look.muted), QColor(look.surface), 0.45)
    return _icon(name, ink.name(), faint.name())


def pixmap(name: str, size: int, color: QColor | str | None = None, ratio: float = 1.0) -> QPixmap:
    """An icon as a picture of ``size`` device-independent pixels."""
    picture = _render(name, QColor(color or current().text).name(), round(size * ratio))
    picture.setDevicePixelRatio(ratio)
    return picture


def put(button: QAbstractButton, name: str, role: str = "text", size: int = 18) -> None:
    """Give a button an icon that follows theme and zoom.

    Args:
        button: Any button; calling again replaces its icon.
        name: The icon.
        role: The attribute of `looks.Theme` whose colour it takes, such as ``text``, ``muted`` or ``accent_text``.
        size: Pixels at zoom 1.
    """
    # A property, and not an object that watches: watching costs a call into Python for every event of every button.
    button.setProperty(_PROPERTY, f"{name} {role} {size}")
    _tint(button)


def tint_anew(app: QApplication) -> None:
    """Draw the icons of all buttons again, after the look of the application changed."""
    for widget in app.allWidgets():
        if isinstance(widget, QAbstractButton) and widget.property(_PROPERTY):
            _tint(widget)


def _tint(button: QAbstractButton) -> None:
    name, role, size = button.property(_PROPERTY).split()
    edge = px(button, int(size))
    button.setIcon(icon(name, getattr(current(), role)))
    button.setIconSize(QSize(edge, edge))


@lru_cache(maxsize=256)
def _icon(name: str, ink: str, faint: str) -> QIcon:
    built = QIcon()
    for size in _SIZES:
        built.addPixmap(_render(name, ink, size), QIcon.Mode.Normal)
        built.addPixmap(_render(name, faint, size), QIcon.Mode.Disabled)
    return built


def _render(name: str, ink: str, pixels: int) -> QPixmap:
    picture = QPixmap(pixels, pixels)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(QByteArray(_source(name).replace("currentColor", ink).encode())).render(
        painter, QRectF(0, 0, pixels, pixels)
    )
    painter.end()
    return picture


@lru_cache(maxsize=128)
def _source(name: str) -> str:
    return (folder("icons") / f"{name}.svg").read_text(encoding="utf-8")

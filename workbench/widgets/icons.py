"""Icons: strokes on a 24 × 24 grid, tinted in the ink of the theme."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QEvent, QObject, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication

from workbench.widgets import theme
from workbench.widgets.assets import folder

_SIZES = (16, 24, 32, 48, 72)


def icon(name: str, color: QColor | str | None = None) -> QIcon:
    """An icon of ``assets/icons`` in one ink.

    Args:
        name: Such as ``tokenizer`` or ``play``.
        color: Its ink; the theme's text colour when left out.

    Raises:
        FileNotFoundError: There is no such icon.
    """
    look = theme.current()
    ink = QColor(color or look.text)
    faint = theme.mix(QColor(look.muted), QColor(look.surface), 0.45)
    return _icon(name, ink.name(), faint.name())


def pixmap(name: str, size: int, color: QColor | str | None = None, ratio: float = 1.0) -> QPixmap:
    """An icon as a picture of ``size`` device-independent pixels."""
    picture = _render(name, QColor(color or theme.current().text).name(), round(size * ratio))
    picture.setDevicePixelRatio(ratio)
    return picture


def put(button: QAbstractButton, name: str, role: str = "text", size: int = 18) -> None:
    """Give a button an icon that follows theme and zoom by itself.

    Args:
        button: Any button; calling again replaces its icon.
        name: The icon.
        role: The attribute of `theme.Theme` whose colour it takes, such as ``text``, ``muted`` or ``accent_text``.
        size: Pixels at zoom 1.
    """
    for child in button.findChildren(_Follower, options=Qt.FindChildOption.FindDirectChildrenOnly):
        child.name, child.role, child.size = name, role, size
        child.tint()
        return
    _Follower(button, name, role, size)


class _Follower(QObject):
    """Tints its button's icon anew whenever the look changes."""

    def __init__(self, button: QAbstractButton, name: str, role: str, size: int) -> None:
        super().__init__(button)
        self.name, self.role, self.size = name, role, size
        self._button = button
        button.installEventFilter(self)
        self.tint()

    def tint(self) -> None:
        edge = theme.px(self._button, self.size)
        self._button.setIcon(icon(self.name, getattr(theme.current(), self.role)))
        self._button.setIconSize(QSize(edge, edge))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """See the button's changes."""
        if event.type() in theme.CHANGES and watched is self._button:
            self.tint()
        return False


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


def app_icon_size(app: QApplication) -> QSize:
    """The icon size of tool bars at the application's zoom."""
    edge = round(20 * app.font().pointSizeF() / theme.BASE_POINTS)
    return QSize(edge, edge)

"""Results that are numbers at each pixel: how far it is, which way its surface looks, where in space it lies."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSplitter, QVBoxLayout, QWidget

from workbench.engine.values import TaskResult
from workbench.panes.tasks.pictures import show_picture
from workbench.widgets import theme
from workbench.widgets.naming import named
from workbench.widgets.picture_view import PictureView, to_colors
from workbench.widgets.theme import px, set_role

#: Pixels of the longer side of a map that is drawn.
_SIDE = 1024
_POINT = "Point at the picture to see the values of a pixel."
_AXES = (("x", "red"), ("y", "green"), ("z", "blue"))


class _MapView(QWidget):
    """The picture, what was found of each of its pixels in colours, what the colours mean, and the pixel pointed at.

    Args:
        name: Of the map's object, after ``tasks.``.
        label: Of the map.
        tip: Of the map.
    """

    def __init__(self, name: str, label: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: np.ndarray | None = None
        self._picture = named(PictureView(), f"tasks.{name}_picture", "Picture", "The picture itself")
        self._map = named(PictureView(), f"tasks.{name}_map", label, tip)
        self._range = named(
            QLabel(), f"tasks.{name}_range", "Range", "The least and the largest values, and how each looks"
        )
        self._at = named(QLabel(), f"tasks.{name}_at", "Under the pointer", "The values of the pixel pointed at")
        for each in (self._range, self._at):
            set_role(each, "muted")
        self._at.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        views = QSplitter(Qt.Orientation.Horizontal)
        for view in (self._picture, self._map):
            views.addWidget(view)
            view.setMouseTracking(True)
            view.pointed.connect(self._on_pointed)
        views.setChildrenCollapsible(False)
        self._legend = QHBoxLayout()
        self._legend.addWidget(self._range)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(views, 1)
        column.addLayout(self._legend)
        column.addWidget(self._at)

    def show_result(self, result: TaskResult, picture: QImage) -> str:
        """Show a result, and say it in words."""
        (self._values,) = result.items
        show_picture(self._picture, result, picture)
        self._on_pointed(None)
        words = self._words(self._values)
        self._range.setText(words)
        self._tint()
        return f"{self._map.accessibleName()}: {words}"

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_legend"):
            self._tint()

    def _tint(self) -> None:
        if self._values is not None:
            height, width = self._values.shape[:2]
            step = max(1, max(height, width) // _SIDE)
            self._map.set_picture(self._colors(self._values[::step, ::step]), (width, height))

    def _on_pointed(self, place: tuple[int, int] | None) -> None:
        if self._values is None or place is None:
            self._at.setText(_POINT)
            return
        x, y = place
        self._at.setText(f"({x}, {y}): {self._told(self._values[y, x])}")

    def _words(self, values: np.ndarray) -> str:
        raise NotImplementedError

    def _told(self, value: np.ndarray) -> str:
        raise NotImplementedError

    def _colors(self, values: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class DepthView(_MapView):
    """How far each pixel is, on the sequential scale."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("depth", "Depth", "The predicted depth of each pixel", parent)
        self._scale = PictureView()
        self._scale.setFixedHeight(px(self, 12))
        self._legend.addWidget(self._scale, 1)

    def _tint(self) -> None:
        super()._tint()
        self._scale.setFixedHeight(px(self, 12))
        self._scale.set_picture(to_colors(np.linspace(0.0, 1.0, 512)[None].repeat(4, axis=0)))

    def _words(self, values: np.ndarray) -> str:
        return f"{values.min():.4g} (pale) to {values.max():.4g} (strong)"

    def _told(self, value: np.ndarray) -> str:
        return f"{value:.4g}"

    def _colors(self, values: np.ndarray) -> np.ndarray:
        return to_colors(values)


class FieldView(_MapView):
    """Three numbers a pixel as red, green and blue, each from its least to its most."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("field", "Values", "What was found of each pixel: x is red, y green and z blue", parent)
        self._range.setWordWrap(True)
        self._least, self._most = np.zeros(3), np.ones(3)

    def _words(self, values: np.ndarray) -> str:
        flat = values.reshape(-1, 3)
        self._least, self._most = flat.min(axis=0), flat.max(axis=0)
        ranges = zip(_AXES, self._least, self._most, strict=True)
        return " · ".join(f"{axis} {least:.4g} to {most:.4g} ({color})" for (axis, color), least, most in ranges)

    def _told(self, value: np.ndarray) -> str:
        return ", ".join(f"{axis} {each:.4g}" for (axis, _), each in zip(_AXES, value, strict=True))

    def _colors(self, values: np.ndarray) -> np.ndarray:
        spread = (values - self._least) / np.where(self._most > self._least, self._most - self._least, 1.0)
        return (spread.clip(0.0, 1.0) * 255).round().astype(np.uint8)

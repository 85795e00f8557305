"""Many matrices as small pictures, to choose one from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.color_table import strength_table

#: Rows and columns of a picture.
_MOST = 160


class MatrixGrid(QWidget):
    """Small multiples; each is drawn by its own largest value, as only their patterns are compared.

    Signals:
        chosen_changed(int): The person chose a picture with the mouse or the arrow keys.
    """

    chosen_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._names: tuple[str, ...] = ()
        self._matrices = np.zeros((0, 1, 1), np.float32)
        self._images: list[QImage] = []
        self._chosen: int | None = None

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self._names)

    @property
    def chosen(self) -> int | None:
        """The picture that is marked."""
        return self._chosen

    def set_matrices(self, names: Sequence[str], matrices: np.ndarray) -> None:
        """Show matrices.

        Args:
            names: One for each.
            matrices: Of shape ``(matrices, rows, columns)``, from 0 on.
        """
        self._names, self._matrices = tuple(names), matrices
        self._chosen = None
        self._draw()
        self._fit()

    def choose(self, number: int | None) -> None:
        """Mark a picture, without announcing it."""
        self._chosen = number if number is not None and 0 <= number < len(self._names) else None
        words = f"{self._names[self._chosen]} of {len(self._names)}" if self._chosen is not None else ""
        self.setAccessibleDescription(words or f"{len(self._names)} pictures")
        self.update()

    def place(self, number: int) -> QRectF:
        """Where a picture is drawn."""
        side, gap, line = self._side(), theme.px(self, 6), self.fontMetrics().height()
        row, column = divmod(number, self._across())
        return QRectF(gap + column * (side + gap), gap + row * (side + gap + line) + line, side, side)

    def sizeHint(self) -> QSize:
        """Three pictures wide."""
        return QSize(3 * (self._side() + theme.px(self, 6)) + theme.px(self, 6), self.minimumHeight())

    def minimumSizeHint(self) -> QSize:
        """One picture wide."""
        return QSize(self._side() + 2 * theme.px(self, 6), self.minimumHeight())

    def _side(self) -> int:
        return theme.px(self, 76)

    def _across(self) -> int:
        gap = theme.px(self, 6)
        return max(1, (self.width() - gap) // (self._side() + gap))

    def _fit(self) -> None:
        rows = -(-len(self._names) // self._across())
        self.setMinimumHeight(
            rows * (self._side() + theme.px(self, 6) + self.fontMetrics().height()) + theme.px(self, 8)
        )
        self.update()

    def _draw(self) -> None:
        table = strength_table()
        self._images = []
        for matrix in map(_small, self._matrices):
            top = float(np.nanmax(matrix, initial=0.0)) or 1.0
            shades = np.ascontiguousarray(table[np.clip(np.nan_to_num(matrix) / top * 255, 0, 255).astype(np.uint8)])
            height, width = matrix.shape
            self._images.append(QImage(shades.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy())

    # Qt.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pictures with their names above them."""
        painter, look = QPainter(self), theme.current()
        line = self.fontMetrics().height()
        for number, image in enumerate(self._images):
            place = self.place(number)
            if not place.adjusted(0, -line, 0, 0).intersects(QRectF(event.rect())):
                continue
            chosen = number == self._chosen
            painter.setPen(QColor(look.text if chosen else look.muted))
            above = QRectF(place.left(), place.top() - line, place.width(), line)
            painter.drawText(above, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._names[number])
            painter.drawImage(place, image)
            pen = QPen(QColor(look.accent if chosen else look.border), theme.px(self, 3 if chosen else 1))
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(place)
        if self.hasFocus():
            theme.draw_focus(painter, QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.px(self, 3), theme.px(self, 2))

    def _at(self, place: QPointF) -> int | None:
        return next((number for number in range(len(self._names)) if self.place(number).contains(place)), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the picture under the mouse."""
        number = self._at(event.position())
        if number is not None:
            self.choose(number)
            self.chosen_changed.emit(number)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go through the pictures with the arrow keys."""
        across = self._across()
        steps = {Qt.Key.Key_Right: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Down: across, Qt.Key.Key_Up: -across}
        step = steps.get(Qt.Key(event.key()))
        if step is None or not self._names:
            super().keyPressEvent(event)
            return
        number = 0 if self._chosen is None else self._chosen + step
        if 0 <= number < len(self._names):
            self.choose(number)
            self.chosen_changed.emit(number)

    def event(self, event: QEvent) -> bool:
        """Name the picture under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            number = self._at(QPointF(event.pos()))
            tip = self.toolTip()
            if number is not None:
                tip = f"{self._names[number]}: largest weight {float(np.nanmax(self._matrices[number])):.4g}"
            QToolTip.showText(event.globalPos(), tip, self)
            return True
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Find the number of rows for the new width."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme and the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_images"):
            self._draw()
            self._fit()
            self.updateGeometry()


def _small(matrix: np.ndarray) -> np.ndarray:
    """The largest value of each block of cells that a picture has no pixels for."""
    for axis, size in enumerate(matrix.shape):
        stride = -(-size // _MOST)
        if stride > 1:
            matrix = np.maximum.reduceat(matrix, np.arange(0, size, stride), axis=axis)
    return matrix

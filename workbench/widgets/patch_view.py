"""A picture cut into patches, each tinted by a number; one can be chosen."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QVBoxLayout, QWidget

from workbench.widgets import theme
from workbench.widgets.color_table import strength_table
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.heat_map import short
from workbench.widgets.naming import named
from workbench.widgets.picture_view import PictureView

#: How much of the picture the tint of the least and of the most covers, of 255.
_THIN, _THICK = 70, 220


class _Tinted(PictureView):
    """The picture itself.

    Signals:
        chosen_changed(int, int): The person chose a patch, by row and column.
    """

    chosen_changed = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._shape = (0, 0)
        self._values: np.ndarray | None = None
        self._chosen: tuple[int, int] | None = None
        self._tint = QImage()

    @property
    def values(self) -> np.ndarray | None:
        """The numbers of the patches, of shape ``(rows, columns)``."""
        return self._values

    @property
    def chosen(self) -> tuple[int, int] | None:
        """The patch that is marked."""
        return self._chosen

    def set_patches(self, shape: tuple[int, int], values: np.ndarray | None) -> None:
        """Say how many patches there are, and what they are tinted by."""
        if shape != self._shape:
            self._chosen = None
        self._shape, self._values = shape, values
        self._draw()

    def choose(self, patch: tuple[int, int] | None) -> None:
        """Mark a patch, without announcing it."""
        self._chosen = patch
        self.setAccessibleDescription(f"row {patch[0]}, column {patch[1]}" if patch else "no patch is chosen")
        self.update()

    def patch_place(self, row: int, column: int) -> QRectF:
        """Where a patch is drawn."""
        place, (rows, columns) = self._place(), self._shape
        width, height = place.width() / columns, place.height() / rows
        return QRectF(place.left() + column * width, place.top() + row * height, width, height)

    def _draw(self) -> None:
        self._tint = QImage()
        if self._values is not None and self._values.size:
            least, most = float(np.nanmin(self._values)), float(np.nanmax(self._values))
            shares = np.nan_to_num((self._values - least) / ((most - least) or 1.0)).clip(0, 1)
            rows, columns = shares.shape
            pixels = np.empty((rows, columns, 4), np.uint8)
            pixels[..., :3] = strength_table()[(shares * 255).round().astype(np.uint8)]
            pixels[..., 3] = (_THIN + (_THICK - _THIN) * shares).round()
            self._tint = QImage(pixels.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888).copy()
        self.update()

    def _patch_at(self, at: QPointF) -> tuple[int, int] | None:
        place, (rows, columns) = self._place(), self._shape
        if not rows or not columns or self._picture.isNull() or not place.contains(at):
            return None
        row = int((at.y() - place.top()) / place.height() * rows)
        column = int((at.x() - place.left()) / place.width() * columns)
        return min(row, rows - 1), min(column, columns - 1)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture, the tint over it, and a frame around the patch that is chosen."""
        super().paintEvent(event)
        if self._picture.isNull():
            return
        painter, look = QPainter(self), theme.current()
        # Each patch has one colour: nothing is smoothed between them.
        painter.drawImage(self._place(), self._tint)
        if self._chosen is not None and self._shape[0]:
            frame = self.patch_place(*self._chosen)
            for color, width in ((look.surface, 4), (look.accent, 2)):
                painter.setPen(QPen(QColor(color), theme.px(self, width)))
                painter.drawRect(frame)
        if self.hasFocus():
            theme.draw_focus(painter, QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.px(self, 3), theme.px(self, 2))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the patch under the mouse."""
        self._announce(self._patch_at(event.position()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go from patch to patch with the arrow keys."""
        ways = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}
        way, (rows, columns) = ways.get(Qt.Key(event.key())), self._shape
        if way is None or not rows:
            super().keyPressEvent(event)
            return
        row, column = self._chosen or (0, 0)
        if self._chosen is not None:
            row, column = min(max(row + way[0], 0), rows - 1), min(max(column + way[1], 0), columns - 1)
        self._announce((row, column))

    def _announce(self, patch: tuple[int, int] | None) -> None:
        if patch is not None:
            self.choose(patch)
            self.chosen_changed.emit(*patch)

    def event(self, event: QEvent) -> bool:
        """Name the patch under the mouse and its number."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            patch, tip = self._patch_at(QPointF(event.pos())), self.toolTip()
            if patch is not None and self._values is not None:
                tip = f"row {patch[0]}, column {patch[1]}: {short(float(self._values[patch]))}"
            QToolTip.showText(event.globalPos(), tip, self)
            return True
        return super().event(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_tint"):
            self._draw()


class PatchView(QWidget):
    """A picture with its patches tinted, and below it what the tint says.

    Args:
        name: Object name of the picture.
        label: What it is called.
        tip: What it shows.

    Signals:
        patch_chosen(int, int): The person chose a patch, by row and column.
    """

    patch_chosen = Signal(int, int)

    def __init__(self, name: str, label: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = named(_Tinted(), name, label, f"{tip}; click a patch, or use the arrow keys")
        self._caption = ElidedLabel()
        theme.set_role(self._caption, "muted")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view, 1)
        column.addWidget(self._caption)
        self._view.chosen_changed.connect(self.patch_chosen)

    @property
    def values(self) -> np.ndarray | None:
        """The numbers that are shown, of shape ``(rows, columns)``, or None."""
        return self._view.values

    @property
    def chosen(self) -> tuple[int, int] | None:
        """The patch that is marked."""
        return self._view.chosen

    def set_picture(self, pixels: np.ndarray | None) -> None:
        """Show a picture, uint8 of shape ``(height, width, 3)``, or none."""
        self._view.set_picture(pixels)

    def set_patches(self, shape: tuple[int, int], values: np.ndarray | None, what: str = "") -> None:
        """Tint patches.

        Args:
            shape: Rows and columns of patches.
            values: A number for each, of that shape; None tints none.
            what: What the numbers are.
        """
        self._view.set_patches(shape, values)
        words = what
        if values is not None and values.size:
            words = f"{what}: from {short(float(np.nanmin(values)))} to {short(float(np.nanmax(values)))}"
        self._caption.setText(words)

    def choose(self, patch: tuple[int, int] | None) -> None:
        """Mark a patch, without announcing it."""
        self._view.choose(patch)

    def minimumSizeHint(self) -> QSize:
        """Large enough that patches can be told apart."""
        return QSize(theme.px(self, 200), theme.px(self, 160))

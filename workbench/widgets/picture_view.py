"""A picture, scaled to its place, with boxes and masks over it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.color_table import strength_table
from workbench.widgets.visible_text import drawable

#: Pixels of the longer side of the picture that masks are drawn in; a screen shows no more.
_MASK_SIDE = 1024
#: How far around the circle of hues the next colour lies.
_GOLDEN = 0.618034


@dataclass(frozen=True, eq=False, slots=True)
class Overlay:
    """What is drawn over a picture.

    Attributes:
        label: What it shows; overlays of one label have one colour and are switched together.
        words: What its tag and its tooltip say.
        box: ``(left, top, right, bottom)`` in pixels of the whole picture, or None.
        mask: Of shape ``(height, width)`` of the whole picture, True where it is; or None.
        point: ``(x, y)`` in pixels of the whole picture, or None.
    """

    label: str
    words: str
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None
    point: tuple[float, float] | None = None


class PictureView(QWidget):
    """A picture that fits its place; the tooltip names what lies under the pointer.

    Signals:
        pointed(object): The pixel ``(x, y)`` of the whole picture that the pointer is on, or None; only of a view whose
            mouse is tracked.
    """

    pointed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._picture = QImage()
        self._whole = QSize()
        self._overlays: tuple[Overlay, ...] = ()
        self._colored: dict[str, int] = {}
        self._hidden: frozenset[str] = frozenset()
        self._veil: QImage | None = None
        self._hint = ""

    @property
    def overlays(self) -> tuple[Overlay, ...]:
        """What lies over the picture, shown or not."""
        return self._overlays

    @property
    def shown(self) -> tuple[Overlay, ...]:
        """What is drawn."""
        return tuple(each for each in self._overlays if each.label not in self._hidden)

    @property
    def picture(self) -> QImage:
        """What is shown, as it was given."""
        return self._picture

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the overlays, each once, in order."""
        return tuple(self._colored)

    def set_hint(self, text: str) -> None:
        """What is written while there is no picture."""
        self._hint = text
        self.update()

    def set_picture(self, picture: QImage | np.ndarray | None, whole: tuple[int, int] | None = None) -> None:
        """Show a picture.

        Args:
            picture: An image, or uint8 of shape ``(height, width, 3)``; None shows nothing.
            whole: Width and height of the picture that overlays are measured in, where what is given is a smaller
                copy of it.
        """
        if isinstance(picture, np.ndarray):
            picture = to_image(picture)
        self._picture = picture if picture is not None else QImage()
        self._whole = QSize(*whole) if whole else self._picture.size()
        self._overlays, self._colored, self._veil = (), {}, None
        self.updateGeometry()
        self.update()

    def set_overlays(self, overlays: Sequence[Overlay]) -> None:
        """Draw boxes and masks; those before are gone."""
        self._overlays = tuple(overlays)
        labels = dict.fromkeys(each.label for each in self._overlays)
        self._colored = {label: place for place, label in enumerate(labels)}
        self._veil = None
        self.update()

    def set_hidden(self, labels: Collection[str]) -> None:
        """Leave out the overlays of some labels."""
        self._hidden = frozenset(labels)
        self._veil = None
        self.update()

    def color(self, label: str) -> QColor:
        """The colour of a label's overlays."""
        series, place = theme.current().series, self._colored[label]
        if place < len(series):
            return QColor(series[place])
        # Beyond those that are told apart by eyes of all kinds: hues as far from the ones before as can be.
        return QColor.fromHsvF(place * _GOLDEN % 1.0, 0.7, 0.95 if theme.current().dark else 0.75)

    def sizeHint(self) -> QSize:
        """As large as the picture, within reason."""
        side = theme.px(self, 360)
        return QSize(side, side * 3 // 4)

    def minimumSizeHint(self) -> QSize:
        """Large enough to see something."""
        return QSize(theme.px(self, 80), theme.px(self, 60))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_veil"):
            self._veil = None
            self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        """Name what lies under the pointer."""
        if isinstance(event, QHelpEvent) and self._overlays:
            words = [each.words for each in self.shown if self._covers(each, QPointF(event.pos()))]
            QToolTip.showText(event.globalPos(), "\n".join(drawable(each) for each in words), self)
            return True
        return super().event(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say which pixel the pointer is on."""
        super().mouseMoveEvent(event)
        place = self._place()
        inside = not self._picture.isNull() and place.contains(event.position())
        self.pointed.emit(self._pixel(place, event.position()) if inside else None)

    def leaveEvent(self, event: QEvent) -> None:
        """Say that the pointer is on none."""
        super().leaveEvent(event)
        self.pointed.emit(None)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture and what lies over it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if self._picture.isNull():
            painter.setPen(QColor(theme.current().muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(QRectF(self.rect()).adjusted(8, 8, -8, -8), flags, self._hint)
            return
        place = self._place()
        painter.drawImage(place, self._picture)
        if self._veil is None:
            self._veil = self._woven()
        if not self._veil.isNull():
            painter.drawImage(place, self._veil)
        taken: list[QRectF] = []
        painter.setClipRect(place)
        # No edge of another goes through a tag.
        for draw in (self._draw_box, self._draw_tag, self._draw_point):
            for each in self.shown:
                draw(painter, place, each, taken)

    def _draw_point(self, painter: QPainter, place: QRectF, overlay: Overlay, _: list[QRectF]) -> None:
        if overlay.point is None:
            return
        # A rim in the other shade, so that a point is seen on any picture.
        color = self.color(overlay.label)
        painter.setPen(QPen(theme.ink_on(color), theme.px(self, 1)))
        painter.setBrush(color)
        side = theme.px(self, 4)
        dot = self._dot(place, overlay)
        painter.drawEllipse(dot, side, side)
        if len(self.labels) > 1:
            # Points of several kinds are told apart by name, not by colour alone.
            words, pad = drawable(overlay.label), theme.px(self, 3)
            size = QSizeF(self.fontMetrics().horizontalAdvance(words) + 2 * pad, self.fontMetrics().height())
            tag = QRectF(QPointF(dot.x() + 2 * side, dot.y() - size.height() / 2), size)
            tag.moveRight(min(tag.right(), place.right()))
            painter.fillRect(tag, color)
            painter.setPen(theme.ink_on(color))
            painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, words)

    def _draw_box(self, painter: QPainter, place: QRectF, overlay: Overlay, _: list[QRectF]) -> None:
        if overlay.box is None:
            return
        painter.setPen(QPen(self.color(overlay.label), theme.px(self, 2)))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(self._on_screen(place, overlay))

    def _draw_tag(self, painter: QPainter, place: QRectF, overlay: Overlay, taken: list[QRectF]) -> None:
        if overlay.box is None:
            return
        color, box = self.color(overlay.label), self._on_screen(place, overlay)
        metrics, pad = self.fontMetrics(), theme.px(self, 4)
        words = drawable(overlay.words)
        size = QSizeF(metrics.horizontalAdvance(words) + 2 * pad, metrics.height() + pad / 2)
        tag = next((tag for tag in _tags(place, box, size) if not any(tag.intersects(each) for each in taken)), None)
        if tag is None:
            # Anywhere else it would be read as another box's; the tooltip and the list name this one.
            return
        taken.append(tag)
        painter.fillRect(tag, color)
        painter.setPen(theme.ink_on(color))
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, words)

    def _woven(self) -> QImage:
        """All masks as one picture with holes."""
        masks = [each for each in self.shown if each.mask is not None]
        if not masks:
            return QImage()
        height, width = masks[0].mask.shape
        step = max(1.0, max(height, width) / _MASK_SIDE)
        rows, columns = (np.arange(0, side, step).astype(int) for side in (height, width))
        # Which mask is seen at a pixel, from 1, the last one on top; and the colours of all, the first of them none.
        owner = np.zeros((len(rows), len(columns)), np.int32)
        colors = np.zeros((len(masks) + 1, 4), np.uint8)
        for number, each in enumerate(masks, 1):
            owner[each.mask if step == 1.0 else each.mask[rows][:, columns]] = number
            color = self.color(each.label)
            colors[number] = (color.red(), color.green(), color.blue(), 140)
        pixels = colors[owner]
        # A rim, so that things of one label that touch are seen as two.
        rim = np.zeros(owner.shape, bool)
        rim[:, 1:] |= owner[:, 1:] != owner[:, :-1]
        rim[1:] |= owner[1:] != owner[:-1]
        pixels[rim & (owner > 0), 3] = 255
        image = QImage(pixels.data, len(columns), len(rows), 4 * len(columns), QImage.Format.Format_RGBA8888)
        return image.copy()

    def _place(self) -> QRectF:
        """Where the picture is drawn."""
        size = self._whole.scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        return QRectF(
            (self.width() - size.width()) / 2, (self.height() - size.height()) / 2, size.width(), size.height()
        )

    def _pixel(self, place: QRectF, at: QPointF) -> tuple[int, int]:
        column = int((at.x() - place.left()) / place.width() * self._whole.width())
        row = int((at.y() - place.top()) / place.height() * self._whole.height())
        return min(column, self._whole.width() - 1), min(row, self._whole.height() - 1)

    def _on_screen(self, place: QRectF, overlay: Overlay) -> QRectF:
        assert overlay.box is not None
        scale = place.width() / max(1, self._whole.width())
        left, top, right, bottom = (value * scale for value in overlay.box)
        return QRectF(place.left() + left, place.top() + top, right - left, bottom - top)

    def _dot(self, place: QRectF, overlay: Overlay) -> QPointF:
        assert overlay.point is not None
        scale = place.width() / max(1, self._whole.width())
        return QPointF(place.left() + overlay.point[0] * scale, place.top() + overlay.point[1] * scale)

    def _covers(self, overlay: Overlay, at: QPointF) -> bool:
        place = self._place()
        if overlay.box is not None:
            return self._on_screen(place, overlay).contains(at)
        if overlay.point is not None:
            away = self._dot(place, overlay) - at
            return max(abs(away.x()), abs(away.y())) <= theme.px(self, 6)
        if overlay.mask is None or not place.contains(at):
            return False
        height, width = overlay.mask.shape
        row = int((at.y() - place.top()) / place.height() * height)
        column = int((at.x() - place.left()) / place.width() * width)
        return bool(overlay.mask[min(row, height - 1), min(column, width - 1)])


def _tags(place: QRectF, box: QRectF, size: QSizeF) -> Iterator[QRectF]:
    """Where the tag of a box can stand: above it, below it, or within it where there is no other room."""
    for top in (box.top() - size.height(), box.bottom(), box.top(), box.bottom() - size.height()):
        tag = QRectF(QPointF(box.left(), top), size)
        tag.moveRight(min(tag.right(), place.right()))
        tag.moveLeft(max(tag.left(), place.left()))
        if place.top() <= tag.top() and tag.bottom() <= place.bottom():
            yield tag


def to_image(pixels: np.ndarray) -> QImage:
    """uint8 of shape ``(height, width, 3)`` as an image."""
    pixels = np.ascontiguousarray(pixels)
    height, width, _ = pixels.shape
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def to_colors(values: np.ndarray) -> np.ndarray:
    """Numbers of shape ``(height, width)`` on the sequential scale, the least to the most.

    Returns:
        uint8 of shape ``(height, width, 3)``; a plane without differences is all of the scale's first colour, and what
        is no number is grey.
    """
    finite = np.isfinite(values)
    least = values[finite].min() if finite.any() else 0.0
    most = values[finite].max() if finite.any() else 0.0
    spread = (np.where(finite, values, least) - least) / ((most - least) or 1.0)
    colors = strength_table()[(spread * 255).round().astype(np.uint8)]
    colors[~finite] = 128
    return colors

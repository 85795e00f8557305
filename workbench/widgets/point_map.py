"""Points in a plane, each with its number and its name: what lies close together is alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable, one_line

_LONGEST = 28
_CAPTION = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap


class _Taken:
    """Places that are taken, in bands: to ask all of a thousand for each name would take half a second a paint.

    Args:
        band: Height of a band in pixels.
    """

    def __init__(self, band: float) -> None:
        self._band = band
        self._bands: dict[int, list[QRectF]] = {}

    def add(self, box: QRectF) -> None:
        """Take a place."""
        for band in self._of(box):
            self._bands.setdefault(band, []).append(box)

    def free(self, box: QRectF) -> bool:
        """Whether a place meets none that is taken."""
        return not any(box.intersects(other) for band in self._of(box) for other in self._bands.get(band, ()))

    def _of(self, box: QRectF) -> range:
        return range(int(box.top() // self._band), int(box.bottom() // self._band) + 1)


class PointMap(QWidget):
    """A map without axes: only distances mean something.

    Signals:
        point_chosen(int): The person chose a point with the mouse or the arrow keys.
    """

    point_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._names: tuple[str, ...] = ()
        self._points = np.zeros((0, 2), np.float32)
        self._caption = ""
        self._empty_text = "nothing here yet"
        self._first = 1
        self._chosen: int | None = None

    @property
    def points(self) -> np.ndarray:
        """Of shape ``(points, 2)``."""
        return self._points

    @property
    def chosen(self) -> int | None:
        """The point that is marked."""
        return self._chosen

    def set_points(self, names: Sequence[str], points: np.ndarray, caption: str = "", *, first: int = 1) -> None:
        """Show points.

        Args:
            names: One for each point.
            points: Of shape ``(points, 2)``; those that are no numbers are left out.
            caption: What the directions are, in words.
            first: Number of the first one.
        """
        self._first = first
        self._names, self._points, self._caption = tuple(names), np.asarray(points, np.float64), caption
        self._chosen = None
        self.setAccessibleDescription(f"{len(self._names)} points. {caption}" if self._names else self._empty_text)
        self.update()

    def set_empty_text(self, text: str) -> None:
        """Say what the map is empty of, and what fills it, while it has no points."""
        self._empty_text = text
        if not self._names:
            self.setAccessibleDescription(text)
        self.update()

    def choose(self, number: int | None) -> None:
        """Mark a point, without announcing it."""
        self._chosen = number if number is not None and 0 <= number < len(self._names) else None
        if self._chosen is not None:
            self.setAccessibleDescription(
                f"{self._chosen + self._first} of {len(self._names)}: {self._names[self._chosen]}"
            )
        self.update()

    def place(self, number: int) -> QPointF:
        """Where a point is drawn."""
        return self._places()[number]

    def _places(self) -> list[QPointF]:
        side, top = theme.px(self, 22), theme.px(self, 16)
        bottom = self._caption_box().height() + theme.px(self, 16)
        area = QRectF(self.rect()).adjusted(side, top, -side, -bottom)
        if not len(self._points) or area.width() <= 0 or area.height() <= 0:
            return [area.center()] * len(self._points)
        known = np.nan_to_num(self._points)
        low, high = known.min(axis=0), known.max(axis=0)
        # One scale for both directions, or else distances would mean nothing.
        spread = np.maximum(high - low, 1e-12)
        scale = min(area.width() / spread[0], area.height() / spread[1]) if (high - low).any() else 0.0
        middle = (low + high) / 2
        return [
            QPointF(area.center().x() + (x - middle[0]) * scale, area.center().y() - (y - middle[1]) * scale)
            for x, y in known
        ]

    def sizeHint(self) -> QSize:
        """Wide enough for names."""
        return QSize(theme.px(self, 320), theme.px(self, 240))

    def minimumSizeHint(self) -> QSize:
        """Small enough for half a page."""
        return QSize(theme.px(self, 160), theme.px(self, 120))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the points, their names where there is room, and the caption."""
        colors, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colors.border), theme.px(self, 1)))
        painter.setBrush(QColor(colors.surface))
        corner = theme.px(self, 8)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), corner, corner)
        radius = theme.px(self, 5)
        places = self._places()
        dot = QPointF(radius, radius)
        written = _Taken(painter.fontMetrics().height())
        for place in places:
            written.add(QRectF(place - dot, place + dot))
        order = sorted(range(len(places)), key=lambda number: number != self._chosen)
        for number in order:
            chosen = number == self._chosen
            painter.setPen(QPen(QColor(colors.accent), theme.px(self, 2 if chosen else 1)))
            painter.setBrush(QColor(colors.accent if chosen else colors.accent_soft))
            painter.drawEllipse(places[number], radius, radius)
        for number in order:
            self._write(painter, number, places[number], radius, written)
        painter.setPen(QColor(colors.muted))
        painter.drawText(self._caption_box(), _CAPTION, self._caption)
        if not places:
            edge = theme.px(self, 12)
            middle = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(edge, edge, -edge, -edge), middle, self._empty_text)
        if self.hasFocus():
            theme.draw_focus(painter, QRectF(self.rect()).adjusted(1, 1, -1, -1), corner, theme.px(self, 2))

    def _caption_box(self) -> QRect:
        """Where the caption stands: at the bottom, in as many lines as it takes."""
        edge = theme.px(self, 8)
        room = self.rect().adjusted(edge, 0, -edge, -theme.px(self, 4))
        return self.fontMetrics().boundingRect(room, _CAPTION, self._caption)

    def _write(self, painter: QPainter, number: int, place: QPointF, radius: float, written: _Taken) -> None:
        """Write a name beside its point, or its number alone, where no other stands."""
        colors, metrics = theme.current(), painter.fontMetrics()
        name = one_line(drawable(self._names[number]))
        whole = f"{number + self._first}  {name if len(name) <= _LONGEST else name[: _LONGEST - 1] + '…'}"
        for words in (whole, str(number + self._first)):
            width = metrics.horizontalAdvance(words)
            for left in (place.x() + 1.6 * radius, place.x() - 1.6 * radius - width):
                box = QRectF(left, place.y() - metrics.height() / 2, width, metrics.height())
                inside = box.left() >= 2 and box.right() <= self.width() - 2
                if inside and written.free(box):
                    painter.setPen(QColor(colors.text))
                    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)
                    written.add(box)
                    return

    def _at(self, place: QPointF) -> int | None:
        reach = theme.px(self, 10)
        near = [((each - place).manhattanLength(), number) for number, each in enumerate(self._places())]
        distance, number = min(near, default=(reach + 1.0, 0))
        return number if distance <= reach else None

    # Qt.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the point under the mouse."""
        number = self._at(event.position())
        if number is not None:
            self.choose(number)
            self.point_chosen.emit(number)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go through the points with the arrow keys."""
        steps = {Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1}
        step = steps.get(Qt.Key(event.key()))
        if step is None or not self._names:
            super().keyPressEvent(event)
            return
        number = 0 if self._chosen is None else (self._chosen + step) % len(self._names)
        self.choose(number)
        self.point_chosen.emit(number)

    def event(self, event: QEvent) -> bool:
        """Name the point under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            number = self._at(QPointF(event.pos()))
            tip = self.toolTip() if number is None else f"{number + self._first}: {self._names[number]}"
            QToolTip.showText(event.globalPos(), drawable(tip), self)
            return True
        return super().event(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom and the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES:
            self.updateGeometry()
            self.update()

"""Two pictures beside one another, with a line for each thing that both show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.visible_text import drawable


@dataclass(frozen=True, slots=True)
class Line:
    """From a point of the first picture to one of the second, in pixels of each; what the tooltip says; how sure."""

    first: tuple[float, float]
    second: tuple[float, float]
    words: str
    strength: float


class MatchView(QWidget):
    """The pictures at one height; a line is the more opaque the surer it is, and the chosen one is thick."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._pictures = (QImage(), QImage())
        self._sizes = (QSize(), QSize())
        self._lines: tuple[Line, ...] = ()
        self._chosen: int | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is drawn."""
        return self._lines

    @property
    def chosen(self) -> int | None:
        """The line that is drawn thick."""
        return self._chosen

    def set_matches(
        self,
        pictures: tuple[QImage, QImage],
        sizes: tuple[tuple[int, int], tuple[int, int]],
        lines: Sequence[Line],
    ) -> None:
        """Show two pictures and what they have in common.

        Args:
            pictures: Copies, small enough for a screen.
            sizes: Width and height of the pictures that the lines are measured in.
            lines: Drawn in this order.
        """
        self._pictures, self._lines, self._chosen = pictures, tuple(lines), None
        self._sizes = (QSize(*sizes[0]), QSize(*sizes[1]))
        self.update()

    def choose(self, index: int | None) -> None:
        """Draw one line thick, or none."""
        self._chosen = index
        self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for two pictures."""
        return QSize(theme.px(self, 480), theme.px(self, 240))

    def minimumSizeHint(self) -> QSize:
        """Large enough to see something."""
        return QSize(theme.px(self, 160), theme.px(self, 60))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES:
            self.update()

    def event(self, event: QEvent) -> bool:
        """Name the line whose ends are under the pointer."""
        if isinstance(event, QHelpEvent) and self._lines:
            near = [line.words for line in self._lines if self._near(line, QPointF(event.pos()))]
            QToolTip.showText(event.globalPos(), "\n".join(drawable(each) for each in near[:8]), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw pictures and lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        places = self._places()
        for picture, place in zip(self._pictures, places, strict=True):
            painter.drawImage(place, picture)
        most = max((line.strength for line in self._lines), default=0.0) or 1.0
        for index, line in enumerate(self._lines):
            self._draw(painter, line, most, index == self._chosen)
        if self._chosen is not None and self._chosen < len(self._lines):
            self._draw(painter, self._lines[self._chosen], most, True)

    def _draw(self, painter: QPainter, line: Line, most: float, chosen: bool) -> None:
        color = QColor(theme.current().series[1 if chosen else 0])
        color.setAlphaF(1.0 if chosen else 0.25 + 0.75 * max(0.0, line.strength / most))
        painter.setPen(QPen(color, theme.px(self, 3 if chosen else 1)))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        ends = self._ends(line)
        painter.drawLine(*ends)
        painter.setBrush(color)
        for end in ends:
            painter.drawEllipse(end, theme.px(self, 3), theme.px(self, 3))

    def _places(self) -> tuple[QRectF, QRectF]:
        """Where the pictures are drawn: beside one another at one height."""
        shapes = [size.width() / max(1, size.height()) for size in self._sizes]
        gap = theme.px(self, 8)
        height = min(float(self.height()), (self.width() - gap) / max(0.01, sum(shapes)))
        widths = [height * shape for shape in shapes]
        left, top = (self.width() - sum(widths) - gap) / 2, (self.height() - height) / 2
        return (QRectF(left, top, widths[0], height), QRectF(left + widths[0] + gap, top, widths[1], height))

    def _ends(self, line: Line) -> tuple[QPointF, QPointF]:
        made = []
        for point, size, place in zip((line.first, line.second), self._sizes, self._places(), strict=True):
            scale = place.width() / max(1, size.width())
            made.append(QPointF(place.left() + point[0] * scale, place.top() + point[1] * scale))
        return (made[0], made[1])

    def _near(self, line: Line, at: QPointF) -> bool:
        reach = theme.px(self, 6)
        return any(max(abs(end.x() - at.x()), abs(end.y() - at.y())) <= reach for end in self._ends(line))

"""The flow strip: what is loaded now, as boxes with arrows from checkpoint to text."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolButton, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.naming import named
from workbench.widgets.visible_text import drawable

Box = tuple[str, str, str]


class FlowStrip(QWidget):
    """Boxes of a title and a detail, joined by arrows.

    Signals:
        box_clicked(str): The pane a box belongs to.
    """

    box_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self._boxes: tuple[Box, ...] = ()
        self._hover: int | None = None
        self._current = 0
        self._button: QToolButton | None = None

    @property
    def boxes(self) -> tuple[Box, ...]:
        """What is shown."""
        return self._boxes

    def set_boxes(self, boxes: Sequence[Box]) -> None:
        """Show boxes of ``(pane, title, detail)`` from left to right."""
        if tuple(boxes) == self._boxes:
            return
        self._boxes = tuple(boxes)
        self._current = min(self._current, max(0, len(boxes) - 1))
        self.setAccessibleDescription(" → ".join(f"{title} ({detail})" for _, title, detail in boxes))
        self._place_button()
        self.update()

    def set_menu(self, menu: QMenu, name: str, label: str, tip: str) -> None:
        """Put a button into the first box that opens a menu, as the Down key does; it is `named` as told."""
        self._button = theme.set_role(named(QToolButton(self), name, label, tip), "quiet")
        self._button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._button.setMenu(menu)
        self._place_button()

    def open_menu(self) -> None:
        """Open the menu of the first box."""
        if self._button is not None:
            self._button.showMenu()

    def sizeHint(self) -> QSize:
        """Two lines high, as wide as there is room."""
        return QSize(theme.px(self, 600), self.fontMetrics().height() * 2 + theme.px(self, 18))

    def minimumSizeHint(self) -> QSize:
        """Two lines high."""
        return QSize(theme.px(self, 200), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw boxes and arrows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        look = theme.current()
        rects = self._rects()
        radius = theme.px(self, 6)
        small = self._small()
        for number, (rect, (_, title, detail)) in enumerate(zip(rects, self._boxes, strict=True)):
            painter.setPen(QPen(theme.mix(QColor(look.border), QColor(look.accent), number == self._hover), 1))
            painter.setBrush(QColor(look.surface))
            painter.drawRoundedRect(rect, radius, radius)
            inner = rect.adjusted(radius, radius / 2, -radius - (0 if number else self._button_width()), -radius / 2)
            metrics = QFontMetrics(self._bold())
            painter.setFont(self._bold())
            painter.setPen(QColor(look.text))
            painter.drawText(
                QRectF(inner.left(), inner.top(), inner.width(), metrics.height()),
                Qt.AlignmentFlag.AlignCenter,
                metrics.elidedText(drawable(title), Qt.TextElideMode.ElideMiddle, int(inner.width())),
            )
            painter.setFont(small)
            painter.setPen(QColor(look.muted))
            painter.drawText(
                QRectF(inner.left(), inner.top() + metrics.height(), inner.width(), inner.height() - metrics.height()),
                Qt.AlignmentFlag.AlignCenter,
                QFontMetrics(small).elidedText(drawable(detail), Qt.TextElideMode.ElideRight, int(inner.width())),
            )
            if number == self._current and self.hasFocus():
                theme.draw_focus(painter, rect, radius, theme.px(self, 2))
            if number + 1 < len(rects):
                self._arrow(painter, rect, rects[number + 1])

    def _arrow(self, painter: QPainter, left: QRectF, right: QRectF) -> None:
        ink = QColor(theme.current().muted)
        middle, size = left.center().y(), theme.px(self, 4)
        tip = right.left() - size
        painter.setPen(QPen(ink, theme.px(self, 1.4)))
        painter.drawLine(QPointF(left.right() + size, middle), QPointF(tip - size, middle))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawPolygon(
            QPolygonF(
                [
                    QPointF(tip, middle),
                    QPointF(tip - 1.6 * size, middle - size),
                    QPointF(tip - 1.6 * size, middle + size),
                ]
            )
        )

    def _rects(self) -> list[QRectF]:
        gap, padding, margin = theme.px(self, 30), theme.px(self, 24), theme.px(self, 5)
        bold, small = QFontMetrics(self._bold()), QFontMetrics(self._small())
        widths = [
            max(bold.horizontalAdvance(title), small.horizontalAdvance(detail)) + padding
            for _, title, detail in self._boxes
        ]
        widths[:1] = [width + self._button_width() for width in widths[:1]]
        arrows, whole = max(0, len(widths) - 1), self.width() - 2 * margin
        if sum(widths) + gap * arrows > whole:
            # Short arrows and narrow edges first; then the widest give way, so that what is short is read whole.
            saved = theme.px(self, 10)
            gap, widths = theme.px(self, 16), _within([width - saved for width in widths], whole, theme.px(self, 16))
        rects, left = [], float(margin)
        for width in widths:
            rects.append(QRectF(left, margin, width, self.height() - 2 * margin))
            left += width + gap
        return rects

    def _button_width(self) -> int:
        return 0 if self._button is None else theme.px(self, 24)

    def _place_button(self) -> None:
        rects = self._rects()
        if self._button is not None and rects:
            inside = rects[0].toRect().adjusted(0, 1, -1, -1)
            self._button.setGeometry(inside.adjusted(inside.width() - self._button_width(), 0, 0, 0))

    def _bold(self) -> QFont:
        font = self.font()
        font.setBold(True)
        return font

    def _small(self) -> QFont:
        return theme.mono_font(self, 0.88)

    def _at(self, point: QPointF) -> int | None:
        return next((number for number, rect in enumerate(self._rects()) if rect.contains(point)), None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the button in its box."""
        super().resizeEvent(event)
        self._place_button()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_button"):
            self._place_button()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Mark the box under the mouse and say what it holds in full."""
        over = self._at(event.position())
        if over != self._hover:
            self._hover = over
            self.setCursor(Qt.CursorShape.ArrowCursor if over is None else Qt.CursorShape.PointingHandCursor)
            if over is not None:
                QToolTip.showText(event.globalPosition().toPoint(), ": ".join(self._boxes[over][1:]), self)
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Mark nothing."""
        self._hover = None
        self.update()
        super().leaveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Open the pane of the box."""
        over = self._at(event.position())
        if over is not None and event.button() == Qt.MouseButton.LeftButton:
            self.box_clicked.emit(self._boxes[over][0])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right move, Enter and Space open, Down opens the menu."""
        if not self._boxes:
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            step = 1 if event.key() == Qt.Key.Key_Right else -1
            self._current = (self._current + step) % len(self._boxes)
            self.update()
        elif event.key() == Qt.Key.Key_Down and self._button is not None:
            self.open_menu()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Space):
            self.box_clicked.emit(self._boxes[self._current][0])
        else:
            super().keyPressEvent(event)


def _within(widths: list[int], whole: int, gap: int) -> list[int]:
    """Widths that stand in so many pixels with gaps between them: the widest are cut to one length."""
    room = max(0, whole - gap * (len(widths) - 1))
    for place, width in enumerate(sorted(widths)):
        most = room // (len(widths) - place)
        if width > most:
            return [min(each, most) for each in widths]
        room -= width
    return widths

"""Beams over the steps of a search: which ones live, die and are complete; only what is seen is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.drawing import save_drawing
from workbench.widgets.visible_text import drawable, one_line, visible

__all__ = ["BeamRow", "BeamView"]


@dataclass(frozen=True, slots=True)
class BeamRow:
    """A beam after a step.

    Attributes:
        text: The token that was put behind it.
        score: Its score so far.
        parent: Row of the step before that it grew out of; not used in the first step.
        finished: Whether it is complete, so that nothing grows out of it.
        whole: All of its text, for the tooltip.
    """

    text: str
    score: float
    parent: int = 0
    finished: bool = False
    whole: str = ""


class BeamView(QAbstractScrollArea):
    """Steps from left to right, in each the beams from best to worst, joined with what they grew out of.

    A beam that nothing grew out of is faded and ends with a cross; a complete one carries a flag; the way to the winner
    is drawn in the accent colour and thick.

    Signals:
        beam_clicked(int, int): A beam was clicked or moved to by keyboard: step and row.
    """

    beam_clicked = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.viewport().setMouseTracking(True)
        self._placeholder = "no beams yet"
        self._hovered: tuple[int, int] | None = None
        self._whole = False
        self._clear()
        self._measure()

    # What it shows.

    @property
    def steps(self) -> Sequence[tuple[BeamRow, ...]]:
        """What is shown."""
        return self._steps

    @property
    def selected(self) -> tuple[int, int] | None:
        """Step and row of the marked beam."""
        return self._selected

    def set_steps(self, steps: Sequence[Sequence[BeamRow]]) -> None:
        """Show these steps; each has the beams that go on, best first, and then those that it completed."""
        self._clear()
        for rows in steps:
            self._grow(rows)
        self._update_bars()
        self._describe()
        self.viewport().update()

    def append(self, rows: Sequence[BeamRow]) -> None:
        """Add a step at the end; the view follows when it was at the end."""
        bar = self.horizontalScrollBar()
        follow = bar.value() >= bar.maximum() - 2
        self._grow(rows)
        self._update_bars()
        if follow:
            bar.setValue(bar.maximum())
        self._describe()
        self.viewport().update()

    def set_winner(self, beam: tuple[int, int] | None) -> None:
        """Mark the way to a beam, by its step and row, or none."""
        self._way = set()
        while beam is not None and self._has(*beam):
            self._way.add(beam)
            step, row = beam
            beam = (step - 1, self._steps[step][row].parent) if step else None
        self.viewport().update()

    def set_selected(self, beam: tuple[int, int] | None) -> None:
        """Mark a beam, by its step and row, and scroll to it, without announcing it."""
        if beam is not None and not self._has(*beam):
            beam = None
        if beam == self._selected:
            return
        self._selected = beam
        self._describe()
        if beam is not None:
            rect = self._rect(*beam)
            self._bring(self.horizontalScrollBar(), rect.left() - self._link, rect.right(), self.viewport().width())
            self._bring(self.verticalScrollBar(), rect.top() - self._head, rect.bottom(), self.viewport().height())
        self.viewport().update()

    def save_picture(self, path: Path) -> None:
        """Draw all steps to a file, PNG or SVG by the ending of the path.

        Raises:
            OSError: It can't be written, or is too long for a PNG.
        """
        whole = self._content()

        def draw(painter: QPainter) -> None:
            painter.setFont(self.font())
            painter.fillRect(QRectF(0, 0, whole.width(), whole.height()), QColor(theme.current().surface))
            self._draw(painter, 0, len(self._steps) - 1, whole)

        self._whole = True
        try:
            save_drawing(path, whole, draw, title=self.accessibleName())
        finally:
            self._whole = False

    def set_placeholder(self, text: str) -> None:
        """Say something else while there are no beams."""
        self._placeholder = text
        self.viewport().update()

    def state(self, step: int, row: int) -> str:
        """``finished``, ``dead``, or ``alive`` while something may grow or has grown out of it."""
        if self._steps[step][row].finished:
            return "finished"
        return "alive" if self._living[step][row] or step == len(self._steps) - 1 else "dead"

    def text(self) -> str:
        """Every beam in words, a line a step, for a screen reader."""
        return "\n".join(
            f"step {number + 1}: " + "; ".join(self._words(number, row) for row in range(len(rows)))
            for number, rows in enumerate(self._steps)
        )

    # The tree.

    def _clear(self) -> None:
        self._steps: list[tuple[BeamRow, ...]] = []
        #: For each beam how many of those that grew out of it live on or are complete.
        self._living: list[list[int]] = []
        self._parents: set[tuple[int, int]] = set()
        self._way: set[tuple[int, int]] = set()
        self._selected: tuple[int, int] | None = None
        self._hovered = None
        self._widest = 0

    def _grow(self, rows: Sequence[BeamRow]) -> None:
        step = len(self._steps)
        self._steps.append(tuple(rows))
        self._living.append([0] * len(rows))
        self._widest = max(self._widest, len(rows))
        if not step:
            return
        for row in rows:
            self._living[step - 1][row.parent] += 1
            self._parents.add((step - 1, row.parent))
        for number, row in enumerate(self._steps[step - 1]):
            if not row.finished and not self._living[step - 1][number]:
                self._bury(step - 1, number)

    def _bury(self, step: int, row: int) -> None:
        """A beam died: what lived through it alone dies with it."""
        while step:
            step, row = step - 1, self._steps[step][row].parent
            self._living[step][row] -= 1
            if self._living[step][row]:
                break

    def _has(self, step: int, row: int) -> bool:
        return 0 <= step < len(self._steps) and 0 <= row < len(self._steps[step])

    def _words(self, step: int, row: int) -> str:
        beam = self._steps[step][row]
        state = {"alive": "goes on", "dead": "died", "finished": "complete"}[self.state(step, row)]
        return drawable(f"{visible(beam.text)} {_written(beam.score)}, {state}")

    def _describe(self) -> None:
        if self._selected is None:
            count = len(self._steps)
            self.setAccessibleDescription(f"{count} {'step' if count == 1 else 'steps'} of beam search")
            return
        step, row = self._selected
        place = f"step {step + 1} of {len(self._steps)}, beam {row + 1} of {len(self._steps[step])}"
        self.setAccessibleDescription(f"{place}: {self._words(step, row)}. {drawable(self._steps[step][row].whole)}")

    # Geometry: columns of one width, rows of one height.

    def _measure(self) -> None:
        metrics = self.fontMetrics()
        self._box = QSize(round(metrics.averageCharWidth() * 12), round(metrics.height() * 2.1))
        self._link = metrics.averageCharWidth() * 4
        self._gap = metrics.height() * 0.5
        self._head = metrics.height() * 1.7
        self._edge = theme.px(self, 8)

    def _across(self) -> float:
        return self._box.width() + self._link

    def _down(self) -> float:
        return self._box.height() + self._gap

    def _rect(self, step: int, row: int) -> QRectF:
        left, top = self._edge + step * self._across(), self._head + row * self._down()
        if not self._whole:
            left -= self.horizontalScrollBar().value()
            top -= self.verticalScrollBar().value()
        return QRectF(left, top, self._box.width(), self._box.height())

    def _at(self, point: QPoint) -> tuple[int, int] | None:
        step = int((point.x() + self.horizontalScrollBar().value() - self._edge) // self._across())
        row = int((point.y() + self.verticalScrollBar().value() - self._head) // self._down())
        if point.y() < self._head or not self._has(step, row) or not self._rect(step, row).contains(point):
            return None
        return step, row

    def _content(self) -> QSize:
        # Past the last box there is room for the mark of a dead beam.
        wide = 2 * self._edge + len(self._steps) * self._across() - self._link / 2
        return QSize(round(wide), round(self._head + self._widest * self._down() + self._edge))

    def _update_bars(self) -> None:
        room, whole = self.viewport().size(), self._content()
        for bar, size, space, step in (
            (self.horizontalScrollBar(), whole.width(), room.width(), self._across()),
            (self.verticalScrollBar(), whole.height(), room.height(), self._down()),
        ):
            bar.setRange(0, max(0, size - space))
            bar.setPageStep(max(1, round(space - step)))
            bar.setSingleStep(round(step))

    def _bring(self, bar: QWidget, start: float, end: float, room: int) -> None:
        if start < 0:
            bar.setValue(round(bar.value() + start))
        elif end + self._edge > room:
            bar.setValue(round(bar.value() + end + self._edge - room))

    # Drawing.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the steps in view."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._steps:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignCenter, self._placeholder)
            return
        scrolled = self.horizontalScrollBar().value() - self._edge
        first = max(0, int((event.rect().left() + scrolled) // self._across()))
        last = min(len(self._steps) - 1, int((event.rect().right() + scrolled) // self._across()))
        self._draw(painter, first, last, self.viewport().size())

    def _draw(self, painter: QPainter, first: int, last: int, room: QSize) -> None:
        """Draw the steps from the first to the last."""
        painter.save()
        painter.setClipRect(QRectF(0, self._head - self._gap / 2, room.width(), room.height()))
        # One more step on the right, for the lines that lead to it; the strong lines lie on top of the faint ones.
        links = [
            (step, row)
            for step in range(max(1, first), min(last + 1, len(self._steps) - 1) + 1)
            for row in range(len(self._steps[step]))
        ]
        for step, row in sorted(links, key=self._weight):
            self._draw_link(painter, step, row)
        for step in range(first, last + 1):
            for row in range(len(self._steps[step])):
                self._draw_box(painter, step, row)
        painter.restore()
        painter.setPen(QColor(theme.current().muted))
        for step in range(first, last + 1):
            box = self._rect(step, 0)
            title = QRectF(box.left(), 0, box.width(), self._head - self._gap / 2)
            painter.drawText(title, Qt.AlignmentFlag.AlignCenter, str(step + 1))

    def _weight(self, beam: tuple[int, int]) -> int:
        if beam in self._way:
            return 2
        return 0 if self.state(*beam) == "dead" else 1

    def _ink(self, step: int, row: int) -> QPen:
        look = theme.current()
        weight = self._weight((step, row))
        color = (look.strong_border, look.muted, look.accent)[weight]
        pen = QPen(QColor(color), theme.px(self, (1, 1.6, 3)[weight]))
        if not weight:
            pen.setStyle(Qt.PenStyle.DashLine)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        return pen

    def _draw_link(self, painter: QPainter, step: int, row: int) -> None:
        before, after = self._rect(step - 1, self._steps[step][row].parent), self._rect(step, row)
        start, end = QPointF(before.right(), before.center().y()), QPointF(after.left(), after.center().y())
        bend = (end.x() - start.x()) * 0.55
        path = QPainterPath(start)
        path.cubicTo(start + QPointF(bend, 0), end - QPointF(bend, 0), end)
        painter.setPen(self._ink(step, row))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(path)

    def _draw_box(self, painter: QPainter, step: int, row: int) -> None:
        look, beam, state, box = theme.current(), self._steps[step][row], self.state(step, row), self._rect(step, row)
        won = (step, row) in self._way
        radius = theme.px(self, 5)
        painter.setPen(self._ink(step, row))
        painter.setBrush(QColor(look.accent_soft if won else look.surface if state == "dead" else look.sunken))
        inset = painter.pen().widthF() / 2
        painter.drawRoundedRect(box.adjusted(inset, inset, -inset, -inset), radius, radius)
        if (step, row) == self._hovered:
            painter.setPen(QPen(QColor(look.text), theme.px(self, 1.2)))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), radius, radius)
        flag = self._box.height() * 0.22 if state == "finished" else 0.0
        inner = box.adjusted(theme.px(self, 6), theme.px(self, 3), -theme.px(self, 6) - flag, -theme.px(self, 3))
        painter.setPen(QColor(look.muted if state == "dead" else look.text))
        font = QFont(self.font())
        font.setBold(won)
        painter.setFont(font)
        elide = Qt.TextElideMode.ElideRight
        text = painter.fontMetrics().elidedText(one_line(drawable(visible(beam.text))), elide, int(inner.width()))
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft, text)
        font.setBold(False)
        font.setPointSizeF(font.pointSizeF() * 0.85)
        painter.setFont(font)
        painter.setPen(QColor(look.text if won else look.muted))
        painter.drawText(inner, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft, _written(beam.score))
        painter.setFont(self.font())
        if state == "dead" and (step, row) not in self._parents:
            self._draw_cross(painter, box)
        elif state == "finished":
            self._draw_flag(painter, box, flag)
        if (step, row) == self._selected:
            theme.draw_focus(painter, box.adjusted(-3, -3, 3, 3), radius + 3, theme.px(self, 2))

    def _draw_cross(self, painter: QPainter, box: QRectF) -> None:
        """Where a beam ends for good."""
        size = self._box.height() * 0.11
        middle = QPointF(box.right() + self._link * 0.28, box.center().y())
        painter.setPen(QPen(QColor(theme.current().muted), theme.px(self, 1.6)))
        painter.drawLine(middle + QPointF(-size, -size), middle + QPointF(size, size))
        painter.drawLine(middle + QPointF(-size, size), middle + QPointF(size, -size))

    def _draw_flag(self, painter: QPainter, box: QRectF, size: float) -> None:
        """A flag in the upper right corner of a complete beam."""
        pole = QPointF(box.right() - theme.px(self, 5) - size, box.top() + theme.px(self, 5))
        ink = QColor(theme.current().success)
        painter.setPen(QPen(ink, theme.px(self, 1.4)))
        painter.drawLine(pole, pole + QPointF(0, size * 1.6))
        painter.setBrush(ink)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawPolygon(QPolygonF([pole, pole + QPointF(size, size * 0.45), pole + QPointF(0, size * 0.9)]))

    # Qt.

    def sizeHint(self) -> QSize:
        """Room for some steps of four beams."""
        return QSize(round(6 * self._across()), round(self._head + 4 * self._down() + 2 * self._edge))

    def minimumSizeHint(self) -> QSize:
        """Room for a step of two beams."""
        return QSize(round(2 * self._across()), round(self._head + 2 * self._down() + self._edge))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Scroll anew."""
        super().resizeEvent(event)
        self._update_bars()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom and the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_box"):
            step = self.horizontalScrollBar().value() / self._across()
            self._measure()
            self._update_bars()
            self.horizontalScrollBar().setValue(round(step * self._across()))
            self.updateGeometry()
            self.viewport().update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the beam under the mouse."""
        beam = self._at(event.position().toPoint())
        if beam is not None and event.button() == Qt.MouseButton.LeftButton:
            self._choose(beam)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the click here."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Outline the beam under the mouse."""
        self._hover(self._at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:
        """Outline none."""
        super().leaveEvent(event)
        self._hover(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left goes to what a beam grew out of, right to what grew out of it, up and down to its neighbours."""
        target = self._target(Qt.Key(event.key())) if self._steps else None
        if target is None:
            super().keyPressEvent(event)
        elif target != self._selected:
            self._choose(target)

    def _target(self, key: Qt.Key) -> tuple[int, int] | None:
        last = len(self._steps) - 1
        if key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            return (0 if key == Qt.Key.Key_Home else last), 0
        if key not in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down):
            return None
        if self._selected is None:
            return 0, 0
        step, row = self._selected
        match key:
            case Qt.Key.Key_Left:
                return (step - 1, self._steps[step][row].parent) if step else self._selected
            case Qt.Key.Key_Right:
                after = self._steps[step + 1] if step < last else ()
                grown = [(step + 1, number) for number, beam in enumerate(after) if beam.parent == row]
                ahead = [beam for beam in grown if not self._steps[step][row].finished]
                return max(ahead, key=self._weight) if ahead else self._selected
        return step, max(0, min(len(self._steps[step]) - 1, row + (1 if key == Qt.Key.Key_Down else -1)))

    def viewportEvent(self, event: QEvent) -> bool:
        """Show the text and the score of the beam under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            beam = self._at(event.pos())
            QToolTip.showText(event.globalPos(), self.toolTip() if beam is None else self.tip(*beam), self)
            return True
        return super().viewportEvent(event)

    def tip(self, step: int, row: int) -> str:
        """What the tooltip of a beam says."""
        beam = self._steps[step][row]
        whole = f"\n{drawable(beam.whole)}" if beam.whole else ""
        return f"step {step + 1}, beam {row + 1}: {self._words(step, row)}{whole}"

    def _hover(self, beam: tuple[int, int] | None) -> None:
        if beam != self._hovered:
            self._hovered = beam
            self.viewport().update()

    def _choose(self, beam: tuple[int, int]) -> None:
        self.set_selected(beam)
        self.beam_clicked.emit(*beam)


def _written(score: float) -> str:
    return f"{score:.2f}".replace("-", "\N{MINUS SIGN}")

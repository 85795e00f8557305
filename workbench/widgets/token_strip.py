"""Tokens as chips that wrap like text; only what is seen is drawn, and a long text is laid out piece by piece."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QToolTip, QWidget

from workbench.widgets import theme
from workbench.widgets.chip import Chip, ChipPainter
from workbench.widgets.visible_text import drawable, visible

__all__ = ["MODES", "Chip", "TokenStrip"]

#: Chips laid out at once; the rest follows between events.
SLICE = 4000
#: How chips are tinted: by the scale where a strength is known, always by the cycle of tints, or always by the scale.
MODES = ("auto", "tints", "strength")


class TokenStrip(QAbstractScrollArea):
    """A strip of chips; blanks, tabs and breaks are visible, and a break ends its line.

    Signals:
        token_clicked(int): A chip was clicked or moved to by keyboard.
        token_activated(int): A chip was double-clicked, or Enter was pressed on it.
    """

    token_clicked = Signal(int)
    token_activated = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setMouseTracking(True)
        self._chips: list[Chip] = []
        self._mode = "auto"
        self._placeholder = "no tokens yet"
        self._selected: int | None = None
        self._hovered: int | None = None
        self._advances: dict[str, float] = {}
        self._rest = QTimer(self, singleShot=True, interval=0)
        self._rest.timeout.connect(self._lay_out_slice)
        self._measure()
        self._begin_layout()

    # What it shows.

    @property
    def chips(self) -> Sequence[Chip]:
        """What is shown."""
        return self._chips

    @property
    def selected(self) -> int | None:
        """The marked position."""
        return self._selected

    @property
    def mode(self) -> str:
        """How chips are tinted, one of `MODES`."""
        return self._mode

    def set_tokens(self, chips: Sequence[Chip]) -> None:
        """Show these chips."""
        self._chips = list(chips)
        self._hovered = None
        if self._selected is not None and self._selected >= len(self._chips):
            self._selected = None
        self._lay_out()

    def append(self, chip: Chip) -> None:
        """Add a chip at the end, in constant time; the view follows when it was at the end."""
        bar = self.verticalScrollBar()
        follow = bar.value() >= bar.maximum() - 2
        self._chips.append(chip)
        if len(self._lefts) == len(self._chips) - 1:
            self._place(1)
            self._update_bar()
        if follow:
            bar.setValue(bar.maximum())
        self.viewport().update()

    def truncate(self, count: int) -> None:
        """Drop all chips after the first ``count``."""
        if count < len(self._chips):
            self.set_tokens(self._chips[:count])

    def set_mode(self, mode: str) -> None:
        """Tint by strength where it is known (``auto``), by the cycle (``tints``) or by the scale (``strength``).

        Raises:
            ValueError: There is no such mode.
        """
        if mode not in MODES:
            raise ValueError(f"no mode called {mode}")
        self._mode = mode
        self.viewport().update()

    def set_placeholder(self, text: str) -> None:
        """Say something else while there are no chips."""
        self._placeholder = text
        self.viewport().update()

    def set_selected(self, position: int | None) -> None:
        """Mark a position, and scroll to it, without announcing it."""
        if position is not None and not 0 <= position < len(self._chips):
            position = None
        if position == self._selected:
            return
        self._selected = position
        if position is None:
            self.setAccessibleDescription(self.toolTip())
        else:
            chip = self._chips[position]
            kind = "special token" if chip.special else "token"
            self.setAccessibleDescription(
                drawable(f"{kind} {position}, {position + 1} of {len(self._chips)}: {visible(chip.text)} {chip.tip}")
            )
            self._show_position(position)
        self.viewport().update()

    def text(self) -> str:
        """All chips as text, for a screen reader."""
        return "".join(chip.text for chip in self._chips)

    # Geometry. All lines are equally high, so a place is found by division and bisection.

    def _measure(self) -> None:
        metrics = self.fontMetrics()
        self._padding = metrics.height() * 0.32
        self._gap = max(2.0, metrics.height() * 0.14)
        self._chip_height = metrics.height() * 1.36
        self._line_height = self._chip_height + 2 * self._gap
        self._edge = theme.px(self, 8)
        self._advances.clear()

    def _begin_layout(self) -> None:
        self._lefts: list[float] = []
        self._widths: list[float] = []
        self._lines: list[int] = [0]
        self._cursor = 0.0

    def _lay_out(self) -> None:
        self._begin_layout()
        self._lay_out_slice()
        self.viewport().update()

    def _lay_out_slice(self) -> None:
        self._place(SLICE)
        self._update_bar()
        if len(self._lefts) < len(self._chips):
            self._rest.start()
        else:
            self._rest.stop()

    def _place(self, count: int) -> None:
        chips, advances, lefts, widths, lines = self._chips, self._advances, self._lefts, self._widths, self._lines
        measure = self.fontMetrics().horizontalAdvance
        room = self._room()
        frame, least, gap, cursor = 2 * self._padding, 3 * self._padding, self._gap, self._cursor
        first = len(lefts)
        broke = first > 0 and chips[first - 1].text.endswith("\n")
        for number in range(first, min(len(chips), first + count)):
            text = chips[number].text
            width = advances.get(text)
            if width is None:
                width = advances[text] = max(least, measure(visible(text)) + frame)
            width = min(room, width)
            if chips[number].joined and cursor:
                cursor -= gap
            if broke or (cursor and cursor + width > room):
                lines.append(number)
                cursor = 0.0
            lefts.append(self._edge + cursor)
            widths.append(width)
            cursor += width + gap
            broke = text.endswith("\n")
        self._cursor = cursor

    def _room(self) -> float:
        return max(40.0, self.viewport().width() - 2.0 * self._edge)

    def _update_bar(self) -> None:
        height = len(self._lines) * self._line_height + 2 * self._edge
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, round(height - self.viewport().height())))
        bar.setPageStep(max(1, round(self.viewport().height() - self._line_height)))
        bar.setSingleStep(round(self._line_height))

    def _rect(self, number: int) -> QRectF:
        line = bisect_right(self._lines, number) - 1
        top = self._edge + line * self._line_height - self.verticalScrollBar().value() + self._gap
        return QRectF(self._lefts[number], top, self._widths[number], self._chip_height)

    def _line_range(self, line: int) -> range:
        last = self._lines[line + 1] if line + 1 < len(self._lines) else len(self._lefts)
        return range(self._lines[line], last)

    def _at(self, point: QPoint) -> int | None:
        line = int((point.y() + self.verticalScrollBar().value() - self._edge) // self._line_height)
        if not self._lefts or not 0 <= line < len(self._lines):
            return None
        chips = self._line_range(line)
        number = bisect_right(self._lefts, point.x(), chips.start, chips.stop) - 1
        return number if number >= chips.start and self._rect(number).contains(point) else None

    def _show_position(self, position: int) -> None:
        while position >= len(self._lefts):
            self._lay_out_slice()
        rect = self._rect(position)
        bar = self.verticalScrollBar()
        if rect.top() < self._gap:
            bar.setValue(round(bar.value() + rect.top() - self._edge))
        elif rect.bottom() > self.viewport().height():
            bar.setValue(round(bar.value() + rect.bottom() - self.viewport().height() + self._edge))

    # Drawing.

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the chips in view."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        if not self._chips:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(self.viewport().rect(), Qt.AlignmentFlag.AlignCenter, self._placeholder)
            return
        chips = ChipPainter(painter, theme.px(self, 1.2), self._padding)
        scrolled = self.verticalScrollBar().value() - self._edge
        first = max(0, int((event.rect().top() + scrolled) // self._line_height))
        last = int((event.rect().bottom() + scrolled) // self._line_height)
        for line in range(first, min(last + 1, len(self._lines))):
            for number in self._line_range(line):
                chip = self._chips[number]
                own = number if chip.group is None else chip.group
                by_strength = self._mode == "strength" or (self._mode == "auto" and chip.strength is not None)
                chips.draw(
                    chip,
                    self._rect(number),
                    tint=None if by_strength else own,
                    selected=number == self._selected,
                    hovered=number == self._hovered,
                )

    # Qt.

    def sizeHint(self) -> QSize:
        """Room for some lines."""
        return QSize(theme.px(self, 320), round(5 * self._line_height + 2 * self._edge))

    def minimumSizeHint(self) -> QSize:
        """Room for a line."""
        return QSize(theme.px(self, 120), round(self._line_height + 2 * self._edge))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap anew, with the same chip on top."""
        super().resizeEvent(event)
        if event.size().width() == event.oldSize().width():
            self._update_bar()
            return
        self._wrap_anew()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom and the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_rest"):
            before = self._chip_height, self._edge
            self._measure()
            if before != (self._chip_height, self._edge):
                self._wrap_anew()
            self.viewport().update()

    def _wrap_anew(self) -> None:
        bar = self.verticalScrollBar()
        line = min(len(self._lines) - 1, int(bar.value() // self._line_height))
        top = self._lines[line] if bar.value() else 0
        self._lay_out()
        if top:
            while top >= len(self._lefts):
                self._lay_out_slice()
            bar.setValue(round((bisect_right(self._lines, top) - 1) * self._line_height))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select the chip under the mouse."""
        number = self._at(event.position().toPoint())
        if number is not None and event.button() == Qt.MouseButton.LeftButton:
            self._choose(number)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the click here."""
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Activate the chip under the mouse."""
        number = self._at(event.position().toPoint())
        if number is not None and event.button() == Qt.MouseButton.LeftButton:
            self.token_activated.emit(number)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Outline the chip under the mouse."""
        self._hover(self._at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:
        """Outline none."""
        super().leaveEvent(event)
        self._hover(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrow keys, Home, End and the page keys; Enter activates; Ctrl+C copies the token."""
        if not self._chips:
            super().keyPressEvent(event)
            return
        key = Qt.Key(event.key())
        if event.matches(QKeySequence.StandardKey.Copy) and self._selected is not None:
            QGuiApplication.clipboard().setText(drawable(self._chips[self._selected].text))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._selected is not None and not event.modifiers():
            self.token_activated.emit(self._selected)
        elif (target := self._target(key)) is not None:
            self._choose(max(0, min(len(self._chips) - 1, target)))
        else:
            super().keyPressEvent(event)

    def _target(self, key: Qt.Key) -> int | None:
        now = self._selected if self._selected is not None else -1
        page = max(1, int(self.viewport().height() // self._line_height) - 1)
        match key:
            case Qt.Key.Key_Right:
                return now + 1
            case Qt.Key.Key_Left:
                return now - 1 if now >= 0 else None
            case Qt.Key.Key_Home:
                return 0
            case Qt.Key.Key_End:
                return len(self._chips) - 1
            case Qt.Key.Key_Up | Qt.Key.Key_Down | Qt.Key.Key_PageUp | Qt.Key.Key_PageDown:
                if now < 0:
                    return 0
                step = page if key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown) else 1
                return self._beside(now, step if key in (Qt.Key.Key_Down, Qt.Key.Key_PageDown) else -step)
        return None

    def _beside(self, now: int, lines: int) -> int:
        """The chip some lines further, nearest to the middle of this one."""
        line = bisect_right(self._lines, now) - 1 + lines
        while line >= len(self._lines) - 1 and len(self._lefts) < len(self._chips):
            self._lay_out_slice()
        chips = self._line_range(max(0, min(len(self._lines) - 1, line)))
        middle = self._lefts[now] + self._widths[now] / 2
        return min(chips, key=lambda number: abs(self._lefts[number] + self._widths[number] / 2 - middle))

    def viewportEvent(self, event: QEvent) -> bool:
        """Show the tooltip of the chip under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            number = self._at(event.pos())
            tip = self._chips[number].tip if number is not None else self.toolTip()
            QToolTip.showText(event.globalPos(), drawable(tip), self)
            return True
        return super().viewportEvent(event)

    def _hover(self, number: int | None) -> None:
        if number != self._hovered:
            self._hovered = number
            self.viewport().update()

    def _choose(self, number: int) -> None:
        self.set_selected(number)
        self.token_clicked.emit(number)

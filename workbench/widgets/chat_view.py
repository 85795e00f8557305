"""A conversation, of which only the turns in view exist as widgets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPalette, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QFrame, QWidget

from workbench.widgets import theme
from workbench.widgets.turn_view import ShownTurn, TurnView

#: Heights of the view that are built above and below what is seen.
_MARGIN = 0.5
#: Rounds in which estimated heights are replaced by true ones; each one reaches further.
_ROUNDS = 6


class ChatView(QAbstractScrollArea):
    """Shows turns below one another; at the end, it stays at the end.

    Args:
        name: Object name; those of the turns are ``<pane>.turn_<place>_…``.

    Signals:
        turn_chosen(int): A turn was clicked, or moved to with Alt+Up and Alt+Down.
        asked(int, str): Something of `turn_view.ACTIONS` is wanted of a turn.
        walked(int, int): Another version of a turn is wanted: -1 or 1.
        edited(int, str): The person wrote something else in place of a turn.
    """

    turn_chosen = Signal(int)
    asked = Signal(int, str)
    walked = Signal(int, int)
    edited = Signal(int, str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self._turns: list[ShownTurn] = []
        self._places: dict[int, int] = {}
        self._heights: list[int] = []
        self._known: list[bool] = []
        #: By place, so that the keyboard stays on a button while the versions of a turn take turns.
        self._built: dict[int, TurnView] = {}
        self._current: int | None = None
        self._busy = False
        self._placeholder = ""
        self._arranging = False
        self._at_end = True
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._arrange)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)

    # What it shows.

    @property
    def turns(self) -> Sequence[ShownTurn]:
        """What is shown."""
        return self._turns

    @property
    def built(self) -> int:
        """How many turns exist as widgets."""
        return len(self._built)

    def view_of(self, key: int) -> TurnView | None:
        """The widget of a turn, while it is in view."""
        return self._built.get(self._places.get(key, -1))

    def set_turns(self, turns: Sequence[ShownTurn]) -> None:
        """Show these turns; those that are the same stay as they are."""
        before = list(self._rows())
        self._turns = list(turns)
        self._places = {turn.key: place for place, turn in enumerate(self._turns)}
        self._heights, self._known = [], []
        for place, turn in enumerate(self._turns):
            old, height, known = before[place] if place < len(before) else (None, 0, False)
            self._heights.append(height if known else self._estimate(turn))
            self._known.append(known and old == turn)
        for place in [place for place in self._built if place >= len(self._turns)]:
            self._drop(place)
        for place, view in self._built.items():
            view.show_turn(self._turns[place])
        if self._current not in self._places:
            self._current = None
        self.set_current(self._current)
        self._arrange()

    def update_turn(self, turn: ShownTurn) -> None:
        """Show a turn anew, such as one that is being written."""
        place = self._places.get(turn.key)
        if place is None or self._turns[place] == turn:
            return
        self._turns[place] = turn
        self._known[place] = False
        if (view := self._built.get(place)) is not None:
            view.show_turn(turn)
        self._arrange()

    def set_current(self, key: int | None) -> None:
        """Mark the turn that is looked at."""
        self._current = key if key in self._places else None
        for place, view in self._built.items():
            view.set_current(self._turns[place].key == self._current)

    def set_busy(self, busy: bool) -> None:
        """Hold back what can't be done while something is being written."""
        self._busy = busy
        for view in self._built.values():
            view.set_busy(busy)

    def set_placeholder(self, text: str) -> None:
        """Say something while there are no turns."""
        self._placeholder = text
        self.viewport().update()

    def bring(self, key: int) -> None:
        """Scroll so that a turn begins in view."""
        place = self._places.get(key)
        if place is None:
            return
        for _ in range(_ROUNDS):
            top = self._tops()[place]
            bar = self.verticalScrollBar()
            if bar.value() <= top < bar.value() + self.viewport().height() // 2:
                return
            self._at_end = False
            bar.setValue(top)

    def to_end(self) -> None:
        """Scroll to the end, and stay there."""
        self._at_end = True
        self._arrange()

    # Geometry.

    def _rows(self) -> zip[tuple[ShownTurn, int, bool]]:
        return zip(self._turns, self._heights, self._known, strict=True)

    def _gap(self) -> int:
        return theme.px(self, 6)

    def _width(self) -> int:
        return max(80, self.viewport().width() - 2 * self._gap())

    def _estimate(self, turn: ShownTurn) -> int:
        metrics = self.fontMetrics()
        across = max(8, self._width() // max(1, metrics.averageCharWidth()))
        lines = sum(1 + len(line) // across for line in turn.source[:20_000].split("\n"))
        return round(lines * metrics.lineSpacing() * 1.2) + theme.px(self, 48)

    def _tops(self) -> list[int]:
        gap = self._gap()
        return list(accumulate((height + gap for height in self._heights), initial=gap))

    def _arrange(self) -> None:
        """Build what is in view, with true heights, and keep what is read where it is."""
        self._later.stop()
        if self._arranging or not self.isVisible():
            return
        self._arranging = True
        bar, width, gap = self.verticalScrollBar(), self._width(), self._gap()
        high = self.viewport().height()
        for _ in range(_ROUNDS):
            tops = self._tops()
            whole = tops[-1]
            bar.setRange(0, max(0, whole - high))
            bar.setPageStep(max(1, high - theme.px(self, 40)))
            bar.setSingleStep(theme.px(self, 40))
            if self._at_end:
                bar.setValue(bar.maximum())
            value = bar.value()
            reach = round(high * _MARGIN)
            first = max(0, bisect_right(tops, value - reach) - 1)
            last = min(len(self._turns), bisect_right(tops, value + high + reach))
            shift, changed = 0, False
            for place in range(first, last):
                if place not in self._built:
                    self._build(place)
                elif self._known[place]:
                    continue
                height = self._built[place].height_at(width)
                self._known[place] = True
                if height != self._heights[place]:
                    changed = True
                    # What grows above the first line that is read moves nothing that is seen.
                    if tops[place] + self._heights[place] <= value:
                        shift += height - self._heights[place]
                    self._heights[place] = height
            if not changed:
                break
            if shift and not self._at_end:
                bar.setRange(0, max(0, self._tops()[-1] - high))
                bar.setValue(value + shift)
        tops = self._tops()
        bar.setRange(0, max(0, tops[-1] - high))
        # It keeps its room, so that nothing is laid out anew when it appears; without a use it is not drawn.
        bar.setEnabled(bar.maximum() > 0)
        if self._at_end:
            bar.setValue(bar.maximum())
        value, focus = bar.value(), QApplication.focusWidget()
        for place, view in list(self._built.items()):
            near = -high <= tops[place] + self._heights[place] - value and tops[place] - value <= 2 * high
            if not near and not view.is_edited and not (focus is not None and view.isAncestorOf(focus)):
                self._drop(place)
                continue
            view.setGeometry(gap, tops[place] - value, width, self._heights[place])
            view.show()
            view.layout().activate()
        self._arranging = False
        self.viewport().update()

    def _build(self, place: int) -> None:
        turn = self._turns[place]
        pane = self.objectName().split(".")[0]
        view = TurnView(f"{pane}.turn_{place + 1}", place + 1, self.viewport())
        view.show_turn(turn)
        view.set_current(turn.key == self._current)
        view.set_busy(self._busy)
        view.pressed.connect(self._on_pressed)
        view.asked.connect(self.asked)
        view.walked.connect(self.walked)
        view.edited.connect(self.edited)
        view.grew.connect(self._on_grew)
        self._built[place] = view

    def _drop(self, place: int) -> None:
        view = self._built.pop(place)
        view.hide()
        view.deleteLater()

    def _on_scrolled(self) -> None:
        if self._arranging:
            return
        bar = self.verticalScrollBar()
        self._at_end = bar.value() >= bar.maximum() - theme.px(self, 4)
        self._arrange()

    def _on_grew(self, key: int) -> None:
        place = self._places.get(key)
        if place is None:
            return
        self._known[place] = False
        # What was opened at the end is read from where it begins.
        self._at_end = False
        self._arrange()
        view = self._built.get(place)
        if view is not None and view.is_edited:
            self.bring(key)

    def _on_pressed(self, key: int) -> None:
        focus = QApplication.focusWidget()
        # A text that was clicked keeps the keyboard, so that what is marked in it can be copied.
        if focus is None or not self.isAncestorOf(focus):
            self.setFocus()
        self.turn_chosen.emit(key)

    # Qt.

    def sizeHint(self) -> QSize:
        """Room for some turns."""
        return QSize(theme.px(self, 360), theme.px(self, 240))

    def minimumSizeHint(self) -> QSize:
        """Room for a turn."""
        return QSize(theme.px(self, 160), theme.px(self, 60))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Say what comes here, while nothing is here."""
        if self._turns:
            return
        painter = QPainter(self.viewport())
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        edge = theme.px(self, 10)
        area = self.viewport().rect().adjusted(edge, edge, -edge, -edge)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._placeholder)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """The turns are put where they belong in `_arrange`."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out again at another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._forget()
        self._arrange()

    def showEvent(self, event: QShowEvent) -> None:
        """Lay out what came while it was not seen."""
        super().showEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Follow theme and zoom, once the turns have done so."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_later"):
            self._forget()
            self._later.start()

    def _forget(self) -> None:
        self._known = [False] * len(self._turns)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Alt and an arrow move between turns and versions; F2 edits the turn that is looked at."""
        key, place = Qt.Key(event.key()), self._places.get(self._current if self._current is not None else -1)
        if event.modifiers() == Qt.KeyboardModifier.AltModifier and self._turns:
            if key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
                last = len(self._turns) - 1
                by = 1 if key == Qt.Key.Key_Down else -1
                there = last if place is None else max(0, min(last, place + by))
                self.bring(self._turns[there].key)
                self.turn_chosen.emit(self._turns[there].key)
                return
            if key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and place is not None:
                self.walked.emit(self._turns[place].key, 1 if key == Qt.Key.Key_Right else -1)
                return
        if key == Qt.Key.Key_F2 and place is not None:
            self.bring(self._turns[place].key)
            if (view := self._built.get(place)) is not None:
                view.edit()
            return
        bar = self.verticalScrollBar()
        move = {
            Qt.Key.Key_Up: -bar.singleStep(),
            Qt.Key.Key_Down: bar.singleStep(),
            Qt.Key.Key_PageUp: -bar.pageStep(),
            Qt.Key.Key_PageDown: bar.pageStep(),
            Qt.Key.Key_Home: -bar.value(),
            Qt.Key.Key_End: bar.maximum() - bar.value(),
        }.get(key)
        if move is None:
            super().keyPressEvent(event)
        else:
            bar.setValue(bar.value() + move)

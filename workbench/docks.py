"""Panes as docks: built when first wanted, any of them side by side, arranged in columns as far as there is room."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, pairwise

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QTabBar, QTabWidget, QToolBar, QWidget

from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.theme import CHANGES, px

#: Milliseconds after which a pane that is made in turns is dressed, and after which a new size of the window counts.
_LATER, _SETTLED = 5, 250
#: The least that is worth showing of a pane beside another, and what stands above and below all panes.
_LEAST, _AROUND = QSize(340, 250), 150
_DIRECT = Qt.FindChildOption.FindDirectChildrenOnly

#: Columns from left to right, of places from top to bottom, of panes that share one as its tabs.
_Places = tuple[tuple[tuple[str, ...], ...], ...]


class Docks(QObject):
    """The docks of a window.

    Args:
        window: Takes the docks.
        names: Of all panes there are.
        build: Makes the pane of a name, when it is first wanted.
        dress: Told of a dock that is about to be shown.

    Signals:
        changed(): A pane was opened or closed.
        floated(QWindow): A pane has this window of its own now.
    """

    changed = Signal()
    floated = Signal(object)

    def __init__(
        self,
        window: QMainWindow,
        names: Sequence[str],
        build: Callable[[str], PaneFrame],
        dress: Callable[[QWidget], None],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._names = names
        self._build = build
        self._dress = dress
        self._docks: dict[str, QDockWidget] = {}
        self._wanted: tuple[tuple[str, ...], ...] = ()
        self._places: _Places = ()
        self._resized = QTimer(self, singleShot=True, interval=_SETTLED)
        self._resized.timeout.connect(self._fit)
        # Qt makes the tabs when it lays the docks out, also of those that a person drops on one another.
        self._tabbed = QTimer(self, singleShot=True, interval=0)
        self._tabbed.timeout.connect(self._name_tabs)
        window.setDockNestingEnabled(True)
        window.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        window.installEventFilter(self)

    def pane(self, name: str) -> PaneFrame:
        """The pane of that name.

        Raises:
            KeyError: There is no such pane.
        """
        widget = self._dock(name).widget()
        if not isinstance(widget, PaneFrame):
            raise KeyError(name)
        return widget

    def unbuilt(self) -> str | None:
        """The first pane that is not there yet, None when all are."""
        return next((name for name in self._names if name not in self._docks), None)

    def build(self, name: str) -> None:
        """Build a pane without showing it."""
        dock = self._dock(name)
        dock.hide()
        if self.pane(name).in_turns:
            # In a later turn than what was built, before its parts come.
            QTimer.singleShot(_LATER, dock, partial(self._dress, dock))

    def arrange(self, columns: Sequence[Sequence[str]]) -> None:
        """Show these panes and no others, as columns from left to right of panes from top to bottom.

        Panes that there is no room for become tabs in the place of the last that there is.
        """
        self._wanted = tuple(tuple(column) for column in columns)
        self._put(self._fitting(self._wanted))

    @property
    def arrangement(self) -> str:
        """What was wanted and where it was put, for `resume` in a later window."""
        return json.dumps([self._wanted, self._places])

    def resume(self, arrangement: str) -> None:
        """Know again what stands as it stands, so that tabs for want of room end where there is room.

        Args:
            arrangement: That of the window before; one that is not of these panes is left aside.
        """
        try:
            wanted, places = json.loads(arrangement)
            read = tuple(tuple(map(str, column)) for column in wanted)
            put = tuple(tuple(tuple(map(str, place)) for place in column) for column in places)
        except (ValueError, TypeError):
            return
        if {*chain(*read)} == {*chain(*chain(*put))} == {*self.shown()}:
            self._wanted, self._places = read, put

    def _fitting(self, columns: tuple[tuple[str, ...], ...]) -> _Places:
        window = self._window
        bars = [bar for bar in window.findChildren(QToolBar, options=_DIRECT) if _upright(bar)]
        beside = sum((bar if bar.isVisible() else bar.sizeHint()).width() for bar in bars)
        most = max(1, (window.width() - beside) // px(window, _LEAST.width()))
        rows = max(1, (window.height() - px(window, _AROUND)) // px(window, _LEAST.height()))
        if len(columns) > most:
            last = tuple(name for column in columns[most - 1 :] for name in column)
            return (*(_stacked(column, rows) for column in columns[: most - 1]), (last,))
        return tuple(_stacked(column, rows) for column in columns)

    def _put(self, places: _Places) -> None:
        self._places = places
        wanted = [[[self._dock(name) for name in place] for place in column] for column in places]
        for dock in self._docks.values():
            self._window.removeDockWidget(dock)
        left: QDockWidget | None = None
        for (head, *_), *_ in wanted:
            if left is None:
                self._window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, head)
            else:
                self._window.splitDockWidget(left, head, Qt.Orientation.Horizontal)
            left = self._open(head)
        for column in wanted:
            for above, below in pairwise(column):
                self._window.splitDockWidget(above[0], below[0], Qt.Orientation.Vertical)
                self._open(below[0])
            for front, *behind in column:
                for before, after in pairwise((front, *behind)):
                    self._window.tabifyDockWidget(before, after)
                    self._open(after)
                if behind:
                    front.raise_()
        heads = [column[0][0] for column in wanted]
        self._window.resizeDocks(heads, [1000] * len(heads), Qt.Orientation.Horizontal)

    def _name_tabs(self) -> None:
        for number, bar in enumerate(self._window.findChildren(QTabBar, options=_DIRECT), 1):
            name = "window.tabs" if number == 1 else f"window.tabs_{number}"
            named(bar, name, "Panes in this place", "Panes that there is no room for side by side; one is in front")
            self._dress(bar)

    def _fit(self) -> None:
        """Arrange anew what the window has become too small for, or large enough; not what the person arranged."""
        tabs = self._tabs()
        ours = {frozenset(place) for place in chain(*self._places) if len(place) > 1}
        if tabs != ours or any(self._docks[name].isFloating() for name in self.shown()):
            return
        columns = self.columns()
        now = self._places if tabs else tuple(tuple((name,) for name in column) for column in columns)
        places = self._fitting(columns)
        if places != now:
            current = self.current()
            self._wanted = columns
            self._put(places)
            if current is not None:
                front = next(name for name in self.shown() if self.pane(name) is current)
                self._docks[front].raise_()

    def _tabs(self) -> set[frozenset[str]]:
        """The panes that share a place."""
        found = set()
        for name in self.shown():
            others = self._window.tabifiedDockWidgets(self._docks[name])
            if others:
                found.add(frozenset((name, *(each for each, dock in self._docks.items() if dock in others))))
        return found

    def shown(self) -> tuple[str, ...]:
        """Names of the open panes."""
        return tuple(name for name in self._names if self.is_shown(name))

    def is_shown(self, name: str) -> bool:
        """Whether a pane is open."""
        dock = self._docks.get(name)
        return dock is not None and not dock.isHidden()

    def columns(self) -> tuple[tuple[str, ...], ...]:
        """The open panes as `arrange` takes them, floating ones left out."""
        if self._tabs():
            docked = {name for name in self.shown() if not self._docks[name].isFloating()}
            held = tuple(tuple(name for name in column if name in docked) for column in self._wanted)
            return tuple(column for column in held if column)
        places = {name: self._docks[name].pos() for name in self.shown() if not self._docks[name].isFloating()}
        columns: dict[int, list[str]] = {}
        for name in sorted(places, key=lambda name: (places[name].x(), places[name].y())):
            columns.setdefault(places[name].x(), []).append(name)
        return tuple(tuple(column) for column in columns.values())

    def focus(self, name: str) -> None:
        """Bring an open pane to the front and give it the keyboard."""
        self._docks[name].raise_()
        self.pane(name).setFocus(Qt.FocusReason.ShortcutFocusReason)

    def current(self) -> PaneFrame | None:
        """The open pane with the keyboard focus, or else the first one open."""
        panes = [self.pane(name) for name in self.shown()]
        widget: QObject | None = QApplication.focusWidget()
        # What is put away can keep the focus until something else takes it.
        while widget is not None and widget not in panes:
            widget = widget.parent()
        return widget if isinstance(widget, PaneFrame) else next(iter(panes), None)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look for room again when the window or the zoom has changed."""
        if event.type() == QEvent.Type.Resize or event.type() in CHANGES:
            self._resized.start()
        return False

    def _dock(self, name: str) -> QDockWidget:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._docks:
            pane = self._build(name)
            dock = QDockWidget(pane.accessibleName(), self._window)
            dock.setObjectName(f"window.dock_{name}")
            dock.setWidget(pane)
            # The pane's own bar is what one drags, so that no second title takes room above it.
            dock.setTitleBarWidget(pane.title_bar)
            dock.visibilityChanged.connect(self.changed)
            dock.visibilityChanged.connect(self._on_moved)
            dock.topLevelChanged.connect(self._on_moved)
            pane.close_requested.connect(dock.close)
            self._docks[name] = dock
        return self._docks[name]

    def _on_moved(self) -> None:
        self._tabbed.start()
        dock = self.sender()
        if isinstance(dock, QDockWidget) and dock.isFloating() and dock.windowHandle() is not None:
            self.floated.emit(dock.windowHandle())

    def _open(self, dock: QDockWidget) -> QDockWidget:
        self._dress(dock)
        dock.setFloating(False)
        dock.show()
        return dock


def _stacked(column: tuple[str, ...], rows: int) -> tuple[tuple[str, ...], ...]:
    """A place for each pane of a column; the last of as many as there is room for takes all that are left."""
    return (*((name,) for name in column[: rows - 1]), *([column[rows - 1 :]] if column[rows - 1 :] else []))


def _upright(bar: QToolBar) -> bool:
    return bar.orientation() == Qt.Orientation.Vertical

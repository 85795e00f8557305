"""Panes as docks: built when first wanted, any of them side by side, arranged in columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from workbench.widgets.pane_frame import PaneFrame

#: Milliseconds after which a pane that is made in turns is dressed.
_LATER = 5


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
        window.setDockNestingEnabled(True)

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
        """Show these panes and no others, as columns from left to right of panes from top to bottom."""
        wanted = [[self._dock(name) for name in column] for column in columns]
        for dock in self._docks.values():
            self._window.removeDockWidget(dock)
        left: QDockWidget | None = None
        for head, *_ in wanted:
            if left is None:
                self._window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, head)
            else:
                self._window.splitDockWidget(left, head, Qt.Orientation.Horizontal)
            left = self._open(head)
        for column in wanted:
            for above, below in pairwise(column):
                self._window.splitDockWidget(above, below, Qt.Orientation.Vertical)
                self._open(below)
        heads = [column[0] for column in wanted]
        self._window.resizeDocks(heads, [1000] * len(heads), Qt.Orientation.Horizontal)

    def shown(self) -> tuple[str, ...]:
        """Names of the open panes."""
        return tuple(name for name in self._names if self.is_shown(name))

    def is_shown(self, name: str) -> bool:
        """Whether a pane is open."""
        dock = self._docks.get(name)
        return dock is not None and not dock.isHidden()

    def columns(self) -> tuple[tuple[str, ...], ...]:
        """The open panes as `arrange` takes them, floating ones left out."""
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
        """The pane with the keyboard focus, or else the first one open."""
        widget: QObject | None = QApplication.focusWidget()
        while widget is not None:
            if isinstance(widget, PaneFrame):
                return widget
            widget = widget.parent()
        shown = self.shown()
        return self.pane(shown[0]) if shown else None

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
        dock = self.sender()
        if isinstance(dock, QDockWidget) and dock.isFloating() and dock.windowHandle() is not None:
            self.floated.emit(dock.windowHandle())

    def _open(self, dock: QDockWidget) -> QDockWidget:
        self._dress(dock)
        dock.setFloating(False)
        dock.show()
        return dock

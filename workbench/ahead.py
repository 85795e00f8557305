"""Panes made ready while nothing else happens, so that the first click on each finds it there."""

from __future__ import annotations

import importlib
import pkgutil
import time

from PySide6.QtCore import QElapsedTimer, QObject, QTimer

from workbench import widgets
from workbench.docks import Docks
from workbench.dressing import Dressing
from workbench.entries import ENTRIES
from workbench.runtime.jobs import Runner

#: Milliseconds between two looks whether there is time, and how late such a look may come.
_REST, _LATE = 60, 15
#: Seconds that imports may take in a turn.
_SLICE = 0.01


class Ahead(QObject):
    """Loads, builds and dresses the panes not yet seen, a step at a time.

    Args:
        docks: Of the panes.
        dressing: Puts the looks on them.
        runner: Beside whose work nothing is made ready.
    """

    def __init__(self, docks: Docks, dressing: Dressing, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._docks, self._dressing, self._runner = docks, dressing, runner
        self._unloaded = {entry.name: entry for entry in ENTRIES}
        names = (found.name for found in pkgutil.iter_modules(widgets.__path__) if not found.name.startswith("_"))
        self._modules = [f"{widgets.__name__}.{name}" for name in names]
        self._since = QElapsedTimer()
        self._timer = QTimer(self, interval=_REST)
        self._timer.timeout.connect(self._on_idle)

    def start(self) -> None:
        """Begin, or go on."""
        self._since.start()
        self._timer.start()

    def stop(self) -> None:
        """Make nothing more ready."""
        self._timer.stop()

    def _on_idle(self) -> None:
        # Beside running work a pane takes twice as long to build, and behind other work of the window's own what it
        # takes comes on top: both are felt.
        if self._runner.active or self._since.restart() > _REST + _LATE:
            return
        # Off until it went well: what fails once would fail again at every turn.
        self._timer.stop()
        # What was built last is dressed in a turn of its own: both at once are felt.
        if self._import_next() or self._dressing.dress_next() or self._prepare_next():
            self.start()

    def _import_next(self) -> bool:
        # What several panes are made of. The first of them would bring in most of it, all in one turn.
        began = time.perf_counter()
        left = bool(self._modules)
        while self._modules and time.perf_counter() - began < _SLICE:
            importlib.import_module(self._modules.pop())
        return left

    def _prepare_next(self) -> bool:
        # To the end with one before the next: the first panes are the likeliest to be asked for soon.
        name = self._docks.unbuilt()
        if name in self._unloaded:
            self._unloaded.pop(name).load()
        elif name is not None:
            self._docks.build(name)
        return name is not None

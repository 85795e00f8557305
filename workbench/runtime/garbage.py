"""Python's garbage, collected in the window's thread alone."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

#: New objects after which the young ones are looked through, and the rounds of that before the next older ones are.
_YOUNG, _ROUNDS = 2000, 10
#: Seconds between two looks through everything that is not frozen.
_WHOLE = 120.0
#: Seconds a worker that asks for a collection waits for it.
_PATIENCE = 2.0


class Collector(QObject):
    """Keeps the threads of the lanes from collecting garbage, and collects it between two turns of the event loop.

    A collection ends whatever it finds in the thread that happens to make it. When that is a widget in a cycle, and the
    thread is a worker's, Qt's locks and Python's are taken in the wrong order, and the program stands still for ever.
    The libraries ask for collections as well (accelerate does at the start of each training): those wait for this one.

    Args:
        parent: Owns it.
    """

    _asked = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = threading.get_ident()
        self._library: Callable[..., int] = gc.collect
        self._done = threading.Condition()
        self._count = 0
        self._found = 0
        self._whole_at = time.monotonic()
        self._on = self._before = False
        self._held = False
        self._timer = QTimer(self, interval=100)
        self._timer.timeout.connect(self._on_tick)
        self._asked.connect(self._on_asked)

    def start(self) -> None:
        """Take over from Python."""
        if not self._on:
            self._on = True
            self._library, self._before = gc.collect, gc.isenabled()
            gc.disable()
            gc.collect = self._collect
            self._timer.start()

    def stop(self) -> None:
        """Leave it as it was; a worker that waits for a collection goes on without."""
        if self._on:
            self._on = False
            self._timer.stop()
            gc.collect = self._library
            if self._before:
                gc.enable()
            with self._done:
                self._done.notify_all()

    def hold(self) -> None:
        """Collect nothing for the time being, as while a library is imported."""
        self.start()
        self._held = True

    def go_on(self) -> None:
        """Collect again, but never what is there now."""
        gc.freeze()
        self._held = False

    def _collect(self, generation: int | None = None) -> int:
        """Stands for ``gc.collect``: in another thread than the window's it waits until the window's has done it.

        A library asks out of caution, without a generation, and is given the younger ones: everything takes a tenth of
        a second in which the window stands still. ``gc.collect(2)`` means it.
        """
        if threading.get_ident() == self._thread or not self._on:
            return self._library(2 if generation is None else generation)
        with self._done:
            wanted = self._count + 1
            self._asked.emit(1 if generation is None else generation)
            self._done.wait_for(lambda: self._count >= wanted or not self._on, _PATIENCE)
            return self._found

    def _on_asked(self, generation: int) -> None:
        found = 0 if self._held else self._library(generation)
        if generation == 2:
            self._whole_at = time.monotonic()
        with self._done:
            self._count += 1
            self._found = found
            self._done.notify_all()

    def _on_tick(self) -> None:
        if self._held:
            return
        young, middle, old = gc.get_count()
        if old > _ROUNDS and time.monotonic() - self._whole_at > _WHOLE:
            self._whole_at = time.monotonic()
            self._library(2)
        elif middle > _ROUNDS:
            self._library(1)
        elif young > _YOUNG:
            self._library(0)

"""Long work on what a widget holds: a little of it in each turn of the event loop, told of in the pane."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from workbench.widgets.notice import NoticeCard
from workbench.widgets.saving import pane_of

#: Seconds of work in one turn, and milliseconds to the next.
_TURN, _REST = 0.01, 5


class InTurns(QObject):
    """Goes through work that belongs to the window's own thread; what one turn is enough for is done at once.

    Args:
        asker: The widget whose work it is; ends with it.
        work: Each step of it takes far less than a turn. When it is stopped, it is closed.
        doing: Said in the pane meanwhile, beside a button that stops it.
        done: Said in the pane when it took longer than a turn.
        failed: Told of an OSError of a later turn.

    Raises:
        OSError: The first turn failed.
    """

    def __init__(
        self,
        asker: QWidget,
        work: Generator[None],
        doing: str,
        done: str,
        failed: Callable[[OSError], None] | None = None,
    ) -> None:
        super().__init__(asker)
        self._work, self._asker, self._failed = work, asker, failed
        self._doing, self._done = doing, done
        self._card: NoticeCard | None = None
        self._next = QTimer(self, singleShot=True, interval=_REST)
        self._next.timeout.connect(self._on_turn)
        if self._go_on():
            self._begin()
        else:
            self.deleteLater()

    def stop(self) -> None:
        """Leave the work undone."""
        self._next.stop()
        self._work.close()
        self._end()

    def _begin(self) -> None:
        pane = pane_of(self._asker)
        if pane is not None:
            self._card = pane.show_notice(self._doing, kind="info", action=("Stop", self.stop))
        self._next.start()

    def _on_turn(self) -> None:
        try:
            unfinished = self._go_on()
        except OSError as error:
            self._end()
            if self._failed is not None:
                self._failed(error)
            return
        if unfinished:
            self._next.start()
            return
        self._end()
        pane = pane_of(self._asker)
        if pane is not None:
            pane.show_notice(self._done, kind="success")

    def _go_on(self) -> bool:
        """Work for a turn.

        Returns:
            Whether there is more.
        """
        until = time.perf_counter() + _TURN
        return any(time.perf_counter() > until for _ in self._work)

    def _end(self) -> None:
        pane = pane_of(self._asker)
        if pane is not None and self._card in pane.notices:
            self._card.dismiss()
        self.deleteLater()

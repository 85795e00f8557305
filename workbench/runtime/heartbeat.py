"""How smoothly the event loop runs: the gaps between the ticks of a timer."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, Qt, QTimer

#: Milliseconds between ticks.
INTERVAL = 5


class Heartbeat(QObject):
    """Ticks every 5 ms and records how late each tick was.

    Attributes:
        gaps: Milliseconds between one tick and the next, beyond the interval, never below 0, with the time of each.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.gaps: list[tuple[float, float]] = []
        self._last = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._on_tick)

    def start(self) -> None:
        """Begin to tick."""
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        """Stop ticking; the gaps stay."""
        self._timer.stop()

    def largest(self) -> float:
        """The largest gap in milliseconds, 0.0 without a tick."""
        return max((gap for _, gap in self.gaps), default=0.0)

    def percentile(self, share: float) -> float:
        """The gap, in milliseconds, that ``share`` (in ``[0, 1]``) of all ticks stay at or below."""
        ordered = sorted(gap for _, gap in self.gaps)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def _on_tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append((now, max(0.0, (now - self._last) * 1000 - INTERVAL)))
        self._last = now

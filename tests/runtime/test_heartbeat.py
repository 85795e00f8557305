"""The heartbeat sees a stall, and says nothing of a loop that runs freely."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from workbench.runtime.heartbeat import Heartbeat


def test_a_stall_is_seen(qtbot: QtBot) -> None:
    heartbeat = Heartbeat()

    def stall() -> None:
        end = time.perf_counter() + 0.08
        while time.perf_counter() < end:
            pass

    heartbeat.start()
    QTimer.singleShot(20, stall)
    qtbot.waitUntil(lambda: heartbeat.largest() >= 60)
    heartbeat.stop()
    assert heartbeat.percentile(0.0) < heartbeat.largest()

"""Waiting for what a test expects, without idling longer than that takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytestqt.exceptions import TimeoutError
from pytestqt.qtbot import QtBot

#: Five seconds can pass on a machine that does other things too; a wait that ends takes no longer for it.
PATIENCE = 30_000
#: Milliseconds between two looks at most.
_SELDOM = 10


def until(bot: QtBot, callback: Callable[[], bool | None], *, timeout: int = PATIENCE) -> None:
    """What ``QtBot.waitUntil`` does, which looks every 10 ms: mostly what is waited for comes within one or two.

    Args:
        bot: Whose event loop runs meanwhile.
        callback: Says whether it has come, or asserts it and says nothing.
        timeout: Milliseconds.

    Raises:
        TimeoutError: It did not come.
    """
    __tracebackhide__ = True
    end = time.monotonic() + timeout / 1000
    pause = 1
    while True:
        failed = None
        try:
            if callback() in (None, True):
                return
        except AssertionError as error:
            failed = error
        if time.monotonic() > end:
            raise TimeoutError(f"waitUntil timed out in {timeout} milliseconds") from failed
        bot.wait(pause)
        pause = min(2 * pause, _SELDOM)

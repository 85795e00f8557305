"""A wait of a test ends as soon as what it waits for has come, and says what did not."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QTimer
from pytestqt.exceptions import TimeoutError
from pytestqt.qtbot import QtBot


def test_what_has_come_costs_no_turn_and_what_comes_soon_is_seen_soon(qtbot: QtBot) -> None:
    looks: list[float] = []
    qtbot.waitUntil(lambda: looks.append(time.monotonic()))
    assert len(looks) == 1
    come: list[bool] = []
    QTimer.singleShot(0, lambda: come.append(True))
    qtbot.waitUntil(lambda: looks.append(time.monotonic()) or bool(come))
    assert len(looks) == 3


def test_what_does_not_come_is_an_error_with_what_was_asserted(qtbot: QtBot) -> None:
    def asserts() -> None:
        assert not "there"

    with pytest.raises(TimeoutError, match="20 milliseconds") as raised:
        qtbot.waitUntil(asserts, timeout=20)
    assert isinstance(raised.value.__cause__, AssertionError)
    with pytest.raises(TimeoutError):
        qtbot.waitUntil(lambda: False, timeout=5)

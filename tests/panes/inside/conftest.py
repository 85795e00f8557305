"""The Inside pane, and waiting for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot

from workbench.panes.inside import InsidePane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner) -> InsidePane:
    pane = InsidePane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1300, 820)
    with qtbot.waitExposed(pane):
        pane.show()
    return pane


@pytest.fixture
def rest(qtbot: QtBot, pane: InsidePane, runner: Runner) -> Callable[[], None]:
    """Waits until nothing is being done."""
    return lambda: qtbot.waitUntil(lambda: not pane.busy and not runner.active, timeout=60_000)

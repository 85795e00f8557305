"""The pane as a person has it open; what tests load stays out of the person's own data."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from workbench.panes.tasks import TasksPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, workbench_data: Path) -> TasksPane:
    pane = TasksPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1200, 800)
    with qtbot.waitExposed(pane):
        pane.show()
    return pane

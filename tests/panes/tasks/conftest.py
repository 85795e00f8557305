"""The pane as a person has it open; what tests load stays out of the person's own data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
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


@pytest.fixture
def settle(qtbot: QtBot, pane: TasksPane, runner: Runner) -> Callable[[], None]:
    """Waits until nothing runs any more."""
    return lambda: qtbot.waitUntil(lambda: not pane.busy and not runner.active)


@pytest.fixture
def run(qtbot: QtBot, session: Session, loaded: Callable[[str], Any], find: Any, settle: Any) -> Callable[..., None]:
    """Load the model of a task, as the test module has it; write a text, or take the example; and press Run."""

    def run(name: str, text: str | None = None) -> None:
        session.set_model(loaded(name))
        find("task").setCurrentText(name)
        if text is None:
            qtbot.mouseClick(find("try"), Qt.MouseButton.LeftButton)
            settle()
        else:
            find("text").set_text(text)
        # Of masks: each point takes a pass of its own.
        find("points_per_side").setValue(4)
        qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
        settle()

    return run

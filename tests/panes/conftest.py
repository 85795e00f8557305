"""What every pane stands on: a session and a runner whose threads end with the test, and a tiny model to load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from workbench.engine import models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.pane_frame import PaneFrame


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> LoadedModel:
    return models.load(tiny_llama)


@pytest.fixture
def session(qapp: QApplication) -> Session:
    return Session()


@pytest.fixture
def runner(qapp: QApplication) -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.shut_down()


@pytest.fixture
def find(pane: PaneFrame) -> Callable[[str], Any]:
    """A control of the test's pane by the last part of its name."""
    prefix = pane.title_bar.objectName().removesuffix("title_bar")

    def find(name: str) -> Any:
        widget = pane.findChild(QWidget, f"{prefix}{name}")
        assert widget is not None, name
        return widget

    return find


@pytest.fixture
def finished(qtbot: QtBot, runner: Runner) -> Callable[[], None]:
    """Waits until no job is left."""
    return lambda: qtbot.waitUntil(lambda: not runner.active, timeout=60_000)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """Runs a script that was shown, and gives the lines it printed; a program of its own would import torch anew."""

    def run(code: str) -> list[str]:
        capsys.readouterr()
        exec(compile(code, "shown.py", "exec"), {"__name__": "__main__"})
        return capsys.readouterr().out.strip().splitlines()

    return run

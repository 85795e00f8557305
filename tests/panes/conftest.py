"""What every pane stands on: a session and a runner whose threads end with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session


@pytest.fixture
def session(qapp: QApplication) -> Session:
    return Session()


@pytest.fixture
def runner(qapp: QApplication) -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.shut_down()

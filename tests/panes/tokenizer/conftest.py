"""What every test of the Tokenizer stands on: another tiny model, and the pane with its controls by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QTabWidget
from pytestqt.qtbot import QtBot

from tests.panes.tokenizer.person import FOX
from workbench.engine import models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint
from workbench.panes.tokenizer import TokenizerPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session


@pytest.fixture(scope="module")
def bert(tiny_bert: Checkpoint) -> LoadedModel:
    return models.load(tiny_bert)


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, workbench_data: Path) -> TokenizerPane:
    pane = TokenizerPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1100, 760)
    with qtbot.waitExposed(pane):
        pane.show()
    return pane


@pytest.fixture
def settle(qtbot: QtBot, pane: TokenizerPane, find: Callable[[str], Any]) -> Callable[[], None]:
    """Wait until the pane and what is on show in it have caught up."""

    def busy() -> bool:
        shown: tuple[QTabWidget, QTabWidget] = (find("sections"), find("tabs"))
        return pane.busy or any(getattr(tabs.currentWidget(), "busy", False) for tabs in shown)

    def settle() -> None:
        qtbot.waitUntil(lambda: not busy())

    return settle


@pytest.fixture
def typed(session: Session, llama: LoadedModel, settle: Callable[[], None]) -> None:
    """The tiny llama is loaded and the fox stands in the text."""
    session.set_model(llama)
    session.set_prompt(FOX)
    settle()

"""What every test of the Trainer stands on: a small file of reviews, and the pane as it opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from workbench.engine import hub
from workbench.engine.values import Checkpoint
from workbench.panes.trainer import TrainerPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """60 short reviews, half of them good."""
    path = tmp_path / "reviews.csv"
    rows = [
        f"a {word} film {n},{label}" for n in range(30) for word, label in (("wonderful", "good"), ("terrible", "bad"))
    ]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def checkpoints(tiny_bert: Checkpoint, tiny_llama: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both tiny checkpoints are on this machine."""
    listed = hub.local_checkpoints
    monkeypatch.setattr(hub, "local_checkpoints", lambda: (*listed(), tiny_bert, tiny_llama))


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, checkpoints: None) -> TrainerPane:
    """The pane with the sample read."""
    pane = TrainerPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1300, 850)
    with qtbot.waitExposed(pane):
        pane.show()
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "trainer.start").isEnabled(), timeout=20_000)
    return pane


@pytest.fixture
def ready(qtbot: QtBot, pane: TrainerPane, find: Callable[[str], Any], reviews: Path) -> None:
    """The reviews, and settings for 6 steps an epoch."""
    pane.open_data(reviews)
    qtbot.waitUntil(lambda: find("dataset").currentText() == "reviews.csv", timeout=20_000)
    for name, value in {"rows": 0, "eval_fraction": 0.2, "batch_size": 8, "max_length": 24, "threads": 1}.items():
        find(name).setValue(value)
    find("bf16").setChecked(False)

"""The menu of the flow strip loads, swaps and unloads what is on this machine, from any pane, by mouse or keyboard."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from workbench.checkpoints import CheckpointMenu
from workbench.engine import hub, models
from workbench.engine.hub import local
from workbench.engine.values import Checkpoint
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session


@pytest.fixture
def session(qapp: QApplication) -> Session:
    return Session()


@pytest.fixture
def menu(
    qtbot: QtBot, session: Session, workbench_data: Path, tiny_llama: Checkpoint, tiny_bert: Checkpoint
) -> Iterator[CheckpointMenu]:
    for each in (tiny_llama, tiny_bert):
        local.open_folder(each.path)
    runner = Runner()
    menu = CheckpointMenu(session, runner)
    qtbot.addWidget(menu)
    menu.popup(menu.pos())
    qtbot.waitUntil(lambda: "Looking …" not in texts(menu))
    yield menu
    menu.hide()
    runner.shut_down()


def texts(menu: QMenu) -> list[str]:
    return [action.text().partition("\t")[0] for action in menu.actions() if not action.isSeparator()]


def action(menu: QMenu, text: str) -> QAction:
    return next(each for each in menu.actions() if each.text().partition("\t")[0] == text)


def test_what_is_here_is_loaded_with_one_click(qtbot: QtBot, menu: CheckpointMenu, tiny_llama: Checkpoint) -> None:
    with qtbot.waitSignal(menu.load_requested) as heard:
        action(menu, tiny_llama.path.name).trigger()
    assert heard.args[0].path == tiny_llama.path
    assert heard.args[1] is False
    assert "Load as second model" not in texts(menu), "there is no first yet"


def test_models_in_memory_change_their_parts(
    qtbot: QtBot, menu: CheckpointMenu, session: Session, tiny_llama: Checkpoint, tiny_bert: Checkpoint
) -> None:
    session.set_model(models.load(tiny_llama))
    qtbot.waitUntil(lambda: "In memory" in texts(menu))
    with qtbot.waitSignal(menu.load_requested) as heard:
        action(action(menu, "Load as second model").menu(), tiny_bert.path.name).trigger()
    assert heard.args[1] is True
    session.set_second(models.load(tiny_bert))
    qtbot.waitUntil(lambda: "Swap first and second" in texts(menu))
    assert texts(menu).count(tiny_bert.path.name) + texts(menu).count(tiny_bert.name) == 1, (
        "what is loaded is told once"
    )
    action(menu, "Swap first and second").trigger()
    assert session.checkpoint == tiny_bert
    qtbot.waitUntil(lambda: action(menu, tiny_bert.name).isChecked())
    action(menu, tiny_llama.name).trigger()
    assert session.checkpoint == tiny_llama
    assert session.models[1].checkpoint == tiny_bert
    with qtbot.waitSignal(menu.unload_requested) as heard:
        action(action(menu, "Unload").menu(), tiny_bert.name).trigger()
    assert heard.args[0] is session.models[1]


def test_the_disk_is_read_by_another_thread_than_the_windows(
    qtbot: QtBot, menu: CheckpointMenu, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[int] = []
    each_local = hub.each_local

    def noted() -> Iterator[Checkpoint]:
        readers.append(threading.get_ident())
        return each_local()

    monkeypatch.setattr(hub, "each_local", noted)
    menu.hide()
    menu.popup(menu.pos())
    qtbot.waitUntil(lambda: bool(readers))
    assert threading.get_ident() not in readers

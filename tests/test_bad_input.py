"""Whatever a person gives the window: a notice says what, why and what to do, nothing else changes, and it goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from workbench.app import Workbench
from workbench.engine import hub, machine, models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint
from workbench.runtime.jobs import State

Spoil = Callable[[Path], object]


def _cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4000])


def _reshape(folder: Path) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "intermediate_size": config["intermediate_size"] + 8}))


#: What is done to a checkpoint's folder, and a word of what is said of it.
SPOILT: dict[str, tuple[Spoil, str]] = {
    "gone": (shutil.rmtree, "There is no folder"),
    "no checkpoint": (lambda folder: (folder / "config.json").unlink(), "config.json"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json"),
    "unknown architecture": (lambda folder: (folder / "config.json").write_text('{"model_type": "nope"}'), "nope"),
    "cut off": (_cut, "model.safetensors"),
    "wrong shapes": (_reshape, "another shape"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    "pickled": (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "pickle"),
}


#: Prompts, and a word of what is said of each; an empty word where the text is written all the same.
PROMPTS = {"": "", "fox " * 300: "too long", "a\0b": "", "half \ud83d": "half", "שלום سلام 👩‍👩‍👧‍👦 \u0301": ""}


def said(workbench: Workbench, pane: str) -> list[str]:
    """What, why and what to do, of the newest notice of a pane; empty where there is none."""
    cards = [card for card in workbench.window.pane(pane).notices if not card.isHidden()]
    return [label.text() for label in cards[0].findChildren(QLabel) if label.text().endswith(".")] if cards else []


@pytest.fixture
def find(workbench: Workbench) -> Callable[[str], Any]:
    """A control of the window by its name."""

    def find(name: str) -> Any:
        widget = workbench.window.findChild(QWidget, name)
        assert widget is not None, name
        return widget

    return find


@pytest.fixture
def told(qtbot: QtBot, workbench: Workbench) -> Callable[[str, str], None]:
    """Waits for a notice of a pane with a word in it, in three sentences, and takes it away."""

    def told(pane: str, word: str) -> None:
        qtbot.waitUntil(lambda: word in " ".join(said(workbench, pane)) and not workbench.runner.active)
        assert len(said(workbench, pane)) == 3, said(workbench, pane)
        workbench.window.pane(pane).clear_notices()

    return told


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> LoadedModel:
    return models.load(tiny_llama)


def test_no_checkpoint_that_is_spoilt_changes_anything(
    workbench: Workbench, told: Any, llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = workbench.session
    session.set_model(llama)
    session.set_prompt("stays")
    for name, (spoil, word) in SPOILT.items():
        folder = tmp_path / name
        shutil.copytree(llama.checkpoint.path, folder)
        spoil(folder)
        workbench.open_checkpoint(folder)
        told("hub", word)
        assert session.models == (llama,) and session.prompt == "stays", name
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(process=1, total=10, available=10))
    workbench.open_checkpoint(llama.checkpoint.path)
    told("hub", "weights need")
    assert session.models == (llama,)


def test_without_a_tokenizer_the_model_loads_and_each_pane_says_what_it_lacks(
    qtbot: QtBot, workbench: Workbench, find: Any, tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    folder = tmp_path / "bare"
    shutil.copytree(tiny_llama.path, folder, ignore=shutil.ignore_patterns("token*", "chat_template*", "special*"))
    workbench.open_checkpoint(folder)
    qtbot.waitUntil(lambda: workbench.session.model is not None)
    for pane in ("tokenizer", "playground"):
        workbench.window.show_pane(pane)
        assert "tokenizer" in find(f"{pane}.empty_action").parentWidget().findChild(QLabel).text()


def test_every_prompt_is_written_on_or_refused_in_words(
    qtbot: QtBot, workbench: Workbench, find: Any, told: Any, llama: LoadedModel
) -> None:
    session = workbench.session
    session.set_model(llama)
    session.set_sampling(replace(session.sampling, max_new_tokens=2))
    workbench.window.show_pane("tokenizer")
    workbench.window.show_pane("playground")
    for prompt, word in PROMPTS.items():
        session.set_prompt(prompt)
        before = len(workbench.runner.jobs)
        find("playground.generate").click()
        if word:
            told("playground", word)
        else:
            qtbot.waitUntil(lambda before=before: len(workbench.runner.jobs) > before and not workbench.runner.active)
            assert workbench.runner.jobs[-1].state is State.DONE and said(workbench, "playground") == [], prompt


def test_no_file_without_what_training_needs_is_taken(
    qtbot: QtBot,
    workbench: Workbench,
    find: Any,
    told: Any,
    tiny_bert: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "local_checkpoints", lambda: (tiny_bert,))
    workbench.session.local_changed.emit()
    workbench.window.show_pane("trainer")
    pane = workbench.window.pane("trainer")
    qtbot.waitUntil(lambda: find("trainer.dataset").currentText() != "" and not workbench.runner.active)
    before = find("trainer.dataset").currentText()
    files = {"empty.csv": ("", "empty"), "empty.jsonl": ("", "empty"), "broken.jsonl": ("{", "line 1")}
    for name, (content, word) in files.items():
        (tmp_path / name).write_text(content)
        pane.open_data(tmp_path / name)
        told("trainer", word)
        assert find("trainer.dataset").currentText() == before, name
    for name, (content, word) in {
        "no labels.csv": ("x,y\n" + "1,2\n" * 40, "nothing to tell apart"),
        "one column.csv": ("x\n" + "a film\n" * 40, "column"),
    }.items():
        (tmp_path / name).write_text(content)
        pane.open_data(tmp_path / name)
        qtbot.waitUntil(lambda name=name: find("trainer.dataset").currentText() == name and not workbench.runner.active)
        find("trainer.start").click()
        told("trainer", word)
    assert workbench.session.model is None


def test_without_network_or_space_nothing_is_fetched(
    workbench: Workbench, find: Any, told: Any, monkeypatch: pytest.MonkeyPatch, workbench_data: Path
) -> None:
    workbench.window.show_pane("hub")
    find("hub.search").setText("bert")
    find("hub.run_search").click()
    told("hub", "could not be reached")
    workbench.window.pane("hub").download("a/misspelt")
    told("hub", "could not be reached")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    find("hub.starter_minilm").click()
    told("hub", "MB are free")
    assert workbench.session.model is None

"""What every test stands on: no display, no Hub, nothing of the person's own files, and tiny real checkpoints."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytestqt.qtbot import QtBot

from tests import waiting
from workbench.engine import paths
from workbench.engine.errors import NetworkError
from workbench.engine.values import Checkpoint

if TYPE_CHECKING:
    from workbench.app import Workbench

_HOME = tempfile.TemporaryDirectory(prefix="workbench-tests-")
_SCRATCH = Path(_HOME.name)
_REAL_DATA = paths.data_dir()

# All of it before anything imports Qt, torch or huggingface_hub; what workbench.engine sets for them holds here too.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(
    WORKBENCH_DATA=str(_SCRATCH / "data"),
    XDG_CONFIG_HOME=str(_SCRATCH / "config"),  # QSettings
    HF_HOME=str(_SCRATCH / "hf"),
    HF_ENDPOINT="http://127.0.0.1:9",  # nobody listens there: a stray request is refused at once
)
for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ.pop(name, None)

for wait in (QtBot.waitActive, QtBot.waitExposed, QtBot.waitSignal, QtBot.waitSignals):
    wait.__kwdefaults__["timeout"] = waiting.PATIENCE
QtBot.waitUntil = waiting.until

from tests.strictness import *  # noqa: E402, F403 - its hooks and fixtures, after the environment is set


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A causal language model of a few thousand weights with a byte-level BPE tokenizer and a chat template."""
    from tests import tiny

    return tiny.build_tiny_llama(tmp_path_factory.mktemp("checkpoints") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A masked language model with a WordPiece tokenizer."""
    return _bert(tmp_path_factory, "AutoModelForMaskedLM")


@pytest.fixture(scope="session")
def tiny_bert_classifier(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A sequence classifier with the labels NEGATIVE and POSITIVE."""
    return _bert(tmp_path_factory, "AutoModelForSequenceClassification")


@pytest.fixture(scope="session")
def tiny_bert_tagger(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A token classifier."""
    return _bert(tmp_path_factory, "AutoModelForTokenClassification")


@pytest.fixture(scope="session")
def smollm2() -> Checkpoint:
    """The real SmolLM2-135M-Instruct, fetched once into the person's own data folder."""
    return _starter("smollm2")


@pytest.fixture(scope="session")
def minilm() -> Checkpoint:
    """The real all-MiniLM-L6-v2, fetched once into the person's own data folder."""
    return _starter("minilm")


@pytest.fixture
def workbench(qtbot: QtBot, tmp_path: Path) -> Iterator[Workbench]:
    """The whole program with its window, as a person has it open."""
    from PySide6.QtCore import QSettings

    from workbench.app import Workbench
    from workbench.runtime.settings import Settings

    settings = Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    workbench = Workbench(settings)
    workbench.window.show()
    qtbot.waitUntil(lambda: workbench.is_warm, timeout=120_000)
    yield workbench
    for job in workbench.runner.active:
        job.cancel()
    qtbot.waitUntil(lambda: not workbench.runner.active, timeout=30_000)
    workbench.window.close()
    workbench.window.deleteLater()


@pytest.fixture
def workbench_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder (starters, runs) of this test alone."""
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="session", autouse=True)
def _scratch_folder() -> Iterator[None]:
    yield
    _HOME.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"smollm2", "minilm"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("index")


def _bert(factory: pytest.TempPathFactory, head: str) -> Checkpoint:
    from tests import tiny

    return tiny.build_tiny_bert(factory.mktemp("checkpoints") / f"tiny-bert-{head}", head)


def _starter(key: str) -> Checkpoint:
    from workbench.engine import starters

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(_REAL_DATA))
        try:
            return starters.installed(key) or starters.get(key)
        except NetworkError as error:
            pytest.skip(f"the starter {key} can't be had: {error}")

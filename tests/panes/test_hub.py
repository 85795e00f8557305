"""The Hub pane finds, fetches, lists, loads and deletes, and says in words what went wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableView,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from tests import hub_server
from tests.hub_server import Fault, HubServer, checkpoint_files
from workbench.engine import hub, paths, starters
from workbench.engine.values import Checkpoint
from workbench.panes.hub import HubPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.quiet import QuietComboBox


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    with hub_server.running() as started:
        monkeypatch.setenv("HF_ENDPOINT", started.url)
        yield started
        hub.set_offline(False)


@pytest.fixture
def session(qapp: QApplication) -> Session:
    return Session()


@pytest.fixture
def runner(server: HubServer, qapp: QApplication) -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.shut_down()


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner) -> HubPane:
    pane = HubPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1200, 800)
    with qtbot.waitExposed(pane):
        pane.show()
    return pane


def find(pane: HubPane, kind: type, name: str) -> QWidget:
    found = pane.findChild(kind, name)
    assert found is not None, name
    return found


def rows(pane: HubPane, name: str) -> list[str]:
    model = find(pane, QTableView, name).model()
    return [str(model.index(row, 0).data()) for row in range(model.rowCount())]


def notice(pane: HubPane) -> str:
    card = pane.findChild(QWidget, "hub.notice")
    return " ".join(label.text() for label in card.findChildren(QLabel)) if card is not None else ""


def search(qtbot: QtBot, pane: HubPane, words: str) -> None:
    find(pane, QLineEdit, "hub.search").setText(words)
    qtbot.mouseClick(find(pane, QPushButton, "hub.run_search"), Qt.MouseButton.LeftButton)
    status = find(pane, QLabel, "hub.search_status")
    qtbot.waitUntil(lambda: "…" not in status.text())


def select(pane: HubPane, table: str, row: int) -> None:
    find(pane, QTableView, table).selectRow(row)


def test_a_first_start_shows_the_shelf(pane: HubPane, qtbot: QtBot) -> None:
    for starter in starters.STARTERS:
        button = find(pane, QPushButton, f"hub.starter_{starter.key}")
        assert button.isVisible() and button.text().startswith("Get ")
        words = " ".join(label.text() for label in button.parentWidget().findChildren(QLabel))
        assert starter.name in words and starter.licence in words and "MB" in words
    assert not find(pane, QTableView, "hub.results").isVisible()


def test_search_pages_in_and_shows_a_card(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    for number in range(70):
        server.add(
            f"someone/model-{number:02}", checkpoint_files(4000), downloads=100 - number, pipeline_tag="fill-mask"
        )
    search(qtbot, pane, "model")
    assert len(rows(pane, "hub.results")) == 50
    bar = find(pane, QTableView, "hub.results").verticalScrollBar()
    bar.setValue(bar.maximum())
    qtbot.waitUntil(lambda: len(rows(pane, "hub.results")) == 70)
    select(pane, "hub.results", 3)
    assert find(pane, QLabel, "hub.title").text() == "someone/model-03"
    qtbot.waitUntil(lambda: "A card" in find(pane, QWidget, "hub.card").toPlainText())
    assert "license: mit" not in find(pane, QWidget, "hub.card").toPlainText()
    assert "model.safetensors" in rows(pane, "hub.files")


def test_an_empty_search_and_no_network_are_said(
    pane: HubPane, server: HubServer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(qtbot, pane, "nothing is called this")
    assert "Nothing was found" in find(pane, QLabel, "hub.search_status").text()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    search(qtbot, pane, "x")
    qtbot.waitUntil(lambda: "could not be reached" in notice(pane))
    assert "could not be reached" in find(pane, QLabel, "hub.search_status").text()


def test_download_cancel_resume_and_it_is_there(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    files = checkpoint_files(2_000_000)
    server.add("someone/tiny", files)
    server.faults["model.safetensors"] = [Fault("stall", after=1_200_000)]
    search(qtbot, pane, "tiny")
    select(pane, "hub.results", 0)
    qtbot.mouseClick(find(pane, QPushButton, "hub.download"), Qt.MouseButton.LeftButton)
    progress = find(pane, QProgressBar, "hub.progress")
    qtbot.waitUntil(lambda: progress.isVisible() and server.stalled.is_set())
    qtbot.waitUntil(lambda: "MB" in find(pane, QLabel, "hub.progress_text").text())
    qtbot.mouseClick(find(pane, QPushButton, "hub.cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "someone/tiny (unfinished)" in rows(pane, "hub.local"))
    assert not progress.isVisible()
    server.sent.clear()
    select(pane, "hub.local", 0)
    resume = find(pane, QPushButton, "hub.download")
    assert resume.text() == resume.accessibleName() == "Resume"
    qtbot.mouseClick(resume, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["someone/tiny"])
    ((name, start, _),) = server.sent
    assert name == "model.safetensors" and start > 0
    qtbot.waitUntil(lambda: find(pane, QPushButton, "hub.load").isVisible())


def test_a_wrong_hash_is_a_notice(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.faults["model.safetensors"] = [Fault("flip", after=1000)]
    pane.download("someone/tiny")
    qtbot.waitUntil(lambda: "hash" in notice(pane))
    assert rows(pane, "hub.local") == []


def test_load_with_choices_and_a_fresh_head(
    pane: HubPane, session: Session, tiny_bert: Checkpoint, qtbot: QtBot
) -> None:
    shutil.copytree(tiny_bert.path, paths.runs_dir() / "my-run")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["my-run"])
    select(pane, "hub.local", 0)
    head = find(pane, QuietComboBox, "hub.head")
    qtbot.waitUntil(lambda: head.count() > 0)
    assert head.currentData() == "AutoModelForMaskedLM"
    find(pane, QuietComboBox, "hub.dtype").setCurrentText("bfloat16")
    head.setCurrentIndex(head.findData("AutoModelForSequenceClassification"))
    assert "untrained" in find(pane, QLabel, "hub.needs").text()
    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        qtbot.mouseClick(find(pane, QPushButton, "hub.load"), Qt.MouseButton.LeftButton)
    assert session.model is not None
    assert (session.model.dtype, session.model.head) == ("bfloat16", "AutoModelForSequenceClassification")
    assert "untrained" in notice(pane) and "Warning" in notice(pane)


def test_a_failed_load_changes_nothing(
    pane: HubPane, session: Session, tiny_bert: Checkpoint, qtbot: QtBot, tmp_path: Path
) -> None:
    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        pane.load(tiny_bert)
    before = session.model
    shutil.copytree(tiny_bert.path, tmp_path / "broken")
    weights = tmp_path / "broken" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    pane.load(Checkpoint("broken", tmp_path / "broken"))
    qtbot.waitUntil(lambda: "cut off" in notice(pane))
    assert session.model is before
    pane.load(Checkpoint("gone", tmp_path / "gone"))
    qtbot.waitUntil(lambda: "no folder" in notice(pane))
    assert session.model is before


def test_a_new_model_frees_the_one_before(
    pane: HubPane, session: Session, tiny_bert: Checkpoint, tiny_llama: Checkpoint, qtbot: QtBot
) -> None:
    import weakref

    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        pane.load(tiny_llama)
    assert session.model is not None
    older = weakref.ref(session.model.model)
    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        pane.load(tiny_bert)
    qtbot.waitUntil(lambda: older() is None, timeout=10_000)


def test_two_models_stand_side_by_side_change_places_and_are_unloaded(
    pane: HubPane, session: Session, tiny_bert: Checkpoint, tiny_llama: Checkpoint, qtbot: QtBot
) -> None:
    import weakref

    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        pane.load(tiny_llama)
    with qtbot.waitSignal(session.second_changed, timeout=60_000):
        pane.load(tiny_bert, second=True)
    assert session.model is not None and session.second is not None
    assert (session.model.checkpoint, session.second.checkpoint) == (tiny_llama, tiny_bert)
    qtbot.mouseClick(find(pane, QToolButton, "hub.swap"), Qt.MouseButton.LeftButton)
    assert (session.model.checkpoint, session.second.checkpoint) == (tiny_bert, tiny_llama)
    gone = [weakref.ref(session.model.model), weakref.ref(session.second.model)]
    for name in ("hub.unload", "hub.unload_second"):
        pane.clear_notices()
        qtbot.mouseClick(find(pane, QPushButton, name), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: "given back" in notice(pane), timeout=10_000)
    assert session.model is None and session.second is None
    assert [each() for each in gone] == [None, None], "the weights are out of memory"


def test_delete_asks_and_frees(pane: HubPane, server: HubServer, session: Session, qtbot: QtBot) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["someone/tiny"])
    select(pane, "hub.local", 0)
    delete = find(pane, QPushButton, "hub.delete")
    qtbot.mouseClick(delete, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(find(pane, QPushButton, "hub.consent_no"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "hub.consent") is None)
    assert made.path.exists()
    qtbot.mouseClick(delete, Qt.MouseButton.LeftButton)
    assert "kB" in find(pane, QWidget, "hub.consent").informativeText()
    qtbot.mouseClick(find(pane, QPushButton, "hub.consent_yes"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == [])
    assert not made.path.exists()
    assert "were freed" in notice(pane)


def test_what_is_loaded_is_not_deleted(pane: HubPane, session: Session, tiny_bert: Checkpoint, qtbot: QtBot) -> None:
    shutil.copytree(tiny_bert.path, paths.runs_dir() / "my-run")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["my-run"])
    select(pane, "hub.local", 0)
    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        pane.load(replace(tiny_bert, path=paths.runs_dir() / "my-run"))
    qtbot.mouseClick(find(pane, QPushButton, "hub.delete"), Qt.MouseButton.LeftButton)
    assert pane.findChild(QWidget, "hub.consent") is None
    assert "is loaded" in notice(pane)


def test_a_dropped_folder_is_listed_and_another_refused(
    pane: HubPane, tiny_bert: Checkpoint, qtbot: QtBot, tmp_path: Path
) -> None:
    def drop(path: Path) -> None:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        none = Qt.KeyboardModifier.NoModifier
        pane.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, none))

    drop(tmp_path)
    qtbot.waitUntil(lambda: "no config.json" in notice(pane))
    drop(tiny_bert.path)
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == [tiny_bert.path.name])
    assert find(pane, QLabel, "hub.title").text() == tiny_bert.path.name


def test_offline_holds_everything_back_and_local_goes_on(
    pane: HubPane, session: Session, server: HubServer, tiny_bert: Checkpoint, qtbot: QtBot
) -> None:
    find(pane, QCheckBox, "hub.offline").setChecked(True)
    assert session.offline and hub.offline()
    search(qtbot, pane, "x")
    qtbot.waitUntil(lambda: "offline switch is on" in notice(pane))
    qtbot.mouseClick(find(pane, QPushButton, "hub.starter_minilm"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Could not get" in notice(pane))
    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        pane.load_folder(tiny_bert.path)
    assert server.requests == []
    session.set_offline(False)
    assert not find(pane, QCheckBox, "hub.offline").isChecked()


def test_a_starter_is_got_with_one_button_and_loaded_with_it(
    pane: HubPane,
    session: Session,
    tiny_bert: Checkpoint,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def get(key: str, *, task: object) -> Checkpoint:
        shutil.copytree(tiny_bert.path, paths.starters_dir() / key)
        (paths.starters_dir() / key / "starter.json").write_text('{"name": "all-MiniLM-L6-v2"}')
        found = starters.installed(key)
        assert found is not None
        return found

    monkeypatch.setattr(starters, "get", get)
    button = find(pane, QPushButton, "hub.starter_minilm")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: button.text() == "Load")
    assert rows(pane, "hub.local") == ["all-MiniLM-L6-v2"]
    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert session.checkpoint is not None and session.checkpoint.source == "starter"


def test_code_follows_the_selection(pane: HubPane, server: HubServer, tiny_bert: Checkpoint, qtbot: QtBot) -> None:
    server.add("someone/tiny", checkpoint_files())
    pane.show_code(True)
    search(qtbot, pane, "tiny")
    select(pane, "hub.results", 0)
    assert "snapshot_download" in pane.code and "someone/tiny" in pane.code
    pane.load_folder(tiny_bert.path)
    qtbot.waitUntil(lambda: "AutoModelForMaskedLM" in pane.code)
    qtbot.waitUntil(lambda: not pane._runner.active, timeout=60_000)
    dtype = find(pane, QuietComboBox, "hub.dtype")
    dtype.setCurrentText("float16")
    assert "float16" in pane.code

"""The Hub pane finds, fetches, lists, loads and deletes, and says in words what went wrong."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QObject, QPointF, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QDropEvent
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTableView,
    QTabWidget,
    QTreeWidget,
    QWidget,
)
from pytestqt.qtbot import QtBot

from tests import hub_server
from tests.engine.hub.test_fetch import Watched
from tests.hub_server import Fault, HubServer, checkpoint_files
from tests.tiny_gguf import build_tiny_gguf
from workbench.engine import hub, paths, starters
from workbench.engine.hub import Order
from workbench.engine.task import Cancelled
from workbench.engine.values import Checkpoint
from workbench.panes.hub import HubPane
from workbench.panes.hub.details import Details
from workbench.panes.hub.pack_view import PackView
from workbench.panes.hub.shelf import Shelf
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.quantities import format_bytes
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


def column(pane: HubPane, name: str, number: int) -> list[str]:
    model = find(pane, QTableView, name).model()
    return [str(model.index(row, number).data()) for row in range(model.rowCount())]


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


def test_the_shelf_lies_down_where_its_cards_can_not_stand_side_by_side(qtbot: QtBot) -> None:
    shelf, known = Shelf(), {starter.name for starter in starters.STARTERS}
    qtbot.addWidget(shelf)
    shelf.show()
    for width, lying in ((900, False), (420, True), (900, False)):
        shelf.resize(width, 300)
        qtbot.waitUntil(lambda lying=lying: shelf.lying == lying)
        names = [each for each in shelf.findChildren(ElidedLabel) if each.text() in known]
        assert len(names) == len(known)
        qtbot.waitUntil(lambda names=names: all(each.shown == each.text() for each in names))


def test_a_low_pane_never_cuts_the_cards_of_the_shelf(pane: HubPane, qtbot: QtBot) -> None:
    pane.resize(480, 420)
    column, shelf = pane.findChild(QScrollArea, "hub.left"), pane.findChild(Shelf)

    def whole() -> bool:
        return shelf.lying and shelf.mapTo(column, shelf.rect().bottomLeft()).y() <= column.viewport().height()

    qtbot.waitUntil(whole)


def test_a_first_start_shows_the_shelf(pane: HubPane, qtbot: QtBot) -> None:
    for starter in starters.STARTERS:
        button = find(pane, QPushButton, f"hub.starter_{starter.key}")
        assert button.isVisible() and button.text().startswith("Get ")
        card = button.parentWidget().parentWidget()
        words = " ".join(label.text() for label in card.findChildren(QLabel))
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
    qtbot.waitUntil(lambda: column(pane, "hub.local", 1) == ["unfinished"])
    assert not progress.isVisible()
    server.sent.clear()
    select(pane, "hub.local", 0)
    resume = find(pane, QPushButton, "hub.download")
    assert resume.text() == resume.accessibleName() == "Resume"
    qtbot.mouseClick(resume, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: column(pane, "hub.local", 1) == ["complete"])
    assert {name: start for name, start, _ in server.sent}["model.safetensors"] > 0
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
    qtbot.mouseClick(find(pane, QPushButton, "hub.swap"), Qt.MouseButton.LeftButton)
    assert (session.model.checkpoint, session.second.checkpoint) == (tiny_bert, tiny_llama)
    gone = [weakref.ref(session.model.model), weakref.ref(session.second.model)]
    for name in ("hub.unload", "hub.unload_second"):
        pane.clear_notices()
        qtbot.mouseClick(find(pane, QPushButton, name), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: "given back" in notice(pane), timeout=10_000)
    assert session.model is None and session.second is None
    assert [each() for each in gone] == [None, None], "the weights are out of memory"


def in_memory(pane: HubPane) -> list[str]:
    """Names of the loaded models as the lines of the pane have them."""
    lines = [label for label in pane.findChildren(QLabel) if label.objectName().startswith("hub.loaded_words")]
    return [label.text() for label in lines if label.isVisible()]


def test_any_number_of_models_is_in_memory_and_each_is_shown_used_and_given_back(
    pane: HubPane, session: Session, tiny_bert: Checkpoint, tiny_llama: Checkpoint, tiny_bert_classifier: Checkpoint,
    qtbot: QtBot,
) -> None:  # fmt: skip
    import weakref

    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        pane.load(tiny_llama)
    for another in (tiny_bert, tiny_bert_classifier, tiny_bert):
        with qtbot.waitSignal(session.second_changed, timeout=60_000):
            pane.load(another, second=True)
        qtbot.waitUntil(lambda: not pane._loading.active)
    assert [each.checkpoint for each in session.models] == [tiny_llama, tiny_bert, tiny_bert_classifier, tiny_bert]
    first, bert, classifier, twin = session.models
    assert (session.model, session.second) == (first, twin)
    qtbot.waitUntil(lambda: len(in_memory(pane)) == 4)
    order = [first, twin, bert, classifier]
    for line, model in zip(in_memory(pane), order, strict=True):
        assert f" · {format_bytes(model.bytes)} · {model.checkpoint.name} · " in line
    qtbot.mouseClick(find(pane, QPushButton, "hub.use_4"), Qt.MouseButton.LeftButton)
    assert (session.model, session.second, len(session.models)) == (classifier, twin, 4)
    find(pane, QPushButton, "hub.make_second_3").click()
    assert (session.model, session.second, len(session.models)) == (classifier, first, 4)
    gone = [weakref.ref(each.model) for each in session.models]
    kept = weakref.ref(classifier.model)
    del first, bert, classifier, twin, order, model
    for name, left in (("hub.unload_4", 3), ("hub.unload_3", 2), ("hub.unload_second", 1)):
        pane.clear_notices()
        qtbot.waitUntil(lambda name=name: pane.findChild(QPushButton, name) is not None)
        find(pane, QPushButton, name).click()
        qtbot.waitUntil(lambda: "given back" in notice(pane), timeout=10_000)
        assert len(session.models) == left
    assert session.second is None and session.model is not None and session.model.model is kept()
    assert [each() for each in gone if each is not kept].count(None) == 3, "the weights are out of memory"


def test_what_is_kept_in_memory_is_not_deleted_either(
    pane: HubPane, session: Session, tiny_bert: Checkpoint, tiny_llama: Checkpoint, qtbot: QtBot
) -> None:
    shutil.copytree(tiny_bert.path, paths.runs_dir() / "my-run")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["my-run"])
    for checkpoint in (replace(tiny_bert, path=paths.runs_dir() / "my-run"), tiny_llama):
        with qtbot.waitSignal(session.second_changed, timeout=60_000):
            pane.load(checkpoint, second=True)
        qtbot.waitUntil(lambda: not pane._loading.active)
    assert session.second is not None and session.second.checkpoint == tiny_llama
    select(pane, "hub.local", 0)
    qtbot.mouseClick(find(pane, QPushButton, "hub.delete"), Qt.MouseButton.LeftButton)
    assert pane.findChild(QWidget, "hub.consent") is None
    assert "is loaded" in notice(pane)


def test_delete_asks_and_frees(pane: HubPane, server: HubServer, session: Session, qtbot: QtBot) -> None:
    server.add("someone/tiny", checkpoint_files())
    made = hub.download("someone/tiny")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["someone/tiny"])
    select(pane, "hub.local", 0)
    delete = find(pane, QPushButton, "hub.delete")
    qtbot.mouseClick(delete, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "hub.consent") is not None)
    qtbot.mouseClick(find(pane, QPushButton, "hub.consent_no"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "hub.consent") is None)
    assert made.path.exists()
    qtbot.mouseClick(delete, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "hub.consent") is not None)
    assert "kB are freed" in find(pane, QWidget, "hub.consent").informativeText()
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
    drop(pane, tmp_path)
    qtbot.waitUntil(lambda: "no config.json" in notice(pane))
    drop(pane, tiny_bert.path)
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


def names_of_tabs(pane: HubPane) -> list[str]:
    places = find(pane, QTabWidget, "hub.places")
    return [places.tabText(number) for number in range(places.count())]


def click(qtbot: QtBot, pane: HubPane, name: str) -> None:
    button = find(pane, QPushButton, name)
    assert button.isEnabled(), name
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def show_queue(pane: HubPane) -> None:
    find(pane, QTabWidget, "hub.places").setCurrentIndex(1)


def test_a_download_is_paused_and_goes_on_with_what_is_missing(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    server.add("someone/tiny", checkpoint_files(2_000_000))
    server.faults["model.safetensors"] = [Fault("stall", after=1_200_000)]
    show_queue(pane)
    pane.download("someone/tiny")
    qtbot.waitUntil(server.stalled.is_set)
    qtbot.waitUntil(lambda: "59 %" in column(pane, "hub.queue", 2)[0])
    assert names_of_tabs(pane)[1] == "Downloads (1)"
    there = {"README.md": "there", "config.json": "there", "tokenizer.json": "there"}
    wanted = {**there, "model.safetensors": "fetching"}
    names = rows(pane, "hub.queue_files")
    qtbot.waitUntil(lambda: dict(zip(names, column(pane, "hub.queue_files", 1), strict=True)) == wanted)
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 3)[0].endswith("B/s"))
    click(qtbot, pane, "hub.queue_pause")
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["paused"])
    assert column(pane, "hub.queue_files", 1).count("paused") == 1
    server.sent.clear()
    toggle = find(pane, QPushButton, "hub.queue_pause")
    assert toggle.text() == toggle.accessibleName() == "Continue"
    click(qtbot, pane, "hub.queue_pause")
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["done"])
    assert {name: start for name, start, _ in server.sent}["model.safetensors"] > 0
    assert names_of_tabs(pane)[1] == "Downloads" and hub.remembered() == ()
    click(qtbot, pane, "hub.queue_clear")
    assert rows(pane, "hub.queue") == []


def test_several_come_at_once_and_all_are_paused_with_one_button(
    pane: HubPane, server: HubServer, qtbot: QtBot
) -> None:
    server.faults["model.safetensors"] = [Fault("stall", after=1000, times=3)]
    for number in range(4):
        server.add(f"someone/tiny-{number}", checkpoint_files(200_000 + 4 * number))
        pane.download(f"someone/tiny-{number}")
    show_queue(pane)
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["fetching"] * 3 + ["waiting"])
    qtbot.waitUntil(lambda: len(hub.remembered()) == 4 and not server.faults["model.safetensors"])
    click(qtbot, pane, "hub.queue_all")
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["paused"] * 4)
    click(qtbot, pane, "hub.queue_all")
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["done"] * 4, timeout=10_000)
    qtbot.waitUntil(lambda: sorted(rows(pane, "hub.local")) == [f"someone/tiny-{number}" for number in range(4)])


def test_searching_never_waits_for_downloads(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    server.faults["model.safetensors"] = [Fault("stall", after=1000, times=9)]
    for number in range(5):
        server.add(f"someone/tiny-{number}", checkpoint_files(200_000 + 4 * number))
        pane.download(f"someone/tiny-{number}")
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1).count("fetching") == 3)
    search(qtbot, pane, "tiny-4")
    assert rows(pane, "hub.results") == ["someone/tiny-4"]


def test_a_canceled_download_leaves_the_queue_for_good(
    pane: HubPane, server: HubServer, session: Session, runner: Runner, qtbot: QtBot
) -> None:
    server.add("someone/tiny", checkpoint_files(2_000_000))
    server.faults["model.safetensors"] = [Fault("stall", after=1_200_000)]
    pane.download("someone/tiny")
    qtbot.waitUntil(server.stalled.is_set)
    show_queue(pane)
    click(qtbot, pane, "hub.queue_cancel")
    qtbot.waitUntil(lambda: rows(pane, "hub.queue") == [])
    qtbot.waitUntil(lambda: hub.remembered() == ())
    qtbot.waitUntil(lambda: column(pane, "hub.local", 1) == ["unfinished"])


def test_the_next_start_offers_what_the_last_one_did_not_finish(
    server: HubServer, session: Session, runner: Runner, qtbot: QtBot
) -> None:
    server.add("someone/tiny", checkpoint_files(2_000_000))
    with pytest.raises(Cancelled):
        hub.fulfil(Order("someone/tiny"), task=Watched(stop_at=1_200_000))
    server.sent.clear()
    after = HubPane(session, runner)
    qtbot.addWidget(after)
    qtbot.waitUntil(lambda: rows(after, "hub.queue") == ["someone/tiny"])
    assert column(after, "hub.queue", 1) == ["paused"] and server.sent == [], "it is offered, not begun"
    assert not column(after, "hub.queue", 2)[0].startswith("0 %")
    assert names_of_tabs(after)[1] == "Downloads (1)"
    click(qtbot, after, "hub.queue_pause")
    qtbot.waitUntil(lambda: column(after, "hub.queue", 1) == ["done"])
    assert ("model.safetensors", True) in {(name, start > 0) for name, start, _ in server.sent}


def test_a_failed_download_says_why_and_can_be_tried_again(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    server.add("someone/tiny", checkpoint_files())
    server.faults["model.safetensors"] = [Fault("flip", after=1000)]
    show_queue(pane)
    pane.download("someone/tiny")
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["failed"])
    assert "hash" in notice(pane)
    click(qtbot, pane, "hub.queue_pause")
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["done"])


def test_files_can_be_chosen(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    server.add("someone/tiny", checkpoint_files())
    search(qtbot, pane, "tiny")
    select(pane, "hub.results", 0)
    click(qtbot, pane, "hub.choose")
    qtbot.waitUntil(lambda: "Choose files" in names_of_tabs(pane))
    tree = find(pane, QTreeWidget, "hub.choice")
    assert tree.topLevelItemCount() == 7
    ticked = {tree.topLevelItem(row).text(0): tree.topLevelItem(row).checkState(0) for row in range(7)}
    assert {name for name, state in ticked.items() if state == Qt.CheckState.Checked} == {
        "README.md", "config.json", "model.safetensors", "tokenizer.json",
    }  # fmt: skip
    for row in range(7):
        item = tree.topLevelItem(row)
        wanted = item.text(0) in ("config.json", "onnx/model.onnx")
        item.setCheckState(0, Qt.CheckState.Checked if wanted else Qt.CheckState.Unchecked)
    assert find(pane, QLabel, "hub.choice_sum").text().startswith("2 of 7 files")
    click(qtbot, pane, "hub.choice_download")
    assert find(pane, QTabWidget, "hub.places").currentIndex() == 1
    assert names_of_tabs(pane) == ["On this machine", "Downloads (1)"]
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["done"])
    # The card was read too, to be shown.
    assert {name for name, _, _ in server.sent} - {"README.md"} == {"config.json", "onnx/model.onnx"}


def test_several_revisions_are_deleted_with_what_is_freed_said_first(
    pane: HubPane, server: HubServer, session: Session, qtbot: QtBot
) -> None:
    server.add("someone/one", checkpoint_files(400_000))
    server.add("someone/two", checkpoint_files(600_000))
    hub.download("someone/one")
    hub.download("someone/two")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: len(rows(pane, "hub.local")) == 2)
    find(pane, QTableView, "hub.local").selectAll()
    click(qtbot, pane, "hub.delete")
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "hub.consent") is not None)
    assert "1.00 MB are freed" in find(pane, QWidget, "hub.consent").informativeText()
    qtbot.mouseClick(find(pane, QPushButton, "hub.consent_yes"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == [])
    assert "1.00 MB were freed" in notice(pane)


def test_what_is_pinned_is_held_back_from_delete(
    pane: HubPane, server: HubServer, session: Session, qtbot: QtBot
) -> None:
    server.add("someone/tiny", checkpoint_files())
    hub.download("someone/tiny")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: len(rows(pane, "hub.local")) == 1)
    select(pane, "hub.local", 0)
    click(qtbot, pane, "hub.pin")
    qtbot.waitUntil(lambda: column(pane, "hub.local", 1) == ["pinned"])
    assert not find(pane, QPushButton, "hub.delete").isEnabled()
    assert find(pane, QPushButton, "hub.pin").accessibleName() == "Unpin"
    click(qtbot, pane, "hub.pin")
    qtbot.waitUntil(lambda: find(pane, QPushButton, "hub.delete").isEnabled())


def test_verify_says_what_is_damaged_and_fetches_it_again(
    pane: HubPane, server: HubServer, session: Session, qtbot: QtBot
) -> None:
    files = checkpoint_files()
    server.add("someone/tiny", files)
    made = hub.download("someone/tiny")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: len(rows(pane, "hub.local")) == 1)
    select(pane, "hub.local", 0)
    click(qtbot, pane, "hub.verify")
    qtbot.waitUntil(lambda: "is whole" in notice(pane))
    weights = made.path / "model.safetensors"
    weights.write_bytes(b"\0" + weights.read_bytes()[1:])
    click(qtbot, pane, "hub.verify")
    qtbot.waitUntil(lambda: "model.safetensors is damaged" in notice(pane))
    click(qtbot, pane, "hub.notice_action")
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["done"])
    assert weights.read_bytes() == files["model.safetensors"]


def test_the_folder_is_shown_in_the_file_manager(
    pane: HubPane, tiny_bert: Checkpoint, session: Session, qtbot: QtBot
) -> None:
    shown: list[str] = []

    class Manager(QObject):
        @Slot(QUrl)
        def show(self, url: QUrl) -> None:
            shown.append(url.toLocalFile())

    manager = Manager()
    QDesktopServices.setUrlHandler("file", manager, "show")
    try:
        shutil.copytree(tiny_bert.path, paths.runs_dir() / "my-run")
        session.local_changed.emit()
        qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["my-run"])
        select(pane, "hub.local", 0)
        click(qtbot, pane, "hub.show_folder")
        assert [Path(each) for each in shown] == [paths.runs_dir() / "my-run"]
    finally:
        QDesktopServices.unsetUrlHandler("file")


def drop(pane: HubPane, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    none = Qt.KeyboardModifier.NoModifier
    pane.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, none))


def test_a_dropped_gguf_file_becomes_a_checkpoint(pane: HubPane, qtbot: QtBot, tmp_path: Path) -> None:
    file, _ = build_tiny_gguf(tmp_path / "tiny.gguf")
    drop(pane, file)
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["tiny"], timeout=60_000)
    assert column(pane, "hub.local", 5) == ["imported"] and find(pane, QLabel, "hub.title").text() == "tiny"
    (tmp_path / "bad.gguf").write_bytes(b"no such thing")
    drop(pane, tmp_path / "bad.gguf")
    qtbot.waitUntil(lambda: "no GGUF file" in notice(pane))


def test_a_pack_is_exported_and_dropped_elsewhere(
    pane: HubPane, server: HubServer, session: Session, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("someone/tiny", checkpoint_files())
    hub.download("someone/tiny")
    session.local_changed.emit()
    qtbot.waitUntil(lambda: len(rows(pane, "hub.local")) == 1)
    select(pane, "hub.local", 0)
    click(qtbot, pane, "hub.pack_begin")
    assert names_of_tabs(pane)[-1] == "Model pack" and rows(pane, "hub.pack") == ["someone/tiny"]
    data = tmp_path / "rows.csv"
    data.write_text("text\nfine\n")
    view = pane.findChild(PackView)
    view.add_data((data,))
    view.export_to(tmp_path / "stick")
    qtbot.waitUntil(lambda: "stick.zip is written" in notice(pane))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "other" / "cache"))
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "other" / "data"))
    session.local_changed.emit()
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == [])
    pane.clear_notices()
    drop(pane, tmp_path / "stick.zip")
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "hub.consent") is not None)
    assert "someone/tiny" in find(pane, QWidget, "hub.consent").informativeText()
    assert hub.local_checkpoints() == (), "nothing is written before the person agrees"
    qtbot.mouseClick(find(pane, QPushButton, "hub.consent_yes"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["someone/tiny"])
    assert "The pack is in" in notice(pane)


def test_a_hostile_pack_is_a_notice(pane: HubPane, qtbot: QtBot, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil", b"evil")
    drop(pane, tmp_path / "evil.zip")
    qtbot.waitUntil(lambda: "tampered" in notice(pane))
    assert pane.findChild(QWidget, "hub.consent") is None


def test_what_is_being_fetched_is_not_deleted_and_what_is_deleted_leaves_the_queue(
    pane: HubPane, server: HubServer, session: Session, qtbot: QtBot
) -> None:
    server.add("someone/tiny", checkpoint_files(2_000_000))
    server.faults["model.safetensors"] = [Fault("stall", after=1_200_000)]
    pane.download("someone/tiny")
    qtbot.waitUntil(server.stalled.is_set)
    session.local_changed.emit()
    qtbot.waitUntil(lambda: column(pane, "hub.local", 1) == ["unfinished"])
    select(pane, "hub.local", 0)
    click(qtbot, pane, "hub.delete")
    assert "is being fetched" in notice(pane)
    pane.clear_notices()
    pane.stop_main_action()
    qtbot.waitUntil(lambda: column(pane, "hub.queue", 1) == ["paused"])
    click(qtbot, pane, "hub.delete")
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "hub.consent") is not None)
    qtbot.mouseClick(find(pane, QPushButton, "hub.consent_yes"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == [] == rows(pane, "hub.queue"))
    qtbot.waitUntil(lambda: hub.remembered() == ())


def test_several_rows_stay_selected_when_the_list_is_looked_at_again(
    pane: HubPane, tiny_bert: Checkpoint, session: Session, qtbot: QtBot
) -> None:
    for name in ("one", "two"):
        shutil.copytree(tiny_bert.path, paths.runs_dir() / name)
    session.local_changed.emit()
    qtbot.waitUntil(lambda: rows(pane, "hub.local") == ["one", "two"])
    table = find(pane, QTableView, "hub.local")
    table.selectAll()
    click(qtbot, pane, "hub.pin")
    qtbot.waitUntil(lambda: column(pane, "hub.local", 1) == ["pinned", "pinned"])
    assert len(table.selectionModel().selectedRows()) == 2


def test_other_files_of_what_is_being_fetched_are_asked_for_later(
    pane: HubPane, server: HubServer, qtbot: QtBot
) -> None:
    server.add("someone/tiny", checkpoint_files(2_000_000))
    server.faults["model.safetensors"] = [Fault("stall", after=1_200_000)]
    pane.download("someone/tiny")
    qtbot.waitUntil(server.stalled.is_set)
    search(qtbot, pane, "tiny")
    select(pane, "hub.results", 0)
    pane.findChild(Details).choose_requested.emit("someone/tiny")
    qtbot.waitUntil(lambda: "Choose files" in names_of_tabs(pane))
    click(qtbot, pane, "hub.choice_all")
    click(qtbot, pane, "hub.choice_download")
    assert "fetched already" in notice(pane) and len(rows(pane, "hub.queue")) == 1

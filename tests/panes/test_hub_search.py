"""Searching with filters, judging what was found, reading it without a network, and consent before anything runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QBuffer, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QImage
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QDialog,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QTableView,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from tests import hub_server
from tests.hub_server import HubServer, checkpoint_files
from workbench.engine import hub, loadable, machine
from workbench.engine.values import Checkpoint
from workbench.panes.hub import HubPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.quiet import QuietComboBox

_CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 3, "hidden_size": 64,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000, "max_position_embeddings": 512,
}  # fmt: skip


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    with hub_server.running() as started:
        monkeypatch.setenv("HF_ENDPOINT", started.url)
        for number in range(3):
            add(started, f"someone/model-{number}", downloads=100 - number)
        yield started
        hub.set_offline(False)


@pytest.fixture
def pane(server: HubServer, qtbot: QtBot, qapp: QApplication) -> Iterator[HubPane]:
    runner = Runner()
    pane = HubPane(Session(), runner)
    qtbot.addWidget(pane)
    pane.resize(1200, 800)
    with qtbot.waitExposed(pane):
        pane.show()
    yield pane
    runner.shut_down()


def add(server: HubServer, name: str, **more: Any) -> None:
    listing: dict[str, Any] = {
        "downloads": 10,
        "pipeline_tag": "text-generation",
        "tags": ["en", "license:mit", "safetensors", "transformers"],
        "library_name": "transformers",
        "cardData": {"license": "mit", "language": ["en"]},
        "safetensors": {"parameters": {"BF16": 1_000_000}, "total": 1_000_000},
        "config": {"model_type": "llama"},
        **more,
    }
    server.add(name, {**checkpoint_files(4000), "config.json": json.dumps(_CONFIG).encode()}, **listing)


def find(pane: HubPane, kind: type, name: str) -> Any:
    found = pane.findChild(kind, name)
    assert found is not None, name
    return found


def names(pane: HubPane) -> list[str]:
    model = find(pane, QTableView, "hub.results").model()
    return [str(model.index(row, 0).data()) for row in range(model.rowCount())]


def search(qtbot: QtBot, pane: HubPane, words: str = "") -> None:
    find(pane, QLineEdit, "hub.search").setText(words)
    qtbot.mouseClick(find(pane, QPushButton, "hub.run_search"), Qt.MouseButton.LeftButton)
    wait(qtbot, pane)


def wait(qtbot: QtBot, pane: HubPane) -> None:
    status = find(pane, QLabel, "hub.search_status")
    qtbot.waitUntil(lambda: "…" not in status.text())


def facts(pane: HubPane) -> str:
    return " ".join(label.text() for label in find(pane, QWidget, "hub.title").parentWidget().findChildren(QLabel))


def choose(box: QuietComboBox, data: object) -> None:
    box.setCurrentIndex(box.findData(data))
    box.activated.emit(box.currentIndex())


def test_filters_sift_the_results(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    add(server, "other/pickled", safetensors=None, downloads=5)
    search(qtbot, pane)
    assert len(names(pane)) == 4
    filters = find(pane, QToolButton, "hub.filters")
    author = find(pane, QLineEdit, "hub.author")
    assert not author.isVisible()
    filters.click()
    assert author.isVisible()
    author.setText("other")
    qtbot.keyClick(author, Qt.Key.Key_Return)
    wait(qtbot, pane)
    assert names(pane) == ["other/pickled"]
    find(pane, QCheckBox, "hub.loads").setChecked(True)
    wait(qtbot, pane)
    assert names(pane) == [] and "fewer filters" in find(pane, QLabel, "hub.search_status").text()


def test_a_row_says_its_licence_and_whether_its_weights_fit(
    pane: HubPane, server: HubServer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free", lambda device="cpu": 10**9)
    huge = {"parameters": {"F32": 10**9}, "total": 10**9}
    add(server, "a/huge", downloads=500, safetensors=huge, tags=["license:gpl-3.0"], cardData={})
    add(server, "a/unknown", downloads=400, safetensors=None)
    search(qtbot, pane)
    table = find(pane, QTableView, "hub.results").model()
    titles = [table.headerData(at, Qt.Orientation.Horizontal) for at in range(table.columnCount())]
    shown = [
        [str(table.index(row, titles.index(title)).data() or "") for title in ("Name", "Fits?", "Licence")]
        for row in range(3)
    ]
    assert shown == [["a/huge", "no", "gpl-3.0"], ["a/unknown", "", "mit"], ["someone/model-0", "yes", "mit"]]


def test_data_sets_are_found_and_read(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    repo = server.add("a/data", {"README.md": b"# Rows"}, downloads=2, tags=["license:cc0-1.0"])
    repo.kind = "dataset"
    search(qtbot, pane)
    choose(find(pane, QuietComboBox, "hub.kind"), "dataset")
    wait(qtbot, pane)
    assert names(pane) == ["a/data"]
    find(pane, QTableView, "hub.results").selectRow(0)
    qtbot.waitUntil(lambda: "Rows" in find(pane, QWidget, "hub.card").toPlainText())
    assert "in the Trainer" in facts(pane) and "nothing is asked for" in facts(pane)
    assert not find(pane, QPushButton, "hub.download").isVisible()


def test_it_is_judged_before_it_is_fetched(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    server.repos["someone/model-0"].branches = ("dev",)
    search(qtbot, pane)
    find(pane, QTableView, "hub.results").selectRow(0)
    fits = find(pane, QLabel, "hub.fits")
    assert "at least 2.00 MB" in fits.text()
    revision = find(pane, QuietComboBox, "hub.revision")
    qtbot.waitUntil(lambda: revision.isVisible())
    assert [revision.itemData(at) for at in range(revision.count())] == ["main", "dev", "v1"]
    assert fits.text().startswith("Fits: needs") and "least" not in fits.text()
    config = find(pane, QTableView, "hub.config").model()
    assert "LlamaForCausalLM" in [config.index(row, 1).data() for row in range(config.rowCount())]
    assert "selling included" in facts(pane) and "open" in facts(pane)
    choose(revision, "dev")
    qtbot.waitUntil(lambda: any("/revision/dev" in path for path in server.paths("model-0")))
    qtbot.waitUntil(lambda: find(pane, QTableView, "hub.config").model().rowCount() > 0)


def test_the_estimate_follows_the_context_and_shows_its_sum(pane: HubPane, qtbot: QtBot) -> None:
    search(qtbot, pane)
    find(pane, QTableView, "hub.results").selectRow(0)
    formula = find(pane, QLabel, "hub.fits_formula")
    qtbot.waitUntil(lambda: "KV cache: 2 × 2 heads × 16" in formula.text())
    context = find(pane, QSpinBox, "hub.fits_context")
    assert context.maximum() == 512
    context.setValue(100)
    assert "3 layers × 100 tokens × 2 bytes" in formula.text() and "1,000,000 × 2 bytes" in formula.text()
    assert find(pane, QPushButton, "hub.download").isEnabled()


def test_a_gated_repository_has_one_link_to_its_page(
    pane: HubPane, server: HubServer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(server, "a/closed", gated="manual")
    server.repos["a/closed"].gated = True
    search(qtbot, pane, "closed")
    find(pane, QTableView, "hub.results").selectRow(0)
    access = find(pane, QPushButton, "hub.access")
    qtbot.waitUntil(lambda: access.isVisible())
    assert "ask its authors" in facts(pane)
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(QUrl(url).toString()))
    access.click()
    assert opened == [f"{server.url}/a/closed"]


def test_without_a_network_what_was_seen_is_still_there(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    search(qtbot, pane)
    find(pane, QTableView, "hub.results").selectRow(1)
    qtbot.waitUntil(lambda: "A card" in find(pane, QWidget, "hub.card").toPlainText())
    find(pane, QCheckBox, "hub.offline").setChecked(True)
    status = find(pane, QLabel, "hub.search_status")
    search(qtbot, pane)
    qtbot.waitUntil(lambda: "from the last search" in status.text())
    assert names(pane) == ["someone/model-0", "someone/model-1", "someone/model-2"]
    find(pane, QTableView, "hub.results").selectRow(1)
    qtbot.waitUntil(lambda: "As it was seen on" in find(pane, QWidget, "hub.card").toPlainText())
    find(pane, QTableView, "hub.results").selectRow(2)
    qtbot.waitUntil(lambda: "offline switch" in find(pane, QWidget, "hub.card").toPlainText())


def test_pictures_of_a_card_come_only_when_asked_for(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    image = QImage(8, 8, QImage.Format.Format_RGB32)
    image.fill(0)
    data = QBuffer()
    assert image.save(data, "PNG")
    add(server, "a/pictured")
    files = server.repos["a/pictured"].files
    files["art.png"] = data.data().data()
    files["README.md"] = b"# Seen\n\n![One](art.png) ![Two](http://localhost:1/x.png) ![Three](gone.png)"
    search(qtbot, pane, "pictured")
    find(pane, QTableView, "hub.results").selectRow(0)
    button = find(pane, QPushButton, "hub.pictures")
    qtbot.waitUntil(lambda: button.isVisible())
    assert button.text() == "Show 3 pictures" and not server.paths("png")
    card = find(pane, QWidget, "hub.card")
    assert "<img" not in card.toHtml()
    button.click()
    qtbot.waitUntil(lambda: "<img" in card.toHtml())
    assert card.toHtml().count("<img") == 1 and "Two" in card.toPlainText()
    assert button.text() == "2 not to be had" and not button.isEnabled()


def own_code(folder: Path) -> Checkpoint:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    config = {"model_type": "own", "architectures": ["OwnModel"], "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(
        "import subprocess\nimport torch\nfrom transformers import PreTrainedConfig, PreTrainedModel\n"
        "class OwnConfig(PreTrainedConfig):\n    model_type = 'own'\n"
        "class OwnModel(PreTrainedModel):\n    config_class = OwnConfig\n"
        "    def __init__(self, config):\n        super().__init__(config)\n        self.line = torch.nn.Linear(2, 2)\n"
        "        self.post_init()\n"
    )
    weights = {"line.weight": torch.eye(2), "line.bias": torch.zeros(2)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return Checkpoint("own", folder)


def test_code_of_a_checkpoint_is_shown_before_it_runs(pane: HubPane, qtbot: QtBot, tmp_path: Path) -> None:
    pane.load(own_code(tmp_path / "own"))
    qtbot.waitUntil(lambda: pane.findChild(QDialog, "hub.trust") is not None, timeout=60_000)
    dialog = find(pane, QDialog, "hub.trust")
    assert "import subprocess" in find(pane, QPlainTextEdit, "hub.trust_code").toPlainText()
    marks = find(pane, QTableView, "hub.trust_marks").model()
    assert "starts other programs" in str(marks.index(0, 2).data()) and marks.index(0, 1).data() == "1"
    find(pane, QPushButton, "hub.trust_no").click()
    qtbot.waitUntil(lambda: pane.findChild(QDialog, "hub.trust") is None)
    assert pane._session.model is None
    pane.load(own_code(tmp_path / "again"))
    qtbot.waitUntil(lambda: pane.findChild(QDialog, "hub.trust") is not None, timeout=60_000)
    dialog = find(pane, QDialog, "hub.trust")
    with qtbot.waitSignal(pane._session.model_changed, timeout=60_000):
        dialog.findChild(QPushButton, "hub.trust_yes").click()
    assert type(pane._session.model.model).__name__ == "OwnModel"


def add_own_code(server: HubServer, tmp_path: Path, mark: str) -> None:
    made = own_code(tmp_path / "made")
    files = {path.name: path.read_bytes() for path in made.path.iterdir()}
    # Code that another test has run would not run again.
    files["own.py"] += f"# {mark}\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n".encode()
    server.add("someone/own", files, downloads=1, pipeline_tag="other", library_name="transformers")


def agree_and_load(pane: HubPane, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: pane.findChild(QDialog, "hub.trust") is not None, timeout=60_000)
    with qtbot.waitSignal(pane._session.model_changed, timeout=60_000):
        find(pane, QPushButton, "hub.trust_yes").click()
    assert type(pane._session.model.model).__name__ == "OwnModel"


def test_code_that_a_checkpoint_needs_is_fetched_with_it_and_runs_only_after_consent(
    pane: HubPane, server: HubServer, qtbot: QtBot, tmp_path: Path
) -> None:
    add_own_code(server, tmp_path, "with its code")
    search(qtbot, pane, "own")
    find(pane, QTableView, "hub.results").selectRow(0)
    tick = find(pane, QCheckBox, "hub.with_code")
    qtbot.waitUntil(lambda: tick.isVisible())
    assert not tick.isChecked()
    tick.click()
    find(pane, QPushButton, "hub.download").click()
    load = find(pane, QPushButton, "hub.load")
    qtbot.waitUntil(lambda: load.isVisible() and load.isEnabled(), timeout=30_000)
    assert not (tmp_path / "ran").exists() and server.paths("own.py")
    load.click()
    qtbot.waitUntil(lambda: pane.findChild(QDialog, "hub.trust") is not None, timeout=60_000)
    assert not (tmp_path / "ran").exists()
    agree_and_load(pane, qtbot)
    assert (tmp_path / "ran").exists()


def test_a_load_that_lacks_its_code_offers_to_fetch_it_and_goes_on(
    pane: HubPane, server: HubServer, qtbot: QtBot, tmp_path: Path
) -> None:
    add_own_code(server, tmp_path, "fetched later")
    search(qtbot, pane, "own")
    find(pane, QTableView, "hub.results").selectRow(0)
    tick = find(pane, QCheckBox, "hub.with_code")
    qtbot.waitUntil(lambda: tick.isVisible())
    find(pane, QPushButton, "hub.download").click()
    load = find(pane, QPushButton, "hub.load")
    qtbot.waitUntil(lambda: load.isVisible() and load.isEnabled(), timeout=30_000)
    assert not server.paths("/own.py")
    load.click()
    qtbot.waitUntil(lambda: pane.findChild(QPushButton, "hub.notice_action") is not None, timeout=60_000)
    action = find(pane, QPushButton, "hub.notice_action")
    assert action.text() == "Fetch its code"
    action.click()
    agree_and_load(pane, qtbot)
    assert server.paths("/own.py") and (tmp_path / "ran").exists()


def test_what_transformers_knows_offers_no_code(pane: HubPane, server: HubServer, qtbot: QtBot) -> None:
    search(qtbot, pane, "model-0")
    find(pane, QTableView, "hub.results").selectRow(0)
    qtbot.waitUntil(lambda: "With text" in find(pane, QWidget, "hub.card").toPlainText())
    assert not find(pane, QCheckBox, "hub.with_code").isVisible()


def test_a_folder_of_this_machine_says_licence_and_languages(
    pane: HubPane, qtbot: QtBot, tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    shutil.copytree(tiny_llama.path, tmp_path / "mine")
    (tmp_path / "mine" / "README.md").write_text("---\nlicense: mit\nlanguage: [en, de]\n---\n# Mine\n")
    pane._keeping.open(tmp_path / "mine")
    qtbot.waitUntil(lambda: "en, de" in facts(pane))
    assert "mit: use it for anything" in facts(pane)


def test_what_is_too_large_can_be_tried_all_the_same(
    pane: HubPane, qtbot: QtBot, tiny_llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadable, "free", lambda device="cpu": 1000)
    pane.load(tiny_llama)
    qtbot.waitUntil(lambda: pane.findChild(QPushButton, "hub.notice_action") is not None, timeout=60_000)
    with qtbot.waitSignal(pane._session.model_changed, timeout=60_000):
        find(pane, QPushButton, "hub.notice_action").click()
    details = find(pane, QWidget, "hub.notice_details")
    words = details.toPlainText() if hasattr(details, "toPlainText") else details.text()
    assert "Tied, kept once: lm_head.weight = model.embed_tokens.weight" in words
    assert "before" in words and "Missing, drawn at random: none" in words

"""What the Hub pane leaves behind: no trace of a token, and nothing that a card from a stranger asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QTableView, QTextBrowser, QWidget
from pytestqt.qtbot import QtBot

from tests import hub_server
from tests.hub_server import Fault, HubServer, checkpoint_files
from workbench.app import Workbench
from workbench.engine import hub, paths
from workbench.runtime.settings import Settings

TOKEN = "hf_" + "t" * 34


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub that knows one token; the client's own store lies in a folder of the test."""
    from huggingface_hub import constants, hf_api

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "written" / "cache"))
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "written" / "data"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "store" / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "store" / "stored_tokens"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with hub_server.running() as started:
        about = {
            "type": "user",
            "name": "ada",
            "orgs": [],
            "auth": {"accessToken": {"displayName": "x", "role": "read"}},
        }
        started.bodies["/api/whoami-v2"] = json.dumps(about).encode()
        monkeypatch.setenv("HF_ENDPOINT", started.url)
        monkeypatch.setattr(hf_api.api, "endpoint", started.url)
        yield started
        hub.set_offline(False)


@pytest.fixture
def program(server: HubServer, qtbot: QtBot, tmp_path: Path) -> Iterator[Workbench]:
    store = QSettings(str(tmp_path / "written" / "settings.ini"), QSettings.Format.IniFormat)
    program = Workbench(Settings(store))
    qtbot.addWidget(program.window)
    program.window.resize(1200, 800)
    program.window.show()
    program.window.show_pane("hub")
    yield program
    program.runner.shut_down()
    store.sync()


def find(program: Workbench, kind: type, name: str) -> QWidget:
    found = program.window.findChild(kind, name)
    assert found is not None, name
    return found


def choose(program: Workbench, qtbot: QtBot, name: str) -> None:
    find(program, QLineEdit, "hub.search").setText(name)
    find(program, QPushButton, "hub.run_search").click()
    status = find(program, QLabel, "hub.search_status")
    qtbot.waitUntil(lambda: "…" not in status.text())
    find(program, QTableView, "hub.results").selectRow(0)


def written(folder: Path, token: str) -> list[str]:
    """Every file below a folder that has the token in it, under its name too."""
    return [
        str(path) for path in folder.rglob("*")
        if token in path.name or (path.is_file() and token.encode() in path.read_bytes())
    ]  # fmt: skip


def test_the_token_is_in_the_clients_store_and_nowhere_else(
    program: Workbench, server: HubServer, qtbot: QtBot, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    for name in ("good", "gated", "broken"):
        server.add(f"someone/{name}", checkpoint_files(), downloads=1)
    server.repos["someone/gated"].gated = True
    server.faults["model.safetensors"] = [Fault(403)]
    find(program, QPushButton, "hub.account").click()
    qtbot.waitUntil(lambda: "Nobody" in find(program, QLabel, "hub.account_status").text())
    field = find(program, QLineEdit, "hub.token")
    field.setText(TOKEN)
    log_in = find(program, QPushButton, "hub.log_in")
    qtbot.waitUntil(log_in.isEnabled)
    log_in.click()
    qtbot.waitUntil(lambda: "Logged in as ada" in find(program, QLabel, "hub.account_status").text())
    qtbot.waitUntil(log_in.isEnabled)
    field.window().close()
    # A refusal, a gated repository, and a download that arrives.
    for name, said in (("broken", "may not read"), ("gated", "gated")):
        choose(program, qtbot, name)
        download = find(program, QPushButton, "hub.download")
        qtbot.waitUntil(lambda button=download: button.isVisible() and button.isEnabled())
        download.click()
        qtbot.waitUntil(
            lambda said=said: any(said in label.text() for label in program.window.findChildren(QLabel)), timeout=10_000
        )
    choose(program, qtbot, "good")
    download = find(program, QPushButton, "hub.download")
    qtbot.waitUntil(lambda: download.isVisible())
    download.click()
    qtbot.waitUntil(lambda: hub.cached("someone/good") is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not program.runner.active)
    sent = {headers.get("authorization", headers.get("Authorization", "")) for _, _, headers in server.requests}
    assert f"Bearer {TOKEN}" in sent, "the token was used"
    jobs = [text for job in program.runner.jobs for text in (job.title, job.details, str(job.error), *job.lines)]
    assert jobs and not any(TOKEN in text for text in jobs)
    texts = [label.text() for label in program.window.findChildren(QLabel)]
    assert not any(TOKEN in text for text in texts)
    program.window.close()
    program.settings.sync()
    told = capfd.readouterr()
    assert TOKEN not in caplog.text + told.out + told.err
    assert list((tmp_path / "written").rglob("*")) and written(tmp_path / "written", TOKEN) == []
    assert (tmp_path / "store" / "token").read_text() == TOKEN
    assert {Path(path).parent for path in written(tmp_path, TOKEN)} == {tmp_path / "store"}
    assert paths.data_dir().is_relative_to(tmp_path / "written")


_HOSTILE = """---
license: mit
---
# Seen <script>document.location='{url}/script'</script>

<img src="{url}/pixel.png"> ![remote]({url}/seen.png) ![file](file:///etc/passwd) <iframe src="{url}/frame"></iframe>

<link rel="stylesheet" href="{url}/style.css"><style>@import url({url}/more.css);</style>

[a file](file:///etc/passwd) [a script](javascript:alert(1)) [data](data:text/html,x) [a page](https://hub.example/)

| a | b |
|---|---|
| 1 | <svg onload="x"> |
"""


def test_a_card_with_script_remote_images_and_file_links_does_nothing(
    program: Workbench, server: HubServer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    server.add("someone/evil", {**checkpoint_files(), "README.md": _HOSTILE.format(url=server.url).encode()})
    choose(program, qtbot, "evil")
    card = find(program, QTextBrowser, "hub.card")
    qtbot.waitUntil(lambda: "Seen" in card.toPlainText())
    qtbot.waitUntil(lambda: not program.runner.active)
    asked = server.paths(".png") + server.paths("script") + server.paths("frame") + server.paths(".css")
    assert asked == [] and "<img" not in card.toHtml() and "root:" not in card.toPlainText()
    for address in ("file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "https://hub.example/"):
        card.anchorClicked.emit(QUrl(address))
    assert opened == ["https://hub.example/"]

"""The account in the window: logged in and out by the client's own store."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from tests.engine.hub.test_account import TOKEN
from tests.engine.hub.test_account import store as store
from workbench.engine.hub import endpoints
from workbench.panes.hub.account import AccountDialog
from workbench.runtime.jobs import Runner


@pytest.fixture
def dialog(qtbot: QtBot, runner: Runner, store: Path) -> AccountDialog:
    dialog = AccountDialog(runner)
    qtbot.addWidget(dialog)
    dialog.open()
    return dialog


def test_a_person_logs_in_and_out(qtbot: QtBot, dialog: AccountDialog, store: Path) -> None:
    status = dialog.findChild(QLabel, "hub.account_status")
    field = dialog.findChild(QLineEdit, "hub.token")
    log_in, log_out = (dialog.findChild(QPushButton, f"hub.log_{way}") for way in ("in", "out"))
    qtbot.waitUntil(lambda: status.text().startswith("Nobody is logged in"))
    qtbot.waitUntil(log_in.isEnabled)
    assert not log_out.isEnabled()
    field.setText("hf_wrong")
    log_in.click()
    qtbot.waitUntil(lambda: "Could not log in" in status.text())
    qtbot.waitUntil(log_in.isEnabled)
    field.setText(TOKEN)
    log_in.click()
    qtbot.waitUntil(lambda: "Logged in as ada" in status.text())
    assert "it may read and write" in status.text()
    assert field.text() == ""
    qtbot.waitUntil(log_out.isEnabled)
    log_out.click()
    qtbot.waitUntil(lambda: status.text().startswith("Nobody is logged in"))
    assert not (store / "token").exists()
    qtbot.waitUntil(log_in.isEnabled)


def test_another_hub_is_chosen_for_the_next_start(
    qtbot: QtBot, dialog: AccountDialog, store: Path, workbench_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = dialog.findChild(QLabel, "hub.account_status")
    qtbot.waitUntil(lambda: status.text().startswith("Nobody is logged in"))
    box, about = dialog.findChild(QComboBox, "hub.endpoint"), dialog.findChild(QLabel, "hub.endpoint_status")
    use = dialog.findChild(QPushButton, "hub.use_endpoint")
    assert not use.isEnabled() and "HF_ENDPOINT of the environment" in about.text()
    monkeypatch.delenv("HF_ENDPOINT")
    dialog._show_hubs()
    assert use.isEnabled() and box.currentText() == "the client's own Hub"
    box.setCurrentText("http://far.example")
    use.click()
    assert "not https" in about.text() and endpoints.chosen() == ""
    box.setCurrentText("https://mirror.example/")
    use.click()
    assert "From the next start on, https://mirror.example is asked" in about.text()
    assert endpoints.chosen() == "https://mirror.example"
    box.setCurrentText("the client's own Hub")
    use.click()
    assert endpoints.chosen() == "" and endpoints.known() == ("https://mirror.example",)

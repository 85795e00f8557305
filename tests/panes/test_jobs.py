"""The Jobs pane shows all work as it goes, stops it, and keeps what it said."""

from __future__ import annotations

import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QTableView
from pytestqt.qtbot import QtBot

from workbench.engine.errors import CheckpointError
from workbench.engine.task import Progress, Task
from workbench.panes.jobs import JobsPane
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.data_table import DataTable


@pytest.fixture
def pane(qtbot: QtBot, runner: Runner) -> JobsPane:
    pane = JobsPane(Session(), runner)
    qtbot.addWidget(pane)
    with qtbot.waitExposed(pane):
        pane.show()
    return pane


def cells(pane: JobsPane) -> list[list[str]]:
    model = pane.findChild(QTableView, "jobs.table").model()
    return [[str(model.index(row, column).data() or "") for column in range(6)] for row in range(model.rowCount())]


def log(pane: JobsPane) -> str:
    return pane.findChild(QPlainTextEdit, "jobs.log").toPlainText()


def endless(*, task: Task) -> None:
    task.log("it began")
    task.report(Progress(3, 10, "steps", "going on"))
    never = threading.Event()
    while not never.wait(0.005):
        task.check()


def failing(*, task: Task) -> None:
    raise CheckpointError("Could not load it.", why="It is cut off.", remedy="Download it again.")


def done(*, task: Task) -> None:
    task.log("all well")


def test_running_work_is_shown_and_stopped(pane: JobsPane, runner: Runner, qtbot: QtBot) -> None:
    job = runner.start(Job("Count", endless, pane="trainer"), Lane.IO)
    qtbot.waitUntil(lambda: "it began" in log(pane) and cells(pane)[0][3] != "")
    title, asked_by, state, progress, elapsed, _ = cells(pane)[0]
    assert (title, asked_by, state, progress) == ("Count", "Trainer", "running", "3/10 steps · going on")
    assert elapsed.endswith(" s")
    with qtbot.waitSignal(job.finished):
        qtbot.mouseClick(pane.findChild(QPushButton, "jobs.cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: cells(pane)[0][2] == "cancelled")
    assert not pane.findChild(QPushButton, "jobs.cancel").isEnabled()


def test_a_failure_keeps_its_words_and_where_it_happened(pane: JobsPane, runner: Runner, qtbot: QtBot) -> None:
    runner.start(Job("Load", failing, pane="hub"), Lane.IO)
    qtbot.waitUntil(lambda: "It is cut off." in log(pane))
    assert "Download it again." in log(pane) and "Traceback" in log(pane)
    assert cells(pane)[0][2] == "failed"


def test_the_newest_is_on_top_and_the_selection_stays(pane: JobsPane, runner: Runner, qtbot: QtBot) -> None:
    running = runner.start(Job("Long", endless), Lane.IO)
    qtbot.waitUntil(lambda: "it began" in log(pane))
    with qtbot.waitSignal(runner.start(Job("Short", done), Lane.IO).finished):
        pass
    qtbot.waitUntil(lambda: [row[0] for row in cells(pane)] == ["Short", "Long"])
    assert "it began" in log(pane)
    pane.findChild(QTableView, "jobs.table").selectRow(0)
    qtbot.waitUntil(lambda: "all well" in log(pane))
    with qtbot.waitSignal(running.finished):
        running.cancel()


def test_until_one_is_chosen_the_newest_is_looked_at(pane: JobsPane, runner: Runner, qtbot: QtBot) -> None:
    table = pane.findChild(DataTable, "jobs.table")
    for title in ("First", "Second"):
        with qtbot.waitSignal(runner.start(Job(title, done), Lane.IO).finished):
            pass
        qtbot.waitUntil(lambda title=title: cells(pane)[0][0] == title)
        assert table.selected_row == 0
    table.selectRow(1)
    with qtbot.waitSignal(runner.start(Job("Third", done), Lane.IO).finished):
        pass
    qtbot.waitUntil(lambda: cells(pane)[0][0] == "Third")
    assert table.selected_row == 2


def test_a_running_job_that_has_said_nothing_says_so_far_and_its_whole_progress_is_seen(
    pane: JobsPane, runner: Runner, qtbot: QtBot
) -> None:
    long = "fetching a file whose name is as long as this"

    def silent(*, task: Task) -> None:
        task.report(Progress(3, 10, "steps", ""))
        never = threading.Event()
        while not never.wait(0.005):
            task.check()
            task.report(Progress(4, 10, "steps", long))

    table = pane.findChild(DataTable, "jobs.table")
    pane.resize(1400, 700)
    job = runner.start(Job("Fetch", silent), Lane.IO)
    qtbot.waitUntil(lambda: cells(pane)[:1] != [] and long in cells(pane)[0][3])
    assert log(pane) == "It has said nothing so far."
    assert table.columnWidth(3) >= table.sizeHintForColumn(3)
    with qtbot.waitSignal(job.finished):
        job.cancel()


def test_finished_work_can_be_cleared(pane: JobsPane, runner: Runner, qtbot: QtBot) -> None:
    running = runner.start(Job("Long", endless), Lane.IO)
    with qtbot.waitSignal(runner.start(Job("Short", done), Lane.IO).finished):
        pass
    clear = pane.findChild(QPushButton, "jobs.clear")
    qtbot.waitUntil(clear.isEnabled)
    qtbot.mouseClick(clear, Qt.MouseButton.LeftButton)
    assert [row[0] for row in cells(pane)] == ["Long"]
    with qtbot.waitSignal(running.finished):
        running.cancel()


def test_quiet_work_is_left_out(pane: JobsPane, runner: Runner, qtbot: QtBot) -> None:
    with qtbot.waitSignal(runner.start(Job("Typing", done, quiet=True), Lane.IO).finished):
        pass
    assert cells(pane) == []

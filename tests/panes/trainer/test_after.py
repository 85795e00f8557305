"""After a run: the result looked at row by row, and shared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from tests.engine.train.rows import PHRASES, three_kinds
from workbench.engine import hub, models
from workbench.engine.train import fine_tune
from workbench.engine.values import Checkpoint, DataSource, TrainSpec
from workbench.panes.trainer.after_view import AfterView
from workbench.panes.trainer.share import ShareDialog
from workbench.runtime.jobs import Runner
from workbench.widgets.data_table import DataTable
from workbench.widgets.tinted_matrix import TintedMatrix


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    return three_kinds(tiny_bert, tmp_path)


@pytest.fixture
def view(qtbot: QtBot, runner: Runner) -> AfterView:
    view = AfterView(runner)
    qtbot.addWidget(view)
    view.resize(900, 700)
    with qtbot.waitExposed(view):
        view.show()
    return view


def _text(table: DataTable) -> list[list[str]]:
    model = table.model()
    return [
        [str(model.index(row, column).data()) for column in range(model.columnCount())]
        for row in range(model.rowCount())
    ]


def test_the_result_is_shown_beside_its_base_row_by_row(qtbot: QtBot, view: AfterView, spec: TrainSpec) -> None:
    result = fine_tune(spec)
    view.show_result(spec, result.checkpoint)
    view.findChild(QPushButton, "trainer.evaluate_result").click()
    qtbot.waitUntil(lambda: "result" in view.evaluations, timeout=60_000)
    qtbot.waitUntil(view.findChild(QPushButton, "trainer.evaluate_base").isEnabled)
    view.findChild(QPushButton, "trainer.evaluate_base").click()
    qtbot.waitUntil(lambda: "base" in view.evaluations, timeout=60_000)
    found = view.evaluations["result"]
    metrics = view.findChild(DataTable, "trainer.after_metrics")
    assert metrics.columns == ("Metric", "Result", "Base")
    assert _text(metrics)[1][0] == "Accuracy"
    matrix = view.findChild(TintedMatrix, "trainer.confusion")
    assert matrix.isVisible()
    counts = [[int(matrix.text(row, column)) for column in range(3)] for row in range(3)]
    assert tuple(map(tuple, counts)) == found.confusion
    rows = view.findChild(DataTable, "trainer.after_rows")
    assert rows.model().rowCount() == found.rows
    # A click on a cell leaves the rows that it counts.
    row, column = next((row, column) for row in range(3) for column in range(3) if counts[row][column])
    matrix.setCurrentIndex(matrix.model().index(row, column))
    assert rows.model().rowCount() == counts[row][column]
    assert {(line[1], line[2]) for line in _text(rows)} == {("abc"[row], "abc"[column])}


@pytest.mark.parametrize("task", ["fill-mask", "text-regression"])
def test_a_result_without_a_label_a_row_is_evaluated_too(
    qtbot: QtBot, view: AfterView, spec: TrainSpec, task: str
) -> None:
    lines = [f'"{PHRASES[n % 3]} {n}",{n % 3}' for n in range(60)]
    spec.data.path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    columns = {"text": "text"} if task == "fill-mask" else spec.columns
    spec = replace(spec, task=task, columns=columns, max_steps=1)
    result = fine_tune(spec)
    view.show_result(spec, result.checkpoint)
    view.findChild(QPushButton, "trainer.evaluate_result").click()
    qtbot.waitUntil(lambda: "result" in view.evaluations, timeout=60_000)
    found, rows = view.evaluations["result"], view.findChild(DataTable, "trainer.after_rows")
    assert rows.model().rowCount() == len(found.examples) > 0
    assert _text(view.findChild(DataTable, "trainer.after_metrics"))[0][0] == "Loss"
    assert view.findChild(TintedMatrix, "trainer.confusion").isVisible() == bool(found.labels)


def test_nothing_can_be_asked_of_a_run_that_is_not_there(view: AfterView) -> None:
    assert not any(button.isEnabled() for button in view.findChildren(QPushButton) if button.objectName())
    assert "Finish a run" in view.findChild(QLabel, "trainer.after_status").text()


def test_an_evaluation_that_fails_says_so_and_can_be_asked_again(
    qtbot: QtBot, view: AfterView, spec: TrainSpec, tmp_path: Path
) -> None:
    view.show_result(replace(spec, data=DataSource(tmp_path / "gone.csv")), spec.checkpoint)
    with qtbot.waitSignal(view.failed, timeout=60_000) as told:
        view.findChild(QPushButton, "trainer.evaluate_result").click()
    assert "gone.csv" in told.args[0].what
    qtbot.waitUntil(view.findChild(QPushButton, "trainer.evaluate_result").isEnabled)


def test_a_copy_loads_like_the_result_and_leaves_the_runs_notes_behind(
    qtbot: QtBot, runner: Runner, spec: TrainSpec, tmp_path: Path
) -> None:
    result = fine_tune(spec).checkpoint
    dialog = ShareDialog(result, runner)
    qtbot.addWidget(dialog)
    dialog.open()
    card, licence = dialog.findChild(QPlainTextEdit, "trainer.card"), dialog.findChild(QLabel, "trainer.card_licence")
    assert "names no licence" in licence.text()
    card.setPlainText(card.toPlainText().replace("---\n", "---\nlicense: mit\n", 1))
    assert licence.text() == "Licence: mit."
    with qtbot.waitSignal(dialog.made, timeout=60_000):
        dialog.save_copy(tmp_path)
    copy = tmp_path / result.path.name
    assert (copy / "model.safetensors").read_bytes() == (result.path / "model.safetensors").read_bytes()
    assert not list(copy.glob("run.*"))
    assert models.load(Checkpoint("copy", copy)).model.config.num_labels == 3
    status = dialog.findChild(QLabel, "trainer.share_status")
    qtbot.waitUntil(dialog.findChild(QPushButton, "trainer.save_copy").isEnabled)
    dialog.save_copy(tmp_path)
    qtbot.waitUntil(lambda: "exists already" in status.text(), timeout=20_000)
    qtbot.waitUntil(dialog.findChild(QPushButton, "trainer.save_copy").isEnabled)


def test_offline_the_folder_is_made_ready_and_nothing_is_lost(
    qtbot: QtBot, runner: Runner, spec: TrainSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    dialog = ShareDialog(spec.checkpoint, runner)
    qtbot.addWidget(dialog)
    dialog.open()
    status = dialog.findChild(QLabel, "trainer.share_status")
    push = dialog.findChild(QPushButton, "trainer.push")
    dialog.findChild(QLineEdit, "trainer.repository").setText("not a name")
    push.click()
    qtbot.waitUntil(lambda: "owner/name" in status.text(), timeout=20_000)
    qtbot.waitUntil(push.isEnabled)
    dialog.findChild(QLineEdit, "trainer.repository").setText("me/tuned")
    dialog.findChild(QPlainTextEdit, "trainer.card").setPlainText("# My card\n")
    hub.set_offline(True)
    try:
        push.click()
        qtbot.waitUntil(lambda: "offline switch" in status.text(), timeout=20_000)
        qtbot.waitUntil(push.isEnabled)
    finally:
        hub.set_offline(False)
    (ready,) = hub.waiting()
    assert ready.card == "# My card\n"
    assert json.loads((ready.folder / "config.json").read_text())["model_type"] == "bert"

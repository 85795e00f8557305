"""The Trainer pane: data in, a curve while it runs, a checkpoint that every other pane can use."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QWidget
from pytestqt.qtbot import QtBot

from tests import forked
from tests.panes.trainer.person import Find, click, notices, train
from workbench.engine import models
from workbench.engine.data import read
from workbench.engine.task import Task
from workbench.engine.values import Checkpoint, DataSource, TrainPoint, TrainSpec
from workbench.panes.trainer import TrainerPane
from workbench.panes.trainer.run_view import RunView
from workbench.panes.trainer.settings_form import FIELDS, SWITCHES, RateBox
from workbench.panes.trainer.wording import shown, spoken
from workbench.runtime.jobs import Runner, State
from workbench.runtime.session import Session

pytestmark = pytest.mark.usefixtures("workbench_data")


def _history(folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return entries


def test_it_opens_on_the_sample(pane: TrainerPane, find: Find) -> None:
    assert find("dataset").currentText() == "Film reviews (sample)"
    assert find("preview").columns == ("label", "text", "id", "rating")
    spec = pane.spec()
    assert spec is not None
    assert (spec.columns, spec.checkpoint.name) == ({"text": "text", "label": "label"}, "tiny-bert")
    assert (spec.rows, spec.learning_rate, spec.group_by_length) == (5000, 2e-4, True)
    assert spec.output_dir.name == "tiny-bert-movie_reviews"


@pytest.mark.usefixtures("checkpoints")
def test_nothing_is_read_until_somebody_looks(
    qtbot: QtBot, session: Session, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources: list[str] = []

    def counted(source: DataSource, *, task: Task) -> object:
        sources.append(source.name)
        return read(source, task=task)

    monkeypatch.setattr("workbench.panes.trainer.pane.read", counted)
    pane = TrainerPane(session, runner)
    qtbot.addWidget(pane)
    # Looked for when all its parts are made.
    qtbot.waitUntil(lambda: pane.findChild(QComboBox, "trainer.checkpoint").count() > 0, timeout=20_000)
    assert sources == []
    with qtbot.waitExposed(pane):
        pane.show()
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "trainer.start").isEnabled(), timeout=20_000)
    assert sources == ["movie_reviews.csv"]


@pytest.mark.usefixtures("ready")
def test_a_run_draws_what_was_logged_and_its_result_loads(
    qtbot: QtBot, pane: TrainerPane, find: Find, session: Session
) -> None:
    find("epochs").setValue(2)
    find("eval_steps").setValue(4)
    spec = pane.spec()
    assert spec is not None
    with qtbot.waitSignal(session.local_changed, timeout=60_000):
        train(qtbot, find)
    logged = _history(spec.output_dir)
    plot = find("loss_plot")
    assert plot.points("train") == tuple((e["step"], e["loss"]) for e in logged if "loss" in e)
    assert plot.points("evaluation") == tuple((e["step"], e["eval_loss"]) for e in logged if "eval_loss" in e)
    assert [x for x, _ in plot.points("evaluation")] == [4, 8, 12]
    assert find("lr_plot").points("learning rate") == tuple(
        (e["step"], e["learning_rate"]) for e in logged if "loss" in e
    )
    assert find("metrics").columns == ("Step", "Epoch", "Loss", "Accuracy", "F1")
    assert [find("metrics").row(n)[0] for n in range(3)] == [12, 8, 4]
    assert (find("progress").value(), find("progress").maximum()) == (12, 12)
    assert find("status").text().startswith("Finished after")
    assert not notices(pane)

    qtbot.waitUntil(lambda: find("checkpoint").findText(spec.output_dir.name) >= 0, timeout=20_000)
    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        click(qtbot, find("use_result"))
    assert session.model is not None
    assert session.model.head == "AutoModelForSequenceClassification"
    assert session.model.facts.labels == ("bad", "good")
    assert find("checkpoint").currentText() == spec.output_dir.name


@pytest.mark.usefixtures("ready")
def test_stop_keeps_the_checkpoint(qtbot: QtBot, pane: TrainerPane, find: Find, runner: Runner) -> None:
    find("epochs").setValue(500)
    spec = pane.spec()
    assert spec is not None
    click(qtbot, find("start"))
    assert not find("start").isEnabled()
    qtbot.waitUntil(lambda: len(find("loss_plot").points("train")) >= 2, timeout=60_000)
    click(qtbot, find("stop"))
    assert not find("stop").isEnabled()
    qtbot.waitUntil(lambda: find("start").isEnabled(), timeout=60_000)
    assert find("status").text().startswith("Stopped after")
    assert find("use_result").isVisible()
    assert runner.jobs[-1].state is State.DONE
    steps = len(find("loss_plot").points("train"))
    assert _history(spec.output_dir)[-1]["step"] == steps < 3000
    assert models.load(Checkpoint("kept", spec.output_dir)).missing == ()


@pytest.mark.usefixtures("ready")
def test_stop_before_the_first_step_keeps_nothing(qtbot: QtBot, pane: TrainerPane, find: Find) -> None:
    spec = pane.spec()
    assert spec is not None
    pane.run_main_action()
    pane.stop_main_action()
    qtbot.waitUntil(lambda: find("start").isEnabled(), timeout=60_000)
    assert "nothing was kept" in find("status").text()
    assert not find("use_result").isVisible()
    assert not spec.output_dir.exists()


def _controls(find: Find) -> dict[str, bool]:
    return {name: find(name).isEnabled() for name in ("pause", "eval_now", "save_now", "discard", "stop")}


def _start_long(qtbot: QtBot, pane: TrainerPane, find: Find) -> TrainSpec:
    find("epochs").setValue(500)
    find("eval_steps").setValue(2900)
    spec = pane.spec()
    assert spec is not None
    click(qtbot, find("start"))
    qtbot.waitUntil(lambda: find("pause").isEnabled() and len(pane.points) >= 2, timeout=60_000)
    return spec


def _pause(qtbot: QtBot, find: Find) -> None:
    click(qtbot, find("pause"))
    qtbot.waitUntil(lambda: "Paused after step" in _note(find), timeout=20_000)


def _note(find: Find) -> str:
    note: str = find("note").text()
    return note


@pytest.mark.usefixtures("ready")
def test_pause_waits_and_continue_goes_on(qtbot: QtBot, pane: TrainerPane, find: Find, runner: Runner) -> None:
    assert not any(_controls(find).values())
    spec = _start_long(qtbot, pane, find)
    assert all(_controls(find).values())
    _pause(qtbot, find)
    assert (find("pause").text(), find("pause").accessibleName()) == ("Continue", "Continue")
    job = runner.jobs[-1]
    assert job.progress is not None
    assert (job.progress.note, job.remaining) == ("Paused", None)
    stood = len(pane.points)
    with qtbot.waitSignal(job.progressed, timeout=700, raising=False) as moved:
        pass
    assert not moved.signal_triggered
    assert len(pane.points) == stood == pane.points[-1].step
    click(qtbot, find("pause"))
    assert (find("pause").text(), find("pause").accessibleName()) == ("Pause", "Pause")
    qtbot.waitUntil(lambda: len(pane.points) > stood, timeout=20_000)
    _pause(qtbot, find)
    pane.stop_main_action()
    assert not any(_controls(find).values())
    qtbot.waitUntil(lambda: find("start").isEnabled(), timeout=60_000)
    assert find("status").text().startswith("Stopped after")
    assert find("pause").text() == "Pause"
    assert spec.output_dir.exists()


@pytest.mark.usefixtures("ready")
def test_eval_now_and_save_now_are_granted_while_it_waits(
    qtbot: QtBot, pane: TrainerPane, find: Find, session: Session
) -> None:
    spec = _start_long(qtbot, pane, find)
    _pause(qtbot, find)
    step = pane.points[-1].step
    click(qtbot, find("eval_now"))
    assert not find("eval_now").isEnabled()
    qtbot.waitUntil(lambda: [x for x, _ in find("loss_plot").points("evaluation")] == [step], timeout=20_000)
    qtbot.waitUntil(lambda: "Paused after step" in _note(find) and find("save_now").isEnabled(), timeout=20_000)
    assert not find("eval_now").isEnabled(), "nothing new to evaluate before the next step"
    with qtbot.waitSignal(session.local_changed, timeout=20_000):
        click(qtbot, find("save_now"))
    saved = spec.output_dir.with_name(f"{spec.output_dir.name}-step-{step}")
    assert models.load(Checkpoint("saved", saved)).missing == ()
    qtbot.waitUntil(lambda: f"step {step} saved as {saved.name}" in _note(find), timeout=20_000)
    qtbot.waitUntil(lambda: find("checkpoint").findText(saved.name) >= 0, timeout=20_000)
    assert not (spec.output_dir / "config.json").exists()
    pane.stop_main_action()
    qtbot.waitUntil(lambda: find("start").isEnabled(), timeout=60_000)
    assert find("metrics").row(0)[0] == step


@pytest.mark.usefixtures("ready")
def test_discard_asks_first_and_leaves_nothing(
    qtbot: QtBot, pane: TrainerPane, find: Find, runner: Runner, reviews: Path
) -> None:
    spec = _start_long(qtbot, pane, find)
    click(qtbot, find("discard"))
    assert spec.output_dir.name in find("consent").text()
    seen = len(pane.points)
    qtbot.waitUntil(lambda: len(pane.points) > seen, timeout=20_000)
    click(qtbot, find("consent_no"))
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "trainer.consent") is None)
    assert all(_controls(find).values())
    click(qtbot, find("discard"))
    click(qtbot, find("consent_yes"))
    assert not any(_controls(find).values())
    qtbot.waitUntil(lambda: find("start").isEnabled(), timeout=60_000)
    assert find("status").text().startswith("Discarded after step")
    assert not find("use_result").isVisible()
    assert runner.jobs[-1].state is State.CANCELLED
    assert list(spec.output_dir.parent.iterdir()) == []
    assert reviews.exists()


@pytest.mark.usefixtures("ready")
def test_the_question_closes_with_the_run(qtbot: QtBot, pane: TrainerPane, find: Find) -> None:
    spec = _start_long(qtbot, pane, find)
    click(qtbot, find("discard"))
    pane.stop_main_action()
    qtbot.waitUntil(lambda: find("start").isEnabled(), timeout=60_000)
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "trainer.consent") is None)
    assert spec.output_dir.exists()


@pytest.mark.usefixtures("ready")
def test_a_failure_is_a_notice_and_the_curve_stays(qtbot: QtBot, pane: TrainerPane, find: Find) -> None:
    find("learning_rate").setValue(1000.0)
    find("weight_decay").setValue(1.0)
    find("warmup_steps").setValue(0)
    find("epochs").setValue(30)
    train(qtbot, find)
    assert "learning rate" in notices(pane)
    assert find("status").text().startswith("Failed at step")
    drawn = find("loss_plot").points("train")
    assert drawn
    assert all(math.isfinite(loss) for _, loss in drawn)
    assert not find("use_result").isVisible()
    find("learning_rate").setValue(1e-3)
    find("weight_decay").setValue(0)
    find("epochs").setValue(1)
    train(qtbot, find)
    assert not notices(pane)
    assert len(find("loss_plot").points("train")) == 6


def test_a_bad_file_changes_nothing_but_the_notice(qtbot: QtBot, pane: TrainerPane, find: Find, tmp_path: Path) -> None:
    before = pane.spec()
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\na,b\nc,d,e\n", encoding="utf-8")
    find("dataset").setEditText(str(bad))
    qtbot.keyClick(find("dataset"), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(notices(pane)), timeout=20_000)
    assert "line 3 has 3 cells" in notices(pane)
    assert pane.spec() == before
    assert find("dataset").currentText() == "Film reviews (sample)"


def test_a_file_without_labels_asks_for_one(qtbot: QtBot, pane: TrainerPane, find: Find, tmp_path: Path) -> None:
    path = tmp_path / "poems.txt"
    path.write_text("".join(f"the quick brown fox jumps over dog number {n}\n" for n in range(80)), encoding="utf-8")
    pane.open_data(path)
    qtbot.waitUntil(lambda: find("dataset").currentText() == "poems.txt", timeout=20_000)
    assert find("task").currentData() == "fill-mask", "a file of texts suggests it for an encoder"
    find("task").setCurrentIndex(find("task").findData("text-classification"))
    train(qtbot, find)
    assert "No column is chosen for the label" in notices(pane)
    find("checkpoint").setCurrentIndex(find("checkpoint").findText("tiny-llama"))
    find("task").setCurrentIndex(find("task").findData("text-generation"))
    assert pane.findChild(QWidget, "trainer.label_column") is None
    find("max_length").setValue(32)
    train(qtbot, find)
    assert find("metrics").columns[-1] == "Perplexity"
    assert find("status").text().startswith("Finished")


def test_a_head_that_does_not_exist_is_told_before_the_start(
    pane: TrainerPane, find: Find, session: Session, tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    vision = tmp_path / "vision"
    vision.mkdir()
    (vision / "tokenizer.json").write_bytes((tiny_llama.path / "tokenizer.json").read_bytes())
    assert find("head").text() == "bert, 2 layers → AutoModelForSequenceClassification, a fresh one; 2 labels"
    (vision / "config.json").write_text('{"model_type": "vit", "architectures": ["ViTModel"]}')
    session.set_model(replace(models.load(tiny_llama), checkpoint=Checkpoint("vision", vision)))
    assert "no AutoModelForSequenceClassification" in find("head").text()


def test_the_loaded_model_is_the_one_to_start_from(
    pane: TrainerPane, find: Find, session: Session, tiny_llama: Checkpoint
) -> None:
    session.set_model(models.load(tiny_llama))
    assert find("checkpoint").currentText() == "tiny-llama"


def test_recommended_settings_give_way_to_the_persons_own(pane: TrainerPane, find: Find, qtbot: QtBot) -> None:
    assert find("batch_size").value() == 16
    find("batch_size").setValue(5)
    find("task").setCurrentIndex(find("task").findData("text-generation"))
    assert find("batch_size").value() == 5
    click(qtbot, find("preset_quick"))
    assert (find("batch_size").value(), find("max_steps").value()) == (4, 60)


@pytest.mark.usefixtures("ready")
def test_the_code_gives_the_losses_of_the_run(qtbot: QtBot, pane: TrainerPane, find: Find, tmp_path: Path) -> None:
    find("run_name").setText("same")
    spec = pane.spec()
    assert spec is not None
    click(qtbot, find("show_code"))
    find("seed").setValue(7)
    script = tmp_path / "script.py"
    script.write_text(find("code").code, encoding="utf-8")
    train(qtbot, find)
    ours = find("loss_plot").points("train")
    shutil.rmtree(spec.output_dir)
    done = forked.run("script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = tuple((e["step"], e["loss"]) for e in _history(spec.output_dir) if "loss" in e)
    assert ours == theirs


def test_every_setting_has_its_help_and_a_name(find: Find) -> None:
    for field in (*FIELDS, *SWITCHES):
        control = find(field.name)
        assert control.accessibleName() == field.label
        assert field.usual in control.toolTip()
        assert field.spelled in control.toolTip()


def test_every_control_says_what_it_is(pane: TrainerPane) -> None:
    for control in pane.findChildren(QWidget):
        if control.objectName().startswith("trainer.") and control.isVisible():
            assert control.accessibleName() or control.focusPolicy() == Qt.FocusPolicy.NoFocus, control.objectName()


def test_learning_rates_are_written_as_people_write_them(qtbot: QtBot) -> None:
    box = RateBox()
    qtbot.addWidget(box)
    box.setValue(2e-4)
    assert box.text() == "2e-4"
    box.stepUp()
    assert (box.text(), box.value()) == ("5e-4", 5e-4)
    box.stepUp()
    assert box.text() == "1e-3"
    box.stepBy(-3)
    assert box.text() == "1e-4"
    box.selectAll()
    box.lineEdit().setText("0.00035")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert (box.text(), box.value()) == ("3.5e-4", 3.5e-4)


def test_the_figures_are_those_of_the_last_point_and_a_dash_where_nothing_was_measured(qtbot: QtBot) -> None:
    view = RunView()
    qtbot.addWidget(view)
    view.begin("run")
    for step in range(1, 11):
        point = TrainPoint(step, 100, step / 50, loss=1.0, seconds=step * 0.5, seconds_left=45.2, samples_per_second=32)
        view.add_point(replace(point, memory=1_240_000_000) if step == 3 else point)
    qtbot.waitUntil(lambda: "Step 10 of 100 · epoch 0.20" in view._status.text())
    figures = {
        name: view.findChild(QLabel, f"trainer.figure_{name}").text()
        for name in ("left", "steps", "samples", "tokens", "memory", "metric")
    }
    assert figures == {
        "left": "45 s", "steps": "2/s", "samples": "32", "tokens": "–", "memory": "1.24 GB", "metric": "–",
    }  # fmt: skip
    assert view.findChild(QLabel, "trainer.figure_device").isHidden()


def test_numbers_are_worded(qapp: QApplication) -> None:
    assert [spoken(seconds) for seconds in (0.2, 45, 89, 120, 3600, 9000)] == [
        "1 s", "45 s", "89 s", "2 min", "60 min", "2.5 h",
    ]  # fmt: skip
    assert (shown("accuracy", 0.8133), shown("f1", 0.81333)) == ("81.3 %", "0.8133")


@pytest.mark.usefixtures("ready")
def test_probes_are_asked_while_it_learns_and_a_past_run_lies_behind_the_next(
    qtbot: QtBot, pane: TrainerPane, find: Find
) -> None:
    find("probes").setPlainText("a wonderful film\na terrible film")
    find("probe_steps").setValue(2)
    spec = pane.spec()
    assert spec is not None and spec.probes == ("a wonderful film", "a terrible film")
    train(qtbot, find)
    qtbot.waitUntil(lambda: find("probe_where").text() == "After step 6")
    assert find("probe_step").maximum() == 3
    told = find("probe_answers").toPlainText()
    assert all(word in told for word in ("a wonderful film", "a terrible film", "good", "bad"))
    assert len((spec.output_dir / "probes.jsonl").read_text().splitlines()) == 8
    first = find("loss_plot").points("train")

    find("past").menu().aboutToShow.emit()
    chooser = find("past_list")
    qtbot.waitUntil(lambda: chooser.count() == 0)
    find("run_name").setText("second")
    train(qtbot, find)
    find("past").menu().aboutToShow.emit()
    qtbot.waitUntil(lambda: chooser.count() == 1, timeout=20_000)
    chooser.item(0).setCheckState(Qt.CheckState.Checked)
    qtbot.waitUntil(lambda: find("loss_plot").past() == (spec.output_dir.name,), timeout=20_000)
    behind = {(name, x, y) for x, _ in first for name, x, y in find("loss_plot").readings(x)}
    assert {(f"{spec.output_dir.name}: train", x, y) for x, y in first} <= behind
    assert find("loss_plot").points("train") == first, "the same settings give the same losses"

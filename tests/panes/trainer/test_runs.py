"""The list of runs: states, curves over one another, differences, and going on, loading, taking over and deleting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from tests.panes.trainer.person import Find, click, notices, show_tab
from workbench.engine import paths
from workbench.engine.task import Cancelled, Silent
from workbench.engine.train import HEADS, TooLarge, checkpoints, fine_tune, runs
from workbench.engine.train.runs import RunState
from workbench.engine.values import Checkpoint, DataSource, TrainPoint, TrainSpec
from workbench.panes.trainer import TrainerPane, at_work
from workbench.runtime.jobs import Runner, State
from workbench.runtime.session import Session

pytestmark = pytest.mark.usefixtures("workbench_data")


class StopAt(Silent):
    """Presses Stop after a step."""

    def __init__(self, step: int) -> None:
        self.cancelled = False
        self._step = step

    def send(self, part: object) -> None:
        self.cancelled |= isinstance(part, TrainPoint) and part.step == self._step

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    """60 rows, 48 of them trained on: 6 steps of 8 rows an epoch."""
    data = tmp_path / "films.csv"
    data.write_text(
        "text,stars\n" + "".join(f"a {('terrible', 'wonderful')[n % 2]} film {n},{n % 2}\n" for n in range(60)),
        encoding="utf-8",
    )
    return TrainSpec(
        task="text-classification",
        checkpoint=tiny_bert,
        data=DataSource(data),
        columns={"text": "text", "label": "stars"},
        output_dir=paths.runs_dir() / "first",
        eval_fraction=0.2,
        batch_size=8,
        max_length=24,
        learning_rate=1e-3,
        epochs=2.0,
        threads=1,
    )


def _open(qtbot: QtBot, find: Find, count: int) -> None:
    show_tab(find, "views", "Runs")
    qtbot.waitUntil(lambda: find("runs").model().rowCount() == count, timeout=20_000)


def _select(find: Find, *names: str) -> None:
    table = find("runs")
    model = table.selectionModel()
    model.clearSelection()
    for row in range(table.model().rowCount()):
        if table.row(row)[0] in names:
            model.select(table.model().index(row, 0), model.SelectionFlag.Select | model.SelectionFlag.Rows)


def _enabled(find: Find) -> set[str]:
    names = ("resume", "load", "use_settings", "more", "delete")
    return {name for name in names if find(f"runs_{name}").isEnabled()}


def test_an_empty_list_says_how_to_fill_it(qtbot: QtBot, find: Find) -> None:
    _open(qtbot, find, 0)
    assert _enabled(find) == set()
    assert find("runs_open").isEnabled()


def test_curves_are_drawn_over_one_another_and_differences_listed(qtbot: QtBot, spec: TrainSpec, find: Find) -> None:
    first = fine_tune(spec)
    fine_tune(replace(spec, output_dir=spec.output_dir.with_name("second"), learning_rate=5e-4))
    _open(qtbot, find, 2)
    plot = find("runs_plot")
    qtbot.waitUntil(lambda: len(plot.past()) == 1, timeout=20_000)
    assert find("runs_compared").columns == ("Setting", find("runs").row(0)[0])
    _select(find, "first", "second")
    qtbot.waitUntil(lambda: set(plot.past()) == {"first", "second"}, timeout=20_000)
    assert [row[:3] for row in (find("runs").row(0), find("runs").row(1))] in (
        [(name, "finished", "12 of 12") for name in ("first", "second")],
        [(name, "finished", "12 of 12") for name in ("second", "first")],
    )
    table = find("runs_compared")
    rows = [table.row(place) for place in range(table.model().rowCount())]
    places = {name: place for place, name in enumerate(table.columns)}
    assert {row[0]: row[places["second"]] for row in rows}["learning_rate"] == "0.0005"
    assert {row[0]: row[places["first"]] for row in rows}["loss of the last evaluation"] == (
        f"{first.points[-1].eval_loss:.6g}"
    )
    assert "seed" not in {row[0] for row in rows}
    assert _enabled(find) == {"delete"}


def test_resume_goes_on_where_the_run_was_stopped_and_draws_the_whole_curve(
    qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, find: Find
) -> None:
    whole = fine_tune(replace(spec, output_dir=spec.output_dir.with_name("whole")))
    fine_tune(spec, task=StopAt(7))
    _open(qtbot, find, 2)
    _select(find, "first")
    assert "Resume goes on after step 8" in find("runs_about").text()
    assert _enabled(find) == {"resume", "load", "use_settings", "more", "delete"}
    click(qtbot, find("runs_resume"))
    assert not find("runs_resume").isEnabled()
    qtbot.waitUntil(lambda: pane.result is not None, timeout=60_000)
    assert find("loss_plot").points("train") == tuple((p.step, p.loss) for p in whole.points if p.loss is not None)
    assert find("status").text().startswith("Finished")
    assert not notices(pane)
    _open(qtbot, find, 2)
    _select(find, "first")
    qtbot.waitUntil(lambda: {find("runs").row(row)[1] for row in range(2)} == {"finished"}, timeout=20_000)


def test_a_second_run_is_not_started(qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, find: Find) -> None:
    # It waits after a step instead of running on, so that it can't end or write a checkpoint while one looks.
    pane.start_run(replace(spec, epochs=500.0))
    qtbot.waitUntil(lambda: find("pause").isEnabled() and len(pane.points) >= 2, timeout=120_000)
    click(qtbot, find("pause"))
    qtbot.waitUntil(lambda: "Paused after step" in find("note").text(), timeout=120_000)
    pane.start_run(replace(spec, output_dir=spec.output_dir.with_name("second")))
    assert "first is being trained" in notices(pane)
    _open(qtbot, find, 1)
    qtbot.waitUntil(lambda: find("runs").row(0)[1] == "running", timeout=60_000)
    assert not find("runs_delete").isEnabled()
    assert not find("runs_resume").isEnabled()
    seen = len(pane.points)
    click(qtbot, find("pause"))
    qtbot.waitUntil(lambda: len(pane.points) > seen, timeout=120_000)
    pane.stop_main_action()
    qtbot.waitUntil(lambda: pane.result is not None, timeout=120_000)
    assert not spec.output_dir.with_name("second").exists()


def test_closing_in_the_middle_of_a_run_loses_nothing(
    qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, runner: Runner
) -> None:
    pane.start_run(replace(spec, epochs=500.0))
    qtbot.waitUntil(lambda: len(pane.points) >= 3, timeout=60_000)
    runner.shut_down()
    (run,) = runs.list_runs()
    assert run.state is RunState.STOPPED
    assert run.resume_step == run.step >= 3
    assert checkpoints.is_complete(spec.output_dir / f"checkpoint-{run.step}")
    assert runner.jobs[-1].state in (State.DONE, State.RUNNING)


def test_the_result_of_a_run_is_loaded(
    qtbot: QtBot, spec: TrainSpec, session: Session, pane: TrainerPane, find: Find
) -> None:
    fine_tune(spec)
    _open(qtbot, find, 1)
    with qtbot.waitSignal(session.model_changed, timeout=60_000):
        click(qtbot, find("runs_load"))
    assert session.checkpoint is not None
    assert session.checkpoint.path == spec.output_dir


def test_the_settings_of_a_run_fill_the_steps_on_the_left(
    qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, find: Find
) -> None:
    made = replace(spec, learning_rate=3e-4, seed=11, epochs=1.0, warmup_steps=2, lr_scheduler_type="cosine")
    fine_tune(made)
    _open(qtbot, find, 1)
    click(qtbot, find("runs_use_settings"))
    qtbot.waitUntil(lambda: find("dataset").currentText() == "films.csv" and find("start").isEnabled(), timeout=20_000)
    again = pane.spec()
    assert again is not None
    assert again.output_dir != made.output_dir
    assert (
        runs.differences(
            tuple(
                runs.Run(each.output_dir, RunState.STOPPED, settings=runs.settings_of(each)) for each in (again, made)
            )
        )
        == ()
    )
    assert (again.columns, again.task, again.checkpoint.path) == (made.columns, made.task, made.checkpoint.path)


def test_the_settings_of_a_run_bring_its_head_options_and_probes_back(
    qtbot: QtBot, spec: TrainSpec, tiny_llama: Checkpoint, pane: TrainerPane, find: Find
) -> None:
    chat = replace(
        spec,
        task="text-regression",
        head_options=_options("text-regression"),
        probes=("a wonderful film", "a terrible film"),
        probe_steps=3,
        probe_tokens=9,
        load_best_model_at_end=True,
        metric_for_best_model="mae",
        max_steps=2,
    )
    fine_tune(chat)
    find("probes").setPlainText("something else")
    _open(qtbot, find, 1)
    click(qtbot, find("runs_use_settings"))
    qtbot.waitUntil(lambda: find("dataset").currentText() == "films.csv" and find("start").isEnabled(), timeout=20_000)
    again = pane.spec()
    assert again is not None
    for name in ("head_options", "probes", "probe_steps", "probe_tokens", "load_best_model_at_end"):
        assert getattr(again, name) == getattr(chat, name), name
    assert again.metric_for_best_model == "mae"


def test_the_best_step_is_kept_and_marked(
    qtbot: QtBot, spec: TrainSpec, session: Session, pane: TrainerPane, find: Find
) -> None:
    wanted = replace(spec, load_best_model_at_end=True, metric_for_best_model="loss", eval_steps=4, learning_rate=3e-2)
    pane.start_run(wanted)
    qtbot.waitUntil(lambda: pane.result is not None, timeout=120_000)
    assert pane.result is not None and pane.result.best is not None
    best = pane.result.best
    losses = {point.step: point.eval_loss for point in pane.points if point.eval_loss is not None}
    assert best.step == min(losses, key=lambda step: losses[step] or 0.0)
    assert find("loss_plot").mark == (best.step, f"best, step {best.step}")
    assert f"best at step {best.step}, loss {best.value:.4g}" in find("note").text()
    table = find("metrics")
    results = {table.row(row)[0]: table.row(row)[-1] for row in range(table.model().rowCount())}
    assert table.columns[-1] == "Result"
    assert results == {step: "best" if step == best.step else "" for step in losses}
    _open(qtbot, find, 1)
    assert find("runs").row(0)[2] == f"12 of 12, best {best.step}"
    qtbot.waitUntil(lambda: find("runs_plot").mark == (best.step, f"best, step {best.step}"), timeout=20_000)
    assert f"Best at step {best.step}" in find("runs_about").text()
    pane.start_run(replace(spec, output_dir=spec.output_dir.with_name("plain"), max_steps=2))
    assert find("loss_plot").mark is None
    qtbot.waitUntil(lambda: pane.result is not None, timeout=120_000)
    assert find("metrics").columns[-1] != "Result"


def test_the_legend_of_the_runs_names_what_is_drawn(qtbot: QtBot, spec: TrainSpec, find: Find) -> None:
    fine_tune(replace(spec, max_steps=4))
    _open(qtbot, find, 1)
    plot = find("runs_plot")
    qtbot.waitUntil(lambda: plot.past() == ("first",), timeout=20_000)
    assert plot._legend.names == ("first",)


def _options(task: str) -> dict[str, Any]:
    """Each setting of a head at another value than its default."""
    return {
        option.name: next((name for name, _ in option.choices if name != option.default), option.default)
        if isinstance(option.default, str)
        else type(option.default)(option.low)
        for option in HEADS[task].options
    }


def test_tensorboard_files_are_written_into_the_folder_of_the_run(qtbot: QtBot, spec: TrainSpec, find: Find) -> None:
    fine_tune(replace(spec, max_steps=2))
    _open(qtbot, find, 1)
    (action,) = [each for each in find("runs_more").menu().actions() if "TensorBoard" in each.text()]
    action.trigger()
    qtbot.waitUntil(lambda: "Written to" in find("runs_about").text(), timeout=20_000)
    assert len(list((spec.output_dir / "runs").iterdir())) == 1


def test_delete_asks_and_deletes(qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, find: Find) -> None:
    fine_tune(spec)
    _open(qtbot, find, 1)
    click(qtbot, find("runs_delete"))
    assert "first" in find("consent").text()
    click(qtbot, find("consent_no"))
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "trainer.consent") is None)
    assert spec.output_dir.exists()
    click(qtbot, find("runs_delete"))
    click(qtbot, find("consent_yes"))
    qtbot.waitUntil(lambda: find("runs").model().rowCount() == 0, timeout=20_000)
    assert not spec.output_dir.exists()
    assert spec.data.path is not None
    assert spec.data.path.exists()


def test_a_folder_elsewhere_opens_as_a_run_and_one_that_is_none_is_told(
    qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, find: Find, tmp_path: Path
) -> None:
    fine_tune(replace(spec, output_dir=tmp_path / "elsewhere" / "theirs"))
    _open(qtbot, find, 0)
    pane._runs.open_folder(tmp_path / "elsewhere" / "theirs")
    qtbot.waitUntil(lambda: find("runs").model().rowCount() == 1, timeout=20_000)
    assert find("runs").row(0)[0] == "theirs"
    pane._runs.open_folder(tmp_path)
    qtbot.waitUntil(lambda: "as a run" in notices(pane), timeout=20_000)


def test_past_runs_are_offered_behind_the_live_one(
    qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, find: Find
) -> None:
    fine_tune(spec)
    find("past").opened.emit()
    listed = find("past").menu().findChild(QWidget, "trainer.past_list") or find("past_list")
    qtbot.waitUntil(lambda: listed.count() == 1, timeout=20_000)
    listed.item(0).setCheckState(Qt.CheckState.Checked)
    qtbot.waitUntil(lambda: find("loss_plot").past() == ("first",), timeout=20_000)


def test_out_of_memory_offers_smaller_batches_in_oneclick(
    qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine_tune(spec, task=StopAt(7))
    refused: list[int] = []

    def once(asked: TrainSpec, **rest: Any) -> Any:
        if not refused:
            refused.append(asked.batch_size)
            error = TooLarge("The training stopped at step 9.", why="It was too much.", remedy="Take half.")
            error.smaller = replace(asked, batch_size=4, gradient_accumulation_steps=2)
            raise error
        return fine_tune(asked, **rest)

    monkeypatch.setattr(at_work, "fine_tune", once)
    pane.start_run(spec, resume=spec.output_dir)
    qtbot.waitUntil(lambda: "Take half" in notices(pane), timeout=20_000)
    button = find("notice_action")
    assert button.text() == "Go on with batches of 4"
    click(qtbot, button)
    qtbot.waitUntil(lambda: pane.result is not None, timeout=60_000)
    assert [p.step for p in pane.points if p.loss is not None] == list(range(1, 13))
    assert (find("batch_size").value(), find("gradient_accumulation_steps").value()) == (4, 2)


def test_a_checkpoint_that_could_not_be_written_is_told_while_the_run_goes_on(
    qtbot: QtBot, spec: TrainSpec, pane: TrainerPane, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "seal", full)
    pane.start_run(spec)
    qtbot.waitUntil(lambda: pane.result is not None, timeout=60_000)
    assert "Could not write the checkpoint of step 6; the training goes on." in notices(pane)
    assert pane.points[-1].step == 12

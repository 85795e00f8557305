"""Runs outside the window, from the pane: started, watched, stopped, found again; and what follows a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from workbench.engine.train import outside
from workbench.panes.trainer import TrainerPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session

pytestmark = pytest.mark.usefixtures("workbench_data")


@pytest.fixture
def make(
    qtbot: QtBot, session: Session, runner: Runner, checkpoints: None, reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], TrainerPane]:  # fmt: skip
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def pane() -> TrainerPane:
        pane = TrainerPane(session, runner)
        qtbot.addWidget(pane)
        pane.resize(1300, 850)
        with qtbot.waitExposed(pane):
            pane.show()
        pane.open_data(reviews)
        qtbot.waitUntil(lambda: _find(pane, "dataset").currentText() == "reviews.csv", timeout=20_000)
        qtbot.waitUntil(_find(pane, "start").isEnabled, timeout=20_000)
        _find(pane, "max_steps").setValue(0)
        _find(pane, "epochs").setValue(900.0)
        return pane

    return pane


def _find(pane: TrainerPane, name: str) -> Any:
    widget = pane.findChild(QWidget, f"trainer.{name}")
    assert widget is not None, name
    return widget


def test_a_run_outside_is_watched_left_found_again_and_stopped(
    qtbot: QtBot, runner: Runner, make: Callable[[], TrainerPane]
) -> None:
    pane = make()
    place = _find(pane, "place")
    place.setCurrentIndex(place.findData("processes"))
    _find(pane, "start").click()
    qtbot.waitUntil(lambda: len(pane.points) > 2, timeout=90_000)
    assert not _find(pane, "pause").isEnabled()
    assert _find(pane, "stop").isEnabled()
    # Closing the window cancels what watches; the run goes on.
    for job in runner.active:
        job.cancel()
    qtbot.waitUntil(lambda: not runner.active, timeout=20_000)
    assert "Goes on outside" in _find(pane, "status").text()
    assert _find(pane, "notice_action").text() == "Stop the run"
    assert "Cancel here ends the watching alone" in " ".join(runner.jobs[-1].lines)
    (run,) = outside.going_on()
    pane.close()

    again = make()
    qtbot.waitUntil(lambda: again.findChild(QWidget, "trainer.notice_action") is not None, timeout=20_000)
    _find(again, "notice_action").click()
    qtbot.waitUntil(lambda: len(again.points) > 2, timeout=30_000)
    assert again.points[0].step == 1
    _find(again, "stop").click()
    qtbot.waitUntil(lambda: again.result is not None, timeout=60_000)
    assert again.result is not None
    assert again.result.stopped
    assert again.result.checkpoint.path == run.folder
    assert outside.going_on() == ()


def test_a_run_outside_that_nobody_watches_any_more_is_stopped_from_the_notice(
    qtbot: QtBot, runner: Runner, make: Callable[[], TrainerPane]
) -> None:
    pane = make()
    place = _find(pane, "place")
    place.setCurrentIndex(place.findData("processes"))
    _find(pane, "start").click()
    qtbot.waitUntil(lambda: len(pane.points) > 2, timeout=120_000)
    (run,) = outside.going_on()
    next(job for job in runner.active if "outside" in job.title).cancel()
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "trainer.notice_action") is not None, timeout=20_000)
    _find(pane, "notice_action").click()
    qtbot.waitUntil(lambda: outside.going_on() == (), timeout=120_000)
    assert (run.folder / "config.json").exists(), "its checkpoint is kept"


def test_the_result_can_be_evaluated_and_opened_in_another_pane(
    qtbot: QtBot, session: Session, make: Callable[[], TrainerPane]
) -> None:
    pane = make()
    _find(pane, "epochs").setValue(1.0)
    _find(pane, "start").click()
    qtbot.waitUntil(lambda: pane.result is not None, timeout=60_000)
    assert pane.result is not None
    views = _find(pane, "views")
    views.setCurrentIndex([views.tabText(at) for at in range(views.count())].index("Evaluation"))
    qtbot.waitUntil(_find(pane, "evaluate_result").isEnabled)
    _find(pane, "evaluate_result").click()
    qtbot.waitUntil(lambda: "held-out rows" in _find(pane, "after_status").text(), timeout=60_000)
    with qtbot.waitSignal(pane.pane_requested, timeout=60_000) as asked:
        _find(pane, "to_tasks").click()
    assert asked.args == ["tasks"]
    assert session.checkpoint is not None
    assert session.checkpoint.path == pane.result.checkpoint.path

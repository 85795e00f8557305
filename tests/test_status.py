"""The status bar: what the loaded models take, all of them and each."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from tests.runtime.test_session import _loaded
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.status import StatusBar
from workbench.widgets.job_bar import JobBar


def test_every_model_in_memory_is_counted_and_named(qtbot: QtBot) -> None:
    session, runner = Session(), Runner()
    bar = StatusBar(session, runner)
    qtbot.addWidget(bar)
    bar.show()
    memory = bar.findChild(QLabel, "window.memory")
    assert memory is not None and "model" not in memory.text()
    one, two, three = map(_loaded, ("one", "two", "three"))
    session.set_model(one)
    assert memory.text().endswith("in use, model 4 B")
    session.set_second(two)
    session.add_model(three)
    assert memory.text().endswith("in use, 3 models 12 B")
    assert all(f"{name}: 4 B, cpu" in memory.toolTip() for name in ("one", "two", "three"))
    session.drop_model(two)
    assert memory.text().endswith("2 models 8 B") and "two" not in memory.toolTip()
    runner.shut_down()


def test_a_long_piece_of_work_does_not_widen_the_window(qtbot: QtBot) -> None:
    session, runner = Session(), Runner()
    bar = StatusBar(session, runner)
    qtbot.addWidget(bar)
    jobs = bar.findChild(JobBar)
    assert jobs is not None
    jobs.set_jobs([("Fine-tune a checkpoint of a rather long name on a file of a long name " * 2, "1/2 steps", "soon")])
    assert bar.minimumSizeHint().width() < 640
    runner.shut_down()

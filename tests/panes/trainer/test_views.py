"""What watches a run: its curves with past runs behind them, its figures, and its probes to go back over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QListWidget, QTabWidget, QWidget
from pytestqt.qtbot import QtBot

from workbench.engine.task import Progress
from workbench.engine.train import HEADS
from workbench.engine.values import ProbeResult, TrainPoint
from workbench.panes.trainer.probe_text import marked, page
from workbench.panes.trainer.probes_view import ProbesView
from workbench.panes.trainer.run_view import RunView

PROBES = ("a wonderful film", "a terrible film")


def points(count: int, **changes: Any) -> list[TrainPoint]:
    return [
        TrainPoint(
            step, count, step / count, loss=1 / step, learning_rate=1e-4, grad_norm=2.0 + step, seconds=step * 0.5,
            **changes,
        )
        for step in range(1, count + 1)
    ]  # fmt: skip


@pytest.fixture
def run(qtbot: QtBot) -> RunView:
    view = RunView()
    qtbot.addWidget(view)
    view.resize(800, 760)
    with qtbot.waitExposed(view):
        view.show()
    view.begin("live")
    view.show_progress(Progress(0, 20, "steps", "Training"))
    return view


@pytest.fixture
def probes(qtbot: QtBot) -> ProbesView:
    view = ProbesView()
    qtbot.addWidget(view)
    view.show_head(HEADS["text-classification"])
    view.resize(800, 760)
    with qtbot.waitExposed(view):
        view.show()
    return view


def _find(view: QWidget, name: str) -> Any:
    found = view.findChild(QWidget, f"trainer.{name}")
    assert found is not None, name
    return found


def _classified(step: int, good: float) -> list[ProbeResult]:
    shares = [(("good", good), ("bad", 1 - good)), (("good", 1 - good), ("bad", good))]
    return [
        ProbeResult(step, probe, labels=tuple(sorted(pair, key=lambda each: -each[1])))
        for probe, pair in zip(PROBES, shares, strict=True)
    ]


def test_gradient_rate_speed_and_memory_are_drawn_where_they_were_measured(qtbot: QtBot, run: RunView) -> None:
    for point in points(5, tokens_per_second=800.0, samples_per_second=16.0):
        run.add_point(point)
    run.add_point(TrainPoint(5, 20, 0.25, eval_loss=0.4, metrics={"accuracy": 0.8125}, memory=2_500_000_000))
    assert [y for _, y in _find(run, "gradient_plot").points("gradient norm")] == [3, 4, 5, 6, 7]
    assert len(_find(run, "lr_plot").points("learning rate")) == 5
    assert run.findChild(QWidget, "trainer.memory_plot") is None, "made when it is looked at"
    tabs = _find(run, "more_plots")
    for page_at in range(tabs.count()):
        tabs.setCurrentIndex(page_at)
    qtbot.waitUntil(lambda: all(run.findChild(QWidget, f"trainer.{name}_plot") for name in ("samples", "memory")))
    assert _find(run, "tokens_plot").points("tokens/s") == tuple((float(n), 800.0) for n in range(1, 6))
    assert _find(run, "samples_plot").points("samples/s")[0] == (1, 16.0)
    assert _find(run, "memory_plot").points("process") == ((5, 2.5),)
    assert _find(run, "memory_plot").points("GPU") == (), "what was not measured is not drawn"
    run.add_point(TrainPoint(6, 20, 0.3, loss=0.3, device_memory=3_000_000_000))
    assert _find(run, "memory_plot").points("GPU") == ((6, 3.0),)
    assert len(_find(run, "tokens_plot").points("tokens/s")) == 5
    qtbot.waitUntil(lambda: _find(run, "figure_metric").text() == "81.2 %")
    assert _find(run, "figure_device").text() == "3.00 GB"
    assert _find(run, "figure_device").isVisible()


def test_the_speed_is_that_of_the_last_fifty_steps(run: RunView) -> None:
    moments = [*range(1, 41), *(40 + 0.5 * step for step in range(1, 61))]
    for step, seconds in enumerate(moments, 1):
        run.add_point(TrainPoint(step, 100, step / 100, loss=1.0, seconds=seconds))
    run._show_words()
    assert _find(run, "figure_steps").text() == "2/s", "the slow ones are long past"


def test_words_of_a_pause_stay_until_it_goes_on(qtbot: QtBot, run: RunView) -> None:
    for point in points(4):
        run.add_point(point)
    run.show_progress(Progress(4, 20, "steps", "Paused", halted=True))
    assert "Paused after step 4" in _find(run, "note").text()
    qtbot.waitUntil(lambda: "Step 4 of 4" in _find(run, "status").text())
    assert "Paused after step 4" in _find(run, "note").text()


def test_past_runs_are_chosen_from_a_list_and_drawn_in_every_plot(qtbot: QtBot, run: RunView, tmp_path: Path) -> None:
    asked: list[tuple[Path, ...]] = []
    run.past.chosen.connect(asked.append)
    run.past.set_runs((("first", tmp_path / "first"), ("second", tmp_path / "second")))
    runs = run.past.menu().findChild(QListWidget) or run.past.findChild(QListWidget)
    runs.item(1).setCheckState(Qt.CheckState.Checked)
    assert asked == [(tmp_path / "second",)]
    assert run.past.text() == "Past runs (1)"
    run.set_past([("second", points(30))])
    assert _find(run, "loss_plot").past() == ("second",)
    assert _find(run, "gradient_plot").past() == ("second",)
    _find(run, "more_plots").setCurrentIndex(1)
    qtbot.waitUntil(lambda: run.findChild(QWidget, "trainer.tokens_plot") is not None)
    assert _find(run, "tokens_plot").past() == (), "it has measured none"
    run.begin("another")
    assert _find(run, "loss_plot").past() == ("second",)
    run.past.set_runs((("first", tmp_path / "first"),))
    assert asked[-1] == ()
    run.set_past([])
    assert _find(run, "loss_plot").past() == ()


def test_the_run_fits_a_narrow_window(qtbot: QtBot, run: RunView) -> None:
    assert run.minimumSizeHint().width() <= 400
    before = _find(run, "figure_memory").y()
    run.resize(360, 600)
    qtbot.waitUntil(lambda: _find(run, "figure_memory").y() > before)


def test_where_there_is_little_room_the_loss_is_a_tab(qtbot: QtBot, run: RunView) -> None:
    for point in points(5):
        run.add_point(point)
    loss, tabs = _find(run, "loss_plot"), _find(run, "more_plots")
    assert tabs.indexOf(loss) < 0
    run.resize(420, 480)
    qtbot.waitUntil(lambda: tabs.indexOf(loss) == tabs.currentIndex() == 0)
    assert loss.height() > 120
    run.resize(800, 760)
    qtbot.waitUntil(lambda: tabs.indexOf(loss) < 0 and loss.isVisible())
    qtbot.waitUntil(lambda: loss.y() < tabs.y() and loss.height() > tabs.height())
    assert len(loss.points("train")) == 5


def test_probes_are_one_a_line_and_part_of_the_settings(qtbot: QtBot, probes: ProbesView) -> None:
    assert probes.values() == {"probes": (), "probe_steps": 10, "probe_tokens": 32}
    qtbot.mouseClick(_find(probes, "probe_examples"), Qt.MouseButton.LeftButton)
    assert len(probes.values()["probes"]) == 2
    with qtbot.waitSignal(probes.edited):
        _find(probes, "probes").setPlainText("  one \n\nhalf a \ud83d\none\n")
    assert [probe[:6] for probe in probes.values()["probes"]] == ["one", "half a"]
    "".join(probes.values()["probes"]).encode()
    assert not _find(probes, "probe_tokens").isVisible(), "nothing is written by a classifier"
    probes.show_head(HEADS["text-generation"])
    assert _find(probes, "probe_tokens").isVisible()


def test_one_goes_back_over_the_steps_while_the_run_goes_on(qtbot: QtBot, probes: ProbesView) -> None:
    assert not _find(probes, "probe_answers").isVisible()
    probes.begin()
    for step, good in ((0, 0.4), (10, 0.7), (20, 0.9)):
        for result in _classified(step, good):
            probes.add(result)
    answers, where = _find(probes, "probe_answers"), _find(probes, "probe_where")
    assert where.text() == "After step 20"
    assert "good 90.00 %" in answers.toPlainText()
    qtbot.mouseClick(_find(probes, "probe_back"), Qt.MouseButton.LeftButton)
    assert where.text() == "After step 10"
    assert "good 70.00 % (was bad)" in answers.toPlainText()
    for result in _classified(30, 0.95):
        probes.add(result)
    assert where.text() == "After step 10", "who looks back is left there"
    _find(probes, "probe_step").setValue(0)
    assert where.text() == "Before the first step"
    assert not _find(probes, "probe_back").isEnabled()
    _find(probes, "probe_step").setValue(3)
    for result in _classified(40, 0.96):
        probes.add(result)
    assert where.text() == "After step 40", "who looks at the newest follows"


def test_probabilities_are_drawn_over_the_steps(probes: ProbesView) -> None:
    probes.set_results([each for step, good in ((0, 0.4), (10, 0.7), (20, 0.9)) for each in _classified(step, good)])
    plot = _find(probes, "probe_plot")
    assert plot.points("good") == ((0, 0.4), (10, 0.7), (20, 0.9))
    assert [y for _, y in plot.points("bad")] == pytest.approx([0.6, 0.3, 0.1])
    which = _find(probes, "probe_which")
    assert [which.itemText(row) for row in range(which.count())] == list(PROBES)
    which.setCurrentIndex(1)
    assert [y for _, y in plot.points("bad")] == pytest.approx([0.4, 0.7, 0.9])


def test_what_changed_is_marked_and_nothing_of_a_text_is_taken_for_markup() -> None:
    html = marked("a storm over the sea", "a storm over <b> the city")
    assert html.startswith("a storm over <span")
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "text-decoration:underline'>city</span>" in html
    assert "span" not in marked("the same", "the same")
    before = [ProbeResult(0, "p", tags=(("Ada", "O"), ("was", "O")))]
    after = [ProbeResult(10, "p", tags=(("Ada", "B-PER"), ("was", "O")))]
    told = page(after, before)
    assert told.count("underline") == 1 and "underline'>B-PER" in told
    assert "nothing was written" in page([ProbeResult(0, "p")], [])
    assert "no [MASK]" in page([ProbeResult(0, "p", note="There is no [MASK] in it.")], [])


@pytest.mark.parametrize("make", [RunView, ProbesView])
def test_every_control_says_what_it_is(qtbot: QtBot, make: Callable[[], QWidget]) -> None:
    view = make()
    qtbot.addWidget(view)
    for control in view.findChildren(QWidget):
        if control.objectName().startswith("trainer.") and not isinstance(control, QLabel | QTabWidget):
            assert control.accessibleName(), control.objectName()

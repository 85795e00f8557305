"""The pane in small windows: steps beside the views or among them, and nothing to be scrolled sideways."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtWidgets import QApplication, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from tests.panes.trainer.person import Find, click, show_tab
from workbench.panes.trainer import TrainerPane
from workbench.panes.trainer.arrangement import Arrangement
from workbench.widgets import theme

pytestmark = pytest.mark.usefixtures("workbench_data")


@pytest.fixture
def zoom(qapp: QApplication, pane: TrainerPane) -> Iterator[Callable[[float], None]]:
    """Dresses the application; what other tests left behind is gone before, so that nothing goes in the middle."""

    def zoom(by: float) -> None:
        gc.collect()
        theme.apply(qapp, dark=False, zoom=by)

    zoom(1.0)
    yield zoom
    zoom(1.0)


def _titles(find: Find) -> list[str]:
    return [find("views").tabText(place) for place in range(find("views").count())]


@pytest.mark.parametrize(
    ("width", "height", "by", "narrow"),
    [
        (1337, 729, 1.0, False),
        (897, 529, 1.0, False),
        (1245, 648, 1.5, False),
        (805, 448, 1.5, True),
        (702, 500, 2.0, True),
    ],
    ids=["1440x900", "1000x700", "1440x900 at 150 %", "1000x700 at 150 %", "1024x768 at 200 %"],
)
def test_nothing_is_scrolled_sideways(
    qtbot: QtBot, pane: TrainerPane, find: Find, zoom: Callable[[float], None],
    width: int, height: int, by: float, narrow: bool,
) -> None:  # fmt: skip
    zoom(by)
    pane.resize(width, height)
    arrangement = pane.findChild(Arrangement)
    for title in ("Data", "Batches", "Run", "Evaluation", "Probes", "Runs"):
        show_tab(find, "views", title)
        for step in ("1", "2", "3", "4"):
            show_tab(find, "steps", step)
        qtbot.waitUntil(lambda: arrangement.is_narrow is narrow)
        page = pane.findChild(QScrollArea, "trainer.page")
        assert page.horizontalScrollBar().maximum() == 0, title
        current = find("steps").currentWidget()
        assert current.widget().width() <= current.viewport().width(), title


def test_the_first_rows_have_what_the_first_step_leaves(qtbot: QtBot, pane: TrainerPane, find: Find) -> None:
    pane.resize(1337, 729)
    show_tab(find, "steps", "1")
    step, preview = find("steps").currentWidget(), find("preview")
    qtbot.waitUntil(
        lambda: 0 <= step.widget().height() - preview.mapTo(step.widget(), preview.rect().bottomLeft()).y() < 12
    )


def test_zoomed_in_and_out_again_all_stands_where_it_stood(
    qtbot: QtBot, pane: TrainerPane, find: Find, zoom: Callable[[float], None]
) -> None:
    arrangement = pane.findChild(Arrangement)
    pane.resize(897, 529)
    zoom(2.0)
    qtbot.waitUntil(lambda: arrangement.is_narrow)
    zoom(1.0)
    qtbot.waitUntil(lambda: not arrangement.is_narrow)


def test_steps_among_the_views_still_start_and_come_back_with_room(qtbot: QtBot, pane: TrainerPane, find: Find) -> None:
    assert "Set up" not in _titles(find)
    pane.resize(500, 700)
    qtbot.waitUntil(lambda: _titles(find)[0] == "Set up")
    show_tab(find, "views", "Set up")
    assert find("start").isVisible() and find("dataset").isVisible()
    pane.resize(1300, 850)
    qtbot.waitUntil(lambda: "Set up" not in _titles(find))
    assert find("start").isVisible() and find("dataset").isVisible()


@pytest.mark.usefixtures("ready")
def test_every_step_is_a_tab_and_the_last_says_what_will_be_run(qtbot: QtBot, pane: TrainerPane, find: Find) -> None:
    shown = {"1": "dataset", "2": "checkpoint", "3": "learning_rate", "4": "run_name"}
    for step, name in shown.items():
        show_tab(find, "steps", step)
        assert [other for other in shown.values() if find(other).isVisible()] == [name]
        assert find("start").isVisible()
    find("epochs").setValue(2)
    told = "Text classification: one label · tiny-bert · reviews.csv · all rows, 2 epochs in batches of 8"
    qtbot.waitUntil(lambda: find("run_summary").text() == told)


@pytest.mark.usefixtures("ready")
def test_the_dry_run_stands_before_start_and_shows_what_it_tells(qtbot: QtBot, pane: TrainerPane, find: Find) -> None:
    assert find("dry_run").y() == find("start").y() and find("dry_run").x() < find("start").x()
    click(qtbot, find("dry_run"))
    assert find("views").tabText(find("views").currentIndex()) == "Batches"
    qtbot.waitUntil(lambda: bool(find("dry_run_result").text()), timeout=120_000)
    told: QWidget = find("dry_run_result")
    assert told.isVisible() and find("start").isEnabled()


def test_settings_of_a_head_stand_in_line_below_checkpoint_and_task_and_fit_a_small_window(
    qtbot: QtBot, pane: TrainerPane, find: Find, zoom: Callable[[float], None]
) -> None:
    zoom(2.0)
    pane.resize(702, 500)
    qtbot.waitUntil(lambda: _titles(find)[0] == "Set up")
    show_tab(find, "views", "Set up")
    show_tab(find, "steps", "2")
    page = pane.findChild(QScrollArea, "trainer.page")
    for task, name in (("text2text-generation", "predict_with_generate"), ("fill-mask", "mlm_probability")):
        find("task").setCurrentIndex(find("task").findData(task))
        box = find(f"head_{name}")
        qtbot.waitUntil(lambda box=box: box.isVisible() and box.y() > find("task").geometry().bottom())
        assert box.x() == find("task").x() == find("checkpoint").x()
        assert page.horizontalScrollBar().maximum() == 0, task

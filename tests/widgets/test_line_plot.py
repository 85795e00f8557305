"""A plot shows what was given, in time, in every theme, and gives it back as a file."""

from __future__ import annotations

import csv
import io
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from workbench.widgets import theme
from workbench.widgets.line_plot import LinePlot


@pytest.fixture
def plot(qtbot: QtBot) -> LinePlot:
    plot = LinePlot("trainer.loss_plot", "Loss", "optimizer step", "loss (nats)")
    qtbot.addWidget(plot)
    plot.resize(600, 350)
    plot.add_series("train", smooth=True)
    plot.add_series("evaluation", dashed=True)
    with qtbot.waitExposed(plot):
        plot.show()
    return plot


def fill(qtbot: QtBot, plot: LinePlot) -> None:
    for step in range(100):
        plot.add_point("train", step, 0.7 - step / 1000)
    plot.add_point("evaluation", 50, 0.66)
    qtbot.waitUntil(lambda: "0.601" in plot.accessibleDescription())
    left = plot._item.getAxis("left")

    def placed() -> bool:
        # The axes make room for their numbers when these are first painted.
        plot.grab()
        return left.geometry().width() == left.maximumWidth()

    qtbot.waitUntil(placed)
    plot.grab()


def test_importing_the_module_does_not_import_pyqtgraph() -> None:
    code = "import sys, workbench.widgets.line_plot; sys.exit('pyqtgraph' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_says_so_while_it_is_empty(plot: LinePlot) -> None:
    assert "no points yet" in [label.text() for label in plot.findChildren(QLabel)]


def test_axes_have_no_numbers_before_there_is_a_point_to_read_by_them(
    qtbot: QtBot, plot: LinePlot, tmp_path: Path
) -> None:
    def numbers() -> list[str]:
        plot.export(str(tmp_path / "loss.svg"))
        return re.findall(r">\s*([0-9.]+)\s*</text>", (tmp_path / "loss.svg").read_text(encoding="utf-8"))

    assert numbers() == []
    fill(qtbot, plot)
    assert len(numbers()) > 4
    plot.clear()
    assert numbers() == []


def test_the_last_values_are_there_for_a_screen_reader(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    assert plot.accessibleName() == "Loss"
    assert "train 0.601" in plot.accessibleDescription()
    assert "evaluation 0.66" in plot.accessibleDescription()


def test_points_come_back_as_they_came(plot: LinePlot) -> None:
    plot.set_series("train", [1, 2, 3], [0.5, math.nan, 0.25])
    points = plot.points("train")
    assert [x for x, _ in points] == [1, 2, 3]
    assert math.isnan(points[1][1])
    assert plot.points("never heard of") == ()


def test_it_draws_only_when_something_changed(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    qtbot.waitUntil(lambda: not plot._timer.isActive())
    plot.add_point("train", 100, 0.6)
    assert plot._timer.isActive()
    assert plot._timer.interval() >= 50
    qtbot.waitUntil(lambda: not plot._timer.isActive())


def test_evaluation_differs_in_dash_and_not_in_colour_alone(plot: LinePlot) -> None:
    train, evaluation = (plot._series[name].items[1].opts["pen"] for name in ("train", "evaluation"))
    assert train.style() == Qt.PenStyle.SolidLine
    assert evaluation.style() == Qt.PenStyle.DashLine
    assert train.color() != evaluation.color()


def test_axes_and_legend_survive_a_change_of_theme_and_zoom(qtbot: QtBot, qapp: QApplication, plot: LinePlot) -> None:
    fill(qtbot, plot)
    for dark, zoom in ((True, 1.5), (False, 1.0), (True, 1.0)):
        theme.apply(qapp, dark=dark, zoom=zoom)
        axis = plot._item.getAxis("left")
        qtbot.waitUntil(lambda axis=axis: axis.textPen().color().name() == theme.current().muted)
        assert axis.autoSIPrefixScale == 1.0
        assert "loss (nats)" in axis.labelString()
        assert "x0" not in axis.labelString()
        assert plot._legend.names == ("train", "evaluation")
        assert all(theme.current().text in label.item.toHtml() for _, label in plot._legend._row.items)


def test_a_logarithmic_axis_leaves_out_what_has_no_place_on_it(qtbot: QtBot, plot: LinePlot) -> None:
    plot.set_series("train", [0, 1, 2, 3], [1.0, 0.0, -1.0, 0.1])
    plot.set_log_y(True)
    plot.grab()
    assert plot.points("train")[1] == (1, 0.0)
    plot.set_log_y(False)


def test_csv_holds_every_point(plot: LinePlot, tmp_path: Path) -> None:
    plot.set_series("train", [1, 2], [1 / 3, 0.1])
    plot.set_series("evaluation", [2], [0.5])
    plot.export(str(tmp_path / "loss.csv"))
    rows = list(csv.reader(io.StringIO((tmp_path / "loss.csv").read_text(encoding="utf-8"))))
    assert rows[0] == ["series", "optimizer step", "loss (nats)"]
    assert [(name, float(x), float(y)) for name, x, y in rows[1:]] == [
        ("train", 1, 1 / 3), ("train", 2, 0.1), ("evaluation", 2, 0.5),
    ]  # fmt: skip


def test_pictures_can_be_saved(qtbot: QtBot, plot: LinePlot, tmp_path: Path) -> None:
    fill(qtbot, plot)
    plot.export(str(tmp_path / "loss.png"))
    assert QImage(str(tmp_path / "loss.png")).width() > 100
    plot.export(str(tmp_path / "loss.svg"))
    drawing = (tmp_path / "loss.svg").read_text(encoding="utf-8")
    assert "optimizer step" in drawing
    assert theme.current().series[0] in drawing
    for ending in ("png", "svg", "csv"):
        with pytest.raises(OSError, match="missing"):
            plot.export(str(tmp_path / "missing" / f"loss.{ending}"))


def test_the_export_button_offers_three_kinds(plot: LinePlot) -> None:
    button = plot.findChild(QToolButton, "trainer.loss_plot_export")
    assert [action.text() for action in button.menu().actions()] == ["Save as PNG…", "Save as SVG…", "Save as CSV…"]


def _range(plot: LinePlot) -> list[float]:
    return plot._item.getViewBox().viewRange()[0]


def _readout(plot: LinePlot) -> str:
    return next(label.text() for label in plot.findChildren(QLabel) if label.property("role") == "muted")


def test_past_runs_lie_behind_with_their_names_and_go_when_others_are_chosen(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    past = {"train": ([0, 50, 200], [0.9, 0.8, 0.7]), "evaluation": ([50], [0.85])}
    plot.set_past([("first <run>", past), ("second", {"train": ([0, 10], [0.5, 0.4])})])
    assert plot.past() == ("first <run>", "second")
    assert plot._legend.names == ("train", "evaluation", "first <run>", "second")
    assert ("first <run>: evaluation", 50.0, 0.85) in plot.readings(40)
    assert "first <run>: train,200.0,0.7" in plot.as_csv()
    assert plot.points("train")[0] == (0, 0.7), "the live run has its points still"
    plot.clear()
    plot._redraw()
    assert plot.past() == ("first <run>", "second")
    assert plot._legend.names == ("first <run>", "second")
    plot.set_past([])
    assert plot.past() == ()
    assert plot._legend.names == (), "a line without a point is not named"
    assert len([item for item in plot._item.items if hasattr(item, "set_look")]) == 4


def test_the_names_stand_above_the_lines_where_one_row_holds_them(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    plot.resize(600, 300)
    qtbot.waitUntil(lambda: plot._legend.above)
    row, box = plot._legend._row, plot._item.getViewBox()
    qtbot.waitUntil(lambda: row.sceneBoundingRect().bottom() <= box.sceneBoundingRect().top() + 1)
    plot.set_past([("a run whose name takes much room " * 3, {"train": ([0, 1], [1.0, 2.0])})])
    plot._redraw()
    assert not plot._legend.above
    plot.grab()
    assert box.sceneBoundingRect().right() <= plot._plot.width(), "long names widen nothing"


def test_a_past_run_is_muted_and_shown_or_hidden_as_one(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    plot.set_past([("old", {"train": ([0, 1], [1, 2]), "evaluation": ([1], [2])})])
    live, old = (line.items[1].opts["pen"] for line in (plot._series["train"], plot._past[0]))
    assert old.widthF() < live.widthF()
    assert old.color() != live.color()
    sample = plot._past[0].items[1]
    sample.setVisible(False)
    plot._legend.clicked.emit(sample)
    assert not any(name.startswith("old") for name, _, _ in plot.readings(1))
    assert [name for name, _, _ in plot.readings(1)] == ["train", "evaluation"]


def test_a_place_is_marked_under_a_name_and_moves_no_axis(
    qtbot: QtBot, qapp: QApplication, plot: LinePlot, tmp_path: Path
) -> None:
    fill(qtbot, plot)
    before = _range(plot)
    assert plot.mark is None
    plot.set_mark(40.0, "best, step <40>")
    theme.apply(qapp, dark=True)
    plot.export(str(tmp_path / "loss.svg"))
    assert "best, step &lt;40&gt;" in (tmp_path / "loss.svg").read_text(encoding="utf-8").replace("\xa0", "")
    theme.apply(qapp, dark=False)
    assert plot.mark == (40.0, "best, step <40>")
    assert _range(plot) == before
    plot.set_mark(None)
    assert plot.mark is None


def test_linked_plots_show_the_same_steps_side_by_side_or_not(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    other = LinePlot("trainer.lr_plot", "Learning rate", "optimizer step", "rate")
    qtbot.addWidget(other)
    other.resize(300, 200)
    other.set_series("learning rate", [0, 500], [1, 0])
    other.link_x(plot)
    with qtbot.waitExposed(other):
        other.show()
    assert _range(other) == pytest.approx(_range(plot))
    plot._item.setXRange(20, 40, padding=0)
    assert _range(other) == pytest.approx([20, 40])
    other._item.setXRange(5, 10, padding=0)
    assert _range(plot) == pytest.approx([5, 10])
    qtbot.mouseClick(other.findChild(QToolButton, "trainer.lr_plot_fit"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: _range(plot)[1] > 99)
    assert _range(other) == pytest.approx(_range(plot))
    plot.show_cross(30.0)
    plot.crossed.emit(30.0)
    assert _readout(other) == "30: 1 at 0"


def test_the_crosshair_reads_every_curve_and_says_where_its_point_is(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    plot.set_smoothing(0.0)
    plot.show_cross(40.0)
    assert _readout(plot) == "40: train 0.66 · evaluation 0.66 at 50"
    assert plot.readings(40.0) == (("train", 40.0, 0.7 - 40 / 1000), ("evaluation", 50.0, 0.66))
    plot.show_cross(None)
    assert _readout(plot).startswith("last: train 0.601")


def test_the_keyboard_reads_zooms_and_pans(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    plot.setFocus(Qt.FocusReason.TabFocusReason)
    low, high = _range(plot)
    with qtbot.waitSignal(plot.crossed) as crossed:
        qtbot.keyClick(plot, Qt.Key.Key_Right)
    assert crossed.args[0] == pytest.approx((low + high) / 2 + 0.01 * (high - low))
    qtbot.keyClick(plot, Qt.Key.Key_Plus)
    assert _range(plot)[1] - _range(plot)[0] == pytest.approx(0.8 * (high - low))
    before = _range(plot)
    qtbot.keyClick(plot, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert _range(plot)[0] < before[0]
    qtbot.keyClick(plot, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: _range(plot) == pytest.approx([low, high]))
    plot.clearFocus()


def test_what_is_not_a_number_is_a_gap_and_never_zero(qtbot: QtBot, plot: LinePlot) -> None:
    plot.set_smoothing(0.0)
    plot.set_series("train", [0, 1, 2], [5.0, math.nan, 5.0])
    plot._redraw()
    drawing = plot._series["train"].items[1]._drawing()
    elements = [drawing.path.elementAt(n) for n in range(drawing.path.elementCount())]
    assert all(element.y == 5.0 for element in elements)
    plot.set_series("train", range(2000), [5.0, math.nan] * 1000)
    plot._redraw()
    assert all(stroke.y1() == stroke.y2() == 5.0 for stroke in plot._series["train"].items[1]._drawing().strokes)


def test_a_kept_range_stays_whatever_comes(plot: LinePlot) -> None:
    plot.keep_y(0.0, 1.0)
    plot.set_series("train", [0, 1], [0.2, 40.0])
    plot._redraw()
    plot.show_all()
    low, high = plot._item.getViewBox().viewRange()[1]
    assert low == pytest.approx(0.0, abs=0.05) and high == pytest.approx(1.0, abs=0.05)


def test_series_can_be_exchanged(qtbot: QtBot, plot: LinePlot) -> None:
    fill(qtbot, plot)
    plot.remove_series()
    assert plot.points("train") == ()
    plot.set_series("good", [0, 1], [0.5, 0.9])
    plot._redraw()
    assert plot._legend.names == (), "the title has the name of one line alone"
    plot.set_series("bad", [0, 1], [0.5, 0.1])
    plot._redraw()
    assert plot._legend.names == ("good", "bad")
    assert "good 0.9" in plot.accessibleDescription()


def test_each_evaluation_has_a_mark_that_can_be_seen(qtbot: QtBot, plot: LinePlot) -> None:
    plot.set_series("evaluation", [10, 20, 30], [1.0, math.nan, 2.0])
    plot._redraw()
    plot.grab()
    item = plot._series["evaluation"].items[1]
    assert [(dot.x(), dot.y()) for dot in item._drawing().dots] == [(10, 1.0), (30, 2.0)]
    picture = plot._plot.grab().toImage()
    place = plot._plot.mapFromScene(item.mapToScene(10, 1.0))
    ink = item.opts["pen"].color().name()
    around = {picture.pixelColor(place.x() + dx, place.y() + dy).name() for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
    assert ink in around

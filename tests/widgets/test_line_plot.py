"""A plot shows what was given, in time, in every theme, and gives it back as a file."""

from __future__ import annotations

import csv
import io
import math
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
    qtbot.waitUntil(lambda: "0.601" in plot.accessibleDescription(), timeout=5000)


def test_importing_the_module_does_not_import_pyqtgraph() -> None:
    code = "import sys, workbench.widgets.line_plot; sys.exit('pyqtgraph' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_says_so_while_it_is_empty(plot: LinePlot) -> None:
    assert "no points yet" in [label.text() for label in plot.findChildren(QLabel)]


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
    qtbot.waitUntil(lambda: not plot._timer.isActive(), timeout=5000)
    plot.add_point("train", 100, 0.6)
    assert plot._timer.isActive()
    assert plot._timer.interval() >= 50
    qtbot.waitUntil(lambda: not plot._timer.isActive(), timeout=5000)


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
        assert axis.autoSIPrefixScale == 1.0
        assert "loss (nats)" in axis.labelString()
        assert "x0" not in axis.labelString()
        for (_, label), name in zip(plot._legend.items, ("train", "evaluation"), strict=True):
            assert label.item.toPlainText() == name
            assert theme.current().text in label.item.toHtml()
        assert axis.textPen().color().name() == theme.current().muted


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

"""A line that was read, the shape of a table and a picture that was made are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QFileDialog, QLabel, QListWidget, QPlainTextEdit, QPushButton, QTableWidget
from pytestqt.qtbot import QtBot

from tests import tiny_pictured
from tests.panes.tasks.person import notice
from workbench.engine import models
from workbench.engine.tasks.table_recognition import cells
from workbench.engine.values import Label, Layout, Place, Reading, Segment, Stage, TaskInput, TaskResult, TensorView
from workbench.panes.tasks.pages import LayoutView, MadeView, ReadingView
from workbench.panes.tasks.results import ResultView
from workbench.widgets.code_view import CodeView
from workbench.widgets.picture_view import PictureView
from workbench.widgets.token_strip import TokenStrip

TABLE = (
    '<html><body><table><thead><tr><td colspan="3"></td></tr></thead><tbody><tr><td rowspan="2"></td><td></td>'
    "<td></td></tr><tr><td></td><td></td></tr></tbody></table></body></html>"
)


def result(task: str, item: object) -> TaskResult:
    size = TensorView("target_size", (1, 2), "int64", np.array([[20, 30]]))
    stages = (Stage("preprocess", (size,), 0.0), Stage("forward", (), 0.0), Stage("postprocess", (), 0.0))
    return TaskResult(task, TaskInput(), stages, (item,), 0, ())


@pytest.fixture
def picture() -> QImage:
    image = QImage(30, 20, QImage.Format.Format_RGB32)
    image.fill("white")
    return image


def test_each_letter_is_tinted_by_how_sure_it_is(qtbot: QtBot, picture) -> None:
    view = ReadingView()
    qtbot.addWidget(view)
    reading = Reading("ab", 0.75, (Label("a", 0.9), Label("b", 0.6)))
    assert view.show_result(result("text-recognition", reading), picture) == "ab  75.00 % sure"
    chips = view.findChild(TokenStrip, "tasks.read_letters").chips
    assert [(chip.text, chip.strength) for chip in chips] == [("a", 0.9), ("b", 0.6)]
    assert chips[1].tip == "b 60.00 %"
    assert view.show_result(result("text-recognition", Reading("", 0.0, ())), picture) == "No letter was read"


def test_joined_cells_are_joined_and_those_of_the_head_are_bold(qtbot: QtBot, picture) -> None:
    view = LayoutView()
    qtbot.addWidget(view)
    words = view.show_result(result("table-recognition", Layout(TABLE, 0.9, cells(TABLE))), picture)
    assert words == "Rows: 3 · columns: 3 · cells: 6 · 90.00 % sure"
    table = view.findChild(QTableWidget, "tasks.layout")
    assert (table.columnSpan(0, 0), table.rowSpan(1, 0), table.rowSpan(1, 1)) == (3, 2, 1)
    assert table.item(0, 0).font().bold() and not table.item(1, 1).font().bold()
    assert table.item(2, 1).text() == "5"
    assert view.findChild(CodeView, "tasks.layout_html").code.replace("\n", "") == TABLE
    assert "shape alone" in view.findChild(QLabel, "tasks.layout_words").text()
    view.show_result(result("table-recognition", Layout("<table></table>", 0.1, ())), picture)
    assert (table.rowCount(), table.columnCount()) == (0, 0)


def test_what_a_text_names_is_drawn_where_it_is(qtbot: QtBot, picture) -> None:
    view = ResultView()
    qtbot.addWidget(view)
    roof = np.zeros((20, 30), bool)
    roof[:5] = True
    items = ("A house with a roof.", Place("house", 5, 4, 20, 18), Segment("roof", None, roof))
    view.show_result(replace(result("image-text-to-text", ""), items=items), picture)
    assert view.accessibleDescription() == "A house with a roof. (house; roof)"
    assert view.findChild(QPlainTextEdit, "tasks.placed_text").toPlainText() == items[0]
    drawn, labels = view.findChild(PictureView, "tasks.placed"), view.findChild(QListWidget, "tasks.placed_labels")
    assert [(each.label, each.box) for each in drawn.overlays] == [("house", (5, 4, 20, 18)), ("roof", None)]
    assert drawn.overlays[1].mask is roof
    labels.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert [each.label for each in drawn.shown] == ["roof"]
    view.show_result(result("image-text-to-text", "A house."), picture)
    assert view.findChild(QPlainTextEdit, "tasks.generated").toPlainText() == "A house."


def test_a_picture_that_was_made_stands_beside_the_first_and_is_saved(qtbot, picture, tmp_path, monkeypatch) -> None:
    view = MadeView()
    qtbot.addWidget(view)
    made = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    assert view.show_result(result("image-to-image", made), picture) == "30 × 20 became 60 × 40 pixels"
    assert view.findChild(PictureView, "tasks.made").picture.width() == 60
    path = tmp_path / "larger.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    view.findChild(QPushButton, "tasks.save_png").click()
    with Image.open(path) as saved:
        np.testing.assert_array_equal(np.asarray(saved.convert("RGB")), made)


def test_a_picture_that_is_drawn_is_shown_alone_and_a_text_comes_back_as_one(
    session, pane, find, settle, tmp_path
) -> None:
    checkpoint = tiny_pictured.build(tmp_path, "janus")
    session.set_model(models.load(checkpoint, device="cpu", head="AutoModelForMultimodalLM"))
    find("text").set_text("A dog.")
    find("paints").setChecked(True)
    assert not any(find(name).isVisible() for name in ("max_new_tokens", "num_beams", "stops"))
    pane.run_main_action()
    settle()
    assert notice(pane) == "" and find("made").isVisible() and not find("made_before").isVisible()
    assert find("made_words").text() == "A picture of 2 × 2 pixels was drawn"
    shown = find("made").picture
    colors = [[QColor(shown.pixel(x, y)).getRgb()[:3] for x in range(2)] for y in range(2)]
    np.testing.assert_array_equal(colors, pane.result.items[0])
    find("paints").setChecked(False)
    assert find("max_new_tokens").isVisible()
    pane.run_main_action()
    settle()
    assert notice(pane) == "" and find("generated").isVisible()

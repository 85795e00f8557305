"""What was found of each pixel is drawn in colours, told in words, and read off under the pointer."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from workbench.engine.values import Stage, TaskInput, TaskResult, TensorView
from workbench.panes.tasks.maps import DepthView, FieldView
from workbench.widgets.picture_view import PictureView

HEIGHT, WIDTH = 30, 40


def result(task: str, values: np.ndarray) -> TaskResult:
    size = TensorView("target_size", (1, 2), "int64", np.array([[HEIGHT, WIDTH]]))
    stages = (Stage("preprocess", (size,), 0.0), Stage("forward", (), 0.0), Stage("postprocess", (), 0.0))
    return TaskResult(task, TaskInput(), stages, (values,), 0, ())


@pytest.fixture
def picture() -> QImage:
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    image.fill("white")
    return image


@pytest.fixture
def field(qtbot: QtBot, picture: QImage) -> FieldView:
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    values = np.stack((across / (WIDTH - 1) * 2 - 1, down / (HEIGHT - 1), np.full((HEIGHT, WIDTH), 5.0)), axis=-1)
    view = FieldView()
    qtbot.addWidget(view)
    view.resize(900, 400)
    view.show()
    words = view.show_result(result("pointmap-estimation", values), picture)
    assert words == "Values: x -1 to 1 (red) · y 0 to 1 (green) · z 5 to 5 (blue)"
    return view


def child(view, kind, name: str):
    return view.findChild(kind, f"tasks.{name}")


def test_each_axis_has_a_colour_from_its_least_to_its_most(field) -> None:
    drawn = child(field, PictureView, "field_map").picture
    assert (drawn.width(), drawn.height()) == (WIDTH, HEIGHT)
    corners = [drawn.pixelColor(x, y) for x, y in ((0, 0), (WIDTH - 1, 0), (0, HEIGHT - 1))]
    assert [(each.red(), each.green(), each.blue()) for each in corners] == [(0, 0, 0), (255, 0, 0), (0, 255, 0)]


@pytest.mark.parametrize("name", ["field_picture", "field_map"])
def test_the_values_under_the_pointer_are_told(field, qtbot, name) -> None:
    view, told = child(field, PictureView, name), child(field, QLabel, "field_at")
    assert "Point at" in told.text()
    place = view._place()
    corner = QPoint(int(place.right()) - 1, int(place.bottom()) - 1)
    qtbot.mouseMove(view, corner)
    qtbot.waitUntil(lambda: told.text() == f"({WIDTH - 1}, {HEIGHT - 1}): x 1, y 1, z 5")
    qtbot.mouseMove(view, QPoint(1, 1) if place.top() > 2 else QPoint(int(place.right()) + 3, 1))
    qtbot.waitUntil(lambda: "Point at" in told.text())


def test_depth_is_told_under_the_pointer(qtbot, picture) -> None:
    view = DepthView()
    qtbot.addWidget(view)
    view.resize(900, 400)
    view.show()
    depth = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    assert view.show_result(result("depth-estimation", depth), picture) == "Depth: 0 (pale) to 1199 (strong)"
    drawn = child(view, PictureView, "depth_map")
    qtbot.mouseMove(drawn, drawn._place().center().toPoint())
    told = child(view, QLabel, "depth_at")
    qtbot.waitUntil(lambda: told.text().startswith("("))
    x, y = (int(each) for each in told.text()[1 : told.text().index(")")].split(", "))
    assert told.text() == f"({x}, {y}): {depth[y, x]:.4g}"
    assert abs(x - WIDTH / 2) <= 1 and abs(y - HEIGHT / 2) <= 1


def test_a_map_without_differences_is_drawn(qtbot, picture) -> None:
    view = FieldView()
    qtbot.addWidget(view)
    view.show_result(result("normal-estimation", np.zeros((HEIGHT, WIDTH, 3), np.float32)), picture)
    assert child(view, PictureView, "field_map").picture.pixelColor(3, 3).red() == 0

"""A page is read in the pane: its words marked, and its picture as the model is shown it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from tests import tiny_readers
from workbench.engine.generate.page import EXAMPLE
from workbench.engine.models import load
from workbench.engine.values import TensorView
from workbench.panes.tasks.stages import drawn


def test_the_words_of_the_example_are_labelled_beside_its_picture(
    qtbot: QtBot, session: Any, pane: Any, find: Any, settle: Any, tmp_path
) -> None:
    session.set_model(load(tiny_readers.layoutlmv2(tmp_path / "page", "TokenClassification"), device="cpu"))
    assert find("task").currentText() == "token-classification"
    qtbot.mouseClick(find("try"), Qt.MouseButton.LeftButton)
    settle()
    assert find("text").text() == EXAMPLE
    qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
    settle()
    shown = pane.result
    assert shown is not None and shown.items
    assert all(each.text in EXAMPLE for each in shown.items)
    image = next(view for view in shown.stages[0].tensors if view.name == "image")
    drawing = drawn(image)
    assert drawing is not None and drawing.shape == (64, 64, 3)
    assert drawing[0, 0].tolist() == [255, 255, 255] and drawing.min() < 255, "black words on white"


def test_a_picture_that_is_shown_blue_first_is_drawn_in_its_colours() -> None:
    values = np.zeros((1, 3, 2, 2), np.uint8)
    values[0, 0] = 200
    assert drawn(TensorView("image", values.shape, "uint8", values))[0, 0].tolist() == [0, 0, 200]

"""Pictures that can't be used become notices of the pane, and what was there before stays."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt

from tests.panes.tasks.person import notice
from tests.tiny_tasks import build_tiny_vision
from workbench.engine.models import load
from workbench.panes.tasks.results import ResultView


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The model of a task."""
    folder = tmp_path_factory.mktemp("sees")
    kept = load(build_tiny_vision(folder, "image-classification"), device="cpu")
    return lambda _name: kept


def test_a_bad_picture_is_a_notice_and_the_next_good_one_runs(run, find, pane, settle, qtbot, tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (61, 97), np.uint8)
    Image.fromarray(noise.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    Image.new("1", (7200, 7200)).save(tmp_path / "large.png")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("RGB", (1, 5000), "red").save(tmp_path / "long.png")
    run("image-classification")
    result = pane.findChild(ResultView, "tasks.result")
    before = result.accessibleDescription()
    assert "%" in before and not pane.notices
    picture = find("image")
    for name, said in (("sixteen.png", "more than 8 bits"), ("large.png", "larger than")):
        picture.set_path(tmp_path / name)
        settle()
        qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
        settle()
        assert said in notice(pane) and picture.path == tmp_path / name
    picture.set_path(tmp_path / "empty.png")
    # What is no picture at all gives its place back to the one before.
    qtbot.waitUntil(lambda: picture.path == tmp_path / "large.png")
    assert "empty.png can't be read" in notice(pane)
    picture.set_path(tmp_path / "long.png")
    settle()
    qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
    settle()
    assert not pane.notices and "%" in result.accessibleDescription()

"""A person compares a film with labels, looks for the moment in it, and finds the page that answers a question."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtWidgets import QListWidget

from tests import tiny_shown
from workbench.engine import tasks
from workbench.engine.models import LoadedModel, load
from workbench.panes.tasks.results import ResultView
from workbench.widgets.picture_view import PictureView
from workbench.widgets.tinted_matrix import TintedMatrix

KINDS = {
    "zero-shot-video-classification": "xclip",
    "video-grounding": "tvp",
    "visual-document-retrieval": "colpali",
    "image-segmentation": "seggpt",
    "text-recognition": "mgp-str",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The model of a task, built when it is asked for."""
    folder, kept = tmp_path_factory.mktemp("shown"), {}

    def loaded(name: str) -> LoadedModel:
        if name not in kept:
            kept[name] = load(tiny_shown.build(folder / KINDS[name], KINDS[name]), device="cpu")
        return kept[name]

    return loaded


@pytest.mark.parametrize("name", list(KINDS))
def test_the_example_of_each_is_drawn_for_its_kind(run, find, pane, loaded, name) -> None:
    assert tasks.infer(loaded(name).facts) == name
    run(name)
    said = pane.findChild(ResultView, "tasks.result").accessibleDescription()
    assert not pane.notices and said != "No result yet"
    if name == "zero-shot-video-classification":
        assert all(label in said for label in tasks.example(name).labels)
    elif name == "video-grounding":
        drawn = find("placed")
        places = drawn.overlays
        assert len(places) >= 1 and f"{places[0].label} of" in said
        assert drawn.picture.width() > drawn.picture.height()
    elif name == "visual-document-retrieval":
        scores, page = pane.findChild(TintedMatrix, "tasks.page_scores"), pane.findChild(PictureView, "tasks.page")
        shown = page.picture.copy()
        cells = [[scores.model().index(row, column).data() for column in range(2)] for row in range(2)]
        best = int(np.argmax([float(cell) for cell in cells[0]]))
        assert f"How much has to be paid? page {best + 1}" in said and scores.currentIndex().column() == best
        scores.setCurrentIndex(scores.model().index(1, 1 - best))
        assert page.picture != shown
    elif name == "image-segmentation":
        assert said.startswith("marked: ") and pane.findChild(QListWidget, "tasks.found_labels").count() == 1
    else:
        ways = find("read_ways").text()
        assert ways.startswith("letters: ") and "not on this machine" in ways

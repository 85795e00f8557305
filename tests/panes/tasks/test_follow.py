"""A setting of the last step is followed at once, without another pass; the others wait for Run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from torch.nn.modules.module import register_module_forward_hook

from tests import tiny_kinds
from tests.panes.tasks.person import notice, rows
from workbench.engine import models, tasks
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, TaskOptions


@pytest.fixture(scope="module")
def loaded(
    tiny_llama: Checkpoint, tiny_bert: Checkpoint, tiny_bert_classifier: Checkpoint, tiny_bert_tagger: Checkpoint
) -> Callable[[str], LoadedModel]:
    return {
        "text-classification": models.load(tiny_bert_classifier, device="cpu"),
        "token-classification": models.load(tiny_bert_tagger, device="cpu"),
        "feature-extraction": models.load(tiny_bert, device="cpu"),
        "text-generation": models.load(tiny_llama, device="cpu"),
    }.__getitem__


@pytest.fixture
def passes():
    """One for each time that any part of a model is called."""
    seen: list[None] = []
    handle = register_module_forward_hook(lambda *_: seen.append(None))
    yield seen
    handle.remove()


def test_top_k_and_threshold_change_the_bars_and_the_last_box_alone(run, pane, find, settle, passes) -> None:
    run("text-classification", "What a film!")
    before, first = len(passes), pane.result
    find("top_k").setValue(1)
    settle()
    assert len(find("label_bars").bars) == 1 and pane.result.stages[:2] == first.stages[:2]
    find("threshold").setValue(1.0)
    settle()
    assert not find("label_bars").bars
    find("threshold").setValue(0.0)
    find("top_k").setValue(0)
    settle()
    assert [bar[:2] for bar in find("label_bars").bars] == [
        (item.label, pytest.approx(item.score)) for item in pane.result.items
    ]
    assert len(pane.result.items) == len(first.items) and len(passes) == before
    assert "tokens" in find("state").text() and not pane.notices


def test_aggregation_joins_the_tokens_anew_without_a_pass(run, pane, find, settle, loaded, passes) -> None:
    run("token-classification")
    before = len(passes)
    find("aggregation").setCurrentText("none")
    settle()
    assert len(passes) == before
    expected = tasks.run(
        loaded("token-classification"), "token-classification", pane.result.given, TaskOptions(aggregation="none")
    )
    assert pane.result.items == expected.items
    assert [row[1] for row in rows(find("entities"))] == [item.label for item in expected.items]


def test_pooling_compares_the_lines_anew_without_a_pass(run, pane, find, settle, passes) -> None:
    run("feature-extraction", "one line\nand another\nand a third")
    before, shown = len(passes), rows(find("similarity"))
    find("pooling").setCurrentText("cls")
    settle()
    assert rows(find("similarity")) != shown and len(passes) == before


def test_what_the_model_reads_waits_for_run_and_is_said(run, pane, find, settle, passes) -> None:
    run("text-generation", "The quick")
    before, said = len(passes), find("state").text()
    find("max_new_tokens").setValue(3)
    settle()
    assert find("state").text() == "Run for these settings" and len(passes) == before
    find("max_new_tokens").setValue(40)
    settle()
    assert find("state").text() == said


def test_another_text_is_not_mixed_with_the_settings(run, pane, find, settle, passes) -> None:
    run("text-classification", "What a film!")
    before = pane.result
    find("text").set_text("Another one.")
    find("top_k").setValue(1)
    settle()
    assert pane.result is before


def test_settings_changed_while_it_runs_are_followed_when_it_is_done(qtbot: QtBot, run, pane, find, settle) -> None:
    run("text-classification", "What a film!")
    qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
    assert pane.busy
    find("top_k").setValue(1)
    settle()
    assert len(pane.result.items) == 1 == len(find("label_bars").bars)


def test_a_setting_that_fails_is_said_once(run, pane, find, settle, monkeypatch) -> None:
    run("text-classification", "What a film!")

    def fails(*_: Any) -> Any:
        raise ValueError("no such score")

    monkeypatch.setattr(tasks.text_classification, "postprocess", fails)
    find("top_k").setValue(1)
    settle()
    assert "no such score" in notice(pane) and find("state").text() == "failed"
    assert len(pane.notices) == 1


def test_settings_that_mean_something_with_another_come_with_it(session, pane, find, tmp_path) -> None:
    session.set_model(models.load(tiny_kinds.build(tmp_path / "sam", "mask-generation"), device="cpu"))
    assert find("crop_layers").isVisibleTo(pane) and not find("crop_overlap").isVisibleTo(pane)
    find("crop_layers").setValue(1)
    assert find("crop_overlap").isVisibleTo(pane) and find("crop_overlap").text() == "its own"
    for name in ("stability_shift", "mask_logit", "box_overlap", "crop_layers", "crop_overlap"):
        assert "usually" in find(name).toolTip() and find(name).accessibleName()


def test_lines_have_the_room_that_their_numbers_leave(run, pane, find) -> None:
    run("feature-extraction", "The quick brown fox jumps over the lazy dog\nA short line")
    pane.resize(1400, 800)
    matrix = find("similarity")
    titles = matrix.verticalHeader()
    numbers = sum(matrix.columnWidth(column) for column in range(2))
    assert titles.width() == min(titles.sizeHint().width(), titles.maximumWidth())
    assert titles.maximumWidth() >= matrix.width() - numbers - 4 * matrix.frameWidth() - 2

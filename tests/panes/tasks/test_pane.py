"""The Tasks pane does each task on the loaded checkpoint and shows what the three steps really made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtWidgets import QApplication, QTableView, QWidget
from pytestqt.qtbot import QtBot

from tests import tiny_captions
from tests.panes.tasks.person import notice, rows
from workbench.engine import models, tasks
from workbench.engine.errors import NotSupported
from workbench.engine.models import LoadedModel
from workbench.engine.tasks.recommended import recommended
from workbench.engine.values import Checkpoint, TaskOptions
from workbench.panes.tasks import TasksPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme

#: Those on one text; each other kind has a test file of its own beside this one.
NAMES = ["text-classification", "token-classification", "fill-mask", "text-generation", "feature-extraction"]


@pytest.fixture(scope="module")
def loaded(
    tiny_llama: Checkpoint, tiny_bert: Checkpoint, tiny_bert_classifier: Checkpoint, tiny_bert_tagger: Checkpoint
) -> Callable[[str], LoadedModel]:
    """A model for each task."""
    masked = models.load(tiny_bert, device="cpu")
    return {
        "text-classification": models.load(tiny_bert_classifier, device="cpu"),
        "token-classification": models.load(tiny_bert_tagger, device="cpu"),
        "fill-mask": masked,
        "text-generation": models.load(tiny_llama, device="cpu"),
        "feature-extraction": masked,
    }.__getitem__


def test_without_a_model_it_says_what_to_do_and_asks_for_the_hub(qtbot: QtBot, pane: TasksPane, find) -> None:
    assert find("empty_action").isVisible()
    assert not find("task").isVisible()
    with qtbot.waitSignal(pane.hub_requested):
        qtbot.mouseClick(find("empty_action"), Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "feature-extraction"])
def test_the_task_is_inferred_from_the_checkpoint(session: Session, loaded, find, name: str) -> None:
    session.set_model(loaded(name))
    assert find("task").currentText() == name
    assert find("run").isEnabled()
    assert not find("head").isVisible()


@pytest.mark.parametrize("name", NAMES)
def test_the_boxes_hold_the_tensors_of_the_three_steps(run, loaded, find, name: str) -> None:
    run(name)
    result = tasks.run(loaded(name), name, tasks.example(name, loaded(name)))
    for stage in result.stages:
        shown = rows(find(f"{stage.name}_tensors"))
        assert [(row[0], row[2]) for row in shown] == [(view.name, view.dtype) for view in stage.tensors]
        grid = find(f"{stage.name}_values_grid").model()
        first = stage.tensors[0]
        assert grid.columnCount() == first.shape[-1]
        value = grid.index(0, 0).data(Qt.ItemDataRole.UserRole)
        assert value == pytest.approx(first.values.flat[0], abs=1e-5)
        assert find(stage.name).findChildren(QWidget)
    assert "tokens" in find("state").text()


def test_another_tensor_of_a_step_can_be_chosen(run, find) -> None:
    run("text-classification")
    find("preprocess_tensors").selectRow(2)
    grid = find("preprocess_values_grid").model()
    assert {grid.index(0, column).data() for column in range(grid.columnCount())} == {"1"}


def test_labels_are_drawn_as_bars(run, loaded, find) -> None:
    run("text-classification", "What a film!")
    expected = tasks.run(loaded("text-classification"), "text-classification", "What a film!").items
    assert [(label, score) for label, score, _ in find("label_bars").bars] == [
        (item.label, pytest.approx(item.score)) for item in expected
    ]
    assert expected[0].label in find("result").accessibleDescription()


def test_entities_are_marked_in_the_text_and_listed(run, find) -> None:
    run("token-classification")
    assert [span.label for span in find("entity_text").spans] == [row[1] for row in rows(find("entities"))]
    assert ("Barack Obama", "PER") in [row[:2] for row in rows(find("entities"))]


def test_masks_get_their_alternatives(run, find) -> None:
    run("fill-mask", "The [MASK] of [MASK].")
    assert [row[0] for row in rows(find("filled"))] == ["1"] * 5 + ["2"] * 5


def test_new_text_follows_the_prompt(run, loaded, find) -> None:
    run("text-generation", "The quick")
    (new,) = tasks.run(loaded("text-generation"), "text-generation", "The quick").items
    assert find("generated").toPlainText() == "The quick" + new
    (tinted,) = find("generated").extraSelections()
    assert tinted.cursor.selectedText() == new.replace("\n", "\u2029")


def test_lines_are_compared_and_one_line_is_shown_as_its_vector(run, loaded, find) -> None:
    run("feature-extraction")
    assert find("similarity").isVisible()
    values = tasks.run(loaded("fill-mask"), "feature-extraction", find("text").text()).stages[2].tensors[1].values
    shown = [[float(value) for value in row] for row in rows(find("similarity"))]
    np.testing.assert_allclose(shown, values, atol=6e-4)
    assert find("map").isVisible()
    find("projection").setCurrentText("none")
    run("feature-extraction", "one line\nand another\nand a third")
    assert not find("map").isVisible()
    run("feature-extraction", "one line")
    assert not find("similarity").isVisible()
    assert find("embedding_grid").model().columnCount() == 32


@pytest.mark.parametrize(("name", "shown"), [
    ("text-classification", {"top_k", "threshold", "function"}),
    ("token-classification", {"aggregation", "threshold", "ignore_labels", "stride", "split"}),
    ("fill-mask", {"top_k", "targets"}), ("text-generation", {"max_new_tokens", "num_beams", "do_sample", "stops"}),
    ("feature-extraction", {"pooling", "normalize", "projection"}),
])  # fmt: skip
def test_only_the_settings_that_apply_are_shown(session: Session, loaded, find, name: str, shown: set[str]) -> None:
    session.set_model(loaded(name))
    find("task").setCurrentText(name)
    settings = set(TaskOptions.__dataclass_fields__) - {"max_length"}
    assert {setting for setting in settings if find(setting).isVisible()} == shown


def test_sampling_brings_its_own_settings(session: Session, loaded, find) -> None:
    session.set_model(loaded("text-generation"))
    find("do_sample").setChecked(True)
    for name in ("temperature", "draw_top_k", "top_p", "seed"):
        assert find(name).isVisible()


def test_settings_act_on_the_next_run(run, find) -> None:
    find("top_k").setValue(1)
    run("text-classification")
    assert len(find("label_bars").bars) == 1
    find("max_new_tokens").setValue(3)
    run("text-generation")
    assert rows(find("postprocess_tensors"))[0][:2] == ("new_ids", "3")


def test_the_example_carries_the_checkpoints_own_mask_token(qtbot: QtBot, session: Session, loaded, find) -> None:
    session.set_model(loaded("fill-mask"))
    qtbot.mouseClick(find("try"), Qt.MouseButton.LeftButton)
    assert "[MASK]" in find("text").text()
    find("task").setCurrentText("feature-extraction")
    assert find("text").text() == tasks.example("feature-extraction").text
    find("text").set_text("my own")
    find("task").setCurrentText("fill-mask")
    assert find("text").text() == "my own"


def test_a_missing_head_is_named_and_loaded_on_request(
    qtbot: QtBot, session: Session, pane: TasksPane, loaded, find, settle
) -> None:
    session.set_model(loaded("fill-mask"))
    find("task").setCurrentText("text-classification")
    assert find("head").isVisible()
    assert "AutoModelForSequenceClassification" in find("head").accessibleDescription()
    assert not find("run").isEnabled()
    pane.run_main_action()
    assert not pane.busy
    qtbot.mouseClick(find("load_head"), Qt.MouseButton.LeftButton)
    settle()
    assert session.model is not None
    assert session.model.head == "AutoModelForSequenceClassification"
    assert find("task").currentText() == "text-classification"
    assert not find("head").isVisible()
    assert find("run").isEnabled()
    qtbot.waitUntil(lambda: "random" in notice(pane))


def test_the_first_task_is_one_that_the_head_does(session: Session, loaded, find) -> None:
    session.set_model(models.load(loaded("fill-mask").checkpoint, head="AutoModel"))
    assert find("task").currentText() == "feature-extraction"
    assert not find("head").isVisible()


def test_an_auto_class_that_is_no_tasks_own_begins_with_what_it_can_do(session: Session, find, tmp_path: Path) -> None:
    blip = tiny_captions.build(tmp_path / "blip", "blip")
    session.set_model(models.load(blip, head="AutoModelForMultimodalLM", device="cpu"))
    assert find("task").currentText() == "image-text-to-text"
    assert not find("head").isVisible()


def test_no_other_head_is_offered_where_the_head_is_not_what_is_wrong(session: Session, find, tmp_path: Path) -> None:
    read = models.load(tiny_captions.build(tmp_path / "pix2struct", "pix2struct"), device="cpu")
    session.set_model(read)
    find("task").setCurrentText("feature-extraction")
    assert not find("run").isEnabled() and not find("load_head").isVisible()
    assert "can't do feature-extraction" in (said := find("head").accessibleDescription())
    assert "is not for Pix2Struct" in said and said.endswith(f"Choose {tasks.first(read)}.")
    with pytest.raises(NotSupported, match="which wants other inputs"):
        tasks.run(read, "feature-extraction", "a text")


def test_a_head_the_architecture_lacks_is_not_offered(session: Session, loaded, find) -> None:
    llama = loaded("text-generation")
    session.set_model(llama)
    find("task").setCurrentText("fill-mask")
    assert find("head").isVisible()
    assert not find("load_head").isVisible()
    assert "no such head" in find("head").accessibleDescription()


@pytest.mark.parametrize(("name", "text", "says"), [
    ("text-classification", "", "empty"), ("fill-mask", "no mask here", "[MASK]"),
    ("text-generation", "film " * 400, "context"),
])  # fmt: skip
def test_a_text_that_cannot_be_used_gives_a_notice_and_nothing_else(
    qtbot: QtBot, run, pane: TasksPane, find, name: str, text: str, says: str
) -> None:
    run(name, text)
    qtbot.waitUntil(lambda: says in notice(pane))
    assert find("run").isEnabled()
    run(name)
    assert notice(pane) == ""


def test_a_text_that_was_cut_says_so(qtbot: QtBot, run, pane: TasksPane) -> None:
    run("text-classification", "the film " * 200)
    qtbot.waitUntil(lambda: "128" in notice(pane))


def test_a_checkpoint_without_a_tokenizer_gives_a_notice(
    qtbot: QtBot, session: Session, pane: TasksPane, loaded, find, settle
) -> None:
    session.set_model(replace(loaded("text-classification"), tokenizer=None))
    find("text").set_text("text")
    pane.run_main_action()
    settle()
    qtbot.waitUntil(lambda: "tokenizer" in notice(pane))


def test_stop_ends_a_generation_within_a_token(
    qtbot: QtBot, session: Session, pane: TasksPane, loaded, find, settle
) -> None:
    session.set_model(loaded("text-generation"))
    find("max_new_tokens").setValue(250)
    find("text").set_text("The")
    pane.run_main_action()
    assert find("stop").isEnabled()
    pane.stop_main_action()
    settle()
    assert find("state").text() == "stopped"
    assert find("run").isEnabled()
    assert not find("stop").isEnabled()


def test_another_model_drops_what_was_shown_and_what_still_runs(
    qtbot: QtBot, session: Session, pane: TasksPane, runner: Runner, loaded, find, run
) -> None:
    run("text-classification")
    pane.run_main_action()
    session.set_model(loaded("text-generation"))
    assert not pane.busy
    qtbot.waitUntil(lambda: not runner.active)
    assert rows(find("preprocess_tensors")) == []
    assert find("result").accessibleDescription() == "No result yet"


@pytest.mark.parametrize("name", NAMES)
def test_the_code_gives_the_same_result(run, pane: TasksPane, find, loaded, capsys, name: str) -> None:
    run(name)
    pane.show_code()
    names: dict[str, Any] = {}
    exec(find("code").code, names)
    assert capsys.readouterr().out
    result = tasks.run(loaded(name), name, find("text").text())
    last = result.stages[2].tensors[0].values
    given = {
        "text-classification": lambda: names["scores"].numpy(),
        "fill-mask": lambda: np.array(names["masks"]),
        "text-generation": lambda: names["new_ids"].numpy(),
        "feature-extraction": lambda: names["embeddings"].numpy(),
    }.get(name, lambda: last)()
    np.testing.assert_allclose(given, last, atol=1e-6)
    if name == "token-classification":
        assert [entry[2:] for entry in names["result"]] == [(item.start, item.end) for item in result.items]


def test_the_code_follows_the_settings(session: Session, pane: TasksPane, loaded, find) -> None:
    session.set_model(loaded("fill-mask"))
    pane.show_code()
    find("top_k").setValue(7)
    assert "min(7," in find("code").code
    find("text").set_text('quo"te')
    assert "'quo\"te'" in find("code").code


def test_the_window_thread_goes_on_while_a_task_runs(
    qtbot: QtBot, session, pane: TasksPane, loaded, find, settle
) -> None:
    session.set_model(loaded("text-generation"))
    find("max_new_tokens").setValue(200)
    find("text").set_text("The")
    ticks: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(1)
    pane.run_main_action()
    settle()
    timer.stop()
    assert len(ticks) > 5


def test_wide_tensors_are_shown_at_once(qtbot: QtBot, find, session: Session, loaded) -> None:
    session.set_model(loaded("fill-mask"))
    values = find("forward").findChild(QWidget, "tasks.forward_values_grid").parent()
    values.set_tensor("", "float32", np.zeros((1, 8, 151_936), np.float32))
    values.grab()
    assert find("forward_values_grid").model().columnCount() == 151_936


def test_zoom_and_theme_are_followed(
    qtbot: QtBot, qapp: QApplication, session: Session, runner: Runner, loaded: Callable[[str], LoadedModel]
) -> None:
    theme.apply(qapp, dark=False, zoom=1.0)
    pane = TasksPane(session, runner)
    qtbot.addWidget(pane)
    session.set_model(loaded("fill-mask"))
    heights = []
    for zoom in (1.0, 2.0):
        theme.apply(qapp, dark=zoom == 2.0, zoom=zoom)
        pane.grab()
        names = ("tasks.similarity", "tasks.embedding_grid", "tasks.forward_values_grid")
        heights.append([pane.findChild(QTableView, name).verticalHeader().defaultSectionSize() for name in names])
    theme.apply(qapp, dark=False, zoom=1.0)
    assert [tall / short for short, tall in zip(*heights, strict=True)] == pytest.approx([2.0] * 3, rel=0.1)


def test_every_control_says_what_it_is(session: Session, pane: TasksPane, loaded) -> None:
    session.set_model(loaded("text-generation"))
    controls = [each for each in pane.findChildren(QWidget) if each.objectName().startswith("tasks.")]
    assert {"tasks.task", "tasks.text", "tasks.run", "tasks.result", "tasks.stop"} <= {c.objectName() for c in controls}
    for control in controls:
        if control.focusPolicy() != Qt.FocusPolicy.NoFocus:
            assert control.accessibleName(), control.objectName()
            assert control.toolTip() or control.objectName() in ("tasks.empty_action", "tasks.code"), (
                control.objectName()
            )


def test_checkpoints_are_recommended_with_their_sizes(qtbot: QtBot, session: Session, pane, loaded, find) -> None:
    session.set_model(loaded("fill-mask"))
    button = find("recommended")
    assert [line.split()[0] for line in button.lines] == [each.name for each in recommended("fill-mask")]
    assert all("about" in line and "million parameters" in line for line in button.lines)
    assert all("Apache-2.0" in line or "MIT" in line for line in button.lines)
    with qtbot.waitSignal(pane.checkpoint_requested) as asked:
        button.menu().actions()[0].trigger()
    assert asked.args == [recommended("fill-mask")[0].name]
    find("task").setCurrentText("raw-outputs")
    assert not button.isEnabled()


def test_words_between_commas_are_settings(session: Session, loaded, find, pane, settle) -> None:
    session.set_model(loaded("fill-mask"))
    find("text").set_text("The capital of France is [MASK].")
    find("targets").setText("paris,  berlin , ")
    pane.run_main_action()
    settle()
    assert sorted(item.token for item in pane.result.items) == ["berlin", "paris"]
    session.set_model(loaded("token-classification"))
    find("text").set_text("Angela Merkel met Barack Obama in Berlin, Germany.")
    assert find("ignore_labels").text() == "O"
    pane.run_main_action()
    settle()
    some = len(pane.result.items)
    find("ignore_labels").clear()
    pane.run_main_action()
    settle()
    assert len(pane.result.items) > some
    assert "O" in {item.label for item in pane.result.items}


def test_every_task_has_a_checkpoint_to_begin_with_that_is_free_to_use_where_one_is() -> None:
    assert [spec.name for spec in tasks.SPECS if not recommended(spec.name)] == ["raw-outputs"]
    for spec in tasks.SPECS:
        sizes = [each.parameters for each in recommended(spec.name)]
        assert sizes == sorted(sizes) and all(size > 0 for size in sizes)
        free = [each.licence in ("Apache-2.0", "MIT") for each in recommended(spec.name)]
        assert all(free) or not any(free), spec.name
        assert all(each.name.count("/") == 1 for each in recommended(spec.name))
    assert sum(bool(recommended(spec.name)) for spec in tasks.SPECS) >= 20


@pytest.mark.parametrize("name", ["fill-mask", "text-generation"])
def test_a_large_zoom_in_a_small_window_is_scrolled_down_only(
    qtbot: QtBot, qapp: QApplication, session: Session, pane: TasksPane, loaded, find, name: str
) -> None:
    theme.apply(qapp, dark=False, zoom=1.0)
    session.set_model(loaded(name))
    theme.apply(qapp, dark=False, zoom=2.0)
    # What a window of 1024 pixels leaves of its width.
    pane.resize(760, 500)
    qtbot.waitUntil(lambda: find("page").horizontalScrollBar().maximum() == 0 and find("run").font().pointSizeF() > 15)
    theme.apply(qapp, dark=False, zoom=1.0)


def test_the_form_has_the_width_it_had_when_a_zoom_is_taken_back(
    qtbot: QtBot, qapp: QApplication, session: Session, pane: TasksPane, loaded, find
) -> None:
    theme.apply(qapp, dark=False, zoom=1.0)
    session.set_model(loaded("fill-mask"))

    def left() -> int:
        return find("result").mapTo(pane, QPoint()).x()

    qtbot.waitUntil(lambda: left() > 300)
    before = left()
    theme.apply(qapp, dark=False, zoom=2.5)
    qtbot.waitUntil(lambda: left() < 100)
    theme.apply(qapp, dark=False, zoom=1.0)
    qtbot.waitUntil(lambda: abs(left() - before) <= 2)


def test_all_tensors_of_a_step_are_listed_where_there_is_room(qtbot: QtBot, run, pane: TasksPane, find) -> None:
    pane.resize(1200, 1100)
    run("fill-mask")
    qtbot.waitUntil(lambda: find("preprocess_tensors").verticalScrollBar().maximum() == 0)
    assert find("preprocess_tensors").model().rowCount() == 3

"""The settings form: calm groups, what comes of them before a run, and every argument of the library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QCheckBox, QWidget
from pytestqt.qtbot import QtBot

from tests.panes.trainer.person import Find
from workbench.engine import models
from workbench.engine.adapters import AdapterFolder
from workbench.engine.train import HEADS, training_arguments
from workbench.engine.train.methods import ADAPTERS, layout
from workbench.engine.train.schedule import learning_rates, schedules
from workbench.engine.values import Checkpoint, DataSource, Method, TrainSpec
from workbench.panes.trainer.settings_form import FIELDS, SCHEDULES, SWITCHES, SettingsForm
from workbench.runtime.jobs import Runner
from workbench.widgets import theme


@pytest.fixture
def form(qtbot: QtBot, runner: Runner) -> SettingsForm:
    form = SettingsForm(runner)
    qtbot.addWidget(form)
    with qtbot.waitExposed(form):
        form.show()
    return form


@pytest.fixture
def find(form: SettingsForm) -> Find:
    def find(name: str) -> Any:
        widget = form.findChild(QWidget, f"trainer.{name}")
        assert widget is not None, name
        return widget

    return find


@pytest.fixture
def spec_of(form: SettingsForm, tiny_bert: Checkpoint, tmp_path: Path) -> Callable[[], TrainSpec]:
    """The run that the form describes: the tiny encoder on 100 rows."""

    def spec_of() -> TrainSpec:
        return TrainSpec(
            "text-classification",
            tiny_bert,
            DataSource(tmp_path / "a.csv"),
            {"text": "text", "label": "label"},
            tmp_path / "run",
            **form.values() | {"max_length": 24},
        )

    return spec_of


@pytest.fixture
def look(qtbot: QtBot, form: SettingsForm, find: Find, spec_of: Callable[[], TrainSpec]) -> Callable[[], str]:
    """Has the form looked at, and waits for what comes of it."""

    def look() -> str:
        find("foreseen").setText("")
        form.foresee(spec_of(), 100, ("bad", "good"))
        qtbot.waitUntil(lambda: find("foreseen").text() not in ("", "Counting the weights …"), timeout=60_000)
        words: str = find("foreseen").text()
        return words

    return look


def test_the_defaults_are_those_of_a_spec(form: SettingsForm) -> None:
    defaults = TrainSpec.__dataclass_fields__
    for name, value in form.values().items():
        if name != "arguments":
            assert value == defaults[name].default, name
    assert form.values()["arguments"] == {}


def test_what_is_filled_in_is_given_back(form: SettingsForm, qtbot: QtBot) -> None:
    values = {
        "rows": 500, "max_steps": 7, "learning_rate": 3e-4, "lr_scheduler_type": "cosine", "bf16": True,
        "method": Method("dora", 4, 8, 0.1, ("attention.self.query",)), "arguments": {"optim": "sgd"},
        "early_stopping_patience": 3, "metric_for_best_model": "f1", "save_steps": 50,
    }  # fmt: skip
    with qtbot.assertNotEmitted(form.edited):
        form.fill(values)
    assert {name: form.values()[name] for name in values} == values


def test_the_usual_settings_are_at_hand_and_the_others_fold_away(form: SettingsForm, find: Find, qtbot: QtBot) -> None:
    assert all(find(name).isVisible() for name in ("rows", "epochs", "batch_size", "learning_rate"))
    folded = ("method", "seed", "gradient_accumulation_steps", "lr_scheduler_type", "eval_steps", "arguments")
    assert not any(find(name).isVisible() for name in folded)
    for group in ("method", "memory", "schedule", "evaluation", "arguments"):
        qtbot.mouseClick(find(f"group_{group}"), Qt.MouseButton.LeftButton)
    assert all(find(name).isVisible() for name in folded)


def test_headings_say_what_is_set(form: SettingsForm, find: Find) -> None:
    form.fill({"method": Method("lora", 16), "bf16": True, "eval_steps": 20, "early_stopping_patience": 2})
    assert find("group_method").text() == "Method · LoRA, rank 16"
    assert find("group_memory").text() == "Precision and memory · bfloat16"
    assert find("group_evaluation").text() == "Evaluation and stopping · every 20 steps, patience 2"
    form.fill({"arguments": {"optim": "sgd"}})
    assert find("group_arguments").text() == "All arguments · 1 set"


def test_the_weights_that_are_trained_are_counted_before(
    form: SettingsForm, find: Find, look: Callable[[], str], spec_of: Callable[[], TrainSpec]
) -> None:
    for method in (Method(), Method("head"), Method("lora", 4)):
        form.fill({"method": method})
        counted = layout(spec_of(), ("bad", "good"))
        assert f"{counted.trained:,} of {counted.total:,} weights are trained" in look()
    assert [box.text() for box in form.findChildren(QCheckBox) if box.objectName().startswith("trainer.layer.")] == [
        "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
        "intermediate.dense", "output.dense",
    ]  # fmt: skip
    find("layer.attention.self.query").setChecked(True)
    assert form.values()["method"].targets == ("attention.self.query",)
    assert f"{2 * 4 * (32 + 32) + 32 * 32 + 32 + 66:,} of" in look()


def test_the_schedule_is_drawn_before_the_run(
    form: SettingsForm, find: Find, look: Callable[[], str], spec_of: Callable[[], TrainSpec]
) -> None:
    form.fill({"rows": 50, "epochs": 3.0, "batch_size": 8, "lr_scheduler_type": "cosine"})
    assert "18 steps" in look(), "45 rows are trained on, in 6 batches an epoch"
    assert find("schedule").values == learning_rates(spec_of(), 18)
    assert "1e" in find("schedule").accessibleDescription() or "5e-5" in find("schedule").accessibleDescription()
    form.fill({"lr_scheduler_type": "reduce_lr_on_plateau"})
    look()
    assert find("schedule").values == ()


def test_what_a_schedule_lacks_is_said_at_once(form: SettingsForm, find: Find, look: Callable[[], str]) -> None:
    form.fill({"lr_scheduler_type": "warmup_stable_decay"})
    assert "lr_scheduler_kwargs" in look()
    form.fill({"arguments": {"lr_scheduler_kwargs": {"num_decay_steps": 2}}})
    assert "weights are trained" in look()


def test_every_schedule_of_the_library_can_be_chosen() -> None:
    assert set(SCHEDULES) == set(schedules())


def test_what_this_machine_cannot_do_is_off_and_says_why(
    find: Find, look: Callable[[], str], form: SettingsForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    form.fill({"fp16": True})
    look()
    assert not find("fp16").isEnabled()
    assert "needs a GPU" in find("fp16").toolTip()
    assert form.values()["fp16"] is False
    assert not find("bits").model().item(1).isEnabled()
    assert "bitsandbytes" in find("bits").toolTip()


def test_only_what_a_method_uses_is_shown(form: SettingsForm, find: Find, qtbot: QtBot) -> None:
    qtbot.mouseClick(find("group_method"), Qt.MouseButton.LeftButton)
    for name, adapter in ADAPTERS.items():
        form.fill({"method": Method(name)})
        assert find("rank").isVisible() == bool(adapter.rank)
        assert find("alpha").isVisible() == bool(adapter.alpha)
        assert not find("freeze_layers").isEnabled()
    form.fill({"method": Method(), "freeze_layers": 2})
    assert not find("rank").isVisible()
    assert form.values()["freeze_layers"] == 2
    form.fill({"method": Method("lora")})
    assert form.values()["freeze_layers"] == 0


def _open_arguments(qtbot: QtBot, find: Find) -> Any:
    qtbot.mouseClick(find("group_arguments"), Qt.MouseButton.LeftButton)
    table = find("arguments")
    qtbot.waitUntil(lambda: table.columns == ("Argument", "Value") and _names(table) != [], timeout=60_000)
    return table


def _names(table: Any) -> list[str]:
    return [str(table.row(number)[0]) for number in range(table.model().rowCount())]


def _choose(find: Find, table: Any, name: str) -> None:
    find("arguments_search").setText(name)
    row = _names(table).index(name)
    table.select_row(row)
    table.row_selected.emit(row)


def test_any_argument_can_be_found_and_set(
    form: SettingsForm, find: Find, qtbot: QtBot, spec_of: Callable[[], TrainSpec], tmp_path: Path
) -> None:
    import dataclasses

    from transformers import TrainingArguments

    table = _open_arguments(qtbot, find)
    assert set(_names(table)) == {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    _choose(find, table, "max_grad_norm")
    with qtbot.waitSignal(form.edited):
        find("argument_value").setEditText("0.25")
        qtbot.mouseClick(find("argument_set"), Qt.MouseButton.LeftButton)
    assert form.values()["arguments"] == {"max_grad_norm": 0.25}
    assert training_arguments(spec_of(), tmp_path, cpu=True)["max_grad_norm"] == 0.25
    assert table.row(_names(table).index("max_grad_norm")) == ("max_grad_norm", "0.25")
    find("argument_value").setEditText("lots")
    qtbot.mouseClick(find("argument_set"), Qt.MouseButton.LeftButton)
    assert "takes a number" in find("argument_problem").text()
    assert form.values()["arguments"] == {"max_grad_norm": 0.25}
    qtbot.mouseClick(find("argument_reset"), Qt.MouseButton.LeftButton)
    assert form.values()["arguments"] == {}


def test_an_argument_that_is_set_elsewhere_says_why(find: Find, qtbot: QtBot, form: SettingsForm) -> None:
    table = _open_arguments(qtbot, find)
    _choose(find, table, "hub_token")
    assert not find("argument_set").isEnabled()
    texts = [label.text() for label in find("arguments").parent().findChildren(QWidget) if hasattr(label, "text")]
    assert any("pickled" in text for text in texts)


def test_the_metric_is_one_that_the_evaluations_of_the_head_tell(form: SettingsForm, find: Find, qtbot: QtBot) -> None:
    box = find("metric_for_best_model")
    form.show_head(HEADS["text-classification"], {})
    names = [box.itemData(place) for place in range(box.count())]
    assert names == ["", *HEADS["text-classification"].measures({})]
    assert box.itemText(0) == "accuracy (its own)"
    with qtbot.waitSignal(form.edited):
        box.setCurrentIndex(names.index("f1"))
    assert form.values()["metric_for_best_model"] == "f1"
    form.show_head(HEADS["text2text-generation"], {"predict_with_generate": "yes"})
    assert box.findData("rougeL") > 0
    assert form.values()["metric_for_best_model"] == "", "it is not measured there"
    form.show_head(HEADS["text2text-generation"], {})
    assert box.findData("rougeL") < 0
    find("load_best_model_at_end").setChecked(True)
    assert form.values()["load_best_model_at_end"] is True
    assert find("group_evaluation").text().endswith("keeps the best")


def test_presets_ask_for_themselves(form: SettingsForm, qtbot: QtBot) -> None:
    qtbot.addWidget(form.presets)
    for name in ("quick", "good"):
        button = form.presets.findChild(QWidget, f"trainer.preset_{name}")
        with qtbot.waitSignal(form.preset_chosen) as chosen:
            button.click()
        assert chosen.args == [name]


def test_only_what_was_set_by_hand_withstands_another_recommendation(
    form: SettingsForm, find: Find, tiny_bert: Checkpoint
) -> None:
    small = models.describe(tiny_bert)
    large = replace(small, weight_bytes=1_000_000_000)
    form.recommend(small, "text-classification", "quick")
    assert form.values()["learning_rate"] == 2e-4
    assert not find("by_hand").isVisible()
    find("epochs").setValue(7)
    form.recommend(large, "text-classification", "quick")
    assert (form.values()["epochs"], form.values()["learning_rate"]) == (7, 2e-5)
    assert "Epochs" in find("by_hand").text()
    assert find("by_hand").isVisible()
    method = find("method")
    method.setCurrentIndex(method.findData("lora"))
    form.recommend(large, "text-classification", "quick")
    assert form.values()["learning_rate"] == 2e-4, "an adapter takes larger steps than all weights"
    assert form.by_hand == {"epochs", "method"}
    form.keep(())
    form.recommend(large, "text-classification", "quick")
    assert (form.values()["epochs"], form.values()["method"]) == (1, Method())


def test_an_adapter_is_trained_further_unless_another_method_is_chosen(
    form: SettingsForm, find: Find, tiny_bert: Checkpoint, tmp_path: Path
) -> None:
    facts, method = models.describe(tiny_bert), find("method")
    usual = [method.itemData(place) for place in range(method.count())]
    adapter = AdapterFolder(tmp_path, "LORA", "owner/base", None, False, {})
    form.show_adapter(adapter, "AutoModelForSequenceClassification")
    form.recommend(facts, "text-classification", "quick")
    assert form.values()["method"] == Method("own")
    assert find("method_about").text() == "Goes on training the LoRA adapter beside the frozen weights of owner/base."
    method.setCurrentIndex(method.findData("full"))
    assert find("method_about").text().startswith("The adapter is merged into owner/base first. ")
    assert not method.model().item(method.findData("lora")).isEnabled()
    method.setCurrentIndex(method.findData("own"))
    form.show_adapter(None, "AutoModelForSequenceClassification")
    form.recommend(facts, "text-classification", "quick")
    assert form.values()["method"] == Method()
    assert [method.itemData(place) for place in range(method.count())] == usual


def test_a_head_that_groups_nothing_groups_nothing(form: SettingsForm, find: Find) -> None:
    form.fill({"group_by_length": True})
    form.show_head(_head(False), {})
    assert form.values()["group_by_length"] is False
    form.show_head(_head(True), {})
    assert form.values()["group_by_length"] is True


def _head(by_length: bool) -> Any:
    return next(head for head in HEADS.values() if head.by_length is by_length)


def test_every_setting_has_its_help_and_a_name(find: Find) -> None:
    for field in (*FIELDS, *SWITCHES):
        control = find(field.name)
        assert control.accessibleName() == field.label
        assert field.usual in control.toolTip()
        assert field.spelled in control.toolTip()
    assert {field.name for field in (*FIELDS, *SWITCHES)} <= set(TrainSpec.__dataclass_fields__)


def test_an_adapter_made_for_another_head_is_merged_unless_it_fits(
    form: SettingsForm, find: Find, tiny_bert: Checkpoint, tmp_path: Path
) -> None:
    facts, method = models.describe(tiny_bert), find("method")
    adapter = AdapterFolder(tmp_path, "LORA", "owner/base", None, False, {"task_type": "CAUSAL_LM"})
    form.show_adapter(adapter, "AutoModelForCausalLM")
    form.recommend(facts, "text-generation", "quick")
    method.setCurrentIndex(method.findData("full"))
    method.setCurrentIndex(method.findData("own"))
    form.show_adapter(adapter, "AutoModelForSequenceClassification")
    form.recommend(facts, "text-classification", "quick")
    assert form.values()["method"] == Method("full"), "its own adapter would be refused"
    assert not method.model().item(method.findData("own")).isEnabled()
    told = "Its own adapter was made for AutoModelForCausalLM. The adapter is merged into owner/base first. "
    assert find("method_about").text().startswith(told)
    form.show_adapter(adapter, "AutoModelForCausalLM")
    form.recommend(facts, "text-generation", "quick")
    assert form.values()["method"] == Method("own")
    assert method.model().item(method.findData("own")).isEnabled()


def test_opened_at_200_percent_it_fits_a_small_window(qtbot: QtBot, qapp: QApplication) -> None:
    theme.apply(qapp, dark=False, zoom=2.0)
    form = SettingsForm()
    qtbot.addWidget(form)
    try:
        # What a window of 1024 pixels leaves, its scroll bars taken off.
        qtbot.waitUntil(lambda: 400 < form.minimumSizeHint().width() <= 640)
    finally:
        theme.apply(qapp, dark=False, zoom=1.0)

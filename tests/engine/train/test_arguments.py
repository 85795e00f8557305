"""Every field of TrainingArguments is reachable, or locked with a reason, by the installed version itself."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.engine.errors import InputError
from workbench.engine.train import training_arguments
from workbench.engine.train.arguments import LOCKED, Argument, arguments, further, parse, spell, try_out
from workbench.engine.values import Checkpoint, DataSource, TrainSpec


@pytest.fixture(scope="module")
def known() -> dict[str, Argument]:
    return {argument.name: argument for argument in arguments()}


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    return TrainSpec(
        "text-classification",
        tiny_bert,
        DataSource(tmp_path / "a.csv"),
        {"text": "text", "label": "label"},
        tmp_path / "run",
    )


def test_every_field_of_the_installed_version_is_there(known: dict[str, Argument]) -> None:
    from transformers import TrainingArguments

    fields = {field.name: field for field in dataclasses.fields(TrainingArguments) if field.init}
    assert list(known) == list(fields)
    for name, argument in known.items():
        default = fields[name].default
        if default is not dataclasses.MISSING:
            assert argument.default == default, name
        assert argument.help, name


def test_what_is_locked_says_why_and_exists(known: dict[str, Argument]) -> None:
    assert set(LOCKED) <= set(known)
    for name, argument in known.items():
        assert argument.locked == LOCKED.get(name, "")
        if argument.locked:
            assert argument.locked.endswith(".")
            with pytest.raises(InputError):
                further({name: argument.default})


def test_what_the_workbench_sets_itself_is_locked(spec: TrainSpec, tmp_path: Path) -> None:
    every = replace(
        spec, eval_steps=3, group_by_length=True, activation_checkpointing=True, torch_compile=True, fp16=True,
        label_smoothing_factor=0.1, neftune_noise_alpha=5.0, early_stopping_patience=2,
    )  # fmt: skip
    free = set(training_arguments(every, tmp_path, cpu=True)) - set(LOCKED)
    # The person may say otherwise.
    assert free <= {"per_device_eval_batch_size", "dataloader_pin_memory"}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_grad_norm", "0.5", 0.5),
        ("max_grad_norm", "1", 1.0),
        ("dataloader_drop_last", "true", True),
        ("dataloader_num_workers", "2", 2),
        ("optim", "sgd", "sgd"),
        ("lr_scheduler_kwargs", "{'num_cycles': 2}", {"num_cycles": 2}),
        ("torch_empty_cache_steps", "None", None),
        ("torch_empty_cache_steps", "8", 8),
        ("adam_beta2", "9.5e-1", 0.95),
        ("tf32", "False", False),
    ],
)
def test_a_text_becomes_the_value_it_stands_for(
    known: dict[str, Argument], spec: TrainSpec, name: str, text: str, value: Any, tmp_path: Path
) -> None:
    got = parse(known[name], text)
    assert (got, type(got)) == (value, type(value))
    assert parse(known[name], spell(got)) == value
    given = training_arguments(replace(spec, arguments={name: got}), tmp_path, cpu=True)
    assert given[name] == value
    try_out(given)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("max_grad_norm", "high", "takes a number, not 'high'"),
        ("dataloader_num_workers", "1.5", "takes a whole number, not 1.5"),
        ("dataloader_drop_last", "1", "takes True or False, not 1"),
        ("optim", "sgdd", "none of its values"),
        ("seed", "3", "control of its own"),
        ("hub_token", "abc", "pickled"),
        ("adam_beta1", "None", "takes a number, not None"),
    ],
)
def test_a_text_that_is_no_value_is_refused(known: dict[str, Argument], name: str, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as failure:
        parse(known[name], text)
    assert failure.value.what == f"Could not set {name}."
    assert failure.value.remedy


def test_every_default_can_be_written_and_read(known: dict[str, Argument]) -> None:
    for argument in known.values():
        if not argument.locked:
            assert parse(argument, spell(argument.default)) == argument.default, argument.name


def test_fields_of_another_version_are_named() -> None:
    with pytest.raises(InputError, match="warmup_ratio") as failure:
        further({"warmup_ratio": 0.1})
    assert "no such field" in failure.value.why


def test_what_the_library_refuses_is_told_in_its_words(spec: TrainSpec, tmp_path: Path) -> None:
    given = training_arguments(replace(spec, arguments={"dataloader_prefetch_factor": 2}), tmp_path, cpu=True)
    with pytest.raises(InputError, match="prefetch_factor"):
        try_out(given)
    assert not tmp_path.joinpath("run").exists()

"""A spec in transformers' words, and settings for a start."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import psutil
import pytest

from workbench.engine import models
from workbench.engine.errors import OutOfMemory
from workbench.engine.train import HEADS, recommended, training_arguments, training_threads
from workbench.engine.train.recommended import PRESETS
from workbench.engine.train.settings import check
from workbench.engine.values import Checkpoint, DataSource, TrainSpec


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    return TrainSpec(
        "text-classification",
        tiny_bert,
        DataSource(tmp_path / "a.csv"),
        {"text": "text", "label": "label"},
        tmp_path / "run",
    )


@pytest.mark.parametrize("task", ["text-classification", "text-generation"])
def test_every_argument_is_one_that_transformers_knows(spec: TrainSpec, tmp_path: Path, task: str) -> None:
    import transformers

    spec = replace(spec, task=task, eval_steps=7, group_by_length=True, warmup_steps=3.0, seed=5)
    given = training_arguments(spec, tmp_path / "out", cpu=True)
    made = transformers.TrainingArguments(**given)
    assert (made.eval_steps, made.warmup_steps, made.data_seed, made.logging_nan_inf_filter) == (7, 3, 5, False)
    assert made.hub_token is None
    assert made.report_to == []


def test_windows_of_a_context_are_evaluated_in_their_order(spec: TrainSpec, tmp_path: Path) -> None:
    grouped = replace(spec, group_by_length=True)
    told = {
        task: training_arguments(replace(grouped, task=task), tmp_path, cpu=True).get("train_sampling_strategy")
        for task in ("text-classification", "question-answering")
    }
    # Trainer evaluates in the order of lengths too, and what an answer is compared with goes by the place of a window.
    assert told == {"text-classification": "group_by_length", "question-answering": None}


def test_zero_threads_leave_the_window_a_core(spec: TrainSpec) -> None:
    assert training_threads(spec) == max(1, (psutil.cpu_count(logical=False) or 1) - 1)
    assert training_threads(replace(spec, threads=3)) == 3


def test_a_model_that_would_not_fit_is_refused(spec: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = replace(models.describe(spec.checkpoint), weight_bytes=20_000_000, dtype="bfloat16")
    free = psutil.virtual_memory()._replace(available=100_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(OutOfMemory, match=r"gradients and optimizer take about 0\.2 GB"):
        check(spec, facts)


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("task", list(HEADS))
def test_recommended_settings_are_fields_of_a_spec_and_fit_the_checkpoint(
    spec: TrainSpec, task: str, preset: str
) -> None:
    facts = replace(models.describe(spec.checkpoint), heads=(HEADS[task].auto_class,))
    values = recommended(facts, task, preset)
    assert set(values) <= {field.name for field in fields(TrainSpec)}
    roles = [role.name for role in HEADS[task].roles if role.required] or [HEADS[task].roles[0].name]
    columns = {name: name for name in roles}
    made = replace(spec, task=task, columns=columns, **values)
    assert facts.context is not None
    assert made.max_length <= facts.context
    check(made, facts)
    assert (made.rows is None) == (preset == "good")


def test_good_is_what_was_measured_of_sentences_and_a_small_encoder_alone(tiny_bert: Checkpoint) -> None:
    facts = models.describe(tiny_bert)
    measured = {
        "epochs": 3.0, "batch_size": 64, "learning_rate": 2e-4, "max_length": 64, "freeze_layers": 0,
        "neftune_noise_alpha": 5.0,
    }  # fmt: skip
    assert measured.items() <= recommended(replace(facts, context=512), "text-classification", "good").items()
    tags = recommended(facts, "token-classification", "good")
    assert (tags["epochs"], tags["batch_size"], tags["learning_rate"]) == (2.0, 32, 1e-4)
    noises = [each["neftune_noise_alpha"] for each in (tags, recommended(facts, "text-classification"))]
    assert noises == [0.0, 0.0], "what one preset sets the next one takes back"
    large = recommended(replace(facts, weight_bytes=440_000_000), "text-classification", "good")
    assert (large["batch_size"], large["learning_rate"]) == (32, 2e-5)

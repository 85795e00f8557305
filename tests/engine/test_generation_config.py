"""Checkpoints whose generation_config.json is odd, as published ones are: they load, generate, and train to the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import GenerationConfig

from workbench.engine import generate, generation_config, models, tokens
from workbench.engine.errors import CheckpointError
from workbench.engine.train import fine_tune
from workbench.engine.values import Checkpoint, DataSource, Sampling, TrainSpec


@pytest.fixture
def checkpoint(tiny_llama: Checkpoint, tmp_path: Path) -> Checkpoint:
    folder = tmp_path / "odd"
    shutil.copytree(tiny_llama.path, folder)
    return Checkpoint(name="odd", path=folder)


def _say(checkpoint: Checkpoint, **settings: Any) -> None:
    (checkpoint.path / generation_config.FILE).write_text(json.dumps(settings), encoding="utf-8")


def test_a_fine_tune_is_not_lost_for_a_temperature_that_has_no_effect(checkpoint: Checkpoint, tmp_path: Path) -> None:
    _say(checkpoint, temperature=0.6, top_p=0.9, repetition_penalty=1.1, eos_token_id=[2, 7])
    data = tmp_path / "rows.txt"
    data.write_text("".join(f"What a film {number} that was.\n" for number in range(20)), encoding="utf-8")
    source, run = DataSource(data), tmp_path / "run"
    spec = TrainSpec("text-generation", checkpoint, source, {"text": "text"}, run, max_length=8, max_steps=1, threads=1)
    made = fine_tune(spec).checkpoint
    kept = GenerationConfig.from_pretrained(made.path)
    assert (kept.temperature, kept.top_p, kept.repetition_penalty) == (None, None, 1.1)
    assert models.load(made).notes == ()


@pytest.mark.parametrize(
    ("settings", "idle"),
    [
        ({"temperature": 0.6, "top_p": 0.9, "do_sample": True}, ()),
        ({"temperature": 0.6, "eos_token_id": 2}, ("temperature",)),
        ({"num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "top_p": 0.3}, ("top_p",)),
        ({"early_stopping": True}, ("early_stopping",)),
        ({"temperature": "hot"}, ("temperature",)),
    ],
)
def test_only_what_has_no_effect_is_left_out(settings: dict[str, Any], idle: tuple[str, ...]) -> None:
    config = GenerationConfig(**settings)
    assert generation_config.without_idle(config) == idle
    config.validate(strict=True)
    others = {name: value for name, value in settings.items() if name not in idle}
    assert {name: getattr(config, name) for name in others} == others


def test_an_end_that_is_no_id_is_left_out_and_told(checkpoint: Checkpoint) -> None:
    _say(checkpoint, eos_token_id="</s>", pad_token_id=0)
    loaded = models.load(checkpoint)
    assert any("eos_token_id" in note and "'</s>'" in note for note in loaded.notes)
    encoding = tokens.encode(loaded.tokenizer, "The")
    text = "".join(generate.stream_text(loaded, encoding, Sampling(do_sample=False, max_new_tokens=3)))
    _say(checkpoint, eos_token_id=2, pad_token_id=0)
    said = models.load(checkpoint)
    assert text == "".join(generate.stream_text(said, encoding, Sampling(do_sample=False, max_new_tokens=3)))


def test_a_torn_file_is_told_and_the_model_generates_without(checkpoint: Checkpoint) -> None:
    (checkpoint.path / generation_config.FILE).write_text('{"eos_token', encoding="utf-8")
    notes = models.load(checkpoint).notes
    assert any(generation_config.FILE in note and "can't be read" in note for note in notes)


def test_a_file_for_which_the_library_refuses_the_model_is_named(checkpoint: Checkpoint) -> None:
    _say(checkpoint, num_return_sequences=3)
    with pytest.raises(CheckpointError, match="num_return_sequences") as caught:
        models.load(checkpoint)
    assert generation_config.FILE in caught.value.why and "take it out" in caught.value.remedy

"""What a run is refused for that only some machines, files or versions have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.engine import models
from workbench.engine.errors import DataError, InputError, NotSupported
from workbench.engine.train import fine_tune, methods, record
from workbench.engine.values import Checkpoint, Method, TrainSpec


class Linear4bit(torch.nn.Linear):
    """What bitsandbytes puts in the place of a linear layer, by its name."""


def test_layers_too_narrow_for_4_bits_on_a_cpu_are_told(spec: TrainSpec, tiny_llama: Checkpoint) -> None:
    model = models.load(tiny_llama, device="cpu").model
    spec = replace(spec, checkpoint=tiny_llama, task="text-generation", method=Method("lora", bits=4))
    model.model.layers[0].mlp.up_proj = Linear4bit(32, 64)
    with pytest.raises(NotSupported) as raised:
        methods.apply(model, spec, ())
    assert "multiple of 64 inputs, and one has 32" in raised.value.why
    assert "8 bits" in raised.value.remedy


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("optim", "adamw_torch_xla", "torch_xla"),
        ("lr_scheduler_kwargs", {"strange": 1}, "strange"),
        ("torch_compile_backend", "strange", "STRANGE"),
    ],
)
def test_further_arguments_that_a_library_chokes_on_are_named(spec: TrainSpec, name: str, value: Any, why: str) -> None:
    with pytest.raises(InputError) as raised:
        fine_tune(replace(spec, max_steps=1, arguments={name: value}))
    assert why in raised.value.why
    assert f"further arguments ({name})" in raised.value.remedy


def test_a_run_of_another_version_whose_data_look_otherwise_says_what_it_may_be(
    spec: TrainSpec,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    spec = replace(spec, output_dir=folder, max_steps=1)
    fine_tune(spec)
    made = record.read(folder)
    for version, told in (("0.0.1", True), (made.versions["workbench"], False)):
        record.write(replace(made, fingerprint="of old", versions={**made.versions, "workbench": version}), folder)
        with pytest.raises(DataError) as raised:
            fine_tune(spec, resume=folder)
        assert "not as it was when the run began" in raised.value.why
        assert ("version 0.0.1 of the workbench, which may have told data apart otherwise" in raised.value.why) == told

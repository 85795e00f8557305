"""What a checkpoint takes is known before it is loaded, to a tenth of what torch then measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import families
from workbench.engine import fits
from workbench.engine.facts import describe, read_config
from workbench.engine.values import Checkpoint

#: Within which the estimate has to be.
_TENTH = 0.1

_FAMILIES = ("gpt2", "llama", "qwen3", "gemma3", "mistral", "mixtral", "phi", "gpt_neox", "opt", "bloom", "granite",
             "olmo2")  # fmt: skip


def measured(checkpoint: Checkpoint, head: str, context: int) -> int:
    """Bytes of the weights and of the most that one pass over ``context`` tokens holds, by torch's own profile."""
    import torch
    import transformers
    from torch.profiler import ProfilerActivity, profile

    model = getattr(transformers, head).from_pretrained(
        checkpoint.path, dtype="auto", trust_remote_code=False, use_safetensors=True
    )
    ids = torch.randint(3, 200, (1, context))
    given: dict[str, Any] = {"use_cache": True} if head == "AutoModelForCausalLM" else {}
    if getattr(model, "_supports_logits_to_keep", bool)():
        given["logits_to_keep"] = 1
    with torch.inference_mode():
        model(ids, **given)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            model(ids, **given)
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda each: each.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    assert most > 0
    return model.get_memory_footprint() + most


def reckoned(checkpoint: Checkpoint, context: int) -> fits.Estimate:
    import torch

    facts = describe(checkpoint)
    return fits.estimate(facts.stored, facts.shape, context=context, threads=torch.get_num_threads())


@pytest.mark.parametrize("context", [64, 200])
@pytest.mark.parametrize("family", _FAMILIES)
def test_the_estimate_is_within_a_tenth_of_the_measured_peak(
    family: str, context: int, tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    checkpoint = families.build(family, tmp_path / family, tiny_llama)
    found = reckoned(checkpoint, context)
    assert found.exact
    assert found.total == pytest.approx(measured(checkpoint, "AutoModelForCausalLM", context), rel=_TENTH)


def test_an_encoder_keeps_no_cache_and_is_within_a_tenth(tiny_bert: Checkpoint) -> None:
    found = reckoned(tiny_bert, 100)
    assert found.cache == 0 and "none" in found.formula[1]
    assert found.total == pytest.approx(measured(tiny_bert, "AutoModelForMaskedLM", 100), rel=_TENTH)


def test_the_starters_are_within_a_tenth(smollm2: Checkpoint, minilm: Checkpoint) -> None:
    for checkpoint, head in ((smollm2, "AutoModelForCausalLM"), (minilm, "AutoModel")):
        assert reckoned(checkpoint, 256).total == pytest.approx(measured(checkpoint, head, 256), rel=_TENTH)


def test_the_cache_is_the_one_transformers_keeps(tiny_llama: Checkpoint) -> None:
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_llama.path, trust_remote_code=False)
    with torch.inference_mode():
        cache = model(torch.ones((1, 37), dtype=torch.long), use_cache=True).past_key_values
    held = sum(part.nbytes for layer in cache.layers for part in (layer.keys, layer.values))
    assert reckoned(tiny_llama, 37).cache == held


def test_weights_are_counted_in_the_chosen_dtype(tiny_llama: Checkpoint) -> None:
    facts = describe(tiny_llama)
    ((kind, count),) = facts.stored
    assert kind == "F32"
    for dtype, width in (("auto", 4), ("float32", 4), ("bfloat16", 2), ("float16", 2)):
        found = fits.estimate(facts.stored, facts.shape, dtype=dtype)
        assert found.weights == count * width and f"{count:,} × {width} bytes" in found.formula[0]


def test_whole_numbers_are_not_converted() -> None:
    assert fits.estimate((("I8", 1000), ("F16", 10)), None, dtype="float32").weights == 1040


def test_packed_weights_take_their_bits_and_their_scales() -> None:
    facts = {"num_hidden_layers": 1, "hidden_size": 64, "vocab_size": 100, "num_attention_heads": 1}
    found = fits.estimate((("BF16", 6400 + 12800),), fits.shape_of(facts), bits=4)
    assert found.weights == 12800 * 4.5 / 8 + 6400 * 2


def test_it_says_whether_there_is_room_and_never_without_knowing() -> None:
    assert fits.estimate((("F32", 100),), None, free=400).fits is True
    assert fits.estimate((("F32", 101),), None, free=400).fits is False
    assert fits.estimate((("F32", 100),), None).fits is None
    assert not fits.estimate((("F32", 100),), None).exact


def test_a_window_bounds_the_cache(tmp_path: Path, tiny_llama: Checkpoint) -> None:
    short, long = (reckoned(families.build("mistral", tmp_path, tiny_llama), context) for context in (12, 120))
    assert short.cache == long.cache and "window" in long.formula[1]


@pytest.mark.parametrize("family", ["mamba", "lfm2"])
def test_layers_of_another_kind_are_a_lower_bound(family: str, tmp_path: Path, tiny_llama: Checkpoint) -> None:
    assert not reckoned(families.build(family, tmp_path, tiny_llama), 64).exact


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": None},
        {"hidden_size": "32"},
        {"hidden_size": -1},
        {"num_hidden_layers": 10**12},
        {"vocab_size": 10**30},
        {"head_dim": 10**9},
        {"num_experts_per_tok": 10**9},
    ],
)
def test_sizes_that_can_not_be_are_no_sizes(tiny_llama: Checkpoint, change: dict[str, Any]) -> None:
    config = read_config(tiny_llama.path, "tiny")
    assert fits.shape_of(config) is not None
    shape = fits.shape_of({**config, **change})
    assert shape is None and fits.estimate((("F32", 10),), shape).total == 40


def test_odd_settings_are_passed_over(tiny_llama: Checkpoint) -> None:
    config = read_config(tiny_llama.path, "tiny")
    odd = {"layer_types": [1, None], "sliding_window": "x", "architectures": [None], "text_config": [], "alibi": {}}
    shape = fits.shape_of(json.loads(json.dumps({**config, **odd})))
    assert shape is not None and fits.estimate((), shape, context=8).total > 0

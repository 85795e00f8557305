"""The checkpoint's own knobs are what plain generate() runs with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from workbench.engine import generate, models
from workbench.engine.models import LoadedModel
from workbench.engine.presets import UNSET, of_checkpoint
from workbench.engine.values import Checkpoint, Sampling, Strategy


@pytest.fixture
def model(tiny_llama: Checkpoint) -> LoadedModel:
    return models.load(tiny_llama)


def config(model: LoadedModel, **values: Any) -> None:
    for name, value in values.items():
        setattr(model.model.generation_config, name, value)


def test_a_config_that_sets_nothing_is_the_library_as_it_is(model: LoadedModel) -> None:
    assert of_checkpoint(model) == (UNSET, Strategy())
    from transformers import GenerationConfig

    usual = GenerationConfig._get_default_generation_params()
    stated = {name for name in Sampling.__slots__ if usual.get(name) is not None}
    assert len(stated) >= 8
    assert {name: getattr(UNSET, name) for name in stated} == {name: usual[name] for name in stated}


def test_exactly_the_fields_it_sets_are_taken(model: LoadedModel) -> None:
    config(model, do_sample=True, temperature=0.6, top_p=0.9, max_new_tokens=77, stop_strings="###", num_beams=3)
    sampling, strategy = of_checkpoint(model)
    assert sampling == replace(UNSET, do_sample=True, temperature=0.6, top_p=0.9, max_new_tokens=77)
    assert strategy == Strategy(stop_strings=("###",), num_beams=3)


def test_lists_and_pairs_become_the_knobs_values(model: LoadedModel) -> None:
    config(
        model,
        bad_words_ids=[[5, 6], [7]],
        sequence_bias=[[[1, 2], 2.0]],
        suppress_tokens=[9],
        forced_eos_token_id=[2],
        exponential_decay_length_penalty=(3, 1.1),
        early_stopping="never",
    )
    sampling, strategy = of_checkpoint(model)
    assert sampling == replace(
        UNSET,
        bad_words_ids=((5, 6), (7,)),
        sequence_bias=(((1, 2), 2.0),),
        suppress_tokens=(9,),
        forced_eos_token_id=2,
        exponential_decay_length_penalty=(3, 1.1),
    )
    assert strategy.early_stopping == "never"


def test_what_is_out_of_range_or_no_number_is_left_out(model: LoadedModel) -> None:
    config(model, temperature=0.0, top_k=-1, top_p="much", suppress_tokens="x", repetition_penalty=1.2)
    assert of_checkpoint(model)[0] == replace(UNSET, repetition_penalty=1.2)


@pytest.mark.parametrize(
    "values",
    [
        {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2},
        {"do_sample": True, "temperature": 1.3, "top_k": 20, "min_p": 0.01},
        {"bad_words_ids": [[283], [284]], "suppress_tokens": [290, 291]},
    ],
    ids=["penalties", "sampling", "words"],
)
def test_the_ids_are_those_of_plain_generate(model: LoadedModel, values: dict[str, Any]) -> None:
    import torch

    config(model, max_new_tokens=16, **values)
    encoding = generate.prepare(model, "The quick brown")
    sampling, _ = of_checkpoint(model)
    steps = generate.stream(model, encoding, replace(sampling, seed=3)).steps
    torch.manual_seed(3)
    prompt = torch.tensor([encoding.input_ids])
    plain = model.model.generate(prompt, attention_mask=torch.ones_like(prompt))
    assert [step.token_id for step in steps] == plain[0, prompt.shape[1] :].tolist()

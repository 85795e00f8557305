"""The real starter writes what plain ``generate()`` of the installed library writes, whatever the strategy."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.engine import generate, models
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, Message, Sampling, Strategy

PROMPT = "The history of the printing press begins"
TOKENS = 20


@pytest.fixture(scope="module")
def model(smollm2: Checkpoint) -> LoadedModel:
    return models.load(smollm2)


def plain(model: LoadedModel, ids: list[int], seed: int, **settings: Any) -> list[int]:
    """Ids of the library's own generate, of whose settings only the special tokens are the checkpoint's."""
    import torch
    from transformers import GenerationConfig

    own = model.model.generation_config
    model.model.generation_config = GenerationConfig(eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id)
    try:
        torch.manual_seed(seed)
        inputs = torch.tensor([ids])
        output = model.model.generate(inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=TOKENS, **settings)
    finally:
        model.model.generation_config = own
    return output[0, len(ids) :].tolist()


@pytest.mark.parametrize(
    ("sampling", "strategy", "settings"),
    [
        pytest.param({"do_sample": False}, {}, {"do_sample": False}, id="greedy"),
        pytest.param(
            {"do_sample": False, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
            {},
            {"do_sample": False, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
            id="greedy with penalties",
        ),
        pytest.param(
            {"temperature": 0.9, "top_k": 40, "top_p": 0.9, "min_p": 0.02, "seed": 7},
            {},
            {"do_sample": True, "temperature": 0.9, "top_k": 40, "top_p": 0.9, "min_p": 0.02},
            id="sampling",
        ),
        pytest.param(
            {"temperature": 1.1, "top_k": 0, "top_p": 1.0, "typical_p": 0.9, "epsilon_cutoff": 3e-4, "seed": 8},
            {},
            {"do_sample": True, "temperature": 1.1, "top_k": 0, "typical_p": 0.9, "epsilon_cutoff": 3e-4},
            id="sampling by typicality",
        ),
        pytest.param(
            {"do_sample": False},
            {"num_beams": 3, "length_penalty": 0.8},
            {"do_sample": False, "num_beams": 3, "length_penalty": 0.8},
            id="beams",
        ),
        pytest.param(
            {"do_sample": False},
            {"prompt_lookup_num_tokens": 4},
            {"do_sample": False, "prompt_lookup_num_tokens": 4},
            id="prompt lookup",
        ),
    ],
)
@pytest.mark.parametrize("chat", [False, True])
def test_ids_are_those_of_generate(
    model: LoadedModel, sampling: dict[str, Any], strategy: dict[str, Any], settings: dict[str, Any], chat: bool
) -> None:
    messages = (Message("user", PROMPT),) if chat else ()
    knobs = Sampling(max_new_tokens=TOKENS, **sampling)
    result = generate.run(model, PROMPT, messages, knobs, strategy=Strategy(**strategy))
    assert result.start is not None
    ids = list(result.start.encoding.input_ids)
    assert list(result.ids) == plain(model, ids, knobs.seed, **settings)
    assert sum(step.logits is not None for step in result.steps) == len(result.steps)

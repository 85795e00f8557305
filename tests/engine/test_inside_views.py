"""The logit lens where layers return more than a state: turned around, filled up, or with a prompt in front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers as t

from tests.engine.test_inside import FOX, as_it_was, check_last_row
from workbench.engine import inside
from workbench.engine.codegen import inside as scripts
from workbench.engine.inside.given import tensors
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint

SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
        "vocab_size": 384, "max_position_embeddings": 128}  # fmt: skip
IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
#: The model, its Auto class, and what its head makes of states ``(1, seq, hidden)`` behind its layers.
KINDS: dict[str, tuple[Callable[[], Any], str, Callable[[Any, torch.Tensor], torch.Tensor]]] = {
    "xlnet": (
        lambda: t.XLNetLMHeadModel(
            t.XLNetConfig(vocab_size=384, d_model=16, n_layer=2, n_head=2, d_inner=16, initializer_range=0.2, **IDS)
        ),
        "AutoModelForCausalLM",
        lambda model, state: model.lm_loss(state),
    ),
    "longformer": (
        lambda: t.LongformerForMaskedLM(
            t.LongformerConfig(**SIZE, **IDS, attention_window=[4, 4], initializer_range=0.2)
        ),
        "AutoModelForMaskedLM",
        lambda model, state: model.lm_head(state),
    ),
    "squeezebert": (
        lambda: t.SqueezeBertForMaskedLM(
            t.SqueezeBertConfig(**SIZE, **IDS, embedding_size=16, initializer_range=0.2)
        ),
        "AutoModelForMaskedLM",
        lambda model, state: model.cls(state),
    ),
    "cpmant": (
        lambda: t.CpmAntForCausalLM(
            t.CpmAntConfig(vocab_size=384, hidden_size=16, num_attention_heads=2, dim_head=8, dim_ff=16,
                           num_hidden_layers=2, prompt_length=4, init_std=0.5)
        ),
        "AutoModelForCausalLM",
        lambda model, state: model.lm_head(model.cpmant.encoder.output_layernorm(state)),
    ),
}  # fmt: skip


@pytest.fixture(params=KINDS)
def loaded(request: pytest.FixtureRequest, llama: LoadedModel) -> tuple[LoadedModel, Any]:
    build, auto, head = KINDS[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build().eval()
    return replace(llama, model=net, head=auto), head


def test_each_row_of_the_lens_is_the_head_of_the_state_that_was_returned(loaded: tuple[LoadedModel, Any]) -> None:
    model, head = loaded
    found = inside.look(model, inside.read(model, FOX))
    with torch.inference_mode():
        out = model.model(**tensors(model, found.given), output_hidden_states=True)
        rows = [head(model.model, state)[0].softmax(-1) for state in out.hidden_states[:-1]]
    check_last_row(found, out.logits)
    assert found.lens is not None
    for row, theirs in enumerate(rows):
        best = theirs.topk(found.lens.top_ids.shape[-1]).values
        np.testing.assert_allclose(found.lens.top_probabilities[row], best.numpy(), rtol=1e-4, atol=1e-6)
    assert as_it_was(model)


def test_the_script_of_such_a_lens_gives_its_numbers(
    loaded: tuple[LoadedModel, Any], tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    model, _ = loaded
    model.model.save_pretrained(tmp_path)
    assert model.tokenizer is not None
    model.tokenizer.save_pretrained(tmp_path)
    model = replace(model, checkpoint=Checkpoint("tiny", tmp_path))
    given = inside.read(model, FOX)
    found = inside.look(model, given)
    assert found.lens is not None
    what = scripts.Asked(model, given, inside.arguments(model, given))
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(scripts.lens(what, found.parts[0], 1, found.lens.put), made)
    best = made["probabilities"].topk(found.lens.top_ids.shape[-1]).values
    np.testing.assert_allclose(found.lens.top_probabilities, best.numpy(), rtol=1e-4, atol=1e-6)


def test_a_head_that_reads_other_streams_than_the_states_is_told_of(llama: LoadedModel) -> None:
    layers = {f"num_{part}_{name}": 2 for part in ("encoder", "decoder") for name in ("layers", "attention_heads")}
    config = t.ProphetNetConfig(vocab_size=384, hidden_size=16, encoder_ffn_dim=16, decoder_ffn_dim=16, **layers, **IDS,
                                decoder_start_token_id=1, max_position_embeddings=64, init_std=0.2)  # fmt: skip
    model = replace(llama, model=t.ProphetNetForConditionalGeneration(config).eval(), head="AutoModelForSeq2SeqLM")
    found = inside.look(model, inside.read(model, "a fox"))
    assert found.lens is None and "does not read the states" in found.why_no_lens


def test_a_weight_that_is_no_number_is_the_reason_given(llama: LoadedModel) -> None:
    net = type(llama.model)(llama.model.config).eval()
    with torch.no_grad():
        net.model.layers[0].mlp.down_proj.weight[0, 0] = float("nan")
    found = inside.look(replace(llama, model=net), inside.read(llama, "a fox"))
    assert found.lens is None and "NaN" in found.why_no_lens

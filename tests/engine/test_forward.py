"""One forward pass: the same logits as the model's own call, and vectors that don't depend on the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.engine import forward, generate, models, tokens
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.values import Checkpoint, Encoding, Sampling

TEXT = "The quick brown fox jumps"


def test_next_token_is_what_the_model_returns(tiny_llama: Checkpoint):
    model = models.load(tiny_llama)
    encoding = tokens.encode(model.tokenizer, TEXT)
    with torch.inference_mode():
        logits = model.model(torch.tensor([encoding.input_ids])).logits[0]
    for at in (-1, 0, 2, -len(encoding.tokens)):
        scored = forward.next_token(model, encoding, at=at)
        np.testing.assert_allclose(scored.float32(), logits[at].numpy(), atol=1e-6)
    with torch.inference_mode():
        row = model.model(torch.tensor([encoding.input_ids]), logits_to_keep=1).logits[0, -1]
    np.testing.assert_array_equal(forward.next_token(model, encoding).float32(), row.numpy())


def test_it_is_what_generation_chooses_from(tiny_llama: Checkpoint):
    model = models.load(tiny_llama, dtype="bfloat16")
    encoding = tokens.encode(model.tokenizer, TEXT)
    step = generate.stream(model, encoding, Sampling(do_sample=False, max_new_tokens=1)).steps[0]
    scored = forward.next_token(model, encoding)
    assert scored.dtype == "bfloat16"
    np.testing.assert_array_equal(scored.bits, step.logits.bits)


def test_a_position_outside_and_an_empty_text_are_refused(tiny_llama: Checkpoint):
    model = models.load(tiny_llama)
    encoding = tokens.encode(model.tokenizer, TEXT)
    for at in (len(encoding.tokens), -len(encoding.tokens) - 1):
        with pytest.raises(IndexError):
            forward.next_token(model, encoding, at=at)
    with pytest.raises(InputError):
        forward.next_token(model, Encoding("", ()))


def test_an_encoder_has_no_next_token(tiny_bert: Checkpoint):
    model = models.load(tiny_bert)
    with pytest.raises(NotSupported, match="next-token"):
        forward.next_token(model, tokens.encode(model.tokenizer, "a film"))


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_vectors_do_not_depend_on_the_batch(tiny_bert: Checkpoint, pooling: str):
    model = models.load(tiny_bert)
    texts = ["a film", "the quick brown fox jumps over the lazy dog", "paris"]
    together = forward.embed(model, texts, pooling)
    apart = np.concatenate([forward.embed(model, [text], pooling) for text in texts])
    assert together.shape == (3, 32)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, apart, atol=1e-5)
    np.testing.assert_allclose(forward.embed(model, texts, pooling, batch_size=2), together, atol=1e-5)


def test_embed_refuses_what_it_cannot_do(tiny_bert: Checkpoint):
    model = models.load(tiny_bert)
    with pytest.raises(InputError):
        forward.embed(model, [])
    with pytest.raises(InputError, match="pooling"):
        forward.embed(model, ["a"], "max")

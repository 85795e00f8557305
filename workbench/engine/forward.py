"""One pass through the model: the logits of a next token, and texts as vectors."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate.captions import beside
from workbench.engine.generate.inputs import inputs, start_of
from workbench.engine.sampling import keep
from workbench.engine.task import Silent, Task
from workbench.engine.values import Encoding, Logits, Start

if TYPE_CHECKING:
    import numpy as np

    from workbench.engine.models import LoadedModel


def next_token(model: LoadedModel, start: Start | Encoding, *, at: int = -1, task: Task | None = None) -> Logits:
    """Score every token of the vocabulary as the successor of one position.

    Args:
        model: A loaded model that generates.
        start: The prompt, or the encoder's input, with ids of shape ``(seq,)``; what an encoding lacks of a `Start` is
            as generation would have it.
        at: Position whose successor is asked for, in ``[-seq, seq)`` of the sequence that is written: the prompt, or
            what the decoder starts with. The pass runs over it up to and with that position, as generation would. With
            pictures only the last one can be asked for.
        task: Asked before the pass whether to stop; the pass itself can't be interrupted.

    Returns:
        Raw logits of shape ``(vocab,)``.

    Raises:
        NotSupported: The model's head predicts no next token.
        InputError: The encoding is empty, a picture can't be read, or there are pictures and ``at`` is not the end.
        IndexError: ``at`` is outside the sequence.

    References:
        transformers, Model outputs: CausalLMOutputWithPast.logits, Seq2SeqLMOutput.logits
    """
    import torch

    if not model.generates:
        raise NotSupported(
            f"{model.checkpoint.name} gives no next-token distribution.",
            why=f"It was loaded as {model.head}, which predicts no next token.",
            remedy="Load a checkpoint whose architecture ends in ForCausalLM or ForConditionalGeneration.",
        )
    encoding = start if isinstance(start, Encoding) else start.encoding
    if not encoding.tokens and not beside(model):
        raise InputError(
            "There is no token to look behind.", why="The text is empty.", remedy="Write at least one word."
        )
    start = start_of(model, start) if isinstance(start, Encoding) else start
    count = len(start.context_ids)
    if not -count <= at < count:
        raise IndexError(f"position {at} is outside a sequence of {count} tokens")
    end = at % count + 1
    if start.files and end < count:
        raise InputError(
            "Only what follows the whole prompt can be scored.",
            why="Pictures or sounds are part of it, and a part of one means nothing.",
            remedy="Ask for the token after the last one.",
        )
    (task or Silent()).check()
    given = dict(inputs(model, start).kwargs)
    if model.encoder_decoder:
        given["decoder_input_ids"] = given["decoder_input_ids"][:, :end]
    else:
        if not start.files:
            given = {name: tensor[:, :end] for name, tensor in given.items()}
        # generate() leaves a mask of ones out too; with it some models take another attention kernel and other last
        # bits.
        if bool(given["attention_mask"].all()):
            del given["attention_mask"]
        if not start.files:
            given = _as_generate(model, given)
    # Without it the logits of all positions are computed: gigabytes for a long text and a large vocabulary.
    kept = {"logits_to_keep": 1} if model.model._supports_logits_to_keep() else {}
    with torch.inference_mode():
        row = model.model(**(given | kept | {"use_cache": False})).logits[0, -1]
    return keep(row, model.dtype)


def _as_generate(model: LoadedModel, given: dict[str, Any]) -> dict[str, Any]:
    """What ``generate()`` hands a decoder: XLM and XLNet are given a place to predict, and RoBERTa other positions.

    References:
        transformers, GenerationMixin.prepare_inputs_for_generation
    """
    net = model.model
    ids = given.pop("input_ids")
    if "position_ids" in inspect.signature(net.forward).parameters:
        given["position_ids"] = net._prepare_position_ids_for_generation(ids, given)
    return dict(net.prepare_inputs_for_generation(ids, is_first_iteration=True, **given))


def embed(
    model: LoadedModel, texts: Sequence[str], pooling: str = "mean", *, batch_size: int = 32, task: Task | None = None
) -> np.ndarray:
    """Turn texts into vectors: the last hidden state of the base model, pooled over the positions of each text.

    Args:
        model: Any model with a tokenizer; its head is not used.
        texts: At least one.
        pooling: ``mean`` over attended positions, or ``first`` for the first position (``[CLS]``).
        batch_size: Texts in one pass.
        task: Asked between batches whether to stop.

    Returns:
        float32 of shape ``(texts, hidden)``.

    Raises:
        NotSupported: The checkpoint has no tokenizer, or none that can pad.
        InputError: No text was given, or the pooling is neither of the two.

    References:
        transformers, Model outputs: BaseModelOutput.last_hidden_state
    """
    import numpy
    import torch

    task = task or Silent()
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise NotSupported(
            f"{model.checkpoint.name} can't read text.",
            why="There is no tokenizer in its folder.",
            remedy="Load a checkpoint that has one.",
        )
    if not texts:
        raise InputError("There is nothing to embed.", why="No text was given.", remedy="Give at least one text.")
    if pooling not in ("mean", "first"):
        raise InputError(
            f"There is no pooling “{pooling}”.", why="Known are mean and first.", remedy="Choose one of them."
        )
    base = model.model.base_model
    rows = []
    for start in range(0, len(texts), batch_size):
        task.check()
        chunk = list(texts[start : start + batch_size])
        padding = len(chunk) > 1
        if padding and tokenizer.pad_token_id is None:
            raise NotSupported(
                f"{model.checkpoint.name} can't embed several texts at once.",
                why="Its tokenizer has no pad token.",
                remedy="Embed the texts one by one (batch_size=1).",
            )
        inputs = tokenizer(chunk, padding=padding, truncation=True, return_tensors="pt").to(base.device)
        with torch.inference_mode():
            hidden = base(**inputs).last_hidden_state.float()
        if pooling == "first":
            pooled = hidden[:, 0]
        else:
            mask = inputs["attention_mask"][..., None].float()
            pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        rows.append(pooled.cpu().numpy())
    return numpy.concatenate(rows)

"""Feature extraction: the hidden states of each line of the text, and one vector a line.

References:
    transformers, Pipelines: FeatureExtractionPipeline; Model outputs: BaseModelOutput.last_hidden_state
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import page
from workbench.engine.tasks import documents
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text, cut_at
from workbench.engine.tasks.projection import project
from workbench.engine.tokens import encode, padding_token
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="feature-extraction",
    heads=("AutoModel", "AutoModelForTextEncoding"),
    does="Turns each line into a vector, and compares the lines",
    inputs=(("text", "Texts, one a line"),),
    options=("pooling", "normalize", "projection"),
    shows="vectors",
    example=TaskInput("The film was wonderful.\nI loved this movie.\nThe train leaves at nine."),
)

STATES = ("auto", "encoder", "decoder")
"""Whose states an encoder-decoder is asked for; ``auto`` are those that the pipeline gives, where it gives any."""

ALONG = ("bart", "bigbird_pegasus", "fsmt", "led", "mbart", "mvp", "plbart")
"""Encoder-decoders whose decoder reads the text along, one place to the right, where it is given none of its own."""

POOLED = ("dpr",)
"""Architectures that give one vector a text, and no states, to begin with."""


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: a page becomes one vector; an encoder-decoder has states on two sides."""
    spec = documents.fitted(SPEC, model, "Turns a page into a vector")
    kind = model.facts.model_type
    if kind in POOLED:
        own = tuple(name for name in spec.options if name != "pooling")
        return replace(spec, does=f"{spec.does}, by the vector that the model itself makes of it", options=own)
    if not model.model.config.is_encoder_decoder or model.head == "AutoModelForTextEncoding":
        return spec
    if kind in ALONG:
        whose = "the states of the decoder, which reads the line along, as pipeline() gives them"
    else:
        whose = "the states of the encoder; pipeline() fails here, because the decoder is given nothing to read"
    does = f"{spec.does}. Usually by {whose}"
    return replace(spec, does=does, options=spec.options if page.wanted(model) else ("states", *spec.options))


def side(kind: str, states: str) -> str:
    """Which side of an encoder-decoder gives the states: ``encoder`` or ``decoder``.

    Args:
        kind: Its ``model_type``.
        states: One of `STATES`.

    Raises:
        InputError: It is none of them.
    """
    if states not in STATES:
        raise InputError(
            "The states can't be chosen.",
            why=f"There are no states called “{states}”.",
            remedy=f"Use {', '.join(STATES[:-1])} or {STATES[-1]}.",
        )
    usual = "decoder" if kind in ALONG else "encoder"
    return usual if states == "auto" else states


def lines(text: str) -> tuple[str, ...]:
    """The lines that have something in them; each becomes a row of the batch."""
    return tuple(line for line in text.splitlines() if line.strip())


def preprocess(request: Request) -> Inputs:
    """Tokenize each line, the shorter ones padded on the right, cut at the context."""
    import torch

    tokenizer = request.tokenizer
    if page.wanted(request.model):
        return documents.encoded(request)
    check_text(request.text)
    rows = lines(request.text)
    limit = cut_at(request.model, request.options)
    length = [len(encode(tokenizer, row, task=request.task).tokens) for row in rows]
    cut = limit is not None and max(length) > limit
    arguments = {"truncation": True, "max_length": limit} if cut else {}
    encodings = [tokenizer(row, verbose=False, **arguments) for row in rows]
    width = max(len(encoding["input_ids"]) for encoding in encodings)
    filler = {"input_ids": tokenizer.convert_tokens_to_ids(padding_token(tokenizer)[0]) if len(rows) > 1 else 0}
    tensors = {
        name: torch.tensor([row[name] + [filler.get(name, 0)] * (width - len(row[name])) for row in encodings])
        for name in encodings[0]
    }
    kept = sum(len(encoding["input_ids"]) for encoding in encodings)
    return Inputs(tensors, truncated=max(0, sum(length) - kept))


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass without the head, as the pipeline makes it.

    Returns:
        ``last_hidden_state`` of shape ``(lines, seq, hidden)``, of an encoder-decoder as ``options.states`` asks; or
        ``pooler_output`` of shape ``(lines, hidden)`` of a model that gives one vector a text.

    Raises:
        InputError: ``options.states`` is none that is known.
        NotSupported: The model can't read a text alone.
    """
    body, tensors = _read_by(request, request.on_device(inputs.tensors))
    try:
        hidden = body(**tensors)[0].cpu()
    except (TypeError, ValueError) as error:
        raise NotSupported(
            f"{request.model.checkpoint.name} makes no vectors of text alone.",
            why=f"The model says: {first_line(error)}",
            remedy="Choose raw-outputs, which may be given a picture besides, or what the checkpoint was made for.",
        ) from error
    if request.model.facts.model_type in POOLED:
        return {"pooler_output": hidden}
    length = inputs.tensors["input_ids"].shape[1]
    if hidden.shape[1] < length:
        raise NotSupported(
            f"{request.model.checkpoint.name} makes no vector a token.",
            why=f"Of {length:,} tokens it leaves {hidden.shape[1]:,} states, and does not say which belongs to which.",
            remedy="Choose raw-outputs, which shows them as they are.",
        )
    # The pieces of a page's picture stand behind its tokens.
    return {"last_hidden_state": hidden[:, :length]}


def _read_by(request: Request, tensors: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
    """What reads the lines below any head, and what it is called with."""
    import torch

    model, kind = request.model.model, request.model.facts.model_type
    # A part of a model that pools bears the name that a body has under a head.
    body = model if kind in POOLED else model.base_model
    if not model.config.is_encoder_decoder:
        return body, tensors
    if side(kind, request.options.states) == "encoder":
        return body.get_encoder(), tensors
    if kind in ALONG:
        return body, tensors
    ids = tensors["input_ids"]
    start = torch.full_like(ids[:, :1], model.config.decoder_start_token_id or 0)
    return body.get_decoder(), {
        "input_ids": torch.cat([start, ids[:, :-1]], dim=1),
        "encoder_hidden_states": body.get_encoder()(**tensors)[0],
        "encoder_attention_mask": tensors["attention_mask"],
    }


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Pool the positions of each line into one vector, unless the model did, and compare the lines.

    Returns:
        ``embeddings`` of shape ``(lines, hidden)`` and ``similarity`` of shape ``(lines, lines)``, the cosine of the
        angle between two lines, in ``[-1, 1]``; ``pca`` or ``t-sne`` of shape ``(lines, 2)`` from three lines on;
        and the embeddings as rows of floats.

    Raises:
        InputError: ``options.pooling`` or ``options.projection`` is none that is known.
    """
    import torch
    from torch.nn.functional import normalize

    embeddings = _vectors(request, inputs, outputs)
    directions = normalize(embeddings, dim=-1)
    if request.options.normalize:
        embeddings = directions
    rows = tuple(tuple(row) for row in embeddings.tolist())
    tensors = {"embeddings": embeddings, "similarity": directions @ directions.T}
    places = project(embeddings.numpy(), request.options.projection)
    return Outcome(
        tensors if places is None else {**tensors, request.options.projection: torch.from_numpy(places)}, rows
    )


def _vectors(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Tensor:
    """One vector a line, of shape ``(lines, hidden)``."""
    import torch

    if "pooler_output" in outputs:
        return outputs["pooler_output"].float()
    hidden = outputs["last_hidden_state"].float()
    mask = inputs.tensors["attention_mask"]
    if request.options.pooling == "mean":
        weights = mask.unsqueeze(-1).float()
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)
    if request.options.pooling == "cls":
        return hidden[:, 0]
    if request.options.pooling == "max":
        return hidden.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)
    if request.options.pooling == "last":
        return hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1]
    raise InputError(
        "The hidden states can't be pooled.",
        why=f"There is no pooling called “{request.options.pooling}”.",
        remedy="Use mean, cls, max or last.",
    )

"""Feature extraction: the hidden states of each line of the text, and one vector a line.

References:
    transformers, Pipelines: FeatureExtractionPipeline; Model outputs: BaseModelOutput.last_hidden_state
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import page
from workbench.engine.tasks import documents
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text, cut_at
from workbench.engine.tasks.pooling import POOLER, own_vector, required, unknown
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
    options=("pooling", "normalize", "projection", "max_length"),
    shows="vectors",
    example=TaskInput("The film was wonderful.\nI loved this movie.\nThe train leaves at nine."),
)

STATES = ("auto", "encoder", "decoder")
"""Whose states an encoder-decoder is asked for; ``auto`` are those that the pipeline gives, where it gives any."""

ALONG = ("bart", "bigbird_pegasus", "fsmt", "led", "mbart", "mvp", "plbart")
"""Encoder-decoders whose decoder reads the text along, one place to the right, where it is given none of its own."""

#: What tokenizers make.
_MADE = {"input_ids", "attention_mask", "token_type_ids"}
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

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


def reads_alone(model: LoadedModel) -> bool:
    """Whether the body of a model makes vectors of a text with nothing beside it, as far as its signature tells."""
    if page.wanted(model):
        return True
    body: Any = _body(model.model, model.facts.model_type)
    if model.model.config.is_encoder_decoder and side(model.facts.model_type, STATES[0]) == "encoder":
        body = body.get_encoder()
    takes = inspect.signature(body.forward).parameters
    # Some hand on whatever they are given.
    kinds = {each.kind for each in takes.values()}
    reads = "input_ids" in takes or (inspect.Parameter.VAR_KEYWORD in kinds and kinds <= set(_REST))
    # What compares texts with pictures or sounds has a text's vector apart, and no pass for a text alone.
    return reads and required(body) <= _MADE and not hasattr(body, "get_text_features")


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
    filler: dict[str, Any] = {name: _nothing(values[0]) for name, values in encodings[0].items()}
    filler["input_ids"] = tokenizer.convert_tokens_to_ids(padding_token(tokenizer)[0]) if len(rows) > 1 else 0
    tensors = {
        name: torch.tensor([row[name] + [filler[name]] * (width - len(row[name])) for row in encodings])
        for name in encodings[0]
    }
    kept = sum(len(encoding["input_ids"]) for encoding in encodings)
    return Inputs(tensors, truncated=max(0, sum(length) - kept))


def _nothing(of: Any) -> Any:
    # TAPAS has several types a token.
    return [0] * len(of) if isinstance(of, list) else 0


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass without the head, as the pipeline makes it.

    Returns:
        ``last_hidden_state`` of shape ``(lines, seq, hidden)``, of an encoder-decoder as ``options.states`` asks; and
        ``pooler_output`` of shape ``(lines, hidden)`` where the model makes it, alone of one that gives one vector a
        text.

    Raises:
        InputError: ``options.states`` is none that is known.
        NotSupported: The model can't read a text alone.
    """
    body, tensors = _read_by(request, request.on_device(inputs.tensors))
    try:
        output = body(**tensors)
        hidden = output[0].cpu()
    except (TypeError, ValueError) as error:
        raise NotSupported(
            f"{request.model.checkpoint.name} makes no vectors of text alone.",
            why=f"The model says: {first_line(error)}",
            remedy="Choose raw-outputs, which may be given a picture besides, or what the checkpoint was made for.",
        ) from error
    if request.model.facts.model_type in POOLED:
        return {"pooler_output": hidden}
    length = inputs.tensors["input_ids"].shape[1]
    if hidden.shape[1] < length and not inputs.tensors["attention_mask"].all():
        raise NotSupported(
            f"{request.model.checkpoint.name} can't be given lines of several lengths at once.",
            why=f"Of {length:,} tokens it leaves {hidden.shape[1]:,} states, and does not say which of them belong to "
            "what fills up the shorter lines.",
            remedy="Give it one line at a time.",
        )
    # The pieces of a page's picture stand behind its tokens.
    found = {"last_hidden_state": hidden[:, :length]}
    pooled = getattr(output, "pooler_output", None)
    return found if pooled is None else found | {"pooler_output": pooled.cpu()}


def _read_by(request: Request, tensors: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
    """What reads the lines below any head, and what it is called with."""
    import torch

    model, kind = request.model.model, request.model.facts.model_type
    body = _body(model, kind)
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


def _body(model: Any, kind: str) -> Any:
    # A part of a model that pools bears the name that a body has under a head.
    return model if kind in POOLED else model.base_model


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Pool the positions of each line into one vector, unless the model did, and compare the lines.

    Returns:
        ``embeddings`` of shape ``(lines, hidden)`` and ``similarity`` of shape ``(lines, lines)``, the cosine of the
        angle between two lines, in ``[-1, 1]``; ``pca`` or ``t-sne`` of shape ``(lines, 2)`` from three lines on;
        and the embeddings as rows of floats.

    Raises:
        InputError: ``options.pooling`` or ``options.projection`` is none that is known.
        NotSupported: The model's own vector is asked for, and it makes none.
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

    if request.options.pooling == POOLER or "last_hidden_state" not in outputs:
        return own_vector(request, outputs)
    hidden = outputs["last_hidden_state"].float()
    # Where fewer states are left, all of them are of the text.
    mask = inputs.tensors["attention_mask"][:, : hidden.shape[1]]
    if request.options.pooling == "mean":
        weights = mask.unsqueeze(-1).float()
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)
    if request.options.pooling == "cls":
        return hidden[:, 0]
    if request.options.pooling == "max":
        return hidden.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)
    if request.options.pooling == "last":
        return hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1]
    raise unknown(request.options.pooling)

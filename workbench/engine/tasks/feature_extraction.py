"""Feature extraction: the hidden states of each line of the text, and one vector a line.

References:
    transformers, Pipelines: FeatureExtractionPipeline; Model outputs: BaseModelOutput.last_hidden_state
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: a page becomes one vector; of an encoder-decoder the encoder gives it."""
    spec = documents.fitted(SPEC, model, "Turns a page into a vector")
    if model.model.config.is_encoder_decoder:
        # The pipeline takes the decoder's where the library shifts the ids itself (BART), and fails elsewhere (T5).
        return replace(spec, does=f"{spec.does}, by the states of the encoder")
    return spec


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
    """One pass without the head: ``last_hidden_state`` of shape ``(lines, seq, hidden)``.

    Raises:
        NotSupported: The model can't read a text alone.
    """
    body = request.model.model.base_model
    if request.model.model.config.is_encoder_decoder:
        body = body.get_encoder()
    try:
        hidden = body(**request.on_device(inputs.tensors))[0].cpu()
    except (TypeError, ValueError) as error:
        raise NotSupported(
            f"{request.model.checkpoint.name} makes no vectors of text alone.",
            why=f"The model says: {first_line(error)}",
            remedy="Choose raw-outputs, which may be given a picture besides, or what the checkpoint was made for.",
        ) from error
    length = inputs.tensors["input_ids"].shape[1]
    if hidden.shape[1] < length:
        raise NotSupported(
            f"{request.model.checkpoint.name} makes no vector a token.",
            why=f"Of {length:,} tokens it leaves {hidden.shape[1]:,} states, and does not say which belongs to which.",
            remedy="Choose raw-outputs, which shows them as they are.",
        )
    # The pieces of a page's picture stand behind its tokens.
    return {"last_hidden_state": hidden[:, :length]}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Pool the positions of each line into one vector, and compare the lines.

    Returns:
        ``embeddings`` of shape ``(lines, hidden)`` and ``similarity`` of shape ``(lines, lines)``, the cosine of the
        angle between two lines, in ``[-1, 1]``; ``pca`` or ``t-sne`` of shape ``(lines, 2)`` from three lines on;
        and the embeddings as rows of floats.

    Raises:
        InputError: ``options.pooling`` or ``options.projection`` is none that is known.
    """
    import torch
    from torch.nn.functional import normalize

    hidden = outputs["last_hidden_state"].float()
    mask = inputs.tensors["attention_mask"]
    if request.options.pooling == "mean":
        weights = mask.unsqueeze(-1).float()
        embeddings = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
    elif request.options.pooling == "cls":
        embeddings = hidden[:, 0]
    elif request.options.pooling == "max":
        embeddings = hidden.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)
    elif request.options.pooling == "last":
        embeddings = hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1]
    else:
        raise InputError(
            "The hidden states can't be pooled.",
            why=f"There is no pooling called “{request.options.pooling}”.",
            remedy="Use mean, cls, max or last.",
        )
    directions = normalize(embeddings, dim=-1)
    if request.options.normalize:
        embeddings = directions
    rows = tuple(tuple(row) for row in embeddings.tolist())
    tensors = {"embeddings": embeddings, "similarity": directions @ directions.T}
    places = project(embeddings.numpy(), request.options.projection)
    return Outcome(
        tensors if places is None else {**tensors, request.options.projection: torch.from_numpy(places)}, rows
    )

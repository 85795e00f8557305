"""Token classification: a label for each token, and tokens joined into entities.

References:
    transformers, Pipelines: TokenClassificationPipeline; Auto Classes: AutoModelForTokenClassification
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import page
from workbench.engine.task import Progress
from workbench.engine.tasks import documents
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_runs, check_text, cut_at, encoded
from workbench.engine.values import Entity, TaskInput

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="token-classification",
    heads=("AutoModelForTokenClassification",),
    does="Gives each token a label, and joins tokens into entities",
    inputs=(("text", "Text"),),
    options=("aggregation", "threshold", "ignore_labels", "stride", "split"),
    shows="entities",
    example=TaskInput("Angela Merkel met Barack Obama in Berlin, Germany."),
    batches="tokens",
)

AGGREGATIONS = ("none", "simple", "first", "average", "max")
"""How tokens become entities: not at all; neighbours of one label joined; or words first, each labelled by its first
token, by the mean of its tokens' probabilities or by its surest token, and then joined."""

#: Windows over a long text that go through the model together.
_AT_ONCE = 8


@dataclass(frozen=True, eq=False, slots=True)
class _Piece:
    """A token, or the tokens of a word, with its label: characters ``[start, end)``."""

    label: str
    score: float
    start: int
    end: int


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model that reads pages: each of its words is labelled."""
    return documents.fitted(SPEC, model, "Gives each word of a page a label, and joins words")


def preprocess(request: Request) -> Inputs:
    """Tokenize, and keep aside where each token stands in the text and which ones are special.

    With a stride, a text longer than the context becomes several windows that share as many tokens.

    Raises:
        InputError: Windows can't be that far apart, or not be put together.
        NotSupported: The tokenizer can't say where its tokens stand.
    """
    if not request.tokenizer.is_fast:
        raise NotSupported(
            f"{request.model.checkpoint.name} can't mark entities in a text.",
            why="Its tokenizer can't say where in the text a token stands.",
            remedy="Load a checkpoint with a tokenizer.json.",
        )
    if page.wanted(request.model):
        return documents.encoded(request)
    aside = ("offset_mapping", "special_tokens_mask")
    told: dict[str, Any] = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
    if request.options.split:
        return _split(request, told)
    stride, limit = request.options.stride, cut_at(request.model, request.options)
    inputs = encoded(request, cut=stride is None, aside=aside, **told)
    if stride is None or limit is None or inputs.tensors["input_ids"].shape[1] <= limit:
        return inputs
    _check_windows(request, stride, limit)
    made = request.tokenizer(
        request.text, truncation=True, max_length=limit, stride=stride, padding=True, return_overflowing_tokens=True,
        return_tensors="pt", verbose=False, **told,
    )  # fmt: skip
    made.pop("overflow_to_sample_mapping", None)
    kept = {name: made.pop(name) for name in aside}
    return Inputs(dict(made), kept)


def _split(request: Request, told: dict[str, Any]) -> Inputs:
    """The text as words between white space, tokenized one by one; cut, or in windows, as a running text is."""
    check_runs(request)
    check_text(request.text)
    found = list(re.finditer(r"\S+", request.text))
    tokenizer, words = request.tokenizer, [word.group() for word in found]
    told |= {"is_split_into_words": True, "return_tensors": "pt", "verbose": False}
    stride, limit = request.options.stride, cut_at(request.model, request.options)
    try:
        made = tokenizer(words, **told)
        length = int(made["input_ids"].shape[1])
        if limit is not None and length > limit:
            told |= {"truncation": True, "max_length": limit}
            if stride is not None:
                _check_windows(request, stride, limit)
                told |= {"stride": stride, "padding": True, "return_overflowing_tokens": True}
            made = tokenizer(words, **told)
    except (AssertionError, ValueError) as error:
        raise NotSupported(
            f"The tokenizer of {request.model.checkpoint.name} takes no words one by one.",
            why=f"It says: {first_line(error)}",
            remedy="Leave the text whole.",
        ) from error
    made.pop("overflow_to_sample_mapping", None)
    aside = {name: made.pop(name) for name in ("offset_mapping", "special_tokens_mask")}
    for window, offsets in enumerate(aside["offset_mapping"]):
        for position, word in enumerate(made.word_ids(window)):
            offsets[position] += 0 if word is None else found[word].start()
    several = len(made["input_ids"]) > 1
    return Inputs(dict(made), aside, 0 if several else length - int(made["input_ids"].shape[1]))


def _check_windows(request: Request, stride: int, limit: int) -> None:
    room = limit - request.tokenizer.num_special_tokens_to_add()
    if request.options.aggregation == "none":
        raise InputError(
            "Single tokens can't be put together from several windows.",
            why="Where two windows overlap, the longer entity is taken, and single tokens are no entities.",
            remedy="Choose another aggregation, or no stride.",
        )
    if stride >= room:
        raise InputError(
            "The windows can't overlap that much.",
            why=f"Each has room for {room:,} tokens, and {stride:,} of them would be those of the one before.",
            remedy=f"Choose a stride below {room:,}; a quarter of it is usual.",
        )


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, seq, num_labels)``; a row a window where there are several."""
    import torch

    count = len(inputs.tensors["input_ids"])
    # What goes together in a batch is one pass; windows are as many as the text is long.
    together = count if request.options.stride is None else _AT_ONCE
    found = []
    for first in range(0, count, together):
        request.task.check()
        request.task.report(Progress(first, count, "windows", "forward"))
        part = {name: tensor[first : first + together] for name, tensor in inputs.tensors.items()}
        found.append(request.model.model(**request.on_device(part)).logits.cpu())
    return {"logits": torch.cat(found)}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the labels at each token, then entities as ``options.aggregation`` says.

    Those of ``options.ignore_labels`` are left out. Of entities that overlap because two windows do, the longest stays,
    and of those the surest.

    Raises:
        InputError: ``options.aggregation`` is none that is known.
    """
    if request.options.aggregation not in AGGREGATIONS:
        raise InputError(
            "The tokens can't be joined.",
            why=f"There is no aggregation called “{request.options.aggregation}”.",
            remedy=f"Use one of {', '.join(AGGREGATIONS)}.",
        )
    probabilities = outputs["logits"].float().softmax(dim=-1)
    pieces = [
        piece
        for window, scores in enumerate(probabilities.numpy())
        for piece in _found(request, inputs, window, scores)
        if piece.label not in request.options.ignore_labels
    ]
    if len(probabilities) > 1:
        pieces = _longest(pieces)
    where = page.places(request.text) if page.wanted(request.model) else ()
    read = partial(documents.said, request.text, where)
    entities = [
        Entity(piece.label, piece.score, piece.start, piece.end, read(piece.start, piece.end))
        for piece in pieces
        if piece.score >= request.options.threshold
    ]
    shown = probabilities[0] if len(probabilities) == 1 else probabilities
    return Outcome({"probabilities": shown, "labels": shown.argmax(dim=-1)}, tuple(entities))


def _found(request: Request, inputs: Inputs, window: int, scores: np.ndarray) -> list[_Piece]:
    """The entities of a window by the probabilities ``(seq, num_labels)`` of its tokens."""
    offsets = inputs.aside["offset_mapping"][window].tolist()
    special = inputs.aside["special_tokens_mask"][window].tolist()
    positions = [position for position in range(len(offsets)) if not special[position]]
    if page.wanted(request.model):
        # The words of a page are what was labelled, whatever tokens they have.
        groups = list(documents.by_word(inputs))
    elif request.options.aggregation in ("none", "simple"):
        groups = [[position] for position in positions]
    else:
        groups = list(_words(request, inputs.tensors["input_ids"][window].tolist(), positions, offsets))
    pieces = [_labelled(request, scores[group], offsets, group) for group in groups]
    return list(_joined(pieces)) if request.options.aggregation != "none" else pieces


def _longest(pieces: list[_Piece]) -> list[_Piece]:
    """One of each run of pieces that overlap."""
    kept: list[_Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if not kept or piece.start >= kept[-1].end:
            kept.append(piece)
        elif (piece.end - piece.start, piece.score) > (kept[-1].end - kept[-1].start, kept[-1].score):
            kept[-1] = piece
    return kept


def _words(
    request: Request, ids: list[int], positions: list[int], offsets: list[tuple[int, int]]
) -> Iterator[list[int]]:
    """Group the positions of each word: a vocabulary that marks continuations tells, else white space does."""
    tokenizer = request.tokenizer
    # Words that were given one by one may have any white space between them.
    text = re.sub(r"\s", " ", request.text) if request.options.split else request.text
    marked = getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None)
    word: list[int] = []
    for position in positions:
        start, end = offsets[position]
        if ids[position] == tokenizer.unk_token_id:
            continues = False
        elif marked:
            continues = len(str(tokenizer.convert_ids_to_tokens(ids[position]))) != end - start
        else:
            continues = start > 0 and " " not in text[start - 1 : start + 1]
        if word and not continues:
            yield word
            word = []
        word.append(position)
    if word:
        yield word


def _labelled(request: Request, scores: np.ndarray, offsets: list[tuple[int, int]], group: list[int]) -> _Piece:
    """Label a word by the probabilities ``(tokens, num_labels)`` of its tokens."""
    if request.options.aggregation == "average":
        chosen = scores.mean(axis=0)
    elif request.options.aggregation == "max":
        chosen = scores[scores.max(axis=1).argmax()]
    else:
        chosen = scores[0]
    best = int(chosen.argmax())
    return _Piece(request.label(best), float(chosen[best]), offsets[group[0]][0], offsets[group[-1]][1])


def _joined(pieces: list[_Piece]) -> Iterator[_Piece]:
    """Join neighbours of one label; ``B-`` begins a new entity, and the score is the mean."""
    group: list[_Piece] = []
    for piece in pieces:
        if group and (piece.label.startswith("B-") or _tag(piece.label) != _tag(group[-1].label)):
            yield _one(group)
            group = []
        group.append(piece)
    if group:
        yield _one(group)


def _one(group: list[_Piece]) -> _Piece:
    score = sum(piece.score for piece in group) / len(group)
    return _Piece(group[0].label.split("-", 1)[-1], score, group[0].start, group[-1].end)


def _tag(label: str) -> str:
    return label[2:] if label.startswith(("B-", "I-")) else label

"""Sentence-pair classification: one score per label for two texts together, such as whether one follows from the other.

References:
    transformers, Pipelines: TextClassificationPipeline with ``text_pair``; Auto Classes:
    AutoModelForSequenceClassification
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.tasks.inputs import Inputs, Request, Spec, check_text, encoded, paged
from workbench.engine.tasks.text_classification import forward, postprocess
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

__all__ = ["SPEC", "forward", "postprocess", "preprocess", "refusal"]

SPEC = Spec(
    name="sentence-pair-classification",
    heads=("AutoModelForSequenceClassification",),
    does="Gives two texts together a label: entailment, paraphrase, relevance",
    inputs=(("text", "First text"), ("second", "Second text")),
    options=("top_k", "threshold", "function", "max_length"),
    shows="labels",
    example=TaskInput("She was reading a good book.", "She was reading."),
    batches="rows",
)


def refusal(model: LoadedModel) -> NotSupported | None:
    """Why a model can't be given two running texts, whatever its head: its tokenizer reads pages, or tables."""
    tokenizer: Any = model.tokenizer
    if tokenizer is None or "table" not in inspect.signature(type(tokenizer).__call__).parameters:
        return paged(model)
    return NotSupported(
        f"{model.checkpoint.name} reads no pairs of texts.",
        why="Its tokenizer pairs a text with a table.",
        remedy="Choose table-question-answering or text-classification, or load another checkpoint.",
    )


def preprocess(request: Request) -> Inputs:
    """Tokenize both texts into one row, special tokens between them, cut at the context.

    Raises:
        InputError: One of the texts is empty.
    """
    check_text(request.text, "first text")
    check_text(request.given.second, "second text")
    return encoded(request, second=request.given.second)

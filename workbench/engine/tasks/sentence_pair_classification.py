"""Sentence-pair classification: one score per label for two texts together, such as whether one follows from the other.

References:
    transformers, Pipelines: TextClassificationPipeline with ``text_pair``; Auto Classes:
    AutoModelForSequenceClassification
"""

from __future__ import annotations

from workbench.engine.tasks.inputs import Inputs, Request, Spec, check_text, encoded
from workbench.engine.tasks.text_classification import forward, postprocess
from workbench.engine.values import TaskInput

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="sentence-pair-classification",
    heads=("AutoModelForSequenceClassification",),
    does="Gives two texts together a label: entailment, paraphrase, relevance",
    inputs=(("text", "First text"), ("second", "Second text")),
    options=("top_k", "threshold", "function"),
    shows="labels",
    example=TaskInput("She was reading a good book.", "She was reading."),
    batches="rows",
)


def preprocess(request: Request) -> Inputs:
    """Tokenize both texts into one row, special tokens between them, cut at the context.

    Raises:
        InputError: One of the texts is empty.
    """
    check_text(request.text, "first text")
    check_text(request.given.second, "second text")
    return encoded(request, second=request.given.second)

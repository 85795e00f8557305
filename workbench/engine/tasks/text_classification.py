"""Text classification: one score per label for the whole text.

References:
    transformers, Pipelines: TextClassificationPipeline; Auto Classes: AutoModelForSequenceClassification
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError
from workbench.engine.generate import page
from workbench.engine.tasks import documents
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, encoded
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="text-classification",
    heads=("AutoModelForSequenceClassification",),
    does="Gives the whole text a label",
    inputs=(("text", "Text"),),
    options=("top_k", "threshold", "function", "max_length"),
    shows="labels",
    example=TaskInput("What a wonderful film, the best I have seen in years!"),
    batches="rows",
)

FUNCTIONS = ("auto", "softmax", "sigmoid", "none")
"""How logits become scores: as the checkpoint was trained, shared among the labels, each alone, or not at all."""


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model that reads pages."""
    return documents.fitted(SPEC, model, "Gives a page a label")


def preprocess(request: Request) -> Inputs:
    """Tokenize, special tokens included, cut at the context."""
    return documents.encoded(request) if page.wanted(request.model) else encoded(request)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, num_labels)``."""
    arguments = request.on_device(inputs.tensors)
    # A decoder with a classification head would build a cache that nothing reads.
    cache = {"use_cache": False} if "use_cache" in inspect.signature(request.model.model.forward).parameters else {}
    return {"logits": request.model.model(**arguments, **cache).logits.cpu()}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Logits to scores as ``options.function`` says, then the best ``top_k`` labels that reach the threshold.

    By itself that follows ``problem_type``: a softmax over the labels; a sigmoid each for
    ``multi_label_classification`` or a single label; the raw logits for ``regression``.

    Raises:
        InputError: ``options.function`` is none that is known.
    """
    config = request.model.model.config
    own = "softmax"
    if config.problem_type == "regression":
        own = "none"
    elif config.problem_type == "multi_label_classification" or config.num_labels == 1:
        own = "sigmoid"
    scores = scored(request, outputs["logits"][0].float(), own)
    items = [Label(request.label(index), score) for index, score in enumerate(scores.tolist())]
    items.sort(key=lambda item: item.score, reverse=True)
    kept = [
        item
        for item in items[: request.options.top_k]
        if not request.options.threshold or item.score >= request.options.threshold
    ]
    return Outcome({"scores": scores}, tuple(kept))


def scored(request: Request, logits: Tensor, own: str) -> Tensor:
    """The scores of labels from their logits, each of shape ``(num_labels,)``.

    Args:
        request: Its options say how.
        logits: Of one input.
        own: What ``auto`` means for the checkpoint: ``softmax``, ``sigmoid`` or ``none``.

    Raises:
        InputError: The options name no way that is known.
    """
    how = own if request.options.function == "auto" else request.options.function
    if how not in FUNCTIONS[1:]:
        raise InputError(
            "The logits can't become scores.",
            why=f"There is no function called “{how}” for it.",
            remedy=f"Use one of {', '.join(FUNCTIONS)}.",
        )
    return {"softmax": logits.softmax(dim=-1), "sigmoid": logits.sigmoid(), "none": logits}[how]

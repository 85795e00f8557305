"""Text classification: one score per label for the whole text.

References:
    transformers, Pipelines: TextClassificationPipeline; Auto Classes: AutoModelForSequenceClassification
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

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
    options=("top_k", "threshold"),
    shows="labels",
    example=TaskInput("What a wonderful film, the best I have seen in years!"),
    batches="rows",
)


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
    """Logits to scores as ``problem_type`` asks, then the best ``top_k`` labels that reach the threshold.

    Scores are a softmax over the labels; a sigmoid each for ``multi_label_classification`` or a single label; the raw
    logits for ``regression``.
    """
    config = request.model.model.config
    logits = outputs["logits"][0].float()
    if config.problem_type == "regression":
        scores = logits
    elif config.problem_type == "multi_label_classification" or config.num_labels == 1:
        scores = logits.sigmoid()
    else:
        scores = logits.softmax(dim=-1)
    items = [Label(request.label(index), score) for index, score in enumerate(scores.tolist())]
    items.sort(key=lambda item: item.score, reverse=True)
    kept = [
        item
        for item in items[: request.options.top_k]
        if not request.options.threshold or item.score >= request.options.threshold
    ]
    return Outcome({"scores": scores}, tuple(kept))

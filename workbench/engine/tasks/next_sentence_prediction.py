"""Next sentence prediction: whether one sentence was written after another, as BERT was trained to tell.

References:
    transformers, BERT: BertForNextSentencePrediction; Devlin et al. 2018, BERT, section 3.1
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.sentence_pair_classification import preprocess
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="next-sentence-prediction",
    heads=("AutoModelForNextSentencePrediction",),
    does="Says whether the second sentence was written after the first",
    inputs=(("text", "First sentence"), ("second", "Second sentence")),
    options=(),
    shows="labels",
    example=TaskInput("She was reading a good book.", "It told the history of the city."),
    batches="rows",
)

_MEANINGS = ("IsNext", "NotNext")


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, 2)``."""
    return {"logits": request.model.model(**request.on_device(inputs.tensors)).logits.cpu()}


def postprocess(_request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax; 0 is a continuation and 1 a random sentence."""
    scores = outputs["logits"][0].float().softmax(dim=-1)
    items = [Label(meaning, score) for meaning, score in zip(_MEANINGS, scores.tolist(), strict=True)]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": scores}, tuple(items))

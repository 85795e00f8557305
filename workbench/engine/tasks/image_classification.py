"""Image classification: one score per label for a whole picture.

References:
    transformers, Pipelines: ImageClassificationPipeline; Auto Classes: AutoModelForImageClassification
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks import policies, text_classification
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.vision import PICTURE, passed, pixels
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

SPEC = Spec(
    name="image-classification",
    heads=("AutoModelForImageClassification",),
    does="Gives a picture a label",
    inputs=PICTURE,
    options=("top_k", "threshold", "function"),
    shows="labels",
    example=TaskInput(),
    batches="rows",
)

UNNAMED = ("pp_lcnet",)
"""Architectures whose logits bear the name of the last hidden state."""


def preprocess(request: Request) -> Inputs:
    """The picture as the checkpoint's processor prepares it, as `vision.pixels`; with policies beside it for those."""
    return policies.preprocess(request) if _by_policy(request) else pixels(request)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, num_labels)``, and what else comes out."""
    made = passed(request, inputs)
    return {"logits": made["last_hidden_state"]} if request.model.facts.model_type in UNNAMED else made


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """As text classification has it; the probability of a yes for each policy where there are policies."""
    if _by_policy(request):
        return policies.postprocess(request, outputs)
    return text_classification.postprocess(request, inputs, outputs)


def _by_policy(request: Request) -> bool:
    return request.model.facts.model_type == policies.ARCHITECTURE

"""Audio classification: one score per label for a whole sound.

References:
    transformers, Pipelines: AudioClassificationPipeline; Auto Classes: AutoModelForAudioClassification
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.sounds import SOUND, features, long_enough
from workbench.engine.tasks.text_classification import scored
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="audio-classification",
    heads=("AutoModelForAudioClassification",),
    does="Gives a sound a label",
    inputs=SOUND,
    options=("top_k", "threshold", "function"),
    shows="labels",
    example=TaskInput(),
)

preprocess = features


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, num_labels)``.

    Raises:
        InputError: The sound is too short for the model.
    """
    with long_enough(request):
        return {"logits": request.model.model(**request.on_device(inputs.tensors)).logits.float().cpu()}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Logits to scores as the options or ``problem_type`` ask: a softmax, a sigmoid each, or the raw logits."""
    kind = request.model.model.config.problem_type
    own = {"regression": "none", "multi_label_classification": "sigmoid"}.get(kind, "softmax")
    scores = scored(request, outputs["logits"][0], own)
    items = [Label(request.label(index), score) for index, score in enumerate(scores.tolist())]
    items.sort(key=lambda item: item.score, reverse=True)
    least = request.options.threshold
    kept = [item for item in items[: request.options.top_k] if not least or item.score >= least]
    return Outcome({"scores": scores}, tuple(kept))

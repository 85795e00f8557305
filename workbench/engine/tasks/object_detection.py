"""Object detection: what is in a picture, and where.

References:
    transformers, Pipelines: ObjectDetectionPipeline; Auto Classes: AutoModelForObjectDetection
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.vision import PICTURE, Outputs, finisher, passed, pixels
from workbench.engine.values import Box, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="object-detection",
    heads=("AutoModelForObjectDetection",),
    does="Finds objects in a picture and draws a box around each",
    inputs=PICTURE,
    options=("threshold",),
    shows="boxes",
    example=TaskInput(),
    defaults=(("threshold", 0.5),),
)

preprocess = pixels
forward = passed


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's boxes in pixels of the picture, above the threshold, the surest first.

    Returns:
        ``scores`` and ``labels`` of shape ``(objects,)`` and ``boxes`` of shape ``(objects, 4)``: left, top, right and
        bottom.
    """
    finish = finisher(request, ("post_process_object_detection",))
    (found,) = finish(Outputs(outputs), request.options.threshold, inputs.aside["target_size"])
    items = [
        Box(request.label(int(label)), score, *box.int().tolist())
        for score, label, box in zip(found["scores"].tolist(), found["labels"].tolist(), found["boxes"], strict=True)
    ]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({name: found[name] for name in ("scores", "labels", "boxes")}, tuple(items))

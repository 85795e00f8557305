"""Depth estimation: how far away each pixel of a picture is.

References:
    transformers, Pipelines: DepthEstimationPipeline; Auto Classes: AutoModelForDepthEstimation
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.vision import PICTURE, Outputs, finisher, passed, pixels, size
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="depth-estimation",
    heads=("AutoModelForDepthEstimation",),
    does="Says how far away each pixel is",
    inputs=PICTURE,
    options=(),
    shows="depth",
    example=TaskInput(),
)

preprocess = pixels
forward = passed


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's map, as large as the picture.

    Returns:
        ``predicted_depth`` of shape ``(height, width)``, in the unit the model was trained with (metres, or a relative
        depth whose large values are near), and the same as an array.
    """
    finish = finisher(request, ("post_process_depth_estimation",))
    (found,) = finish(Outputs(outputs), [size(inputs)])
    depth = found["predicted_depth"].cpu()
    return Outcome({"predicted_depth": depth}, (depth.numpy(),))

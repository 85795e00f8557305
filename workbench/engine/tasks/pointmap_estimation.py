"""Pointmap estimation: where in space, as the camera sees it, each pixel of a picture lies.

References:
    transformers, Auto Classes: AutoModelForPointmapEstimation; Sapiens2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.vision import PICTURE, field, passed, pixels
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="pointmap-estimation",
    heads=("AutoModelForPointmapEstimation",),
    does="Says where in space each pixel lies",
    inputs=PICTURE,
    options=(),
    shows="field",
    example=TaskInput(),
)

preprocess = pixels
forward = passed


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's points, as large as the picture; divided by the scale where the model tells one.

    Returns:
        ``pointmap`` of shape ``(3, height, width)``, x, y and z as the camera has them; the same as an array of shape
        ``(height, width, 3)``.

    Raises:
        NotSupported: The processor can't make them.
    """
    return field(request, inputs, outputs, "post_process_pointmap_estimation", "pointmap")

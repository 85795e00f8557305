"""Normal estimation: which way the surface looks at each pixel of a picture.

References:
    transformers, Auto Classes: AutoModelForNormalEstimation; Sapiens2; TIPSv2
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
    name="normal-estimation",
    heads=("AutoModelForNormalEstimation",),
    does="Says which way the surface looks at each pixel",
    inputs=PICTURE,
    options=(),
    shows="field",
    example=TaskInput(),
)

preprocess = pixels
forward = passed


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's vectors of length 1, as large as the picture.

    Returns:
        ``normals`` of shape ``(3, height, width)``, x, y and z in ``[-1, 1]``; the same as an array of shape
        ``(height, width, 3)``.

    Raises:
        NotSupported: The processor can't make them.
    """
    return field(request, inputs, outputs, "post_process_normal_estimation", "normals")

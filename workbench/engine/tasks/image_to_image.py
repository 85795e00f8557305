"""Image to image: a picture made out of a picture, such as a larger one, or the flat page of a bent one.

References:
    transformers, Auto Classes: AutoModelForImageToImage; Swin2SR; UVDoc
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.tasks import samples
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.vision import PICTURE, finisher, passed, pixels, size
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FLATTENS", "ONLY", "SAMPLES", "SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="image-to-image",
    heads=("AutoModelForImageToImage", "AutoModel"),
    does="Makes a picture out of a picture, such as a larger or a flatter one",
    inputs=PICTURE,
    options=(),
    shows="image",
    example=TaskInput(),
)

SAMPLES: dict[str, Any] = {"image": samples.small_picture}
"""What the example's files are made by, where it is another than for most tasks."""

FLATTENS = ("uvdoc",)
"""Architectures that flatten a page; they have no head to tell them by."""

ONLY = {"AutoModel": FLATTENS}
"""Of each Auto class that others have too, the architectures that do it."""

_ORIGINAL = "original_images"

forward = passed


def preprocess(request: Request) -> Inputs:
    """The picture as the checkpoint's processor prepares it; for a page to be flattened, it stands aside as well.

    Raises:
        InputError: There is no picture, or it can't be read.
        NotSupported: The checkpoint has no image processor that works here.
    """
    made = pixels(request)
    tensors = dict(made.tensors)
    kept = {_ORIGINAL: tensors.pop(_ORIGINAL)} if _ORIGINAL in tensors else {}
    return Inputs(tensors, made.aside | kept)


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """What the model drew, without what the picture was filled up with; or the page as its mesh bends it back.

    Returns:
        ``picture`` of shape ``(height, width, 3)``, red, green and blue from 0 to 255; the same as an array.

    Raises:
        NotSupported: The processor can't flatten pages.
    """
    import torch

    if request.model.facts.model_type in FLATTENS:
        finish = finisher(request, ("post_process_document_rectification",))
        (found,) = finish(outputs["last_hidden_state"], list(inputs.aside[_ORIGINAL]))
        drawn = found["images"]
    else:
        height, width = (side * request.model.model.config.upscale for side in size(inputs))
        made = outputs["reconstruction"][0, :, :height, :width].clamp(0.0, 1.0)
        drawn = (made * 255).round().to(torch.uint8).permute(1, 2, 0)
    return Outcome({"picture": drawn}, (drawn.numpy(),))

"""Zero-shot image segmentation: everything in a picture that a few words name, each thing by itself.

References:
    transformers, Sam3Model; Sam3Processor.post_process_instance_segmentation
    Carion et al. 2025, SAM 3: Segment Anything with Concepts
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.processors import processor
from workbench.engine.tasks.raw_inputs import called
from workbench.engine.tasks.vision import PICTURE, Outputs, passed, picture, prepared, size
from workbench.engine.values import Segment, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ONLY", "SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="zero-shot-image-segmentation",
    heads=("AutoModel",),
    does="Marks everything in a picture that a few words name",
    inputs=(*PICTURE, ("text", "What to mark")),
    options=("threshold", "mask_threshold"),
    shows="masks",
    example=TaskInput("a window"),
    defaults=(("threshold", 0.5),),
)

ONLY = {"AutoModel": ("sam3", "sam3_lite_text", "sam3_video")}
"""Of each Auto class, the architectures that do it."""

forward = passed


def preprocess(request: Request) -> Inputs:
    """The picture and the words as the checkpoint's processor prepares them; aside ``target_size``.

    Raises:
        InputError: There is no picture or no text, or the processor can't prepare them.
        NotSupported: The checkpoint has no processor that works here.
    """
    import torch

    opened = picture(request)
    check_text(request.text)
    made = prepared(processor(request.model), images=[opened], text=[request.text])
    return Inputs(called(request.model, made), {"target_size": torch.tensor([[opened.height, opened.width]])})


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """What is surer than the threshold, the surest first.

    Returns:
        ``scores`` of shape ``(things,)`` and ``boxes`` of shape ``(things, 4)``: left, top, right and bottom.
    """
    (found,) = processor(request.model).post_process_instance_segmentation(
        Outputs(outputs),
        threshold=request.options.threshold,
        mask_threshold=request.options.mask_threshold,
        target_sizes=[size(inputs)],
    )
    order = found["scores"].argsort(descending=True, stable=True)
    scores = found["scores"][order]
    items = [
        Segment(request.text.strip(), score, found["masks"][index].bool().numpy())
        for index, score in zip(order.tolist(), scores.tolist(), strict=True)
    ]
    return Outcome({"scores": scores, "boxes": found["boxes"][order]}, tuple(items))

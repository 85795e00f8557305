"""Zero-shot image segmentation: what a few words name in a picture, each thing by itself or one mask for the words.

References:
    transformers, Sam3Model; Sam3Processor.post_process_instance_segmentation
    Carion et al. 2025, SAM 3: Segment Anything with Concepts
    transformers, CLIPSegForImageSegmentation; Lüddecke and Ecker 2022, CLIPSeg
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.tasks.feature_extraction import lines
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.processors import processor
from workbench.engine.tasks.raw_inputs import called
from workbench.engine.tasks.vision import PICTURE, Outputs, passed, picture, prepared, size
from workbench.engine.values import Segment, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

__all__ = ["MARKS", "ONLY", "SPEC", "fitted", "forward", "postprocess", "preprocess"]

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

MARKS = "clipseg"
"""The architecture that says of each pixel how well each line of words fits it."""

ONLY = {"AutoModel": ("sam3", "sam3_lite_text", "sam3_video", "CLIPSegForImageSegmentation")}
"""Of each Auto class, the architectures that do it."""

forward = passed


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: CLIPSeg makes one mask for each line of words."""
    if model.facts.model_type != MARKS:
        return SPEC
    inputs = (*PICTURE, ("text", "What to mark, one thing a line"))
    does = "Marks where each line of words fits a picture"
    example = TaskInput("a window\nthe sky")
    return replace(SPEC, does=does, inputs=inputs, options=("mask_threshold",), example=example)


def preprocess(request: Request) -> Inputs:
    """The picture and the words as the checkpoint's processor prepares them; aside ``target_size``.

    CLIPSeg is shown the picture once for each line of words.

    Raises:
        InputError: There is no picture or no text, or the processor can't prepare them.
        NotSupported: The checkpoint has no processor that works here.
    """
    import torch

    opened = picture(request)
    check_text(request.text)
    reads = processor(request.model)
    if request.model.facts.model_type == MARKS:
        words = list(lines(request.text))
        made = prepared(reads, images=[opened] * len(words), text=words, padding=True)
    else:
        made = prepared(reads, images=[opened], text=[request.text])
    return Inputs(called(request.model, made), {"target_size": torch.tensor([[opened.height, opened.width]])})


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """What is surer than the threshold, the surest first; of CLIPSeg a mask for each line, in their order.

    Returns:
        ``scores`` of shape ``(things,)`` and ``boxes`` of shape ``(things, 4)``: left, top, right and bottom; of
        CLIPSeg ``probabilities`` of shape ``(lines, height, width)``.
    """
    if request.model.facts.model_type == MARKS:
        return _marked(request, inputs, outputs)
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


def _marked(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """How probable each pixel is, as large as the picture; and where that is above the threshold, line by line."""
    from torch.nn.functional import interpolate

    sized = interpolate(outputs["logits"].float()[:, None], size(inputs), mode="bilinear")[:, 0]
    probabilities = sized.sigmoid()
    masks = probabilities > request.options.mask_threshold
    words = [line.strip() for line in lines(request.text)]
    items = [Segment(line, None, mask.numpy()) for line, mask in zip(words, masks, strict=True)]
    return Outcome({"probabilities": probabilities}, tuple(items))

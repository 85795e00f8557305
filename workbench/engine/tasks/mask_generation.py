"""Mask generation: everything that is one thing in a picture, without saying what it is.

A grid of points is laid over the picture, the model draws the thing at each point, and of masks that are much the same
the surest stays. Small things are found better where the same is done on parts of the picture besides.

References:
    transformers, Pipelines: MaskGenerationPipeline; Auto Classes: AutoModelForMaskGeneration
    Kirillov et al. 2023, Segment Anything
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import PICTURE, picture, prepared, size
from workbench.engine.values import Segment, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="mask-generation",
    heads=("AutoModelForMaskGeneration",),
    does="Cuts a picture into its things, without naming them",
    inputs=PICTURE,
    options=(
        "points_per_side", "threshold", "stability", "stability_shift", "mask_logit", "box_overlap", "crop_layers",
        "crop_overlap",
    ),
    shows="masks",
    example=TaskInput(),
    defaults=(("threshold", 0.88),),
)  # fmt: skip

#: Points that the model is asked at once at most, and the share of the shorter side of a picture that its parts have in
#: common; as the pipeline has.
AT_ONCE = 64
SHARED = 512 / 1500
#: Bytes that the masks of one round may take: three of four bytes a pixel for each point, at the picture's size.
_ROUND = 2**30
_SIDE = 1024
#: What a model is asked with, a place for each point in the second axis and for each crop in the third.
_ASKED = ("input_points", "input_labels")


def preprocess(request: Request) -> Inputs:
    """The picture and the parts of it as the processor prepares them, and the grid of points over each.

    Returns:
        ``pixel_values``, the whole picture first; aside ``input_points`` of shape ``(1, points, crops, 2)`` in pixels
        of what was prepared, with their labels, ``input_boxes`` of shape ``(crops, 4)``, where each lies in the
        picture, and the sizes before and after.

    Raises:
        InputError: There is no picture, or it can't be read.
        NotSupported: The checkpoint has no image processor that works here.
    """
    import torch

    opened = picture(request)
    processor = image_processor(request.model)
    side = processor.size.get("longest_edge") or processor.size.get("height")
    overlap = request.options.crop_overlap
    boxes, grid, crops, labels = processor.generate_crop_boxes(
        opened,
        side,
        crop_n_layers=request.options.crop_layers,
        overlap_ratio=SHARED if overlap is None else overlap,
        points_per_crop=max(1, request.options.points_per_side),
    )
    made = prepared(processor, images=crops)
    aside = {
        "target_size": torch.tensor([[opened.height, opened.width]]),
        "input_boxes": boxes,
        "input_points": grid,
        "input_labels": labels,
    }
    return Inputs({"pixel_values": made.pop("pixel_values")}, {**aside, **made})


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """A pass for each crop and one for each 64 of its points; masks that are unsure or unsteady are dropped on the way.

    Returns:
        ``iou_scores`` of shape ``(masks,)``, ``boxes`` of shape ``(masks, 4)``, and the masks as the lengths of their
        runs of outside and inside, column by column: ``counts``, of which the masks have ``runs`` each.
    """
    import torch

    model, processor = request.model.model, image_processor(request.model)
    _, points, crops, _ = inputs.aside["input_points"].shape
    scores, boxes, masks = [], [], []
    for crop in range(crops):
        given = _of_crop(inputs, crop)
        moved = request.on_device({name: given[name] for name in ("pixel_values", *_ASKED)})
        seen = _seen(model, moved["pixel_values"])
        step = at_once(*given["original_sizes"][0].tolist())
        for first in range(0, points, step):
            request.task.check()
            request.task.report(Progress(crop * points + first, crops * points, "points", "forward"))
            output = model(**{name: moved[name][:, first : first + step] for name in _ASKED}, **seen)
            kept = _kept(request, processor, given, output)
            masks += kept[0]
            scores.append(kept[1].float().cpu())
            boxes.append(kept[2].cpu())
    return {
        "iou_scores": torch.cat(scores),
        "boxes": torch.cat(boxes),
        "counts": torch.tensor([count for mask in masks for count in mask["counts"]], dtype=torch.int64),
        "runs": torch.tensor([len(mask["counts"]) for mask in masks], dtype=torch.int64),
    }


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Of masks whose boxes overlap by more than ``options.box_overlap`` the surest stays.

    Returns:
        ``scores`` of shape ``(masks,)`` and ``boxes`` of shape ``(masks, 4)``: left, top, right and bottom.
    """
    from transformers.models.sam.image_processing_pil_sam import _rle_to_mask

    keep = suppressed(outputs["boxes"].float(), outputs["iou_scores"], request.options.box_overlap)
    counts = outputs["counts"].split(outputs["runs"].tolist())
    shape = list(size(inputs))
    scores = outputs["iou_scores"][keep]
    items = [
        Segment(f"mask {number}", score, _rle_to_mask({"size": shape, "counts": counts[index].tolist()}).astype(bool))
        for number, (index, score) in enumerate(zip(keep.tolist(), scores.tolist(), strict=True), 1)
    ]
    return Outcome({"scores": scores, "boxes": outputs["boxes"][keep]}, tuple(items))


def at_once(height: int, width: int) -> int:
    """Points a round for a picture of this size, 1 to 64: what a round takes grows with the picture."""
    return max(1, min(AT_ONCE, _ROUND // (12 * max(height * width, _SIDE * _SIDE))))


def suppressed(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """Non-maximum suppression, as ``torchvision.ops.nms`` does it, which this workbench goes without.

    Args:
        boxes: Of shape ``(boxes, 4)``: left, top, right and bottom.
        scores: Of shape ``(boxes,)``.
        overlap: Intersection over union above which the less sure of two boxes goes.

    Returns:
        Indices of the boxes that stay, the surest first, of shape ``(kept,)``.
    """
    import torch

    order = scores.argsort(descending=True, stable=True)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        corner = torch.maximum(boxes[best, :2], boxes[rest, :2])
        shared = (torch.minimum(boxes[best, 2:], boxes[rest, 2:]) - corner).clamp(min=0).prod(dim=1)
        # In float32 a share of just the limit would be no more than it; torchvision compares in float64.
        order = rest[~((shared / (area[best] + area[rest] - shared)).double() > overlap)]
    return torch.tensor(kept, dtype=torch.int64)


def _of_crop(inputs: Inputs, crop: int) -> dict[str, Tensor]:
    """What belongs to one of the crops, and the size of the whole picture."""
    whole = {"target_size": inputs.aside["target_size"]}
    asked = {name: inputs.aside[name][:, :, crop : crop + 1] for name in _ASKED}
    every = {**inputs.tensors, **inputs.aside}
    return {name: tensor[crop : crop + 1] for name, tensor in every.items()} | asked | whole


def _seen(model: Any, pixels: Tensor) -> dict[str, Any]:
    """What the model sees of a crop, by the arguments that it takes it with."""
    embedded = model.get_image_embeddings(pixels)
    if isinstance(embedded, tuple):
        return {"image_embeddings": embedded[0], "intermediate_embeddings": embedded[1]}
    return {"image_embeddings": embedded}


def _kept(request: Request, processor: Any, given: dict[str, Tensor], output: Any) -> tuple[list[Any], Tensor, Tensor]:
    height, width = given["target_size"][0].tolist()
    sizes = given.get("reshaped_input_sizes")
    (masks,) = processor.post_process_masks(
        output["pred_masks"].float(),
        given["original_sizes"].tolist(),
        reshaped_input_sizes=sizes.tolist() if sizes is not None else None,
        binarize=False,
    )
    found: tuple[list[Any], Tensor, Tensor] = processor.filter_masks(
        masks,
        output["iou_scores"][0],
        (height, width),
        given["input_boxes"][0],
        request.options.threshold,
        request.options.stability,
        request.options.mask_logit,
        request.options.stability_shift,
    )
    return found

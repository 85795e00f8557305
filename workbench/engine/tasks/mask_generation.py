"""Mask generation: everything that is one thing in a picture, without saying what it is.

A grid of points is laid over the picture, the model draws the thing at each point, and of masks that are much the same
the surest stays.

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
    options=("points_per_side", "threshold", "stability"),
    shows="masks",
    example=TaskInput(),
    defaults=(("threshold", 0.88),),
)

#: Points that the model is asked at once at most, and the overlap of boxes from which two masks are one; as the
#: pipeline has.
AT_ONCE = 64
OVERLAP = 0.7
#: Bytes that the masks of one round may take: three of four bytes a pixel for each point, at the picture's size.
_ROUND = 2**30
_SIDE = 1024


def preprocess(request: Request) -> Inputs:
    """The picture as the processor prepares it, and the grid of points over it.

    Returns:
        ``pixel_values``; aside ``input_points`` of shape ``(1, points, 1, 2)`` in pixels of the prepared picture, with
        their labels, and the sizes of the picture before and after.

    Raises:
        InputError: There is no picture, or it can't be read.
        NotSupported: The checkpoint has no image processor that works here.
    """
    import torch

    opened = picture(request)
    processor = image_processor(request.model)
    side = processor.size.get("longest_edge") or processor.size.get("height")
    points = max(1, request.options.points_per_side)
    boxes, grid, crops, labels = processor.generate_crop_boxes(opened, side, points_per_crop=points)
    made = prepared(processor, images=crops)
    aside = {
        "target_size": torch.tensor([[opened.height, opened.width]]),
        "input_boxes": boxes,
        "input_points": grid,
        "input_labels": labels,
    }
    return Inputs({"pixel_values": made.pop("pixel_values")}, {**aside, **made})


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass for the picture and one for each 64 points; masks that are unsure or unsteady are dropped on the way.

    Returns:
        ``iou_scores`` of shape ``(masks,)``, ``boxes`` of shape ``(masks, 4)``, and the masks as the lengths of their
        runs of outside and inside, column by column: ``counts``, of which the masks have ``runs`` each.
    """
    import torch

    model, processor = request.model.model, image_processor(request.model)
    given = inputs.aside
    moved = request.on_device({**inputs.tensors, "input_points": given["input_points"]})
    embedded = model.get_image_embeddings(moved["pixel_values"])
    more = {"image_embeddings": embedded}
    if isinstance(embedded, tuple):
        more = {"image_embeddings": embedded[0], "intermediate_embeddings": embedded[1]}
    labels = given["input_labels"].to(model.device)
    total = moved["input_points"].shape[1]
    scores, boxes, masks = [], [], []
    step = at_once(*size(inputs))
    for first in range(0, total, step):
        request.task.check()
        request.task.report(Progress(first, total, "points", "forward"))
        output = model(
            input_points=moved["input_points"][:, first : first + step],
            input_labels=labels[:, first : first + step],
            **more,
        )
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


def postprocess(_request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Of masks whose boxes overlap by more than 70 % the surest stays.

    Returns:
        ``scores`` of shape ``(masks,)`` and ``boxes`` of shape ``(masks, 4)``: left, top, right and bottom.
    """
    from transformers.models.sam.image_processing_pil_sam import _rle_to_mask

    keep = suppressed(outputs["boxes"].float(), outputs["iou_scores"], OVERLAP)
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
    )
    return found

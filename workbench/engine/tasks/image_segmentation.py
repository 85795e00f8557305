"""Image segmentation: which pixels of a picture belong together, and what they show.

References:
    transformers, Pipelines: ImageSegmentationPipeline; Auto Classes: AutoModelForSemanticSegmentation,
    AutoModelForUniversalSegmentation
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import PICTURE, Outputs, passed, pixels, size
from workbench.engine.values import Segment, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="image-segmentation",
    heads=(
        "AutoModelForSemanticSegmentation",
        "AutoModelForUniversalSegmentation",
        "AutoModelForInstanceSegmentation",
        "AutoModelForImageSegmentation",
    ),
    does="Says what each pixel of a picture belongs to",
    inputs=PICTURE,
    options=("subtask", "threshold", "mask_threshold"),
    shows="masks",
    example=TaskInput(),
    defaults=(("threshold", 0.9),),
)

SUBTASKS = ("panoptic", "instance", "semantic")
"""What parts can be, in the order they are tried."""

#: Share of a part that others may cover before it is left out; as the pipeline has it.
_OVERLAP = 0.5

preprocess = pixels
forward = passed


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's parts as masks of the picture's own size.

    Returns:
        ``segmentation`` of shape ``(height, width)``: the number of the part, or of the label, at each pixel.

    Raises:
        NotSupported: The processor can't find parts of this kind.
    """
    kind, finish = _finisher(request)
    target = [size(inputs)]
    if kind == "semantic":
        (segmentation,) = finish(Outputs(outputs), target_sizes=target)
        items = [
            Segment(request.label(label), None, (segmentation == label).numpy())
            for label in segmentation.unique().tolist()
        ]
    else:
        (found,) = finish(
            Outputs(outputs),
            threshold=request.options.threshold,
            mask_threshold=request.options.mask_threshold,
            overlap_mask_area_threshold=_OVERLAP,
            target_sizes=target,
        )
        segmentation = found["segmentation"]
        items = [
            Segment(request.label(part["label_id"]), float(part["score"]), (segmentation == part["id"]).numpy())
            for part in found["segments_info"]
        ]
    return Outcome({"segmentation": segmentation}, tuple(items))


def _finisher(request: Request) -> tuple[str, Any]:
    processor = image_processor(request.model)
    wanted = request.options.subtask
    for kind in SUBTASKS if wanted == "auto" else (wanted,):
        finish = getattr(processor, f"post_process_{kind}_segmentation", None)
        if finish is not None:
            return kind, finish
    can = [kind for kind in SUBTASKS if hasattr(processor, f"post_process_{kind}_segmentation")]
    raise NotSupported(
        f"{request.model.checkpoint.name} can't do {wanted} segmentation.",
        why=f"Its image processor does {', '.join(can) or 'none of the kinds'}.",
        remedy=f"Choose {can[0]}." if can else "Load a checkpoint for segmentation.",
    )

"""Image segmentation: which pixels of a picture belong together, and what they show.

References:
    transformers, Pipelines: ImageSegmentationPipeline; Auto Classes: AutoModelForSemanticSegmentation,
    AutoModelForUniversalSegmentation
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.tasks import raw_beside, samples
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import PICTURE, Outputs, passed, pixels, size
from workbench.engine.values import Segment, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

__all__ = ["ONLY", "SAMPLES", "SPEC", "fitted", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="image-segmentation",
    heads=(
        "AutoModelForSemanticSegmentation",
        "AutoModelForUniversalSegmentation",
        "AutoModelForInstanceSegmentation",
        "AutoModelForImageSegmentation",
        "AutoModel",
    ),
    does="Says what each pixel of a picture belongs to",
    inputs=PICTURE,
    options=("subtask", "threshold", "mask_threshold", "overlap"),
    shows="masks",
    example=TaskInput(),
    defaults=(("threshold", 0.9),),
)

ONLY = {"AutoModel": ("SegGptForImageSegmentation",)}
"""Of each Auto class that others have too, what does it: SegGPT, which is shown another picture and its mask."""

SAMPLES: dict[str, Any] = {"other": samples.picture, "beside": samples.trimap}
"""What the example's files are made by, where it is another than for most tasks."""

TOLD = "oneformer"
"""The architecture that is told in words what parts are wanted."""

PLACES = "patch_offsets"
"""Where the squares of a picture were cut out: a row of picture, start and end each."""

SUBTASKS = ("panoptic", "instance", "semantic")
"""What parts can be, in the order they are tried."""

_FOLLOWING = ("mask_threshold",)

forward = passed


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: SegGPT is shown another picture with its mask, and marks the same in this."""
    if model.facts.model_type not in raw_beside.FOLLOWS:
        return SPEC
    fields = raw_beside.inputs(SPEC, model.facts.model_type, model.head)
    return replace(SPEC, does="Marks in a picture what a mask marks in another", inputs=fields, options=_FOLLOWING)


def preprocess(request: Request) -> Inputs:
    """The picture as the checkpoint's processor prepares it; OneFormer is told in words what parts are wanted.

    SegGPT is shown another picture and its mask besides. EoMT may look at a long picture in several squares; where each
    was cut out stands aside.

    Raises:
        InputError: There is no picture, or it can't be read.
        NotSupported: The checkpoint has no image processor or tokenizer that works here.
    """
    if request.model.facts.model_type in raw_beside.FOLLOWS:
        return raw_beside.followed(request)
    made = pixels(request)
    if PLACES in made.tensors:
        tensors = dict(made.tensors)
        made = Inputs(tensors, made.aside | {PLACES: tensors.pop(PLACES)})
    config = request.model.model.config
    if config.model_type != TOLD:
        return made
    wanted = SUBTASKS[0] if request.options.subtask == "auto" else request.options.subtask
    said = request.tokenizer(
        [f"the task is {wanted}"], padding="max_length", max_length=config.task_seq_len, return_tensors="pt"
    )
    return Inputs({**made.tensors, "task_inputs": said["input_ids"]}, made.aside)


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's parts as masks of the picture's own size.

    Returns:
        ``segmentation`` of shape ``(height, width)``: the number of the part, or of the label, at each pixel.

    Raises:
        NotSupported: The processor can't find parts of this kind.
    """
    if request.model.facts.model_type in raw_beside.FOLLOWS:
        return _followed(request, inputs, outputs)
    kind, finish = _finisher(request)
    made: dict[str, Any] = dict(outputs)
    if PLACES in inputs.aside:
        made[PLACES] = list(inputs.aside[PLACES])
    target: list[tuple[int, int]] | None = [size(inputs)]
    if kind == "semantic":
        (segmentation,) = finish(Outputs(made), target_sizes=target)
        items = [
            Segment(request.label(label), None, (segmentation == label).numpy())
            for label in segmentation.unique().tolist()
        ]
    else:
        if request.model.model.config.model_type == TOLD:
            made, target = _resized(outputs, kind, size(inputs)), None
        settings = {
            "threshold": request.options.threshold,
            "mask_threshold": request.options.mask_threshold,
            "overlap_mask_area_threshold": request.options.overlap,
        }
        # EoMT's instances are told by the threshold alone.
        reads = inspect.signature(finish).parameters
        settings = {name: value for name, value in settings.items() if name in reads}
        (found,) = finish(Outputs(made), target_sizes=target, **settings)
        segmentation = found["segmentation"]
        items = [
            Segment(request.label(part["label_id"]), float(part["score"]), (segmentation == part["id"]).numpy())
            for part in found["segments_info"]
        ]
    return Outcome({"segmentation": segmentation}, tuple(items))


def _followed(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """What SegGPT drew, from 0 to 255, and what of it is lighter than the threshold."""
    finish = image_processor(request.model).post_process_semantic_segmentation
    (drawn,) = finish(Outputs(outputs), target_sizes=[size(inputs)])
    mask = drawn / 255 > request.options.mask_threshold
    return Outcome({"segmentation": drawn}, (Segment("marked", None, mask.numpy()),) * bool(mask.any()))


def _resized(outputs: dict[str, Tensor], kind: str, target: tuple[int, int]) -> dict[str, Tensor]:
    """OneFormer's masks in the size of the picture, as torchvision would have it, which its processor asks for it."""
    from torch.nn.functional import interpolate

    masks = outputs["masks_queries_logits"]
    # Panoptic parts are resized as probabilities, of which the processor takes the sigmoid again.
    masks = masks.sigmoid() if kind == "panoptic" else masks
    masks = interpolate(masks, target, mode="bilinear", antialias=True)
    return outputs | {"masks_queries_logits": masks.logit() if kind == "panoptic" else masks}


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

"""Keypoint detection: the points of a picture that stand out, or the joints of the body that it shows.

A detector such as SuperPoint finds corners that can be found again in another picture. A pose model such as ViTPose
looks at one person, for which the whole picture is taken here, and says where each joint is.

References:
    transformers, SuperPoint; ViTPose; Auto Classes: AutoModelForKeypointDetection, AutoModelForPoseEstimation
    DeTone et al. 2018, SuperPoint; Xu et al. 2022, ViTPose
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import PICTURE, Outputs, finisher, passed, picture, pixels, prepared, size
from workbench.engine.values import Point, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="keypoint-detection",
    heads=("AutoModelForKeypointDetection", "AutoModelForPoseEstimation"),
    does="Finds the points of a picture that stand out, or the joints of a body",
    inputs=PICTURE,
    options=("threshold",),
    shows="points",
    example=TaskInput(),
)


def preprocess(request: Request) -> Inputs:
    """The picture as the checkpoint's processor prepares it; a pose model is shown all of it as one person.

    Raises:
        InputError: There is no picture, or it can't be read.
        NotSupported: The checkpoint has no image processor that works here.
    """
    import torch

    if not _poses(request):
        return pixels(request)
    opened = picture(request)
    boxes = [[[0.0, 0.0, float(opened.width), float(opened.height)]]]
    made = prepared(image_processor(request.model), images=[opened], boxes=boxes)
    return Inputs(made, {"target_size": torch.tensor([[opened.height, opened.width]])})


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``keypoints`` in shares of the picture with their ``scores``, or ``heatmaps`` of joints."""
    import torch

    backbone = getattr(request.model.model.config, "backbone_config", None)
    if getattr(backbone, "num_experts", 1) > 1:
        # ViTPose+ has an expert for each data set it was trained on; the first is COCO, of people.
        inputs = Inputs({**inputs.tensors, "dataset_index": torch.tensor([0])}, inputs.aside)
    return passed(request, inputs)


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's points in pixels of the picture, above the threshold, the surest first.

    Returns:
        ``keypoints`` of shape ``(points, 2)`` and ``scores`` of shape ``(points,)``.

    Raises:
        NotSupported: The processor can't find points.
    """
    height, width = size(inputs)
    least = request.options.threshold
    if _poses(request):
        finish = finisher(request, ("post_process_pose_estimation",))
        boxes = [[[0.0, 0.0, float(width), float(height)]]]
        ((found,),) = finish(Outputs(outputs), boxes=boxes, threshold=least or None)
        labels = [request.label(int(index)) for index in found["labels"]]
    else:
        finish = finisher(request, ("post_process_keypoint_detection",))
        (found,) = finish(Outputs(outputs), [(height, width)])
        keep = found["scores"] >= least
        found = {name: found[name][keep] for name in ("keypoints", "scores")}
        labels = [""] * len(found["scores"])
    rows = zip(labels, found["scores"].tolist(), found["keypoints"].tolist(), strict=True)
    items = sorted((Point(label, score, *place) for label, score, place in rows), key=lambda item: -item.score)
    return Outcome({name: found[name] for name in ("keypoints", "scores")}, tuple(items))


def _poses(request: Request) -> bool:
    return request.model.head == "AutoModelForPoseEstimation"

"""Keypoint matching: the points that two pictures of one thing have in common.

References:
    transformers, Pipelines: KeypointMatchingPipeline; Auto Classes: AutoModelForKeypointMatching; LightGlue; SuperGlue
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.errors import InputError
from workbench.engine.generate import pictures
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import Outputs, finisher, passed, picture, prepared
from workbench.engine.values import Match, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="keypoint-matching",
    heads=("AutoModelForKeypointMatching", "AutoModel"),
    does="Finds the same points in two pictures",
    inputs=(("image", "Picture"), ("other", "Second picture")),
    options=("threshold",),
    shows="matches",
    example=TaskInput(),
)

ONLY = {"AutoModel": ("lightglue",)}
"""Of each Auto class, the architectures that do it: without a head the library's table has this one with it."""

forward = passed


def preprocess(request: Request) -> Inputs:
    """Both pictures as the checkpoint's processor prepares them: ``pixel_values`` of shape ``(1, 2, 3, h, w)``.

    Returns:
        The tensors; aside ``target_size`` of shape ``(1, 2, 2)``, height and width of each.

    Raises:
        InputError: A picture is missing, or can't be read.
        NotSupported: The checkpoint has no image processor that works here.
    """
    import torch

    first = picture(request)
    if request.given.other is None:
        raise InputError(
            "There is no second picture yet.",
            why="Points are matched between two.",
            remedy="Drop one on the second place, choose one, paste one, or take the example.",
        )
    second = pictures.read(request.given.other)
    made = prepared(image_processor(request.model), images=[[first, second]])
    sizes = torch.tensor([[[each.height, each.width] for each in (first, second)]])
    return Inputs(made, {"target_size": sizes})


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's matches in pixels of each picture, above the threshold, the surest first.

    The pipeline of transformers 5.23 hands width and height over the other way round, so that its places are right for
    square pictures alone; here each picture is measured as the models' documentation has it.

    Returns:
        ``keypoints0`` and ``keypoints1`` of shape ``(matches, 2)``, ``matching_scores`` of shape ``(matches,)``.
    """
    finish = finisher(request, ("post_process_keypoint_matching",))
    (found,) = finish(Outputs(outputs), inputs.aside["target_size"], request.options.threshold)
    rows = zip(*(found[name].tolist() for name in ("matching_scores", "keypoints0", "keypoints1")), strict=True)
    items = [Match(score, (first[0], first[1]), (second[0], second[1])) for score, first, second in rows]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({name: found[name] for name in ("keypoints0", "keypoints1", "matching_scores")}, tuple(items))

"""Image matting: how much of each pixel belongs to a thing, so that its hair and its glass can be cut out too.

A trimap says where the thing surely is (white), where it surely is not (black), and where to look (grey). Models of
people such as Sapiens need none.

References:
    transformers, Auto Classes: AutoModelForImageMatting; ViTMatte; Yao et al. 2023, ViTMatte
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.generate import pictures
from workbench.engine.tasks import samples
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import PICTURE, Outputs, passed, picture, pixels, prepared, size
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

__all__ = ["SAMPLES", "SPEC", "fitted", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="image-matting",
    heads=("AutoModelForImageMatting",),
    does="Cuts a thing out of a picture, with its soft edges",
    inputs=(*PICTURE, ("other", "Trimap: white the thing, black not, grey unsure")),
    options=(),
    shows="alpha",
    example=TaskInput(),
)

SAMPLES: dict[str, Any] = {"other": samples.trimap}
"""What the example's files are made by, where it is another than for most tasks."""

forward = passed


def fitted(model: LoadedModel) -> Spec:
    """The task without a trimap, where the model takes none."""
    return SPEC if _reads_trimap(model) else replace(SPEC, inputs=PICTURE)


def preprocess(request: Request) -> Inputs:
    """The picture as the checkpoint's processor prepares it, its trimap as a fourth channel.

    Returns:
        ``pixel_values`` of shape ``(1, 4, height, width)``, filled up to what the model can divide; aside
        ``target_size``, the picture's own height and width.

    Raises:
        InputError: A picture is missing or can't be read, or the trimap is of another size.
        NotSupported: The checkpoint has no image processor that works here.
    """
    import torch

    if not _reads_trimap(request.model):
        return pixels(request)
    opened = picture(request)
    if request.given.other is None:
        raise InputError(
            "There is no trimap yet.",
            why="The model is told where to look for the edge by a second picture, in white, grey and black.",
            remedy="Drop one on the second place, choose one, paste one, or take the example.",
        )
    trimap = pictures.read(request.given.other).convert("L")
    if trimap.size != opened.size:
        raise InputError(
            f"The trimap {request.given.other.name} can't be used.",
            why=f"It is {trimap.width} × {trimap.height} pixels, and the picture {opened.width} × {opened.height}.",
            remedy="Make them one size.",
        )
    made = prepared(image_processor(request.model), images=[opened], trimaps=[trimap])
    return Inputs(made, {"target_size": torch.tensor([[opened.height, opened.width]])})


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """What was filled up is cut off again; without a trimap the processor makes it as large as the picture.

    Returns:
        ``alpha`` of shape ``(height, width)``, the share of each pixel that belongs to the thing, and the same as an
        array.
    """
    height, width = size(inputs)
    if _reads_trimap(request.model):
        alpha = outputs["alphas"][0, 0, :height, :width]
    else:
        finish = image_processor(request.model).post_process_image_matting
        (found,) = finish(Outputs(outputs), target_sizes=[(height, width)])
        alpha = found["alpha"][0]
    return Outcome({"alpha": alpha}, (alpha.numpy(),))


def _reads_trimap(model: LoadedModel) -> bool:
    return model.facts.model_type == "vitmatte"

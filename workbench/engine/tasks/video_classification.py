"""Video classification: one score per label for some frames of a video.

References:
    transformers, Pipelines: VideoClassificationPipeline; Auto Classes: AutoModelForVideoClassification
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, OutOfMemory, explain, first_line
from workbench.engine.tasks import videos
from workbench.engine.tasks.inputs import Inputs, Request, Spec
from workbench.engine.tasks.processors import image_processor, takes_films, video_processor
from workbench.engine.tasks.text_classification import postprocess
from workbench.engine.tasks.vision import passed, prepared
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

__all__ = ["SPEC", "fitted", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="video-classification",
    heads=("AutoModelForVideoClassification",),
    does="Gives a video a label",
    inputs=videos.VIDEO,
    options=("top_k", "threshold", "function", "num_frames", "frame_step"),
    shows="labels",
    example=TaskInput(),
)

NESTED = ("videoprism_vision_model",)
"""Architectures whose logits have an axis of one more."""


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, num_labels)``, and what else comes out.

    Raises:
        InputError: It has no places for as many frames as were asked for.
    """
    try:
        made = passed(request, inputs)
    except (RuntimeError, ValueError) as error:
        own, wanted = _own_count(request), request.options.num_frames
        if wanted in (None, own) or isinstance(explain(error, ""), OutOfMemory):
            raise
        raise InputError(
            f"The model can't look at {wanted:,} frames.",
            why=f"It was made for {own:,}, and says: {first_line(error)}",
            remedy=f"Leave the number of frames to it, which is {own:,}.",
        ) from error
    return made | {"logits": made["logits"][:, 0]} if request.model.facts.model_type in NESTED else made


def fitted(model: LoadedModel) -> Spec:
    """The task without a step between frames, where they are spread over the whole video."""
    spread = tuple(name for name in SPEC.options if name != "frame_step")
    return replace(SPEC, options=spread) if takes_films(model.checkpoint) else SPEC


def preprocess(request: Request) -> Inputs:
    """The frames as the checkpoint's processor prepares them: ``pixel_values`` of shape ``(1, frames, 3, h, w)``.

    An image processor is given frames from the beginning on, a video processor frames from the whole video, as in the
    library's pipeline.

    Raises:
        InputError: There is no video, it can't be read, or it has too few frames.
        NotSupported: The checkpoint has no processor that works here, or PyAV is not installed.
    """
    if request.given.video is None:
        raise InputError(
            "There is no video yet.",
            why="No file was chosen.",
            remedy="Drop one on the pane, choose one or a folder of pictures, or take the example.",
        )
    count = request.options.num_frames or _own_count(request)
    if takes_films(request.model.checkpoint):
        processor = video_processor(request.model)
        film = videos.spread(request.given.video, count, task=request.task)
        return Inputs(prepared(partial(processor, [film], do_sample_frames=False)))
    processor = image_processor(request.model)
    taken = videos.sampled(request.given.video, count, max(1, request.options.frame_step), task=request.task)
    return Inputs(prepared(partial(processor, list(taken))))


def _own_count(request: Request) -> int:
    """The frames that the checkpoint says it looks at."""
    config = request.model.model.config
    return int(getattr(config, "num_frames", None) or config.frames_per_clip)

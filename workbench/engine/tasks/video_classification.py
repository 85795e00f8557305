"""Video classification: one score per label for some frames of a video.

References:
    transformers, Pipelines: VideoClassificationPipeline; Auto Classes: AutoModelForVideoClassification
"""

from __future__ import annotations

from functools import partial

from workbench.engine.errors import InputError
from workbench.engine.tasks import videos
from workbench.engine.tasks.inputs import Inputs, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.text_classification import postprocess
from workbench.engine.tasks.vision import passed, prepared
from workbench.engine.values import TaskInput

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="video-classification",
    heads=("AutoModelForVideoClassification",),
    does="Gives a video a label",
    inputs=videos.VIDEO,
    options=("top_k", "threshold", "frame_step"),
    shows="labels",
    example=TaskInput(),
)

forward = passed


def preprocess(request: Request) -> Inputs:
    """The frames as the checkpoint's processor prepares them: ``pixel_values`` of shape ``(1, frames, 3, h, w)``.

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
    processor = image_processor(request.model)
    config = request.model.model.config
    taken = videos.sampled(
        request.given.video, int(config.num_frames), max(1, request.options.frame_step), task=request.task
    )
    return Inputs(prepared(partial(processor, list(taken))))

"""Video object tracking: a thing that is pointed at in the first frame, or named, marked in all frames.

References:
    transformers, Sam2VideoModel: ``init_video_session`` and ``propagate_in_video_iterator``
    Ravi et al. 2024, SAM 2: Segment Anything in Images and Videos
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.task import Progress
from workbench.engine.tasks import raw_inputs, tracking_words, videos
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.processors import film_processor, processor
from workbench.engine.values import Segment, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

SPEC = Spec(
    name="video-object-tracking",
    heads=("AutoModel",),
    does="Marks in all frames of a video what is pointed at in the first",
    inputs=(*videos.VIDEO, ("text", "Where it is in the first frame: x, y in pixels; empty for the middle")),
    options=(),
    shows="masks",
    example=TaskInput("140, 150"),
)

ONLY = {"AutoModel": ("edgetam_video", "sam2_video", "sam3_tracker_video", *tracking_words.WHOLE)}
"""Of each Auto class, the architectures that do it."""


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: some are told in words what to follow."""
    if model.facts.model_type not in tracking_words.WHOLE:
        return SPEC
    inputs = (*videos.VIDEO, ("text", "What to follow, one thing a line"))
    does = "Marks everything that a few words name in all frames of a video"
    return replace(SPEC, does=does, inputs=inputs, example=TaskInput("a window"))


def preprocess(request: Request) -> Inputs:
    """Frames from all over the video, in a session of the checkpoint's processor, and the point.

    Returns:
        ``pixel_values`` of shape ``(frames, 3, height, width)``, as the session has them; aside the frames and,
        where a thing is pointed at, ``point``, x and y in pixels of the first.

    Raises:
        InputError: There is no video, it can't be read, it has too few frames, or the text is no place in it or empty.
        NotSupported: The checkpoint has no processor that works here, or PyAV is not installed.
    """
    import torch

    frames = torch.from_numpy(raw_inputs.frames_of(request))
    aside = {"frames": frames, "target_size": torch.tensor([videos.sheet(frames.numpy()).shape[:2]])}
    if request.model.facts.model_type in tracking_words.WHOLE:
        check_text(request.text)
    else:
        aside["point"] = torch.tensor(_point(request.text, frames.shape[2], frames.shape[1]))
    seen = _session(request, frames).processed_frames
    return Inputs({"pixel_values": torch.stack([seen[number].float().cpu() for number in range(len(frames))])}, aside)


def _point(text: str, width: int, height: int) -> tuple[float, float]:
    if not text.strip():
        return width / 2, height / 2
    numbers = [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", text)]
    if len(numbers) != 2 or not (0 <= numbers[0] < width and 0 <= numbers[1] < height):
        raise InputError(
            "There is no such place in the video.",
            why=f"Its frames are {width:,} pixels wide and {height:,} high, and “{text.strip()[:40]}” was given.",
            remedy="Write two numbers: how far from the left, and how far from the top.",
        )
    return numbers[0], numbers[1]


def _session(request: Request, frames: Tensor) -> Any:
    model = request.model.model
    told = request.model.facts.model_type in tracking_words.WHOLE
    reads = film_processor(request.model) if told else processor(request.model)
    return reads.init_video_session(video=frames.numpy(), inference_device=model.device, dtype=model.dtype)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """A pass a frame, each with the memory of those before it: ``pred_masks`` of shape ``(frames, 1, h, w)``.

    What is told in words makes what `tracking_words.forward` says.
    """
    import torch

    if request.model.facts.model_type in tracking_words.WHOLE:
        return tracking_words.forward(request, inputs)
    frames = inputs.aside["frames"]
    session = _session(request, frames)
    point = inputs.aside["point"].tolist()
    processor(request.model).add_inputs_to_inference_session(
        session, frame_idx=0, obj_ids=1, input_points=[[[point]]], input_labels=[[[1]]]
    )
    model = request.model.model
    model(inference_session=session, frame_idx=0)
    masks = []
    for number in range(len(frames)):
        request.task.check()
        request.task.report(Progress(number, len(frames), "frames", "forward"))
        # As propagate_in_video_iterator does it, whose progress bar leaves a thread behind.
        output = model(inference_session=session, frame_idx=number)
        masks.append(output.pred_masks[0].float().cpu())
    return {"pred_masks": torch.stack(masks)}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The masks as large as the frames.

    Returns:
        ``masks`` of shape ``(frames, height, width)``; of what is told in words as `tracking_words.postprocess` says.
    """
    import torch

    if request.model.facts.model_type in tracking_words.WHOLE:
        return tracking_words.postprocess(request, outputs)
    size = list(inputs.aside["frames"].shape[1:3])
    finish = processor(request.model).post_process_masks
    masks = torch.cat(
        [finish([mask[None]], original_sizes=[size], binarize=True)[0][0] for mask in outputs["pred_masks"]]
    )
    item = Segment("what was pointed at", None, videos.sheet(masks.bool().numpy()))
    return Outcome({"masks": masks}, (item,) * bool(masks.any()))

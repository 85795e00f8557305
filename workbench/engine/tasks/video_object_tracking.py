"""Video object tracking: a thing that is pointed at in the first frame, marked in all of them.

References:
    transformers, Sam2VideoModel: ``init_video_session`` and ``propagate_in_video_iterator``
    Ravi et al. 2024, SAM 2: Segment Anything in Images and Videos
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.task import Progress
from workbench.engine.tasks import raw_inputs, videos
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import processor
from workbench.engine.values import Segment, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

SPEC = Spec(
    name="video-object-tracking",
    heads=("AutoModel",),
    does="Marks in all frames of a video what is pointed at in the first",
    inputs=(*videos.VIDEO, ("text", "Where it is in the first frame: x, y in pixels; empty for the middle")),
    options=(),
    shows="masks",
    example=TaskInput("140, 150"),
)

ONLY = {"AutoModel": ("edgetam_video", "sam2_video", "sam3_tracker_video")}
"""Of each Auto class, the architectures that do it."""


def preprocess(request: Request) -> Inputs:
    """Frames from all over the video, in a session of the checkpoint's processor, and the point.

    Returns:
        ``pixel_values`` of shape ``(frames, 3, height, width)``, as the session has them; aside the frames and
        ``point``, x and y in pixels of the first.

    Raises:
        InputError: There is no video, it can't be read, it has too few frames, or the text is no place in it.
        NotSupported: The checkpoint has no processor that works here, or PyAV is not installed.
    """
    import torch

    frames = raw_inputs.frames_of(request)
    point = _point(request.text, frames.shape[2], frames.shape[1])
    seen = _session(request, torch.from_numpy(frames)).processed_frames
    aside = {
        "frames": torch.from_numpy(frames),
        "point": torch.tensor(point),
        "target_size": torch.tensor([videos.sheet(frames).shape[:2]]),
    }
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
    return processor(request.model).init_video_session(
        video=frames.numpy(), inference_device=model.device, dtype=model.dtype
    )


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """A pass a frame, each with the memory of those before it: ``pred_masks`` of shape ``(frames, 1, h, w)``."""
    import torch

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
        ``masks`` of shape ``(frames, height, width)``.
    """
    import torch

    size = list(inputs.aside["frames"].shape[1:3])
    finish = processor(request.model).post_process_masks
    masks = torch.cat(
        [finish([mask[None]], original_sizes=[size], binarize=True)[0][0] for mask in outputs["pred_masks"]]
    )
    item = Segment("what was pointed at", None, videos.sheet(masks.bool().numpy()))
    return Outcome({"masks": masks}, (item,) * bool(masks.any()))

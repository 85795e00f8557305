"""Video segmentation: what each pixel of a video's frames belongs to.

References:
    transformers, VidEoMT: video instance, semantic and panoptic segmentation
    Norouzi et al. 2026, Your ViT is Secretly Also a Video Segmentation Model
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError
from workbench.engine.tasks import raw_inputs, videos
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import video_processor
from workbench.engine.tasks.vision import Outputs, passed
from workbench.engine.values import Segment, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ONLY", "SPEC", "SUBTASKS", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="video-segmentation",
    heads=("AutoModelForUniversalSegmentation",),
    does="Says what each pixel of a video's frames belongs to",
    inputs=videos.VIDEO,
    options=("subtask", "threshold"),
    shows="masks",
    example=TaskInput(),
    defaults=(("threshold", 0.5),),
)

ONLY = {"AutoModelForUniversalSegmentation": ("videomt",)}
"""Of each Auto class, the architectures that do it."""

SUBTASKS = ("instance", "semantic", "panoptic")
"""What parts can be; the first is taken where nothing is said."""

forward = passed


def preprocess(request: Request) -> Inputs:
    """Frames from all over the video as the checkpoint's processor prepares them; aside, the frames themselves.

    Raises:
        InputError: There is no video, it can't be read, or it has too few frames.
        NotSupported: The checkpoint has no processor that works here, or PyAV is not installed.
    """
    import torch

    frames = raw_inputs.frames_of(request)
    sheet = videos.sheet(frames)
    aside = {"frames": torch.from_numpy(frames), "target_size": torch.tensor([sheet.shape[:2]])}
    return Inputs(raw_inputs.called(request.model, raw_inputs.filmed(request, frames).tensors), aside)


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's parts of each frame, those of one label together: over all frames, as sure as the surest.

    Returns:
        ``segmentation`` of shape ``(frames, height, width)``: the number of the part, or of the label, at each pixel.

    Raises:
        InputError: ``options.subtask`` is none that is known.
    """
    import torch

    kind = SUBTASKS[0] if request.options.subtask == "auto" else request.options.subtask
    if kind not in SUBTASKS:
        raise InputError(
            "The parts of the video can't be found.",
            why=f"There is no kind of part called “{kind}”.",
            remedy=f"Choose {', '.join(SUBTASKS)}.",
        )
    finish = getattr(video_processor(request.model), f"post_process_{kind}_segmentation")
    sizes = [tuple(inputs.aside["frames"].shape[1:3])] * len(inputs.aside["frames"])
    settings = {"threshold": request.options.threshold}
    settings = {name: value for name, value in settings.items() if name in inspect.signature(finish).parameters}
    found = finish(Outputs(outputs), target_sizes=sizes, **settings)
    maps = torch.stack([each if kind == "semantic" else each["segmentation"] for each in found])
    if kind == "semantic":
        parts: dict[int, tuple[float | None, Tensor]] = {
            label: (None, maps == label) for label in maps.unique().tolist()
        }
    else:
        parts = {}
        for number, frame in enumerate(found):
            for part in frame["segments_info"]:
                score, mask = parts.get(part["label_id"], (0.0, torch.zeros_like(maps, dtype=torch.bool)))
                mask[number] |= maps[number] == part["id"]
                parts[part["label_id"]] = max(score or 0.0, float(part["score"])), mask
    items = [Segment(request.label(label), score, videos.sheet(mask.numpy())) for label, (score, mask) in parts.items()]
    return Outcome({"segmentation": maps}, tuple(items))

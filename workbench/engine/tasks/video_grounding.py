"""Video grounding: when in a video that happens which a text tells of.

References:
    transformers, TvpForVideoGrounding
    Zhang et al. 2023, Text-Visual Prompting for Efficient 2D Temporal Video Grounding
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks import raw_inputs, videos
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, encoded
from workbench.engine.tasks.vision import passed
from workbench.engine.values import Place, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ONLY", "SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="video-grounding",
    heads=("AutoModel",),
    does="Says when in a video that happens which a text tells of",
    inputs=(("text", "What happens"), *videos.VIDEO),
    options=(),
    shows="text",
    example=TaskInput("The ball moves to the right."),
)

ONLY = {"AutoModel": ("TvpForVideoGrounding",)}
"""Of each Auto class, the architectures that do it."""

#: Pixels of the height of a frame that is shown.
_SIDE = 120

forward = passed


def preprocess(request: Request) -> Inputs:
    """Frames from all over the video, and the text; aside, the frames in small, and how many seconds it lasts.

    Raises:
        InputError: There is no text or no video, it can't be read, or it has too few frames.
        NotSupported: The checkpoint has no processor or tokenizer that works here, or PyAV is not installed.
    """
    import torch

    text = encoded(request)
    frames = raw_inputs.frames_of(request)
    assert request.given.video is not None
    made = raw_inputs.called(request.model, {**text.tensors, **raw_inputs.filmed(request, frames).tensors})
    # Each second row and column, or each third, and so on.
    small = frames[:, :: max(1, frames.shape[1] // _SIDE), :: max(1, frames.shape[1] // _SIDE)].copy()
    aside = {
        "frames": torch.from_numpy(small),
        "target_size": torch.tensor([videos.sheet(small).shape[:2]]),
        "seconds": torch.tensor([videos.seconds(request.given.video)]),
    }
    return Inputs(made, aside, text.truncated)


def postprocess(_request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """From when to when, in seconds; and the frames that lie between."""
    import torch

    whole = inputs.aside["seconds"].item()
    start, end = (round(share * whole, 1) for share in outputs["logits"][0].tolist())
    frames = inputs.aside["frames"].numpy()
    times = [number * whole / len(frames) for number in range(len(frames))]
    inside = [number for number, time in enumerate(times) if start <= time <= end]
    places = [Place(f"{start} s to {end} s", *videos.place(number, frames)) for number in inside]
    return Outcome({"moment": torch.tensor([start, end])}, (f"{start} s to {end} s of {whole:.1f} s", *places))

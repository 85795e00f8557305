"""Whether a text bears a watermark: the library's detector, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.sampling.watermark import config_of
from workbench.engine.task import Silent, Task
from workbench.engine.values import Watermark

#: Standard deviations above what chance gives from which the library calls a text marked.
THRESHOLD = 3.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector found.

    Attributes:
        tokens: How many it looked at.
        green: How many of them are green.
        expected: The share of green ones in a text without the mark.
        z: By how many standard deviations there are more than that.
        p: The chance of as many without the mark.
        found: Whether ``z`` is above `THRESHOLD`.
    """

    tokens: int
    green: int
    expected: float
    z: float
    p: float
    found: bool


def detect(mark: Watermark, ids: Sequence[int], vocabulary: int, *, task: Task | None = None) -> Verdict:
    """Ask the library's detector whether a text bears a mark.

    Args:
        mark: The mark, with its key.
        ids: The text without its prompt, of shape ``(seq,)``.
        vocabulary: Tokens that the model scores.
        task: Asked at the beginning whether to stop.

    Raises:
        NotSupported: The library has no detector for SynthID that comes trained.
        InputError: The text is too short.

    References:
        transformers, WatermarkDetector
    """
    (task or Silent()).check()
    if mark.kind != "green":
        raise NotSupported(
            "SynthID can't be looked for here.",
            why="The library's detector for it is a model that has to be trained for its keys first.",
            remedy="Choose the green list to have a text judged.",
        )
    if len(ids) <= mark.context_width:
        raise InputError(
            "The text is too short to be judged.",
            why=f"It has {len(ids)} tokens, and each is judged by the {mark.context_width} in front of it.",
            remedy="Write more tokens.",
        )
    import torch
    from transformers import WatermarkDetector

    config = SimpleNamespace(bos_token_id=-1, is_encoder_decoder=False, vocab_size=vocabulary)
    detector = WatermarkDetector(config, "cpu", config_of(mark).to_dict())
    said = detector(torch.tensor([list(ids)]), z_threshold=THRESHOLD, return_dict=True)
    return Verdict(
        tokens=int(said.num_tokens_scored[0]),
        green=int(said.num_green_tokens[0]),
        expected=mark.greenlist_ratio,
        z=float(said.z_score[0]),
        p=float(said.p_value[0]),
        found=bool(said.prediction[0]),
    )

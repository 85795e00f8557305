"""A long sound in parts that share their edges: each is heard by itself, and what they give is put together.

References:
    transformers, Pipelines: AutomaticSpeechRecognitionPipeline, ``chunk_length_s`` and ``stride_length_s``
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Request
from workbench.engine.tasks.processors import feature_extractor

if TYPE_CHECKING:
    from torch import Tensor

SHARED = 1 / 6
"""Of what is heard at once, the share that two neighbouring parts have in common on each side, as the pipeline has."""

IN_FRAMES = "lasr_ctc"
"""The architecture that counts what a row of its logits stands for in frames of its spectrogram."""


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """A part of a sound.

    Attributes:
        tensors: What the model is called with.
        stride: Samples of it, and how many of them the parts on its left and on its right hear too.
    """

    tensors: dict[str, Tensor]
    stride: tuple[int, int, int]


def is_long(request: Request, inputs: Inputs) -> bool:
    """Whether a sound is longer than ``options.chunk_length``, so that it is heard in parts."""
    seconds = request.options.chunk_length
    rate = feature_extractor(request.model).sampling_rate
    return seconds is not None and inputs.aside["samples"].shape[1] > seconds * rate


def parts(request: Request, inputs: Inputs) -> Iterator[Part]:
    """The parts of a sound that `is_long`, one after the other.

    Raises:
        InputError: Neighbours would share all there is of a part.
    """
    import torch
    from transformers.pipelines.automatic_speech_recognition import chunk_iter

    extractor, step = feature_extractor(request.model), frame(request)
    seconds = float(request.options.chunk_length or 0)
    overlap = request.options.chunk_overlap
    shared_seconds = seconds * SHARED if overlap is None else overlap
    length, shared = (round(each * extractor.sampling_rate / step) * step for each in (seconds, shared_seconds))
    if length <= 2 * shared:
        raise InputError(
            f"Parts of {seconds:g} s can't share {shared_seconds:g} s with each neighbour.",
            why="Nothing would be left that is theirs alone.",
            remedy="Choose longer parts, or let them share less: a sixth of a part is usual.",
        )
    samples = inputs.aside["samples"][0].numpy()
    for number, item in enumerate(chunk_iter(samples, extractor, length, shared, shared)):
        request.task.check()
        done = min(number * (length - 2 * shared), len(samples))
        request.task.report(Progress(done, len(samples), "samples", "forward"))
        tensors = {name: value for name, value in item.items() if isinstance(value, torch.Tensor)}
        yield Part(tensors, item["stride"])


def frame(request: Request) -> int:
    """Samples of a row of the model's logits; 1 where it writes instead, or does not say."""
    config = request.model.model.config
    ratio = int(getattr(config, "inputs_to_logits_ratio", 1))
    return ratio * int(feature_extractor(request.model).hop_length) if config.model_type == IN_FRAMES else ratio


def own(logits: Tensor, part: Part, step: int) -> Tensor:
    """The logits of shape ``(1, frames, vocab)`` of a part without those of what its neighbours hear too.

    Args:
        logits: Of all that was heard.
        part: Whose they are.
        step: Samples of a row of them.
    """
    from transformers.pipelines.automatic_speech_recognition import rescale_stride

    total, left, right = rescale_stride([part.stride], 1 / step)[0]
    return logits[:, left : total - right]


def together(written: list[dict[str, Tensor]], strides: list[tuple[int, int, int]]) -> dict[str, Tensor]:
    """What was written of each part as one: ``sequences`` of shape ``(1, seq)``, of which each has ``lengths``.

    Args:
        written: Of each part, tensors of shape ``(1, tokens)``.
        strides: Of each part; they are kept as ``strides`` of shape ``(parts, 3)``, in samples.
    """
    import torch

    whole = {name: torch.cat([each[name] for each in written], dim=1) for name in written[0]}
    lengths = torch.tensor([each["sequences"].shape[1] for each in written])
    return whole | {"lengths": lengths, "strides": torch.tensor(strides)}


def apart(outputs: dict[str, Tensor], rate: int) -> list[dict[str, Any]]:
    """What `together` put together as Whisper's tokenizer takes it: ``tokens`` of each part, with its seconds.

    Args:
        outputs: Of `together`, or of a sound that was heard at once.
        rate: Samples a second.
    """
    names = {"tokens": "sequences", "token_timestamps": "token_timestamps"}
    kept = {name: outputs[ours] for name, ours in names.items() if ours in outputs}
    if "lengths" not in outputs:
        return [kept]
    split = {name: tensor.split(outputs["lengths"].tolist(), dim=1) for name, tensor in kept.items()}
    seconds = [tuple(each / rate for each in stride) for stride in outputs["strides"].tolist()]
    return [
        {name: tensors[number] for name, tensors in split.items()} | {"stride": stride}
        for number, stride in enumerate(seconds)
    ]


def joined(outputs: dict[str, Tensor], tokenizer: Any) -> Any:
    """The ids of what several parts were written as, shape ``(seq,)``, where neighbours wrote the same once alone.

    Args:
        outputs: Of `together`, or of a sound that was heard at once.
        tokenizer: Says which ids are special; they are left out of parts.
    """
    from transformers.pipelines.automatic_speech_recognition import _find_longest_common_sequence

    if "lengths" not in outputs:
        return outputs["sequences"][0]
    each = [tensor.numpy() for tensor in outputs["sequences"].split(outputs["lengths"].tolist(), dim=1)]
    return _find_longest_common_sequence(each, tokenizer)

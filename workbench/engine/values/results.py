"""What a task gives, with its three steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False, slots=True)
class TensorView:
    """A tensor as the task's boxes show it: name, shape, dtype and its values on the CPU.

    Attributes:
        name: As the library calls it, such as ``input_ids`` or ``logits``.
        shape: Its shape.
        dtype: As torch spells it, without ``torch.``.
        values: All values (bfloat16 is widened to float32, exactly).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    values: np.ndarray


@dataclass(frozen=True, eq=False, slots=True)
class Stage:
    """One of the three boxes: ``preprocess``, ``forward`` or ``postprocess``."""

    name: str
    tensors: tuple[TensorView, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its score: in ``[0, 1]``, or the raw value of a regression head."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Entity:
    """A marked span of the text: characters ``[start, end)``."""

    label: str
    score: float
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """An alternative for one mask: the token, its probability and the text with it filled in."""

    mask_index: int
    token_id: int
    token: str
    score: float
    sequence: str


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """The settings of a task; each task reads those that apply to it.

    Attributes:
        top_k: Labels (text-classification) or alternatives for each mask (fill-mask) to give; None means all labels.
        threshold: Labels and entities that score below it are left out, in ``[0, 1]``; 0.0 keeps all.
        aggregation: How tokens become entities: ``none``, ``simple``, ``first``, ``average`` or ``max``.
        pooling: How the hidden states of a text become one vector: ``mean`` (over attended positions), ``cls`` (the
            first position) or ``last`` (the last attended position).
        normalize: Scale each vector to length 1.
        max_new_tokens: Tokens to generate at most.
        do_sample: Draw the next token; False takes the most probable one.
        temperature: Divides the logits when sampling; above 0, usually 0.2 to 1.5.
        seed: Seeds torch's generator before sampling.
        max_length: Tokens the text is cut at, special ones included; None means the checkpoint's context.
    """

    top_k: int | None = 5
    threshold: float = 0.0
    aggregation: str = "simple"
    pooling: str = "mean"
    normalize: bool = True
    max_new_tokens: int = 40
    do_sample: bool = False
    temperature: float = 0.7
    seed: int = 0
    max_length: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class TaskResult:
    """What a task gave, with its three steps.

    Attributes:
        task: As the library names it, such as ``text-classification``.
        text: The input.
        stages: preprocess, forward, postprocess.
        items: `Label`, `Entity` or `Filled` values; one str for text-generation; rows of floats for feature-extraction.
        truncated: Tokens that were cut off because the text is longer than the context.
    """

    task: str
    text: str
    stages: tuple[Stage, Stage, Stage]
    items: tuple[Any, ...]
    truncated: int = 0

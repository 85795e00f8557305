"""What a model is given to start from: ids, an encoder's input, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.values import Start

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel


@dataclass(frozen=True, eq=False, slots=True)
class Inputs:
    """The arguments of ``model.generate`` that hold the input.

    Attributes:
        start: What the run starts from.
        kwargs: ``input_ids`` and ``attention_mask`` of shape ``(1, seq)`` on the model's device, and what belongs to
            them: ``decoder_input_ids``, ``pixel_values`` …
        length: Ids in front of the first new token in the sequence that is written.
    """

    start: Start
    kwargs: dict[str, Any]
    length: int


def inputs(model: LoadedModel, start: Start, more: Sequence[int] = ()) -> Inputs:
    """Make tensors of a start.

    Args:
        model: A loaded model that generates.
        start: What the run starts from.
        more: Ids that were written after it and are taken over, of shape ``(new,)``.
    """
    import torch

    device = model.model.device
    ids = [*start.encoding.input_ids, *more]
    mask = [*start.encoding.attention_mask, *(1 for _ in more)]
    tensors = {
        "input_ids": torch.tensor([ids], device=device),
        "attention_mask": torch.tensor([mask], device=device),
    }
    return Inputs(start, tensors, len(ids))

"""Vectors of texts and of pictures: what a body must be given for them, and how hidden states become one vector.

References:
    transformers, Model outputs: BaseModelOutputWithPooling.pooler_output
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, NotSupported

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.engine.tasks.inputs import Request

POOLER = "pooler"
"""The vector that the model itself makes of its hidden states, where it has a layer for it."""

POOLINGS = ("mean", "cls", "max", "last", POOLER)
"""What ``TaskOptions.pooling`` may be."""


def required(body: nn.Module) -> set[str]:
    """The arguments that a body can't do without, as far as the signature of its ``forward`` tells."""
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    takes = inspect.signature(body.forward).parameters
    return {name for name, each in takes.items() if each.default is each.empty and each.kind not in rest}


def own_vector(request: Request, outputs: dict[str, Tensor]) -> Tensor:
    """``pooler_output`` in full precision: a vector for each input, of the shape that the model gives it.

    Raises:
        NotSupported: The model gives none.
    """
    if "pooler_output" not in outputs:
        raise NotSupported(
            f"{request.model.checkpoint.name} has no pooler.",
            why=f"{type(request.model.model).__name__} gives hidden states alone, and no vector for the whole.",
            remedy="Choose mean, cls, max or last, which are made of the hidden states.",
        )
    return outputs["pooler_output"].float()


def unknown(pooling: str) -> InputError:
    """The error for a pooling that there is none of."""
    return InputError(
        "The hidden states can't be pooled.",
        why=f"There is no pooling called “{pooling}”.",
        remedy=f"Use {', '.join(POOLINGS[:-1])} or {POOLINGS[-1]}.",
    )

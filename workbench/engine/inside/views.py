"""How a hidden state stands in what a layer returned: as it is, turned around, or with positions of the layer's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class View:
    """One way.

    Attributes:
        read: The state in what a layer returned; the second argument is how many positions states have.
        put: What a layer returned, the first argument, with another state in it.
        code: The same as an expression of ``old`` and ``state``.
    """

    read: Callable[[torch.Tensor, int], torch.Tensor]
    put: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    code: str


def _filled(old: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat([state, old[:, state.shape[1] :]], dim=1)


def _begun(old: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat([old[:, : old.shape[1] - state.shape[1]], state], dim=1)


VIEWS = (
    View(lambda old, _: old, lambda _, state: state, "state"),
    # XLNet has the positions first, SqueezeBERT behind the numbers of each.
    View(lambda old, _: old.transpose(0, 1), lambda _, state: state.transpose(0, 1), "state.transpose(0, 1)"),
    View(lambda old, _: old.transpose(1, 2), lambda _, state: state.transpose(1, 2), "state.transpose(1, 2)"),
    # Longformer fills up its windows behind what it reads, CPM-Ant has a prompt of its own in front.
    View(lambda old, count: old[:, :count], _filled, "torch.cat([state, old[:, state.shape[1] :]], dim=1)"),
    View(
        lambda old, count: old[:, old.shape[1] - count :],
        _begun,
        "torch.cat([old[:, : old.shape[1] - state.shape[1]], state], dim=1)",
    ),
)
"""All of them, the plain one first."""


def found(outputs: Sequence[torch.Tensor], states: Sequence[torch.Tensor]) -> View | None:
    """How states stand in what layers returned; None where they don't.

    Args:
        outputs: Of some layers.
        states: One for each; more are passed over.
    """
    count = states[0].shape[1] if states[0].ndim > 1 else 0
    # The last output may have a norm behind it before it is a state.
    pairs = list(zip(outputs[:-1], states, strict=False))
    for number, view in enumerate(VIEWS):
        if number and any(each.ndim != 3 for each in (*outputs, *states)):
            return None
        if all(same(view.read(ours, count), theirs) for ours, theirs in pairs) and (pairs or not number):
            return view
    return None


def same(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Whether two states are the same; NaN is, where both have it."""
    import torch

    if ours.shape != theirs.shape:
        return False
    return torch.equal(ours, theirs) or torch.equal(ours.nan_to_num(0.5), theirs.nan_to_num(0.5))


def main(output: Any) -> torch.Tensor | None:
    """The hidden states in what a layer returned; None where there are none."""
    import torch

    if isinstance(output, dict):
        output = tuple(output.values())
    first = output[0] if isinstance(output, (tuple, list)) and output else output
    return first if isinstance(first, torch.Tensor) else None


def put(output: Any, state: torch.Tensor, view: View) -> Any:
    """What a layer returned, with another state in it."""
    old = main(output)
    state = state if old is None else view.put(old, state.to(old.device))
    if isinstance(output, dict):
        return dict(zip(output, (state, *list(output.values())[1:]), strict=True))
    if hasattr(output, "_replace"):
        return type(output)(state, *output[1:])
    return type(output)((state, *output[1:])) if isinstance(output, (tuple, list)) else state

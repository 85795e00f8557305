"""Keeping a part of a model as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def freeze(model: PreTrainedModel, layers: int) -> int:
    """Freeze the embeddings and the first layers: all that comes before layer ``layers`` in the base model.

    Args:
        model: Any transformers model; its layers are the longest ``ModuleList`` of the base model.
        layers: How many layers, from 0 (nothing is frozen, the embeddings included) to all of them.

    Returns:
        How many weights are frozen.

    Raises:
        InputError: The model has fewer layers, or nothing would be left to train.
    """
    if layers == 0:
        return 0
    from torch.nn import ModuleList

    base = model.base_model
    stacks = [module for module in base.modules() if isinstance(module, ModuleList)]
    stack = max(stacks, key=len) if stacks else ModuleList()
    if layers > len(stack):
        raise InputError(
            f"Could not freeze {layers} layers.", why=f"The model has {len(stack)}.", remedy="Freeze fewer layers."
        )
    first_trained = next(stack[layers].parameters(), None) if layers < len(stack) else None
    for weight in base.parameters():
        if weight is first_trained:
            break
        weight.requires_grad_(False)
    frozen = sum(weight.numel() for weight in model.parameters() if not weight.requires_grad)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise InputError(
            f"Could not freeze {layers} layers.", why="Nothing would be left to train.", remedy="Freeze fewer layers."
        )
    return frozen

"""Neighbourhood attention by torch's own operations, for DiNAT where natten, which the library calls, is missing.

No natten that goes with today's torch has the functions that the library calls, and it hands them its tensors with the
axes in another order than they read; so what the papers define is computed here.

References:
    Hassani et al. 2022, Neighborhood Attention Transformer; Hassani and Shi 2022, Dilated Neighborhood Attention
    Transformer
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def wanted(config: Mapping[str, Any]) -> bool:
    """Whether a config asks for DiNAT, alone or as a backbone."""
    backbone = config.get("backbone_config")
    return "dinat" in (config.get("model_type"), backbone.get("model_type") if isinstance(backbone, dict) else "")


def stand_in() -> None:
    """Let the library build and run DiNAT by what is here, from now on."""
    from transformers.models.dinat import modeling_dinat

    modeling_dinat.requires_backends = lambda *_: None
    modeling_dinat.NeighborhoodAttention.forward = _attend


def window(length: int, kernel: int, dilation: int) -> tuple[Tensor, Tensor]:
    """The neighbours of each position along an axis: the nearest of those a whole number of ``dilation`` away.

    Args:
        length: Of the axis; ``kernel * dilation`` at least.
        kernel: How many neighbours each has, itself among them; odd.
        dilation: How far neighbours are apart.

    Returns:
        Their positions, and how far each is off in steps of ``dilation``, counted from ``-(kernel - 1)``; both of shape
        ``(length, kernel)``.
    """
    import torch

    at = torch.arange(length)
    first, step = at % dilation, at // dilation
    steps = (length - first + dilation - 1) // dilation
    start = torch.minimum((step - kernel // 2).clamp(min=0), steps - kernel)
    each = start[:, None] + torch.arange(kernel)
    return first[:, None] + dilation * each, each - step[:, None] + kernel - 1


def _attend(layer: Any, hidden_states: Tensor, output_attentions: bool = False) -> tuple[Tensor, ...]:
    """Stands for ``NeighborhoodAttention.forward``; ``hidden_states`` has the shape ``(batch, height, width, dim)``."""
    heads, size = layer.num_attention_heads, layer.attention_head_size
    _, height, width, _ = hidden_states.shape
    query, key, value = (
        part(hidden_states).unflatten(-1, (heads, size)).permute(0, 3, 1, 2, 4)
        for part in (layer.query, layer.key, layer.value)
    )
    rows, above = (each.to(hidden_states.device) for each in window(height, layer.kernel_size, layer.dilation))
    columns, left = (each.to(hidden_states.device) for each in window(width, layer.kernel_size, layer.dilation))
    places = (rows[:, None, :, None] * width + columns[None, :, None, :]).flatten(2)
    bias = layer.rpb[:, above[:, None, :, None], left[None, :, None, :]].flatten(3)
    near = key.flatten(2, 3)[:, :, places]
    scores = (query[..., None, :] * near).sum(dim=-1) / size**0.5 + bias
    weights = layer.dropout(scores.softmax(dim=-1))
    context = (weights[..., None] * value.flatten(2, 3)[:, :, places]).sum(dim=-2)
    context = context.permute(0, 2, 3, 1, 4).flatten(3)
    return (context, weights) if output_attentions else (context,)

"""Attention maps: how much each position takes from each other, by layer and head."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.errors import InputError, NotSupported, WorkbenchError
from workbench.engine.inside.given import ATTENTION_BUDGET, Given, check_room, estimate, takes, tensors, worded
from workbench.engine.inside.one_pass import names
from workbench.engine.inside.states import Watch
from workbench.engine.task import Progress, Silent, Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.engine.models import LoadedModel

#: Bytes of maps that are kept behind a pass; where all of them are more, those of the layer asked for are kept alone.
KEPT = 256 * 2**20
_KEYS = (
    ("attentions", "model", "model", "model"),
    ("encoder_attentions", "encoder", "encoder", "encoder"),
    ("decoder_attentions", "decoder", "decoder", "decoder"),
    ("cross_attentions", "decoder to encoder", "decoder", "encoder"),
)


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """The maps of one stack of layers.

    Attributes:
        name: ``model``, ``encoder``, ``decoder`` or ``decoder to encoder``.
        key: What the library's output calls them.
        layers: Names of the layers that returned some.
        places: Of these in the library's output.
        maps: One for each layer, float32 of shape ``(heads, from, to)`` as the library returned it; None where it was
            not kept.
        tokens: What stands at the positions ``from``.
        others: What stands at the positions ``to``.
    """

    name: str
    key: str
    layers: tuple[str, ...]
    places: tuple[int, ...]
    maps: tuple[np.ndarray | None, ...]
    tokens: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Attentions:
    """All maps of a pass.

    Attributes:
        given: What went in.
        kinds: By stack; never empty.
        seconds: Time it took.
    """

    given: Given
    kinds: tuple[Kind, ...]
    seconds: float


def attend(
    model: LoadedModel, given: Given, *, kind: str = "", layer: int = -1, task: Task | None = None
) -> Attentions:
    """Let a model read with its attention written out, and keep the maps.

    The usual attention (``sdpa``) makes no maps, so this pass runs with ``eager``; the model has its own back
    afterwards. The two differ in the last bits.

    Args:
        model: A loaded model that reads text.
        given: What it reads.
        kind: Where all maps together are too many to be kept, those of this stack are, and there of one layer;
            empty takes the first.
        layer: That layer, by its place in the library's output.
        task: Asked at each layer whether to stop.

    Raises:
        NotSupported: The pass fails, or returns no maps.
        InputError: The maps of so many positions would be larger than `ATTENTION_BUDGET`.
        OutOfMemory: There is no room for them.

    References:
        transformers, Model outputs: ``attentions``; Attention interface: ``set_attn_implementation``
    """
    import torch

    task = task or Silent()
    began = time.perf_counter()
    needed = estimate(model, max(len(given.input_ids), len(given.decoder_input_ids))).attention
    if needed > ATTENTION_BUDGET:
        positions = max(1, int(len(given.input_ids) * (ATTENTION_BUDGET / needed) ** 0.5))
        raise InputError(
            f"The attention maps of {len(given.input_ids):,} positions are too large.",
            why=f"All layers and heads together would take {needed / 2**30:.1f} GiB, and at most "
            f"{ATTENTION_BUDGET / 2**30:.0f} GiB is used.",
            remedy=f"Look at {positions:,} positions or fewer.",
        )
    check_room(model, needed)
    task.report(Progress(0, None, "layers", "one pass with eager attention"))
    kept = {"logits_to_keep": 1} if takes(model.model, "logits_to_keep") else {}
    try:
        with torch.inference_mode(), eager(model.model), Watch(model.model, task).running():
            out = model.model(**tensors(model, given), **kept, output_attentions=True)
    except WorkbenchError:
        raise
    except Exception as error:
        raise worded(model, error) from error
    found = [(*stack, out[stack[0]]) for stack in _KEYS if any(each is not None for each in out.get(stack[0]) or ())]
    if not found:
        raise NotSupported(
            f"{model.checkpoint.name} shows no attention.",
            why=f"{type(model.model).__name__} returns no attention maps"
            + (": its layers are not made of attention." if not model.facts.attention_heads else "."),
            remedy="The other sections show what it does return.",
        )
    total = sum(4 * each.numel() for *_, maps in found for each in maps if each is not None)
    chosen = (kind or found[0][1], layer) if total > KEPT else None
    kinds = tuple(_kind(model, given, each, chosen) for each in found)
    return Attentions(given, kinds, time.perf_counter() - began)


@contextmanager
def eager(model: PreTrainedModel) -> Iterator[None]:
    """Compute attention step by step for a while, in every part of a model."""
    from transformers import PreTrainedModel as Base

    parts = [each for each in model.modules() if isinstance(each, Base)]
    configs = list({id(part.config): part.config for part in parts}.values())
    before = [config._attn_implementation for config in configs]
    try:
        # Not by the model's own setter, which leaves out the few parts that choose their attention when they are built:
        # they write the maps out too when they are asked for, but only with this do they get the mask for it.
        for config in configs:
            config._attn_implementation_internal = "eager"
        yield
    finally:
        for config, implementation in zip(configs, before, strict=True):
            config._attn_implementation_internal = implementation


def _kind(
    model: LoadedModel, given: Given, found: tuple[str, str, str, str, Any], chosen: tuple[str, int] | None
) -> Kind:
    key, name, side, other, maps = found
    there = [(place, each[0]) for place, each in enumerate(maps) if each is not None]
    kept: list[np.ndarray | None] = []
    for place, each in there:
        wanted = chosen is None or (name == chosen[0] and place == chosen[1] % len(maps))
        kept.append(each.float().cpu().numpy() if wanted else None)
    rows, columns = there[0][1].shape[-2:]
    return Kind(
        name,
        key,
        _layer_names(model, len(maps), [place for place, _ in there]),
        tuple(place for place, _ in there),
        tuple(kept),
        _tokens(model, given, side, rows),
        _tokens(model, given, other, columns),
    )


def _layer_names(model: LoadedModel, count: int, places: list[int]) -> tuple[str, ...]:
    """The layers by number: some models return maps of their attention layers alone."""
    types = getattr(model.model.config.get_text_config(decoder=True), "layer_types", None) or ()
    attending = [number for number, kind in enumerate(types, 1) if "attention" in kind]
    if len(types) > count == len(attending):
        return tuple(f"layer {attending[place]}" for place in places)
    return tuple(f"layer {place + 1}" for place in places)


def _tokens(model: LoadedModel, given: Given, side: str, count: int) -> tuple[str, ...]:
    tokens = names(model, given, side)[1]
    return tokens if len(tokens) == count else tuple(str(place) for place in range(count))

"""Attention maps: how much each position takes from each other, by layer and head."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.errors import InputError, NotSupported, WorkbenchError
from workbench.engine.inside.given import (
    ATTENTION_BUDGET,
    Given,
    check_room,
    drawn,
    estimate,
    reach,
    returns_states,
    setting,
    takes,
    worded,
)
from workbench.engine.inside.places import Grid, configs, places
from workbench.engine.inside.states import Watch, unhooked
from workbench.engine.inside.submodels import entered, submodels
from workbench.engine.inside.walk import Found, walk
from workbench.engine.task import Progress, Silent, Task

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from workbench.engine.models import LoadedModel

#: Bytes of maps that are kept behind a pass; where all of them are more, those of the layer asked for are kept alone.
KEPT = 256 * 2**20


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """The maps of one stack of layers.

    Attributes:
        name: ``model``, ``encoder``, ``decoder``, ``decoder to encoder``, ``vision`` …; with the size of the maps
            behind it where layers make them in several.
        layers: Names of the layers that returned some, each window of a layer that looks by windows apart.
        picks: Where the library's output has the maps of each, such as ``attentions[0][0]``.
        maps: One for each layer, float32 of shape ``(heads, from, to)`` as the library returned it; None where it was
            not kept.
        tokens: What stands at the positions ``from``.
        others: What stands at the positions ``to``.
        side: Name of the `Part` whose positions look.
        grid: Which of ``others`` are the patches of the picture, or None.
        own_grid: Likewise of ``tokens``.
    """

    name: str
    layers: tuple[str, ...]
    picks: tuple[str, ...]
    maps: tuple[np.ndarray | None, ...]
    tokens: tuple[str, ...]
    others: tuple[str, ...]
    side: str
    grid: Grid | None = None
    own_grid: Grid | None = None


#: Architectures whose maps the library takes from the wrong place of what a stage returns.
_MISTAKEN = ("maskformer-swin",)


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
        model: A loaded model.
        given: What it is given.
        kind: Where all maps together are too many to be kept, those of this `Kind` are, and there of one layer;
            empty takes the first.
        layer: That layer, by its place in the `Kind`.
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
    whole, taken = model, given
    unhooked(whole.model)
    model, given, kwargs = entered(whole, taken)
    _check_size(model, given)
    task.report(Progress(0, None, "layers", "one pass with eager attention"))
    if not returns_states(model):
        raise _none(model, taken)
    if model.model.config.model_type in _MISTAKEN:
        raise _none(model, taken, ": the library returns hidden states in their place.")
    kept = {"logits_to_keep": 1} if model.generates and takes(model.model, "logits_to_keep") else {}
    try:
        with torch.inference_mode(), eager(whole.model), drawn(model, task, taken.by_generate):
            if taken.submodel:
                # What the whole makes of masks depends on the attention that they are for.
                _, _, kwargs = entered(whole, taken, task=task, anew=True)
            with Watch(model.model, task).running():
                out = model.model(**kwargs, **kept, output_attentions=True)
    except WorkbenchError:
        raise
    except Exception as error:
        if isinstance(error, KeyError) and error.args == ("eager",):
            raise _none(model, taken, ": the library has no eager attention for it.") from error
        raise worded(model, error) from error
    stacks = walk(out, "attentions") if hasattr(out, "items") else []
    groups = [group for stack in stacks for group in _grouped(model, stack)]
    if not groups:
        raise _none(model, taken)
    total = sum(4 * maps.numel() for group in groups for _, _, maps in group.maps)
    chosen = (kind or groups[0].name, layer) if total > KEPT else None
    return Attentions(taken, tuple(_kind(model, given, group, chosen) for group in groups), time.perf_counter() - began)


def _none(model: LoadedModel, given: Given, because: str = "") -> NotSupported:
    because = because or ("." if _has_attention(model.model) else ": its layers are not made of attention.")
    # Codecs let a model that hears work on the sound besides, and return nothing of it.
    parts = [path for path in submodels(model) if _has_attention(model.model.get_submodule(path))]
    own = f"Choose {' or '.join(parts)} as the submodel. " if parts and not given.submodel else ""
    return NotSupported(
        f"{model.checkpoint.name} shows no attention.",
        why=f"{type(model.model).__name__} returns no attention maps{because}",
        remedy=f"{own}The other sections show what it does return.",
    )


def _has_attention(module: nn.Module) -> bool:
    # Mamba and its like count heads too.
    return any("attention" in type(part).__name__.lower() for part in module.modules())


def _check_size(model: LoadedModel, given: Given) -> None:
    """Refuse maps that would be too large, as far as the config tells of them before the pass."""
    count = reach(model, given)
    needed = estimate(model, count).attention
    # How long a picture or a sound is can't be chosen: there only memory is the limit.
    if needed > ATTENTION_BUDGET and not given.made:
        positions = max(1, int(count * (ATTENTION_BUDGET / needed) ** 0.5))
        raise InputError(
            f"The attention maps of {count:,} positions are too large.",
            why=f"All layers and heads together would take {needed / 2**30:.1f} GiB, and at most "
            f"{ATTENTION_BUDGET / 2**30:.0f} GiB is used.",
            remedy=f"Look at {positions:,} positions or fewer.",
        )
    check_room(model, needed)


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


@dataclass(frozen=True, eq=False, slots=True)
class _Group:
    """Maps of one stack of layers and of one size: names and places of their layers, and the maps."""

    name: str
    stack: Found
    maps: list[tuple[str, str, Any]]


def _grouped(model: LoadedModel, stack: Found) -> list[_Group]:
    """The maps of a stack by their size, each of shape ``(heads, from, to)``, those of each window apart."""
    sizes: dict[tuple[int, int], list[tuple[str, str, Any]]] = {}
    numbers = _layer_numbers(stack)
    # Those that look by windows give the maps of one layer a stage.
    heads = setting(model.model.config, "num_attention_heads")
    # Where each stage has a number of its own, none holds for all.
    heads = heads if isinstance(heads, int) else 0
    staged = any(hasattr(part, "depths") for part in configs(model.model.config))
    word = "stage" if staged and any(_windows(maps, heads)[1:] for _, maps in stack.tensors) else "layer"
    for number, (place, maps) in zip(numbers, stack.tensors, strict=True):
        for more, window, each in _windows(maps, heads):
            name = f"{word} {number}{window}"
            sizes.setdefault(tuple(each.shape[-2:]), []).append((name, stack.path + place + more, each))
    names = {size: stack.name if len(sizes) == 1 else f"{stack.name} {size[0]} × {size[1]}" for size in sizes}
    return [_Group(names[size], stack, found) for size, found in sizes.items()]


def _layer_numbers(stack: Found) -> list[int]:
    """The place of each layer's maps in the output, from 1."""
    firsts = [place[1:].split("]")[0] for place, _ in stack.tensors]
    # Where each layer has a list of maps, they are numbered through.
    return [int(first) + 1 for first in firsts] if len(set(firsts)) == len(firsts) else [*range(1, len(firsts) + 1)]


def _windows(maps: Any, heads: int) -> list[tuple[str, str, Any]]:
    """Maps of shape ``(heads, from, to)``: the only ones, or those of each window, with where they are."""
    if maps.ndim == 5 and len(maps) == 1:
        # Hiera has the windows behind the heads.
        found = [(f"[0][:, {number}]", f", window {number}", maps[0][:, number]) for number in range(maps.shape[2])]
        return found if len(found) > 1 else [("[0][:, 0]", "", found[0][2])]
    if maps.ndim == 3 and heads and len(maps) > heads:
        # SAM's have the heads of each window one behind the other.
        starts = range(0, len(maps), heads)
        return [(f"[{begin}:{begin + heads}]", f", window {begin // heads}", maps[begin : begin + heads])
                for begin in starts]  # fmt: skip
    if maps.ndim == 3:
        return [("", "", maps)]
    if maps.ndim != 4:
        return []
    if len(maps) == 1:
        return [("[0]", "", maps[0])]
    return [(f"[{number}]", f", window {number}", each) for number, each in enumerate(maps)]


def _kind(model: LoadedModel, given: Given, group: _Group, chosen: tuple[str, int] | None) -> Kind:
    kept: list[np.ndarray | None] = []
    for place, (_, _, each) in enumerate(group.maps):
        wanted = chosen is None or (group.name == chosen[0] and place == chosen[1] % len(group.maps))
        kept.append(each.detach().float().cpu().numpy() if wanted else None)
    count, others = group.maps[0][2].shape[-2:]
    names = _attending(model, group)
    side, other = group.stack.sides
    if any(", window" in name for name, _, _ in group.maps):
        inside = tuple(str(place) for place in range(max(count, others)))
        return Kind(
            group.name,
            names,
            tuple(pick for _, pick, _ in group.maps),
            tuple(kept),
            inside[:count],
            inside[:others],
            "",
        )
    looking, seen = places(model, given, side, count), places(model, given, other, others)
    return Kind(
        group.name, names, tuple(pick for _, pick, _ in group.maps), tuple(kept), looking.faces, seen.faces, side,
        seen.grid, looking.grid,
    )  # fmt: skip


def _attending(model: LoadedModel, group: _Group) -> tuple[str, ...]:
    """The layers by number: some models return maps of their attention layers alone."""
    types = getattr(model.model.config.get_text_config(decoder=True), "layer_types", None) or ()
    attending = [number for number, kind in enumerate(types, 1) if "attention" in kind]
    names = [name for name, _, _ in group.maps]
    if group.stack.name == "model" and len(types) > len(names) == len(attending):
        return tuple(f"layer {number}" for number in attending)
    return tuple(names)

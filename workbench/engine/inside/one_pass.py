"""One pass through the model with everything that comes by kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, OutOfMemory, WorkbenchError, first_line
from workbench.engine.inside import lens as lenses
from workbench.engine.inside.given import (
    Given,
    check_room,
    drawn,
    estimate,
    reach,
    returns_states,
    takes,
    worded,
)
from workbench.engine.inside.lens import Lens
from workbench.engine.inside.places import Grid, places
from workbench.engine.inside.states import Layers, Part, Watch, laid_out, rows_of, unhooked
from workbench.engine.inside.submodels import entered
from workbench.engine.inside.walk import Found, walk
from workbench.engine.task import Progress, Silent, Task

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: The part whose states the head reads, the first that is there.
_READ = ("decoder", "model", "text")


@dataclass(frozen=True, eq=False, slots=True)
class Inside:
    """A model with one sequence in it.

    Attributes:
        checkpoint: Name of the model's checkpoint.
        given: What went in.
        parts: The model's one stack of layers, encoder and decoder, or those that see, hear and read.
        lens: What its head makes of each state, or None.
        why_no_lens: The reason for that, as a sentence.
        writes: Whether its head answers with the token that follows, and not with what stands at a position.
        seconds: Time it took.
    """

    checkpoint: str
    given: Given
    parts: tuple[Part, ...]
    lens: Lens | None
    why_no_lens: str
    writes: bool
    seconds: float

    def part(self, name: str) -> Part:
        """The part of that name; KeyError where there is none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)


def look(model: LoadedModel, given: Given, *, task: Task | None = None) -> Inside:
    """Let a model read, and keep the state behind each layer and what its head would make of it there.

    Args:
        model: A loaded model; it is as it was afterwards.
        given: What it reads.
        task: Told of each layer, and asked at each whether to stop.

    Raises:
        NotSupported: The pass fails, or gives no hidden states by position.
        OutOfMemory: There is no room for them.

    References:
        transformers, Model outputs: ``hidden_states``
    """
    import torch

    task = task or Silent()
    began = time.perf_counter()
    whole = given
    unhooked(model.model)
    model, given, kwargs = entered(model, whole, task=task)
    check_room(model, estimate(model, reach(model, given)).states)
    asked = {"output_hidden_states": True} if returns_states(model) else {}
    # The logits of all positions would be gigabytes for a long text and a large vocabulary.
    kept = {"logits_to_keep": 1} if model.generates and takes(model.model, "logits_to_keep") else {}
    task.report(Progress(0, None, "layers", "one pass"))
    watch = Watch(model.model, task)
    try:
        with torch.inference_mode(), drawn(model, task, whole.by_generate), watch.running():
            out, unasked = _asked(model, {**kwargs, **kept}, asked)
            # Some of those inside another return a tensor.
            out = out if hasattr(out, "items") else {}
    except WorkbenchError:
        raise
    except Exception as error:
        raise worded(model, error) from error
    stacks = [_once(stack, watch) for stack in walk(out, "hidden_states") if not _is_seen(stack)]
    if not stacks and (seen := watch.seen()) is not None:
        stacks = [seen]
    _check_states(model, given, stacks)
    layers = {
        stack.name: None if stack.watched else watch.layers_of([state for _, state in stack.tensors])
        for stack in stacks
    }
    mixed = _mixed(out)
    found = (part for stack in stacks for part in _parts(model, given, stack, layers[stack.name], mixed))
    parts = tuple(replace(part, unasked=unasked) for part in found)
    lens = _lens(model, given, kwargs, out, stacks, layers, parts, bool(kept), task)
    return Inside(
        model.checkpoint.name,
        replace(whole, sight=given.sight) if whole.submodel else whole,
        parts,
        lens if isinstance(lens, Lens) else None,
        lens if isinstance(lens, str) else "",
        model.generates,
        time.perf_counter() - began,
    )


def _asked(model: LoadedModel, kwargs: dict[str, Any], asked: dict[str, bool]) -> tuple[Any, bool]:
    """The output of a pass, and whether it could only be had without asking for the states."""
    try:
        return model.model(**kwargs, **asked), False
    except ValueError as error:
        # Some of timm's models tell of no states: those that the layers return are seen.
        if not asked or "output_hidden_states" not in str(error):
            raise
        return model.model(**kwargs), True


def _is_seen(stack: Found) -> bool:
    """Whether a stack is what became of each picture in the text and no layer's states: DeepSeek-OCR 2 lists it."""
    return stack.path == "image_hidden_states" and all(state.ndim == 2 for _, state in stack.tensors)


def _once(stack: Found, watch: Watch) -> Found:
    """A stack without what the library lists twice: SAM's states are, once attention was asked for."""
    states = [state for _, state in stack.tensors]
    unique = list({id(state): state for state in states}.values())
    if len(unique) == len(states) or watch.layers_of(states) or not watch.layers_of(unique):
        return stack
    return Found(stack.name, stack.path, tuple((f"[{number}]", state) for number, state in enumerate(unique)))


def _check_states(model: LoadedModel, given: Given, stacks: Sequence[Found]) -> None:
    kind = type(model.model).__name__
    plain = all(laid_out([state for _, state in stack.tensors], 0, len(given.input_ids)) for stack in stacks)
    if not stacks or not plain:
        raise NotSupported(
            f"{model.checkpoint.name} can't be looked into here.",
            why=f"{kind} returns hidden states that are not one vector a position."
            if stacks
            else f"{kind} returns no hidden states.",
            remedy="Load a checkpoint of another architecture.",
        )


def _mixed(out: Any) -> bool:
    """Whether the states of a model that gives them as maps besides are not those maps row by row, as Hiera's are."""
    import torch

    return any(
        not any(torch.equal(state.flatten(), each.flatten()) for each in (shaped, shaped.movedim(1, -1)))
        for state, shaped in zip(out.get("hidden_states") or (), out.get("reshaped_hidden_states") or (), strict=False)
    )


def _parts(model: LoadedModel, given: Given, stack: Found, layers: Layers | None, mixed: bool) -> list[Part]:
    """The states of a stack; those behind layers that change the number of positions apart."""
    import numpy

    states = [state for _, state in stack.tensors]
    # A map may have as many rows as the text beside it has tokens.
    read = 0 if stack.name in ("vision", "audio") else len(given.input_ids)
    found = laid_out(states, _width(model), read, given.sight.size if given.sight is not None else None)
    if stack.watched and given.audio is not None and _convolves(model, stack.path) and states[0].ndim == 3:
        # What hears without telling of its states is made of convolutions: their channels come first.
        layout = "state.transpose(1, 2).flatten(0, 1)[None]"
        found = [(state.transpose(1, 2).flatten(0, 1), None, layout) for state in states]
    sizes = {len(vectors) for vectors, _, _ in found}
    rows = rows_of(states, layers, "layer" if len(sizes) == 1 else "stage")
    if stack.watched:
        # The library says nothing of them: neither what stands at their positions.
        rows, given = tuple(f"layer {number}" for number in range(1, len(states) + 1)), Given(())
    parts = []
    runs = groupby(range(len(found)), lambda row: (len(found[row][0]), found[row][1]))
    groups = [list(run) for _, run in runs]
    for group in groups:
        vectors, size, layout = next((found[row] for row in group if found[row][2]), found[group[0]])
        count, grid = len(vectors), None
        if size is not None:
            # Pictures that are drawn one below the other have their maps so too.
            grid = Grid(size[0] * (given.sight.crops if given.sight is not None else 1), size[1])
        there = places(model, given if not mixed else Given(()), stack.name, count, grid)
        values = tuple(found[row][0].detach().float().cpu().numpy() for row in group)
        norms = numpy.stack([numpy.linalg.norm(value, axis=-1) for value in values])
        parts.append(
            Part(
                stack.name if len(groups) == 1 else f"{stack.name} {_size(there.grid, norms.shape[1])}",
                tuple(rows[row] for row in group), there.ids, there.faces, values, norms,
                stack.path if stack.watched else layers.path if layers is not None else "",
                tuple(stack.path + stack.tensors[row][0] for row in group), there.grid, layout, stack.watched,
            )
        )  # fmt: skip
    return parts


def _convolves(model: LoadedModel, path: str) -> bool:
    import torch

    return any(isinstance(each, torch.nn.Conv1d) for each in model.model.get_submodule(path).modules())


def _size(grid: Grid | None, count: int) -> str:
    return f"{grid.rows} × {grid.columns}" if grid is not None else f"({count:,} positions)"


def _width(model: LoadedModel) -> int:
    config = model.model.config
    for part in (getattr(config, "vision_config", None), config):
        width = getattr(part, "hidden_size", None)
        if isinstance(width, int):
            return width
    return 0


def _lens(
    model: LoadedModel,
    given: Given,
    kwargs: dict[str, Any],
    out: Any,
    stacks: Sequence[Found],
    layers: dict[str, Layers | None],
    parts: tuple[Part, ...],
    kept: bool,
    task: Task,
) -> Lens | str:
    kind, logits = type(model.model).__name__, out.get("logits")
    # MGP-STR answers by characters, pieces and words at once.
    logits = None if isinstance(logits, tuple) else logits
    stack = next((each for name in _READ for each in stacks if each.name == name), None)
    part = next((each for each in parts if stack is not None and each.name == stack.name), None)
    if stack is None or part is None:
        return lenses.why_none(model, logits, len(parts[-1].ids), kept) or _no_layers(kind)
    if logits is not None and logits.ndim == 3 and len(logits) > 1 and not kept:
        # The rows of a sound that was cut, as their states are: one behind the other.
        logits = logits.flatten(0, 1)[None]
    why = lenses.why_none(model, logits, len(part.ids), kept)
    if why:
        return why
    if given.sight is not None and (given.tokens or given.decoder_start) and max(part.ids) < 0:
        return f"{kind} returns the states of the part that sees or hears, and not of the one that writes."
    own = layers[stack.name]
    if own is None:
        return _no_layers(kind)
    states = [state for _, state in stack.tensors]
    try:
        return lenses.focus(model, kwargs, own, states, logits, part, task)
    except WorkbenchError:
        raise
    except Exception as error:
        if isinstance(plain := worded(model, error), OutOfMemory):
            raise plain from error
        return f"The layers of {kind} can't be passed over: {first_line(error)}"


def _no_layers(kind: str) -> str:
    return f"The layers of {kind} could not be told from what else it is made of."

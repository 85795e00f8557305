"""The hidden states of a pass, and which layer of the model gave each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.inside.places import Grid
from workbench.engine.inside.views import VIEWS, View, found, main, same
from workbench.engine.inside.walk import Found
from workbench.engine.task import Progress, Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """A stack of layers and the states between them.

    Attributes:
        name: ``model``, ``encoder``, ``decoder``, ``vision`` …; with the size of the map behind it, such as
            ``model 14 × 14``, where the layers change the number of positions.
        rows: What each state stands behind: ``embeddings``, ``layer 1`` … ``norm``, in the order of the library's
            ``hidden_states``.
        ids: At each position.
        tokens: As they read.
        states: One for each row, float32 of shape ``(seq, hidden)``.
        norms: Euclidean length of each state, float32 of shape ``(rows, seq)``.
        path: Where the model keeps these layers, such as ``model.layers``; empty where they were not found.
        picks: Where the library's output has each state, such as ``hidden_states[0]``.
        watched: Whether it has none, and these are what the layers at `path` returned.
        grid: Which positions are the patches of the picture, or None.
        layout: How one of the library's states becomes ``(1, seq, hidden)``, as an expression of ``state``; empty where
            it is that already.
        unasked: Whether the model refuses to be asked for its states, as some of timm's do, and has these anyway.
    """

    name: str
    rows: tuple[str, ...]
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    states: tuple[np.ndarray, ...]
    norms: np.ndarray
    path: str = ""
    picks: tuple[str, ...] = ()
    grid: Grid | None = None
    layout: str = ""
    watched: bool = False
    unasked: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Layers:
    """Layers that were found to give the hidden states of a pass.

    Attributes:
        path: Where the model keeps them.
        modules: The layers, in order.
        outputs: What each returned.
        before: Modules of other lists that were done before the first of them, and what they returned.
        first: The hidden state that the first layer gave: 1, or 0 where those in front of it are not returned.
        view: How the states stand in what they returned.
    """

    path: str
    modules: tuple[torch.nn.Module, ...]
    outputs: tuple[Any, ...]
    first: int
    before: tuple[tuple[torch.nn.Module, Any], ...] = ()
    view: View = VIEWS[0]


class Watch:
    """Keeps what each module of each list of modules returned last.

    Args:
        model: Watched while `running`.
        task: Asked before each of them whether to stop.
    """

    def __init__(self, model: PreTrainedModel, task: Task) -> None:
        import torch

        self._task = task
        self._lists = {
            name: tuple(module for module in each if module is not None)
            for name, each in model.named_modules()
            if isinstance(each, torch.nn.ModuleList)
        }
        self._seen: dict[int, list[Any]] = {}
        self._read: dict[int, Any] = {}
        self._hooks: list[Any] = []
        self._direct = model.config.model_type == "squeezebert"
        self._total = max((len(each) for each in self._lists.values()), default=0)

    @contextmanager
    def running(self) -> Iterator[Watch]:
        """Watch a pass; the model is as it was afterwards."""
        try:
            for modules in self._lists.values():
                for module in modules:
                    self._hooks.append(module.register_forward_hook(self._on_done))
                    if self._direct:
                        # SqueezeBERT calls the forward of its layers itself, past all hooks.
                        module.forward = _telling(module, self._on_done)
            yield self
        finally:
            for hook in self._hooks:
                hook.remove()
            self._hooks = []
            for module in (each for modules in self._lists.values() for each in modules):
                if self._direct:
                    del module.forward

    def _on_done(self, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        self._task.check()
        # Those that were called last stand last; one that is shared by all layers is called by each.
        self._seen[id(module)] = [*self._seen.pop(id(module), []), output]
        self._read[id(module)] = inputs[0] if inputs else None
        done = max(sum(id(each) in self._seen for each in modules) for modules in self._lists.values())
        self._task.report(Progress(done, self._total, "layers", "one pass"))

    def layers_of(self, states: Sequence[torch.Tensor]) -> Layers | None:
        """The list of modules whose outputs are these hidden states, the last one aside, which a norm may follow."""
        for path, modules in self._lists.items():
            outputs = [output for module in modules for output in self._seen.get(id(module), [])]
            called = tuple(module for module in modules if id(module) in self._seen)
            if len(outputs) == len(called) and called[-1:] == modules[-1:]:
                # Mllama passes over those that look at a picture where there is none.
                modules = called
            else:
                modules = modules[:1] * len(outputs)
            given = [main(output) for output in outputs]
            if len(modules) != len(states) - 1 or any(each is None for each in given):
                continue
            read = self._read[id(modules[0])]
            if len(modules) == 1 and (read is None or not same(read, states[0])):
                # One layer alone is told by what it was given.
                continue
            for first in (1, 0):
                view = found([each for each in given if each is not None], states[first:])
                if view is not None:
                    return Layers(path, modules, tuple(outputs), first, self._before(modules), view)
        return None

    def seen(self) -> Found | None:
        """What the modules of the longest list returned, one after the other; None where that is no tensor."""
        found: Found | None = None
        for path, modules in self._lists.items():
            outputs = [main(output) for module in modules for output in self._seen.get(id(module), [])[:1]]
            tensors = tuple((f"[{number}]", each) for number, each in enumerate(outputs) if each is not None)
            plain = len(tensors) == len(modules) and all(each.ndim in (3, 4) for _, each in tensors)
            if plain and len(tensors) > (len(found.tensors) if found is not None else 0):
                found = Found("model", path, tensors, watched=True)
        return found

    def _before(self, layers: Sequence[torch.nn.Module]) -> tuple[tuple[torch.nn.Module, Any], ...]:
        """What was done once, before the first of some layers: a pass over these need not do it again."""
        order = {module: place for place, module in enumerate(self._seen)}
        known = {id(module): module for modules in self._lists.values() for module in modules}
        inside = {id(each) for layer in layers for each in layer.modules()}
        return tuple(
            (known[each], self._seen[each][0])
            for each, place in order.items()
            if place < order[id(layers[0])] and len(self._seen[each]) == 1 and each not in inside
        )


def unhooked(model: PreTrainedModel) -> None:
    """Take off what the library keeps states and maps with; it puts it on again where it is asked for them.

    A part that was asked alone, as Phi-4 asks what sees for one of its layers in each pass, has it already when the
    whole is asked first. The library would put it on that part twice then, and each of its states would be kept twice.

    Args:
        model: The whole.

    References:
        transformers, ``utils.output_capturing.maybe_install_capturing_hooks``
    """
    from transformers.utils import output_capturing

    for module in model.modules():
        for key, hook in list(module._forward_hooks.items()):
            if getattr(hook, "__module__", "") == output_capturing.__name__:
                del module._forward_hooks[key]
        if hasattr(module, "_output_capturing_hooks_installed"):
            del module._output_capturing_hooks_installed


def _behind(states: Sequence[torch.Tensor], size: tuple[int, int] | None) -> bool:
    """Whether maps have the shape of the picture only if their channels come last."""

    def fits(rows: int, columns: int) -> bool:
        return size is not None and abs(rows * size[1] - columns * size[0]) < max(size)

    first = all(fits(*state.shape[2:]) for state in states)
    return not first and all(fits(*state.shape[1:3]) for state in states)


def _telling(module: torch.nn.Module, done: Callable[..., None]) -> Callable[..., Any]:
    forward = module.forward

    def tell(*given: Any, **named: Any) -> Any:
        output = forward(*given, **named)
        done(module, given, output)
        return output

    return tell


def rows_of(states: Sequence[torch.Tensor], layers: Layers | None, word: str = "layer") -> tuple[str, ...]:
    """What each hidden state stands behind.

    Args:
        states: Of a stack of layers.
        layers: Those that gave them, where they were found.
        word: ``layer``, or ``stage`` where each is made of several.
    """
    count = len(states) - 1
    if layers is None:
        return tuple(f"state {number}" for number in range(count + 1))
    if layers.first == 0:
        return (*(f"{word} {number + 1}" for number in range(count)), "norm")
    last = main(layers.outputs[-1])
    plain = last is not None and same(layers.view.read(last, states[-1].shape[1]), states[-1])
    end = f"{word} {count}" if plain else f"{word} {count} + norm"
    return ("embeddings", *(f"{word} {number}" for number in range(1, count)), end)


def laid_out(
    states: Sequence[torch.Tensor], hidden: int, tokens: int, size: tuple[int, int] | None = None
) -> list[tuple[torch.Tensor, tuple[int, int] | None, str]]:
    """Hidden states as one vector a position.

    Args:
        states: Of a stack of layers, as the library returned them: ``(batch, seq, hidden)`` or ``(seq, hidden)``,
            maps, or several streams a position.
        hidden: The width that the config names; tells maps ``(batch, rows, columns, hidden)`` from those that have
            the channels first.
        tokens: How many the model reads; 0 where it reads none. Each may have several streams, which are put side by
            side.
        size: Height and width of the picture; tells maps where stages have widths of their own.

    Returns:
        For each the state of shape ``(seq, hidden)``, its rows and columns where it is a map, and its `Part.layout`;
        empty where they are none of these.
    """
    if any(state.ndim not in (2, 3, 4) for state in states):
        return []
    maps = all(state.ndim == 4 for state in states)
    behind = maps and (all(state.shape[-1] == hidden for state in states) or _behind(states, size))
    found: list[tuple[torch.Tensor, tuple[int, int] | None, str]] = []
    for state in states:
        axis = next((axis for axis in (1, 2) if state.ndim == 4 and state.shape[axis] == tokens), None)
        if state.ndim == 2:
            # Those that see pictures of any size lay all their patches in one row.
            found.append((state, None, "state[None]"))
        elif state.ndim == 3:
            layout = "" if len(state) == 1 else "state.flatten(0, 1)[None]"
            found.append((state.flatten(0, 1), None, layout))
        elif axis is not None:
            streams = f"state.movedim({axis}, 0).flatten(1)[None]"
            found.append((state.movedim(axis, 0).flatten(1), None, f"{streams} if state.ndim == 4 else state"))
        elif behind:
            # SegGPT begins with two maps, of the pictures and of the masks.
            layout = "state.flatten(1, 2)" if len(state) == 1 else "state.flatten(0, 2)[None]"
            found.append((state.flatten(0, 2), tuple(state.shape[1:3]), layout))
        else:
            vectors = state.permute(0, 2, 3, 1).flatten(0, 2)
            layout = (
                "state.flatten(2).transpose(1, 2)" if len(state) == 1 else "state.movedim(1, -1).flatten(0, 2)[None]"
            )
            found.append((vectors, tuple(state.shape[2:]), layout))
    return found

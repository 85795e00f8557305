"""The hidden states of a pass, and which layer of the model gave each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.task import Progress, Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """A stack of layers and the states between them.

    Attributes:
        name: ``model``, ``encoder`` or ``decoder``.
        rows: What each state stands behind: ``embeddings``, ``layer 1`` … ``norm``, in the order of the library's
            ``hidden_states``.
        ids: At each position.
        tokens: As they read.
        states: One for each row, float32 of shape ``(seq, hidden)``.
        norms: Euclidean length of each state, float32 of shape ``(rows, seq)``.
        path: Where the model keeps these layers, such as ``model.layers``; empty where they were not found.
    """

    name: str
    rows: tuple[str, ...]
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    states: tuple[np.ndarray, ...]
    norms: np.ndarray
    path: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Layers:
    """Layers that were found to give the hidden states of a pass.

    Attributes:
        path: Where the model keeps them.
        modules: The layers, in order.
        outputs: What each returned.
        first: The hidden state that the first layer gave: 1, or 0 where those in front of it are not returned.
    """

    path: str
    modules: tuple[torch.nn.Module, ...]
    outputs: tuple[Any, ...]
    first: int


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
            name: tuple(each) for name, each in model.named_modules() if isinstance(each, torch.nn.ModuleList)
        }
        self._seen: dict[int, Any] = {}
        self._hooks: list[Any] = []
        self._total = max((len(each) for each in self._lists.values()), default=0)

    @contextmanager
    def running(self) -> Iterator[Watch]:
        """Watch a pass; the model is as it was afterwards."""
        try:
            for modules in self._lists.values():
                for module in modules:
                    self._hooks.append(module.register_forward_hook(self._on_done))
            yield self
        finally:
            for hook in self._hooks:
                hook.remove()
            self._hooks = []

    def _on_done(self, module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        self._task.check()
        self._seen[id(module)] = output
        done = max(sum(id(each) in self._seen for each in modules) for modules in self._lists.values())
        self._task.report(Progress(done, self._total, "layers", "one pass"))

    def layers_of(self, states: Sequence[torch.Tensor]) -> Layers | None:
        """The list of modules whose outputs are these hidden states, the last one aside, which a norm may follow."""
        import torch

        for path, modules in self._lists.items():
            outputs = [self._seen.get(id(module)) for module in modules]
            given = [main(output) for output in outputs]
            if len(modules) != len(states) - 1 or any(each is None or each.shape != states[0].shape for each in given):
                continue
            for first in (1, 0):
                if all(torch.equal(ours, theirs) for ours, theirs in zip(given[:-1], states[first:], strict=False)):
                    return Layers(path, modules, tuple(outputs), first)
        return None


def main(output: Any) -> torch.Tensor | None:
    """The hidden states in what a layer returned; None where there are none."""
    import torch

    first = output[0] if isinstance(output, tuple) and output else output
    return first if isinstance(first, torch.Tensor) else None


def rows_of(states: Sequence[torch.Tensor], layers: Layers | None) -> tuple[str, ...]:
    """What each hidden state stands behind."""
    import torch

    count = len(states) - 1
    if layers is None:
        return tuple(f"state {number}" for number in range(count + 1))
    if layers.first == 0:
        return (*(f"layer {number + 1}" for number in range(count)), "norm")
    last = main(layers.outputs[-1])
    plain = last is not None and torch.equal(last, states[-1])
    end = f"layer {count}" if plain else f"layer {count} + norm"
    return ("embeddings", *(f"layer {number}" for number in range(1, count)), end)

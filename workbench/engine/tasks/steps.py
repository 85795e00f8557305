"""The three steps of a task one after the other, and the last of them alone where no other depends on what changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, cast

from workbench.engine.errors import NotSupported
from workbench.engine.task import Progress
from workbench.engine.tasks import axes
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, broken, views
from workbench.engine.values import Stage, TaskOptions, TaskResult

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Kept:
    """What the last step of a task was given, so that it can be done again.

    Attributes:
        inputs: What the first step made.
        outputs: What the second step gave.
        read: The settings that the first two asked for.
    """

    inputs: Inputs
    outputs: Mapping[str, Tensor]
    read: frozenset[str]


class _Watched:
    """Settings that remember which of them were asked for."""

    def __init__(self, options: TaskOptions) -> None:
        self._options = options
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self._options, name)


def whole(module: Any, request: Request) -> TaskResult:
    """Do all three steps.

    Args:
        module: Of the task.
        request: What is asked of it.

    Raises:
        WorkbenchError: As the steps do.
    """
    import torch

    task = request.task
    watched = _Watched(request.options)
    noted = replace(request, options=cast(TaskOptions, watched))
    with torch.inference_mode(), axes.watched(request.model) as known:
        started = time.perf_counter()
        task.report(Progress(0, 3, "steps", "preprocess"))
        inputs = module.preprocess(noted)
        task.check()
        encoded = time.perf_counter()
        task.report(Progress(1, 3, "steps", "forward"))
        outputs = module.forward(noted, inputs)
        task.check()
        computed = time.perf_counter()
    first = (
        Stage("preprocess", views({**inputs.tensors, **inputs.aside}), encoded - started),
        Stage("forward", views(outputs, known), computed - encoded),
    )
    return _finished(module, request, Kept(inputs, outputs, frozenset(watched.read)), first)


def same_but_last(result: TaskResult, options: TaskOptions) -> bool:
    """Whether a result under other settings differs in its last step alone, because the first two asked for no other.

    Args:
        result: Of `whole`.
        options: What it would be told.
    """
    kept = result.kept
    if not isinstance(kept, Kept):
        return False
    before = result.options
    changed = {each.name for each in fields(options) if getattr(options, each.name) != getattr(before, each.name)}
    return not changed & kept.read


def last(module: Any, request: Request, result: TaskResult) -> TaskResult:
    """Do the last step of a result again, under the settings of a request.

    Args:
        module: Of the task.
        request: What was asked for, with settings under which the first two steps are the same.
        result: Of `whole`, by the same model and of the same input.

    Raises:
        WorkbenchError: As the step does.
    """
    return _finished(module, request, result.kept, result.stages[:2])


def _finished(module: Any, request: Request, kept: Kept, first: tuple[Stage, Stage]) -> TaskResult:
    import torch

    inputs, model = kept.inputs, request.model
    nothing = broken(kept.outputs)
    request.task.report(Progress(2, 3, "steps", "postprocess"))
    started = time.perf_counter()
    try:
        with torch.inference_mode():
            outcome: Outcome = module.postprocess(request, inputs, dict(kept.outputs))
    except ValueError as error:
        if not nothing:
            raise
        raise NotSupported(
            f"What {model.checkpoint.name} gave is no number, and {module.SPEC.name} can't be made of it.",
            why=f"There is NaN in {', '.join(nothing)}; it computes in {model.dtype}.",
            remedy="Load it in float32 or bfloat16; if that does not help, its weights are damaged.",
        ) from error
    stage = Stage("postprocess", views(outcome.tensors), time.perf_counter() - started)
    request.task.report(Progress(3, 3, "steps"))
    return TaskResult(
        module.SPEC.name, request.given, (*first, stage), outcome.items, inputs.truncated, outcome.tokens,
        inputs.heard, nothing, request.options, kept,
    )  # fmt: skip

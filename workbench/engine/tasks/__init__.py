"""Tasks: a text in, a result out, with the three steps between them as real tensors.

Each module writes one task's ``preprocess``, ``forward`` and ``postprocess`` out; where transformers has a pipeline for
it, the result is the pipeline's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tasks import (
    feature_extraction,
    fill_mask,
    text_classification,
    text_generation,
    token_classification,
)
from workbench.engine.tasks.inputs import Request, context, cut_at, views
from workbench.engine.values import Facts, Stage, TaskOptions, TaskResult

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

__all__ = ["TASKS", "context", "cut_at", "example", "head_for", "infer", "run", "supports"]

_MODULES: tuple[Any, ...] = (
    text_classification,
    token_classification,
    fill_mask,
    text_generation,
    feature_extraction,
)

TASKS: tuple[tuple[str, str], ...] = tuple((module.NAME, module.HEAD) for module in _MODULES)
"""Each task as the library names it, with the Auto class whose head it needs."""


def infer(facts: Facts) -> str:
    """The task a checkpoint was trained for; feature-extraction when none of the others fits."""
    for name, head in TASKS:
        if facts.trained_head == head:
            return name
    return feature_extraction.NAME


def head_for(name: str) -> str:
    """The Auto class a task needs.

    Raises:
        NotSupported: There is no such task.
    """
    return str(_module(name).HEAD)


def supports(model: LoadedModel, name: str) -> bool:
    """Whether a model as it is loaded can do a task; feature-extraction looks below any head."""
    return name == feature_extraction.NAME or model.head == head_for(name)


def example(name: str, model: LoadedModel | None = None) -> str:
    """A text to try a task on, with the checkpoint's own mask token where one is needed."""
    mask = getattr(model.tokenizer, "mask_token", None) if model is not None and model.tokenizer is not None else None
    return {
        text_classification.NAME: "What a wonderful film, the best I have seen in years!",
        token_classification.NAME: "Angela Merkel met Barack Obama in Berlin, Germany.",
        fill_mask.NAME: f"The capital of France is {mask or '[MASK]'}.",
        text_generation.NAME: "The quick brown fox",
        feature_extraction.NAME: "The film was wonderful.\nI loved this movie.\nThe train leaves at nine.",
    }[name]


def run(
    model: LoadedModel, name: str, text: str, options: TaskOptions | None = None, *, task: Task | None = None
) -> TaskResult:
    """Do a task and keep every step.

    Args:
        model: Loaded with the head the task needs.
        name: One of `TASKS`.
        text: The input; for feature-extraction each line is an input of its own.
        options: Those that apply to the task are read.
        task: Asked whether to stop between the steps, and at each token of text-generation.

    Raises:
        NotSupported: The head, the tokenizer or the architecture can't do the task.
        InputError: The text or an option can't be used; the remedy says what can.

    References:
        transformers, Pipelines
    """
    import torch

    task = task or Silent()
    request = Request(model, text, options or TaskOptions(), task)
    module = _module(name)
    if not supports(model, name):
        raise NotSupported(
            f"{model.checkpoint.name} can't do {name} as it is loaded.",
            why=f"It needs a head of the kind {module.HEAD}, and this model was loaded as {model.head}.",
            remedy=f"Load it again as {module.HEAD}, or choose {infer(model.facts)}.",
        )
    with torch.inference_mode():
        started = time.perf_counter()
        task.report(Progress(0, 3, "steps", "preprocess"))
        inputs = module.preprocess(request)
        task.check()
        encoded = time.perf_counter()
        task.report(Progress(1, 3, "steps", "forward"))
        outputs = module.forward(request, inputs)
        task.check()
        computed = time.perf_counter()
        task.report(Progress(2, 3, "steps", "postprocess"))
        tensors, items = module.postprocess(request, inputs, outputs)
        ended = time.perf_counter()
        task.report(Progress(3, 3, "steps"))
    stages = (
        Stage("preprocess", views({**inputs.tensors, **inputs.aside}), encoded - started),
        Stage("forward", views(outputs), computed - encoded),
        Stage("postprocess", views(tensors), ended - computed),
    )
    return TaskResult(name, text, stages, items, inputs.truncated)


def _module(name: str) -> Any:
    for module in _MODULES:
        if name == module.NAME:
            return module
    raise NotSupported(
        f"There is no task called “{name}”.",
        why="It is not among the tasks that are written out here.",
        remedy=f"Use one of {', '.join(known for known, _ in TASKS)}.",
    )

"""The learning rate of every step, before any step is taken."""

from __future__ import annotations

import math
from typing import Any

from workbench.engine.errors import InputError, first_line
from workbench.engine.task import Silent, Task
from workbench.engine.values import TrainSpec

#: Schedules that go by what the run brings, so that nobody can draw them before.
UNFORESEEN = ("reduce_lr_on_plateau", "greedy")

#: Points that are enough to draw a schedule of any length.
_DRAWN = 2000


def schedules() -> tuple[str, ...]:
    """The schedules of the installed transformers. Imports transformers.

    References:
        transformers, Optimization: SchedulerType
    """
    from transformers import SchedulerType

    return tuple(kind.value for kind in SchedulerType)


def optimizer_steps(spec: TrainSpec, rows: int) -> int:
    """How many optimizer steps a run takes in one process.

    Args:
        spec: The run.
        rows: Encoded rows that are trained on.

    References:
        transformers, Trainer: ``num_train_epochs``, ``max_steps``, ``gradient_accumulation_steps``
    """
    if spec.max_steps > 0:
        return spec.max_steps
    drops = bool(spec.arguments.get("dataloader_drop_last"))
    batches = rows // spec.batch_size if drops else math.ceil(rows / spec.batch_size)
    a_step = spec.gradient_accumulation_steps
    an_epoch = max(batches // a_step + int(batches % a_step > 0), 1)
    return max(1, math.ceil(spec.epochs * an_epoch))


def learning_rates(spec: TrainSpec, steps: int, *, task: Task | None = None) -> tuple[float, ...]:
    """The learning rate that each step of a run uses, from the library's own scheduler.

    Args:
        spec: The run; ``lr_scheduler_kwargs`` may stand in its arguments.
        steps: Optimizer steps of the run; of more than 2,000 as many are computed, evenly spread.
        task: May stop it.

    Returns:
        One rate a step, in order; empty for a schedule that goes by the evaluations.

    Raises:
        InputError: The schedule can't be made with these settings.

    References:
        transformers, Optimization: ``get_scheduler``
    """
    import torch
    import transformers

    if spec.lr_scheduler_type in UNFORESEEN or steps < 1:
        return ()
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=spec.learning_rate)
    warmup = spec.warmup_steps
    further: dict[str, Any] = spec.arguments.get("lr_scheduler_kwargs") or {}
    try:
        scheduler = transformers.get_scheduler(
            spec.lr_scheduler_type,
            optimizer,
            num_warmup_steps=int(warmup) if warmup >= 1 else math.ceil(steps * warmup),
            num_training_steps=steps,
            scheduler_specific_kwargs=further,
        )
        shape = scheduler.lr_lambdas[0]
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"Could not make the schedule {spec.lr_scheduler_type}.",
            why=first_line(error),
            remedy="Give what it asks for as lr_scheduler_kwargs under All arguments, or choose another schedule.",
        ) from error
    task = task or Silent()
    task.check()
    drawn = range(steps) if steps <= _DRAWN else (round(at * (steps - 1) / (_DRAWN - 1)) for at in range(_DRAWN))
    return tuple(spec.learning_rate * shape(step) for step in drawn)

"""What can be known of a run before it begins: the weights it trains, its steps, its learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Silent, Task
from workbench.engine.train.arguments import try_out
from workbench.engine.train.means import Limits, limits
from workbench.engine.train.methods import Layout, layout
from workbench.engine.train.schedule import learning_rates, optimizer_steps
from workbench.engine.train.settings import training_arguments
from workbench.engine.values import TrainSpec

#: Steps a schedule is drawn with where nobody knows how many there will be.
_SHARES = 1000


@dataclass(frozen=True, slots=True)
class Foresight:
    """What is known before the start.

    Attributes:
        layout: The weights, or None where they can't be counted; then ``problem`` says why.
        steps: Optimizer steps, or None where it takes the encoded rows to know.
        rates: Learning rate of each step, or of as many points as can be drawn; empty where nobody can know.
        limits: What this machine can't do.
        problem: What is wrong with the settings, as far as it shows before the data are read; None when nothing is.
    """

    layout: Layout | None
    steps: int | None
    rates: tuple[float, ...]
    limits: Limits
    problem: WorkbenchError | None


def foresee(spec: TrainSpec, rows: int, labels: Sequence[str], *, task: Task | None = None) -> Foresight:
    """Look at a run before it begins; nothing is trained, read or written. Imports transformers.

    Args:
        spec: The run.
        rows: Usable rows of the data, before some are drawn and held out.
        labels: Names of the labels, as far as they are known.
        task: May stop it.
    """
    task = task or Silent()
    problem: WorkbenchError | None = None
    counted: Layout | None = None
    rates: tuple[float, ...] = ()
    steps = _steps(spec, rows)
    try:
        try_out(training_arguments(spec, spec.output_dir, cpu=not _accelerated()), task=task)
        rates = learning_rates(spec, steps or _SHARES, task=task)
        task.check()
        counted = layout(spec, labels, task=task)
    except WorkbenchError as error:
        problem = error
    return Foresight(counted, steps, rates, limits(), problem)


def _accelerated() -> bool:
    import torch

    return bool(torch.accelerator.is_available())


def _steps(spec: TrainSpec, rows: int) -> int | None:
    if spec.max_steps > 0:
        return spec.max_steps
    used = min(rows, spec.rows) if spec.rows is not None else rows
    trained = used if spec.evaluation is not None else used - math.ceil(used * spec.eval_fraction)
    if spec.task == "text-generation" or trained < 1:
        # Its rows are cut into blocks; how many there are is known when they are encoded.
        return None
    return optimizer_steps(spec, trained)

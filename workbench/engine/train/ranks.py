"""Several processes for one run: the first of them writes, and all of them stop after the same step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.task import Cancelled, Progress, Task
from workbench.engine.train.folder import RunFolder
from workbench.engine.values import TrainPoint

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments


def rank() -> int:
    """Which of the processes this is, as torch's launchers say; 0 where there is one."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def writes() -> bool:
    """Whether this process writes what the run leaves."""
    return rank() == 0


def folder(path: Path, task: Task) -> RunFolder:
    """The run's folder as this process has it."""
    if world() > 1:
        task = Agreed(task)
    return RunFolder(path, task) if writes() else Follower(path, task)


class Follower(RunFolder):
    """The folder for a process that computes and writes nothing."""

    def make(self) -> None:
        """The first process makes it."""

    def take_up(self, step: int) -> None:
        """The first process takes it up."""

    def note(self, event: str, **values: object) -> None:
        """The first process notes it."""

    def release(self) -> None:
        """Nothing was claimed."""

    def remove(self) -> None:
        """The first process removes it."""

    def send(self, part: object) -> None:
        """Keep points; the first process sends them."""
        if isinstance(part, TrainPoint):
            self.points.append(part)


class Agreed:
    """A task that is cancelled when the task of any process is, and at the same step in all of them.

    A process that stops by itself would leave the others waiting for its gradients.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self.cancelled = False

    def agree(self, args: TrainingArguments) -> None:
        """Ask the other processes whether one of them was told to stop; every process has to ask at the same place."""
        import torch
        from torch import distributed

        told = torch.tensor([float(self._task.cancelled)], device=args.device)
        distributed.all_reduce(told, op=distributed.ReduceOp.MAX)
        self.cancelled = bool(told.item())

    def report(self, progress: Progress) -> None:
        """Hand the progress on."""
        self._task.report(progress)

    def send(self, part: object) -> None:
        """Hand the part on."""
        self._task.send(part)

    def log(self, line: str) -> None:
        """Hand the line on."""
        self._task.log(line)

    def check(self) -> None:
        """Raise `Cancelled` when all have agreed to stop."""
        if self.cancelled:
            raise Cancelled


class Agreeing:
    """Agrees after every step and every batch of an evaluation. Attach it before what looks at the task."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def on_substep_end(self, args: TrainingArguments, _: TrainerState, __: TrainerControl, **___: object) -> None:
        """Agree between accumulated batches."""
        self._agree(args)

    def on_step_end(self, args: TrainingArguments, _: TrainerState, __: TrainerControl, **___: object) -> None:
        """Agree after a step."""
        self._agree(args)

    def on_prediction_step(self, args: TrainingArguments, _: TrainerState, __: TrainerControl, **___: object) -> None:
        """Agree after a batch of an evaluation."""
        self._agree(args)

    def _agree(self, args: TrainingArguments) -> None:
        if isinstance(self._task, Agreed):
            self._task.agree(args)

"""Several processes for one run: the first of them writes, and all of them stop after the same step."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import DataError, InputError, NotSupported
from workbench.engine.task import Cancelled, Progress, Task
from workbench.engine.train import record
from workbench.engine.train.folder import RunFolder
from workbench.engine.train.record import Record
from workbench.engine.values import TrainPoint, TrainSpec

if TYPE_CHECKING:
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments


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


def check_processes(what: str, before: Record, processes: int) -> None:
    """Refuse to go on with other processes than a run was begun with: its batches, and so its losses, would be others.

    Raises:
        InputError: They are not as many.
    """
    if before.processes not in (0, processes):
        raise InputError(
            what,
            why=f"It was begun with {before.processes} {'process' if before.processes == 1 else 'processes'}, which "
            "shared each batch.",
            remedy=f"Resume it with {before.processes}.",
        )


def check_alike(made: Record, step: int) -> None:
    """Refuse a run whose processes have not the same data and folder; each of them has to ask, at the same place.

    Args:
        made: As this process has it.
        step: Of the checkpoint that it goes on from, or 0.

    Raises:
        DataError, InputError: See `compare`.
    """
    if world() == 1:
        return
    from torch import distributed

    try:
        began = record.read(made.spec.output_dir).began
    except InputError:
        began = ""
    seen: list[Any] = [None] * world()
    distributed.all_gather_object(seen, ((made.fingerprint, made.evaluation_fingerprint), (began, step)))
    compare(seen, made.spec)


def compare(seen: Sequence[tuple[object, object]], spec: TrainSpec) -> None:
    """Refuse processes that see other data than the first, or another folder.

    Args:
        seen: By each process: the fingerprints of the data, and what stands in the run's folder.
        spec: The run.

    Raises:
        DataError: The data of another machine are others.
        InputError: The run's folder of the first machine is not there on another one.
    """
    for process, (data, place) in enumerate(seen, 1):
        if data != seen[0][0]:
            raise DataError(
                f"Could not train on {spec.data.name}.",
                why=f"What process {process} reads there is not what the first one reads.",
                remedy="Put the same data at the same place on every machine.",
            )
        if place != seen[0][1]:
            raise InputError(
                f"Could not start the run {spec.output_dir.name}.",
                why=f"Process {process} does not find in {spec.output_dir} what the first one has written there.",
                remedy="Keep the runs on a disk that all machines share, at the same place.",
            )


def is_spread(trainer: Trainer) -> bool:
    """Whether a process may hold a part of the weights only: under FSDP or DeepSpeed."""
    return bool(trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled)


def check_spread(trainer: Trainer, say: Callable[[str], object]) -> None:
    """Refuse weights that could not be saved, and tell of a file that spreads them where accelerate does not.

    Args:
        trainer: Not begun yet.
        say: Told what a file asks for in vain.

    Raises:
        NotSupported: DeepSpeed would not gather the weights for the result.
    """
    for name in ("FSDP", "DeepSpeed"):
        if os.environ.get(f"ACCELERATE_USE_{name.upper()}") == "true" and not is_spread(trainer):
            say(f"Without a GPU accelerate makes no use of {name}: each process has the whole model.")
    if trainer.is_deepspeed_enabled:
        zero = trainer.accelerator.state.deepspeed_plugin.deepspeed_config["zero_optimization"]
        if zero["stage"] == 3 and not zero.get("stage3_gather_16bit_weights_on_model_save"):
            raise NotSupported(
                "Could not start the training.",
                why="DeepSpeed's stage 3 spreads the weights, and its file leaves them so when a model is saved.",
                remedy="Write zero3_save_16bit_model: true into accelerate's file.",
            )


def whole_weights(trainer: Trainer) -> dict[str, Any] | None:
    """All weights, gathered for the process that writes; every process has to ask. None where each has them anyway."""
    return trainer.accelerator.get_state_dict(trainer.model_wrapped) if is_spread(trainer) else None


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

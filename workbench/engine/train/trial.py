"""Three steps on trial: the memory, the seconds of a step, and how long the whole run will take."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, Any

from workbench.engine.machine import memory
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.train import callbacks
from workbench.engine.train.batch_lengths import positions, seconds_of, steps_of_an_epoch, usual
from workbench.engine.train.look import Noting, on_trial
from workbench.engine.train.seeds import StepSeed
from workbench.engine.values import TrainSpec

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

STEPS = 3
#: Steps of usual length that are timed after them: the first batches are the longest where rows are grouped by length.
_USUAL = 2
#: Batches of the evaluation on trial.
_BATCHES = 2
#: Seconds between two looks at the memory of the process.
_LOOK = 0.01


@dataclass(frozen=True, slots=True)
class DryRun:
    """What three steps on trial told.

    Attributes:
        device: Where they were computed.
        step_seconds: Of a step on average, by the length of every batch of the run and what the steps on trial took
            for theirs; the first, which warms up, is not counted.
        memory: Bytes in use at the peak: of the whole process on a CPU, of what torch has allocated on an accelerator.
        total_memory: Bytes that the device has.
        steps: Optimizer steps of the whole run.
        evaluations: Evaluations of the whole run.
        evaluation_seconds: Of one of them.
        losses: Of the steps.
    """

    device: str
    step_seconds: float
    memory: int
    total_memory: int
    steps: int
    evaluations: int
    evaluation_seconds: float
    losses: tuple[float, ...]

    @property
    def total_seconds(self) -> float:
        """Of the whole run, evaluations included."""
        return self.steps * self.step_seconds + self.evaluations * self.evaluation_seconds


def dry_run(spec: TrainSpec, *, task: Task | None = None) -> DryRun:
    """Make the first three optimizer steps of a run, two of usual length and a small evaluation; nothing is kept.

    Args:
        spec: The run.
        task: Hears of the encoding and the steps; may stop it.

    Raises:
        WorkbenchError: The run can't be made, or the memory does not suffice for a step.
        Cancelled: The person stopped it.
    """
    import torch

    task = Noting(task or Silent())
    on_gpu = torch.cuda.is_available()
    with on_trial(replace(spec, max_steps=STEPS), task) as (trainer, _):
        trainer.args.eval_strategy = "no"
        trainer.compute_metrics = None
        sizes, tried = _take_usual(trainer)
        clock = callbacks.attach(trainer, _Clock, task)
        callbacks.attach(trainer, StepSeed)
        lock = callbacks.attach(trainer, callbacks.StepLock)
        lock.take()
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        peak = _Peak()
        try:
            with peak:
                trainer.train()
            rows = len(trainer.eval_dataset)
            every = max(1, rows // (_BATCHES * trainer.args.per_device_eval_batch_size))
            some = trainer.eval_dataset.select(range(0, rows, every))
            lock.take()
            began = time.perf_counter()
            trainer.evaluate(some)
            seconds = (time.perf_counter() - began) * len(trainer.eval_dataset) / len(some)
        finally:
            lock.release()
        steps = spec.max_steps if spec.max_steps > 0 else math.ceil(len(sizes) * spec.epochs)
        per_epoch = steps / max(spec.epochs, 1e-9) if spec.max_steps < 1 else len(sizes)
        timed = list(zip(tried, clock.seconds, strict=False))
        evaluations = math.ceil(steps / spec.eval_steps) if spec.eval_steps else math.ceil(steps / max(1.0, per_epoch))
        return DryRun(
            device=str(trainer.args.device),
            step_seconds=mean(seconds_of(sizes, timed[1:] or timed)),
            memory=torch.cuda.max_memory_allocated() if on_gpu else peak.bytes,
            total_memory=torch.cuda.mem_get_info()[1] if on_gpu else memory().total,
            steps=steps,
            evaluations=evaluations,
            evaluation_seconds=seconds,
            losses=tuple(logs["loss"] for logs in trainer.state.log_history if "loss" in logs)[:STEPS],
        )


def _take_usual(trainer: Any) -> tuple[list[int], list[int]]:
    """Let the trial go on, after its first steps, with steps of usual length where those are longer.

    Returns:
        Positions of each step of an epoch, and of each step of the trial.
    """
    steps = steps_of_an_epoch(trainer)
    sizes = positions(trainer, steps)
    first, more = list(range(min(STEPS, len(steps)))), usual(sizes, _USUAL)
    full = {len(batch) for number in (*first, *more) for batch in steps[number]}
    if len(steps) <= STEPS or len(full) > 1 or max(sizes) == min(sizes):
        # A short batch would move all rows after it into other batches.
        return sizes, [sizes[number % len(sizes)] for number in range(STEPS)]
    tried = [*first, *more]
    trainer.train_dataset = trainer.train_dataset.select(
        [row for number in tried for batch in steps[number] for row in batch]
    )
    trainer.args.train_sampling_strategy = "sequential"
    trainer.args.max_steps = len(tried)
    return sizes, [sizes[number] for number in tried]


class _Clock:
    """Times the steps and stops the trial when it is asked to."""

    def __init__(self, task: Task) -> None:
        self.seconds: list[float] = []
        self._task = task
        self._began = 0.0

    def on_step_begin(self, _: TrainingArguments, state: TrainerState, __: TrainerControl, **___: object) -> None:
        self._task.check()
        self._tell(state)
        self._began = time.perf_counter()

    def on_substep_end(self, *_: object, **__: object) -> None:
        self._task.check()

    def on_step_end(self, _: TrainingArguments, state: TrainerState, __: TrainerControl, **___: object) -> None:
        self.seconds.append(time.perf_counter() - self._began)
        self._tell(state)

    def _tell(self, state: TrainerState) -> None:
        self._task.report(Progress(state.global_step, state.max_steps, "steps", "On trial"))

    def on_prediction_step(self, *_: object, **__: object) -> None:
        self._task.check()


class _Peak:
    """The most memory that the process has while the block runs.

    Attributes:
        bytes: That.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory of the trial", daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, memory().process)
            if self._over.wait(_LOOK):
                return

"""What watches a run from inside: the lock around each step, the curve, the progress, and what the person wishes."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import WorkbenchError
from workbench.engine.models import LOAD_LOCK
from workbench.engine.task import Cancelled, Progress, Task
from workbench.engine.train.pace import WINDOW, Memory, Pace
from workbench.engine.train.wishes import Wishes
from workbench.engine.values import TrainPoint

if TYPE_CHECKING:
    from torch.utils.data import DataLoader
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments


#: Seconds between two looks at the task while a run waits: a stop is not a wish and wakes nobody.
_LOOK = 0.1


class Diverged(WorkbenchError):
    """A loss or a gradient is not a finite number any more.

    Attributes:
        bad_from: The first step whose weights have proved bad.
    """

    bad_from = 0


def attach(trainer: Trainer, watcher: type[Any], *arguments: Any) -> Any:
    """Make a watcher that is a ``TrainerCallback`` too and add it to the trainer.

    The base class is given here because importing this module must not import transformers.
    """
    from transformers import TrainerCallback

    callback = type(watcher.__name__, (watcher, TrainerCallback), {})(*arguments)
    trainer.add_callback(callback)
    return callback


class StepLock:
    """Holds `LOAD_LOCK` while the Trainer computes and lets go of it between steps, when a model can be loaded.

    The lock is taken before ``train()`` too: the tensor that sums the losses is made there, in the default dtype.
    Attach it last: whether an evaluation follows is known when the others have had their say.
    """

    def __init__(self) -> None:
        self._held = False
        self._moment = threading.Event()

    def take(self) -> None:
        """Take the lock unless it is held."""
        if not self._held:
            LOAD_LOCK.acquire()
            self._held = True

    def release(self) -> None:
        """Let go of the lock if it is held."""
        if self._held:
            self._held = False
            LOAD_LOCK.release()

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Everything is made; let go until the first step."""
        self.release()

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Hold it for the step."""
        self.take()

    def on_step_end(self, _: TrainingArguments, __: TrainerState, control: TrainerControl, **___: object) -> None:
        """Let go between steps, or keep it for the first batch of an evaluation."""
        if not control.should_evaluate:
            self._breathe()

    def on_epoch_end(self, _: TrainingArguments, __: TrainerState, control: TrainerControl, **___: object) -> None:
        """Take it when an evaluation follows."""
        if control.should_evaluate:
            self.take()

    def on_prediction_step(self, *_: object, **__: object) -> None:
        """Let go for a moment after each batch of an evaluation."""
        self._breathe()
        self.take()

    def on_evaluate(self, *_: object, **__: object) -> None:
        """The evaluation is over."""
        self._breathe()

    def _breathe(self) -> None:
        # A thread that waits needs a moment to wake up, or the next step takes the lock again first.
        self.release()
        self._moment.wait(0.0001)


class Granting:
    """Grants `Wishes` between two steps, when the step before is logged and no lock is held, and waits there.

    Attach it first: the clock and the lock of a step begin when it has let the step begin.

    Args:
        wishes: What is asked.
        task: Hears of the pause; its stop ends a pause.
        evaluate, save: What grants the errands.

    Attributes:
        waited: Seconds so far that were spent on pauses and on what was asked for.
    """

    def __init__(self, wishes: Wishes, task: Task, evaluate: Callable[[], object], save: Callable[[], object]) -> None:
        self.waited = 0.0
        self._wishes = wishes
        self._task = task
        self._errands = {"evaluate": evaluate, "save": save}

    def on_step_begin(self, _: TrainingArguments, state: TrainerState, __: TrainerControl, **___: object) -> None:
        """Do what was asked, and wait as long as it is asked.

        Raises:
            Cancelled: The person stopped the run while it waited, or discards it.
        """
        if not self._grant() and not self._wishes.pausing:
            return
        while self._wishes.pausing:
            self._task.report(Progress(state.global_step, state.max_steps, "steps", "Paused", halted=True))
            with self._not_counted():
                while self._wishes.pausing and not self._wishes.discarding and self._wishes.first() is None:
                    self._task.check()
                    self._wishes.wait(_LOOK)
            self._grant()
        self._task.report(Progress(state.global_step, state.max_steps, "steps", "Training"))

    def on_substep_end(self, *_: object, **__: object) -> None:
        """Leave a run that is discarded; nothing has to be finished."""
        self._leave()

    def on_step_end(self, *_: object, **__: object) -> None:
        """Leave a run that is discarded."""
        self._leave()

    def on_prediction_step(self, *_: object, **__: object) -> None:
        """Leave a run that is discarded."""
        self._leave()

    def _grant(self) -> bool:
        self._leave()
        granted = False
        while (errand := self._wishes.first()) is not None:
            with self._not_counted():
                self._errands[errand]()
            self._wishes.done(errand)
            granted = True
        return granted

    @contextlib.contextmanager
    def _not_counted(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.waited += time.perf_counter() - began

    def _leave(self) -> None:
        if self._wishes.discarding:
            raise Cancelled


class Watch:
    """Turns what the Trainer logs into `TrainPoint` values, reports the steps, and ends the run when it is asked to.

    A stop takes effect after the step (or the evaluation batch, or the accumulated batch) that runs.

    Args:
        task: Hears of points and progress.
        rows: Training rows; the last batch of an epoch has only what is left of them.
        waited: Seconds so far that don't belong to the run: pauses, and what was asked for in between.
        probe_steps: Steps between two rounds of probes; 0 when there are none.

    Attributes:
        points: The curve so far.
        pace: What the parts of the run take; probes tell it of themselves.
    """

    def __init__(self, task: Task, rows: int, waited: Callable[[], float], probe_steps: int = 0) -> None:
        self.points: list[TrainPoint] = []
        self.pace = Pace(waited)
        self._memory = Memory()
        self._task = task
        self._rows = rows
        self._waited = waited
        self._probe_steps = probe_steps
        self._began = 0.0
        self._tokens = 0
        #: Of the last steps: seconds, rows, tokens. The last batch of an epoch is short, and alone it would mislead.
        self._lately: deque[tuple[float, int, int]] = deque(maxlen=WINDOW)
        self._batches = 0

    def on_train_begin(self, _: TrainingArguments, state: TrainerState, __: TrainerControl, **___: object) -> None:
        """Start the clock."""
        self._began = time.perf_counter()
        self._tokens = int(state.num_input_tokens_seen)
        self.pace.begin()
        self._report(state, "Training")

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Start the clock of the step."""
        self.pace.begin_step()

    def on_substep_end(self, _: TrainingArguments, __: TrainerState, control: TrainerControl, **___: object) -> None:
        """Stop between two accumulated batches."""
        control.should_training_stop |= self._task.cancelled

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Report the step; stop after it when asked to."""
        seconds = self.pace.end_step()
        tokens, self._tokens = int(state.num_input_tokens_seen) - self._tokens, int(state.num_input_tokens_seen)
        self._lately.append((seconds, self._rows_of(args, state), tokens))
        self._batches = 0
        self._report(state, "Training")
        if self._task.cancelled:
            control.should_training_stop = True
            control.should_evaluate = False

    def on_epoch_end(self, _: TrainingArguments, __: TrainerState, control: TrainerControl, **___: object) -> None:
        """Stop here rather than after another step when asked to, and do not evaluate."""
        if self._task.cancelled:
            control.should_training_stop = True
            control.should_evaluate = False

    def on_evaluate(self, *_: object, **__: object) -> None:
        """The evaluation is over."""
        self.pace.mark()

    def on_save(self, *_: object, **__: object) -> None:
        """A checkpoint was saved."""
        self.pace.saved()

    def on_prediction_step(
        self,
        _: TrainingArguments,
        state: TrainerState,
        __: TrainerControl,
        eval_dataloader: DataLoader[Any] | None = None,
        **___: object,
    ) -> None:
        """Report the batch of an evaluation; leave it when asked to, since the Trainer itself only stops after all.

        Raises:
            Cancelled: The person stopped it.
        """
        self._batches += 1
        total = f" of {len(eval_dataloader):,}" if eval_dataloader is not None else ""
        self._report(state, f"Evaluating, batch {self._batches:,}{total}")
        self._task.check()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _: TrainerControl,
        logs: dict[str, float] | None = None,
        **__: object,
    ) -> None:
        """Send a point for a step or an evaluation.

        Raises:
            WorkbenchError: Loss or gradient is not a finite number any more.
        """
        logs = logs or {}
        if "loss" not in logs and "eval_loss" not in logs:
            return
        for name in ("loss", "grad_norm", "eval_loss"):
            if name in logs and not math.isfinite(logs[name]):
                raise _diverged(state.global_step, name, logs[name])
        if "eval_runtime" in logs:
            self.pace.evaluated(logs["eval_runtime"])
        metrics = {
            name.removeprefix("eval_"): value
            for name, value in logs.items()
            if name.startswith("eval_") and name not in ("eval_loss", "eval_runtime") and "_per_second" not in name
        }
        memory, device_memory = self._memory.look()
        point = TrainPoint(
            step=state.global_step,
            total=state.max_steps,
            epoch=logs.get("epoch", 0.0),
            loss=logs.get("loss"),
            learning_rate=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            eval_loss=logs.get("eval_loss"),
            metrics=metrics,
            samples_per_second=self._speed() if "loss" in logs else logs.get("eval_samples_per_second"),
            tokens_per_second=self._token_speed(args) if "loss" in logs else None,
            seconds=time.perf_counter() - self._began - self._waited(),
            seconds_left=self.pace.left(args, state, self._probe_steps),
            memory=memory,
            device_memory=device_memory,
        )
        self.points.append(point)
        self._task.send(point)

    def _rows_of(self, args: TrainingArguments, state: TrainerState) -> int:
        batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        steps = math.ceil(self._rows / batch)
        return self._rows - batch * (steps - 1) if state.global_step % steps == 0 else batch

    def _speed(self) -> float:
        return sum(rows for _, rows, _ in self._lately) / self._seconds()

    def _token_speed(self, args: TrainingArguments) -> float | None:
        # Where Trainer counts no tokens, or can't, there is no speed; none is not nought.
        tokens = sum(tokens for _, _, tokens in self._lately)
        if args.include_num_input_tokens_seen == "no" or tokens == 0:
            return None
        return tokens / self._seconds()

    def _seconds(self) -> float:
        return max(sum(seconds for seconds, _, _ in self._lately), 1e-9)

    def _report(self, state: TrainerState, note: str) -> None:
        self._task.report(Progress(state.global_step, state.max_steps, "steps", note))


def _diverged(step: int, name: str, value: float) -> Diverged:
    spelled = {"loss": "the loss", "grad_norm": "the norm of the gradient", "eval_loss": "the evaluation loss"}[name]
    told = Diverged(
        f"The training stopped at step {step:,}: {spelled} is {'not a number' if math.isnan(value) else 'infinite'}.",
        why="The numbers overflowed, most often because the learning rate is too high.",
        remedy="Start again with a learning rate ten times smaller, or without bf16.",
    )
    # A loss tells of the weights that the step before left.
    told.bad_from = step if name == "eval_loss" else step - 1
    return told

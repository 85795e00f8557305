"""How fast a run goes, how much memory it takes, and how long it will still take."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from transformers import TrainerState, TrainingArguments

#: Steps over which times and speeds are averaged: enough for batches of different length, few enough to follow.
WINDOW = 50
#: Seconds between two looks at the memory.
_LOOK = 1.0


class Pace:
    """Measures steps, evaluations, saves and probes apart, so that what is left can be told from each.

    Args:
        waited: Seconds so far that don't belong to the run: pauses, and what was asked for in between.
    """

    def __init__(self, waited: Callable[[], float]) -> None:
        self._waited = waited
        self._mark = 0.0
        self._step_began = 0.0
        self._steps: deque[float] = deque(maxlen=WINDOW)
        self._count = 0
        self._evaluating = _Mean()
        self._saving = _Mean()
        self._probing = _Mean()

    def begin(self) -> None:
        """The run begins, or goes on."""
        self._mark = self._now()

    def begin_step(self) -> None:
        """A step begins; its batch is there."""
        self._step_began = self._now()

    def end_step(self) -> float:
        """A step ends; the seconds it took, loading its batch included."""
        now = self._now()
        # What was asked for in between may have moved the mark before its time was taken off.
        seconds = max(now - self._mark, now - self._step_began, 1e-9)
        self._steps.append(seconds)
        self._count += 1
        self._mark = now
        return seconds

    def mark(self) -> None:
        """What came since the last mark is no part of a step."""
        self._mark = self._now()

    def evaluated(self, seconds: float) -> None:
        """An evaluation took so long."""
        self._evaluating.add(seconds)
        self.mark()

    def saved(self) -> None:
        """A checkpoint was saved since the last mark."""
        self._saving.add(self._now() - self._mark)
        self.mark()

    def probed(self, seconds: float) -> None:
        """The probes took so long."""
        self._probing.add(seconds)
        self.mark()

    def left(self, args: TrainingArguments, state: TrainerState, probe_steps: int = 0) -> float | None:
        """Seconds until the last step is done, or None before the first.

        Steps, evaluations and probes are counted from the settings and saves by how often there has been one; each
        takes as long as those before it. What has never been done yet is left out, because nothing is known of it.

        Args:
            args: Of the Trainer.
            state: Of the Trainer.
            probe_steps: Steps between two rounds of probes; 0 when there are none.
        """
        if not self._steps:
            return None
        steps = max(state.max_steps - state.global_step, 0)
        seconds = steps * sum(self._steps) / len(self._steps)
        seconds += _evaluations_left(args, state) * self._evaluating.seconds
        seconds += steps * self._saving.count / self._count * self._saving.seconds
        if probe_steps:
            rounds = math.ceil(state.max_steps / probe_steps) - state.global_step // probe_steps
            seconds += max(rounds, 0) * self._probing.seconds
        return seconds

    def _now(self) -> float:
        return time.perf_counter() - self._waited()


class Memory:
    """The memory that this process holds, looked up at most once a second."""

    def __init__(self) -> None:
        self._last = -math.inf
        self._process = psutil.Process()

    def look(self) -> tuple[int | None, int | None]:
        """Resident bytes of the process, and bytes that torch holds on the accelerator where there is one.

        Both are None when the last look is less than a second ago.
        """
        import torch

        now = time.monotonic()
        if now - self._last < _LOOK:
            return None, None
        self._last = now
        held = torch.cuda.memory_reserved() if torch.cuda.is_available() else None
        return self._process.memory_info().rss, held


class _Mean:
    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += (seconds - self.seconds) / self.count


def _evaluations_left(args: TrainingArguments, state: TrainerState) -> int:
    if args.eval_strategy == "steps" and args.eval_steps:
        every = max(1, int(args.eval_steps))
        return state.max_steps // every - state.global_step // every
    if args.eval_strategy == "epoch":
        return max(state.num_train_epochs - int(state.epoch or 0.0), 0)
    return 0

"""What a person asks of a run while it goes on: to wait, to evaluate, to save, or to leave nothing behind."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from workbench.engine.errors import WorkbenchError
from workbench.engine.values import Checkpoint

#: What is done once for every time it is asked.
Errand = Literal["evaluate", "save"]


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that was saved on request while the run went on, or why it could not be.

    Attributes:
        step: Optimizer steps done by then.
        checkpoint: What was saved, loadable like any other, or None.
        error: What went wrong, or None.
        details: The traceback of the error.
    """

    step: int
    checkpoint: Checkpoint | None = None
    error: WorkbenchError | None = None
    details: str = ""


class Wishes:
    """The wishes of a running fine-tune: the window writes them, the worker grants them between two optimizer steps.

    Every method may be called from any thread. Asking twice before it was granted is asking once. None of the wishes
    changes the losses of the steps that follow or the weights they give.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pausing = False
        self._discarding = False
        self._errands: list[Errand] = []

    @property
    def pausing(self) -> bool:
        """Whether the run is to wait."""
        return self._pausing

    @property
    def discarding(self) -> bool:
        """Whether the run is to end and leave nothing."""
        return self._discarding

    def pause(self) -> None:
        """Wait before the next step."""
        self._set(pausing=True)

    def go_on(self) -> None:
        """Wait no longer."""
        self._set(pausing=False)

    def discard(self) -> None:
        """End the run and delete what it has written so far, but for checkpoints that were saved on request.

        It can't be taken back, and it comes too late once the result is in its place.
        """
        self._set(discarding=True)

    def ask(self, errand: Errand) -> None:
        """Have something done before the next step, or at once while the run waits."""
        with self._changed:
            if errand not in self._errands:
                self._errands.append(errand)
            self._changed.notify_all()

    def asked(self, errand: Errand) -> bool:
        """Whether it was asked for and is not done yet."""
        with self._changed:
            return errand in self._errands

    def first(self) -> Errand | None:
        """What is to be done first, or None; for the worker, which calls `done` after it."""
        with self._changed:
            return self._errands[0] if self._errands else None

    def done(self, errand: Errand) -> None:
        """Take an errand off the list; for the worker."""
        with self._changed:
            if errand in self._errands:
                self._errands.remove(errand)

    def wait(self, seconds: float) -> None:
        """Block until there is something to do or the pause is over, or so many seconds at most; for the worker."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._errands) or self._discarding or not self._pausing, seconds)

    def _set(self, *, pausing: bool | None = None, discarding: bool | None = None) -> None:
        with self._changed:
            if pausing is not None:
                self._pausing = pausing
            if discarding is not None:
                self._discarding = discarding
            self._changed.notify_all()

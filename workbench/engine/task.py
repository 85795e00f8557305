"""What long work reports to: progress, parts of a result, and the wish to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task has come.

    Attributes:
        done: Units done so far.
        total: Units in all, or None while unknown.
        unit: ``bytes``, ``tokens``, ``steps``, ``rows`` or ``files``.
        note: What is being done right now, for people.
        halted: Whether it waits for a person, and no time passes for it.
        start: Units that were done before it began, as when a download goes on.
    """

    done: float
    total: float | None
    unit: str
    note: str = ""
    halted: bool = False
    start: float = 0.0


class Cancelled(BaseException):
    """The person asked to stop. A BaseException, so that no library's ``except Exception`` eats it."""


class Task(Protocol):
    """What an engine call that takes long is given as ``task=``. Every method may be called from any thread."""

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for."""

    def report(self, progress: Progress) -> None:
        """Say how far the work has come; cheap, may be called for every unit."""

    def send(self, part: object) -> None:
        """Hand over a part of the result (a token, a point of a curve) before the whole is done."""

    def log(self, line: str) -> None:
        """Add a line to the task's log."""

    def check(self) -> None:
        """Raise `Cancelled` when a stop was asked for."""


class Silent:
    """A task nobody watches: the default of every engine call, for use from a script."""

    cancelled = False

    def report(self, progress: Progress) -> None:
        """Ignore the progress."""

    def send(self, part: object) -> None:
        """Ignore the part."""

    def log(self, line: str) -> None:
        """Ignore the line."""

    def check(self) -> None:
        """Never stop."""

"""How far a download has come: bytes, speed and time left of each file and of the whole."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.engine.hub.choice import Wanted
from workbench.engine.task import Cancelled, Progress, Task

#: Seconds the speed is taken over: long enough to read, short enough to tell a stall.
WINDOW = 3.0

#: Seconds before which no speed is said.
_SOON = 0.3

#: Seconds between two reports, unless a fiftieth of the whole comes sooner.
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class FileState:
    """Where one file stands.

    Attributes:
        name: Path inside the repository.
        size: Bytes in all.
        done: Bytes on the disk.
        state: ``waiting``, ``fetching``, ``checking`` or ``there``.
        speed: Bytes a second over the last seconds, None until there is something to go by.
    """

    name: str
    size: int
    done: int
    state: str
    speed: float | None = None

    @property
    def remaining(self) -> float | None:
        """Seconds left at this speed, None when nothing can be said."""
        return seconds_left(self.size - self.done, self.speed)


@dataclass(frozen=True, slots=True)
class Transfer(Progress):
    """The progress of a download.

    Attributes:
        files: Each file of it.
        speed: Bytes a second of all files together, None until there is something to go by.
    """

    files: tuple[FileState, ...] = ()
    speed: float | None = None

    @property
    def remaining(self) -> float | None:
        """Seconds left at this speed, None when nothing can be said."""
        return seconds_left((self.total or 0) - self.done, self.speed)


def seconds_left(missing: float, speed: float | None) -> float | None:
    """Seconds that so many bytes take, None when nothing comes."""
    return missing / speed if speed else None


class Meter:
    """Counts the bytes of a download's files and reports them; every method may be called from any thread.

    Args:
        task: Who is told.
        files: What is fetched.
        came: Bytes there were of each before it began, by name; absent means none.
    """

    def __init__(self, task: Task, files: Sequence[Wanted], came: Mapping[str, int]) -> None:
        self._task = task
        self._lock = threading.Lock()
        self._files = {file.name: _Count(file.size, came.get(file.name, 0)) for file in files}
        self._total = sum(file.size for file in files)
        self._start = self._done = sum(count.done for count in self._files.values())
        self._rate = _Rate(self._done)
        self._note = ""
        self._reported = (0.0, -1)
        self.report()

    @property
    def missing(self) -> int:
        """Bytes still to come."""
        return self._total - self._done

    def came(self, name: str, done: int, state: str = "fetching") -> None:
        """So many bytes of a file are on the disk."""
        with self._lock:
            count = self._files[name]
            self._done += done - count.done
            if count.rate is None and state == "fetching":
                count.rate = _Rate(count.done)
            count.done, count.state, self._note = done, state, name
        self.tick()

    def settle(self, name: str) -> None:
        """A file is there, proved."""
        with self._lock:
            count = self._files[name]
            self._done += count.size - count.done
            count.done, count.state = count.size, "there"
        self.report()

    def tick(self) -> None:
        """Report when it is time to; also called while nothing comes, so that a stall shows in the speed."""
        then, done = self._reported
        if time.monotonic() - then >= _PAUSE or abs(self._done - done) * 50 >= self._total > 0 != self._done - done:
            self.report()

    def report(self) -> None:
        """Report now."""
        with self._lock:
            self._reported = (time.monotonic(), self._done)
            files = tuple(
                FileState(name, count.size, count.done, count.state, count.speed) for name, count in self._files.items()
            )
            # Under the lock, so that no older report overtakes a newer one.
            self._task.report(
                Transfer(
                    self._done,
                    self._total,
                    "bytes",
                    self._note,
                    start=self._start,
                    files=files,
                    speed=self._rate.now(self._done),
                )
            )


class Shared:
    """The task that the files of a download share: it stops them all when the person or one file's failure does."""

    def __init__(self, task: Task, meter: Meter) -> None:
        self._task = task
        self._meter = meter
        self._broken = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for."""
        return self._broken.is_set() or self._task.cancelled

    def report(self, progress: Progress) -> None:
        """Leave it to the meter."""

    def send(self, part: object) -> None:
        """Hand it on."""
        self._task.send(part)

    def log(self, line: str) -> None:
        """Hand it on."""
        self._task.log(line)

    def check(self) -> None:
        """Raise `Cancelled` when a stop was asked for."""
        if self._broken.is_set():
            raise Cancelled
        self._task.check()
        self._meter.tick()

    def break_off(self) -> None:
        """Stop the other files."""
        self._broken.set()


class _Rate:
    """Bytes a second over the last seconds."""

    def __init__(self, done: int) -> None:
        self._marks = deque([(time.monotonic(), done)])

    def now(self, done: int) -> float | None:
        """The speed, read at each report: also while nothing comes, so that a stall shows."""
        now = time.monotonic()
        if now - self._marks[-1][0] >= _PAUSE:
            self._marks.append((now, done))
            while len(self._marks) > 2 and self._marks[1][0] <= now - WINDOW:
                self._marks.popleft()
        then, before = self._marks[0]
        return (done - before) / (now - then) if now - then >= _SOON else None


class _Count:
    """Bytes of one file."""

    def __init__(self, size: int, done: int) -> None:
        self.size = size
        self.done = done
        self.state = "there" if done >= size else "waiting"
        self.rate: _Rate | None = None

    @property
    def speed(self) -> float | None:
        return self.rate.now(self.done) if self.rate is not None and self.state == "fetching" else None

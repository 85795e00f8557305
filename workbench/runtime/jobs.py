"""Jobs on lanes: work that never runs on the UI thread, always visible, always cancellable."""

from __future__ import annotations

import enum
import logging
import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal

from workbench.engine.errors import WorkbenchError, explain
from workbench.engine.task import Cancelled, Progress
from workbench.runtime.garbage import Collector

log = logging.getLogger(__name__)

#: Seconds between two deliveries of parts, and of progress: each wakes the window, which takes the GIL from the work.
_PARTS_PAUSE = 0.1
_PROGRESS_PAUSE = 0.2
#: Deliveries of a job that need not wait: whoever pressed a button sees the beginning at once.
_AT_ONCE = 4
#: Milliseconds in which a window has painted what just changed.
_PAINTED = 80


class Lane(enum.Enum):
    """A queue of work with threads of its own; the value is how many."""

    MODEL = ("model", 1)
    TRAIN = ("train", 1)
    TEXT = ("text", 1)
    IO = ("io", 3)
    FETCH = ("fetch", 3)


class State(enum.Enum):
    """Where a job stands; the value is what a person reads."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(QObject):
    """One engine call on its way through a lane. Lives on the UI thread; is the call's `Task` on the worker's.

    Args:
        title: What is being done, as the Jobs pane shows it.
        function: The engine call; it is given ``task=`` this job.
        args, kwargs: Its arguments.
        pane: Name of the pane that asked.
        stops: When a Cancel takes effect, for the button's tooltip.
        quiet: Leave it out of the Jobs pane and the status bar (live encoding as one types).
        patient: Start once the window has painted what shows it: for work whose first seconds are Python's alone, such
            as the start of a training. Painting would wait for every turn of theirs, 140 ms instead of 60.

    Signals:
        progressed(Progress): At most five times a second, and the newest always.
        part_ready(object): A part of the result; every one, in order, the first few at once, later ones at most 100 ms
            after they were sent.
        logged(str): A line of the log.
        started(): The work began.
        succeeded(object): The result.
        failed(WorkbenchError): What went wrong; the traceback is in ``details``.
        cancelled_(): It was stopped by the person.
        finished(): Once, always last.
    """

    progressed = Signal(object)
    part_ready = Signal(object)
    logged = Signal(str)
    started = Signal()
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled_ = Signal()
    finished = Signal()
    _settled = Signal(object, object, object)
    _began = Signal()
    _news = Signal()

    def __init__(
        self,
        title: str,
        function: Callable[..., Any],
        *args: Any,
        pane: str = "",
        stops: str = "at once",
        quiet: bool = False,
        patient: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.title = title
        self.pane = pane
        self.stops = stops
        self.quiet = quiet
        self.patient = patient
        self.state = State.WAITING
        self.progress: Progress | None = None
        self.error: WorkbenchError | None = None
        self.details = ""
        self.lines: list[str] = []
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self._call = (function, args, kwargs)
        self._cancel = threading.Event()
        self._claim = threading.Lock()
        self._abandoned = False
        self._latest: Progress | None = None
        self._parts: deque[object] = deque()
        self._asked = False
        self._delivered_at = 0.0
        self._deliveries = 0
        self._progress_at = 0.0
        self._halted = 0.0
        self._halted_at: float | None = None
        self._settled.connect(self._on_settled, Qt.ConnectionType.QueuedConnection)
        self._began.connect(self._on_began, Qt.ConnectionType.QueuedConnection)
        self._news.connect(self._on_news, Qt.ConnectionType.QueuedConnection)
        self.logged.connect(self.lines.append, Qt.ConnectionType.QueuedConnection)

    # The Task protocol: any thread.

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for."""
        return self._cancel.is_set()

    def report(self, progress: Progress) -> None:
        """Keep the newest progress; the UI hears of it at most five times a second, and of the newest always."""
        self._latest = progress
        self._ask()

    def send(self, part: object) -> None:
        """Hand a part of the result to the UI thread."""
        self._parts.append(part)
        self._ask()

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            self._news.emit()

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self.logged.emit(line)

    def check(self) -> None:
        """Raise `Cancelled` when a stop was asked for."""
        if self._cancel.is_set():
            raise Cancelled

    # The UI thread.

    def cancel(self) -> None:
        """Ask the work to stop; `cancelled_` follows when it has, at once while it still waits in its lane."""
        self._cancel.set()
        if self._claim.acquire(blocking=False):
            self._settled.emit(None, Cancelled(), "")

    def abandon(self) -> None:
        """Cancel and show nothing of it any more but `finished`: a newer job has taken its place."""
        self._abandoned = True
        self.cancel()

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in (State.WAITING, State.RUNNING)

    @property
    def elapsed(self) -> float:
        """Seconds since it began, 0.0 while it waits."""
        if self.started_at is None:
            return 0.0
        return (self.ended_at or time.monotonic()) - self.started_at

    @property
    def remaining(self) -> float | None:
        """Seconds left by the progress so far, or None while nothing can be said or the work is halted."""
        progress = self.progress
        if not self.active or progress is None or not progress.total or self.elapsed < 0.5:
            return None
        done = progress.done - progress.start
        if progress.halted or done <= 0:
            return None
        return (self.elapsed - self._halted) * max(0.0, progress.total - progress.done) / done

    def _on_began(self) -> None:
        self.state = State.RUNNING
        self.started_at = time.monotonic()
        self.started.emit()

    def _on_news(self) -> None:
        wait = self._delivered_at + _PARTS_PAUSE - time.monotonic()
        if wait > 0 and self._deliveries >= _AT_ONCE:
            QTimer.singleShot(round(wait * 1000) + 1, self, self._deliver)
        else:
            self._deliver()

    def _deliver(self, last: bool = False) -> None:
        self._asked = False
        self._delivered_at = now = time.monotonic()
        self._deliveries += 1
        while self._parts:
            part = self._parts.popleft()
            if not self._abandoned:
                self.part_ready.emit(part)
        latest = self._latest
        if latest is None or latest is self.progress or self._abandoned:
            return
        wait = self._progress_at + _PROGRESS_PAUSE - now
        if wait > 0 and not last:
            self._asked = True
            QTimer.singleShot(round(min(wait, _PARTS_PAUSE) * 1000) + 1, self, self._deliver)
            return
        self._progress_at = now
        if latest.halted and self._halted_at is None:
            self._halted_at = now
        elif not latest.halted and self._halted_at is not None:
            self._halted += now - self._halted_at
            self._halted_at = None
        self.progress = latest
        self.progressed.emit(latest)

    def _on_settled(self, result: object, error: object, details: object) -> None:
        self._deliver(last=True)
        self.ended_at = time.monotonic()
        self._call = (_nothing, (), {})
        if self._abandoned:
            self.state = State.CANCELLED
        elif isinstance(error, Cancelled):
            self.state = State.CANCELLED
            self.cancelled_.emit()
        elif isinstance(error, BaseException):
            self.state = State.FAILED
            self.error = explain(error, f"Could not finish: {self.title}.")
            self.details = str(details)
            self.failed.emit(self.error)
        else:
            self.state = State.DONE
            self.succeeded.emit(result)
        self.finished.emit()

    # The worker thread.

    def run(self) -> None:
        """Make the call and settle; for the lane's thread alone. Raises nothing."""
        if not self._claim.acquire(blocking=False):
            return
        function, args, kwargs = self._call
        result: object = None
        failure: BaseException | None = None
        details = ""
        self._began.emit()
        try:
            self.check()
            result = function(*args, task=self, **kwargs)
        except BaseException as error:
            failure = error
            details = "".join(traceback.format_exception(error))
            if not isinstance(error, Cancelled | WorkbenchError):
                log.info("job %r failed\n%s", self.title, details)
            _forget_frames(error)
        del function, args, kwargs
        self._settled.emit(result, failure, details)


def _forget_frames(error: BaseException) -> None:
    """Let go of what the frames of an error hold, models among it, and those of the errors behind it."""
    errors: list[BaseException | None] = [error]
    while errors:
        each = errors.pop()
        if each is not None and each.__traceback__ is not None:
            each.__traceback__ = None
            errors += (each.__cause__, each.__context__)


def _nothing(**_: object) -> None:
    return None


class _Worker(QThread):
    """A thread of a lane: takes jobs until it is handed None.

    Signals:
        let_go(Job): The thread is done with a job, whose last reference must not end on it.
    """

    let_go = Signal(object)

    def __init__(self, name: str, work: queue.SimpleQueue[Job | None]) -> None:
        super().__init__()
        self.setObjectName(name)
        self._work = work

    def run(self) -> None:
        """Take jobs until None comes."""
        while (job := self._work.get()) is not None:
            job.run()
            self.let_go.emit(job)
            del job


class Runner(QObject):
    """Starts jobs on lanes and knows every one of them.

    Attributes:
        garbage: Collects Python's garbage while the lanes have threads.

    Signals:
        job_added(Job): A job was handed in (quiet ones are not announced).
        job_changed(Job): Its state or progress changed.
        busy_changed(): Whether anything runs may have changed.
    """

    job_added = Signal(object)
    job_changed = Signal(object)
    busy_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs: list[Job] = []
        self._active: dict[int, Job] = {}
        self._slots: dict[str, Job] = {}
        self._queues: dict[Lane, queue.SimpleQueue[Job | None]] = {lane: queue.SimpleQueue() for lane in Lane}
        self._workers: list[_Worker] = []
        self._started_lanes: set[Lane] = set()
        self.garbage = Collector(self)

    def start(self, job: Job, lane: Lane, *, slot: str | None = None) -> Job:
        """Queue a job on a lane.

        Args:
            job: A new job.
            lane: Whose threads run it.
            slot: A newer job in the same slot cancels and silences the older one, so stale results never show.
        """
        if slot is not None:
            older = self._slots.get(slot)
            if older is not None and older.active:
                older.abandon()
            self._slots[slot] = job
        if lane not in self._started_lanes:
            self.garbage.start()
            self._started_lanes.add(lane)
            name, threads = lane.value
            for number in range(threads):
                worker = _Worker(f"{name}-{number}", self._queues[lane])
                worker.let_go.connect(self._on_let_go, Qt.ConnectionType.QueuedConnection)
                worker.start()
                self._workers.append(worker)
        self._active[id(job)] = job
        job.finished.connect(self._on_finished)
        if not job.quiet:
            self.jobs.append(job)
            job.started.connect(self._on_changed)
            job.progressed.connect(self._on_changed)
            self.job_added.emit(job)
        if job.patient:
            QTimer.singleShot(_PAINTED, self, partial(self._queues[lane].put, job))
        else:
            self._queues[lane].put(job)
        self.busy_changed.emit()
        return job

    @property
    def active(self) -> list[Job]:
        """Jobs that wait or run, oldest first, quiet ones left out."""
        return [job for job in self.jobs if job.active]

    def clear_finished(self) -> None:
        """Forget the jobs that have ended."""
        self.jobs = [job for job in self.jobs if job.active]

    def shut_down(self) -> None:
        """Cancel everything and end the threads; blocks until they have ended. For closing only."""
        for job in list(self._active.values()):
            job.cancel()
        self.garbage.stop()
        for lane in self._started_lanes:
            for _ in range(lane.value[1]):
                self._queues[lane].put(None)
        for worker in self._workers:
            worker.wait()
        self._workers.clear()
        self._started_lanes.clear()

    def _on_changed(self, *_: object) -> None:
        self.job_changed.emit(self.sender())

    def _on_finished(self) -> None:
        job = self.sender()
        if isinstance(job, Job) and not job.quiet:
            self.job_changed.emit(job)
        # One turn later: the job is emitting right now, and what hears of it asks who is still busy.
        QTimer.singleShot(0, self, self._announce)

    def _announce(self) -> None:
        self.busy_changed.emit()

    def _on_let_go(self, job: Job) -> None:
        self._active.pop(id(job), None)

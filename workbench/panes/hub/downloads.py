"""The queue of downloads that is alive: what runs, what waits, what was paused, and what an earlier start left."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from workbench.engine import hub
from workbench.engine.errors import WorkbenchError
from workbench.engine.hub import Order, Transfer
from workbench.engine.values import Checkpoint
from workbench.panes.hub import work
from workbench.runtime.jobs import Job, Lane, Runner, State

WAITING, RUNNING, PAUSED, FAILED, DONE = "waiting", "fetching", "paused", "failed", "done"


@dataclass
class Entry:
    """A download in the queue.

    Attributes:
        order: What was asked for.
        state: ``waiting``, ``fetching``, ``paused``, ``failed`` or ``done``.
        progress: How far it has come, None before anything is known.
        job: What fetches it, None while nothing does.
        error: Why it failed.
        leaves: Whether it leaves the queue once its job has stopped.
    """

    order: Order
    state: str = WAITING
    progress: Transfer | None = None
    job: Job | None = None
    error: WorkbenchError | None = None
    leaves: bool = False

    @property
    def active(self) -> bool:
        """Whether it fetches or waits to."""
        return self.job is not None


class Downloads(QObject):
    """Starts, pauses and remembers downloads; the fetch lane runs several at once.

    Args:
        runner: Whose lanes are used.

    Signals:
        changed(): A download came, went or changed its state.
        progressed(Entry): One has come further.
        arrived(Checkpoint): One is done.
        failed(WorkbenchError, str): One failed, with the details.
        stopped(): One stopped, whatever the reason; what it left on the disk can be looked at.
    """

    changed = Signal()
    progressed = Signal(object)
    arrived = Signal(object)
    failed = Signal(object, str)
    stopped = Signal()

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self.entries: list[Entry] = []

    def of(self, repo_id: str) -> Entry | None:
        """The unfinished download of a repository."""
        return next((each for each in self.entries if each.order.repo_id == repo_id and each.state != DONE), None)

    def restore(self) -> None:
        """Offer what an earlier start did not finish, paused."""
        job = Job("Looking for unfinished downloads", work.unfinished, pane="hub", quiet=True)
        job.succeeded.connect(self._on_restored)
        self._runner.start(job, Lane.IO)

    def add(self, order: Order) -> None:
        """Fetch it, or go on with it when it is there already."""
        entry = next((each for each in self.entries if each.order.key == order.key), None)
        if entry is not None and entry.active:
            return
        if entry is None:
            entry = Entry(order)
            self.entries.append(entry)
        elif order.names or entry.state == DONE:
            # Chosen anew: what came before is on the disk and is not fetched twice.
            entry.order, entry.progress = order, None
        self._start(entry)

    def pause(self, entry: Entry) -> None:
        """Stop fetching and keep it in the queue."""
        if entry.job is not None:
            entry.job.cancel()

    def go_on(self, entry: Entry) -> None:
        """Fetch what is missing."""
        if not entry.active and entry.state != DONE:
            self._start(entry)

    def cancel(self, entry: Entry) -> None:
        """Stop fetching and take it out of the queue; what has come stays on the disk."""
        entry.leaves = True
        if entry.job is not None:
            entry.job.cancel()
        else:
            self._leave(entry)

    def clear(self) -> None:
        """Take what is done out of the list."""
        self.entries = [each for each in self.entries if each.state != DONE]
        self.changed.emit()

    def _start(self, entry: Entry) -> None:
        order = entry.order
        job = Job(
            f"Download {order.repo_id}", hub.fulfil, order, pane="hub", stops="within a second, keeping what has come"
        )
        entry.job, entry.state, entry.error, entry.leaves = job, WAITING, None, False
        job.started.connect(self._on_started)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_arrived)
        job.failed.connect(self._on_failed)
        job.finished.connect(self._on_finished)
        if sum(each.active for each in self.entries) > Lane.FETCH.value[1]:
            # It waits for a thread, and what waits is to survive the end of the program too.
            note = Job(f"Remember {order.repo_id}", work.remember, order, pane="hub", quiet=True)
            self._runner.start(note, Lane.IO)
        self._runner.start(job, Lane.FETCH)
        self.changed.emit()

    def _leave(self, entry: Entry) -> None:
        self.entries = [each for each in self.entries if each is not entry]
        job = Job(f"Forget {entry.order.repo_id}", work.forget, entry.order, pane="hub", quiet=True)
        self._runner.start(job, Lane.IO)
        self.changed.emit()

    def _on_restored(self, found: tuple[tuple[Order, Transfer], ...]) -> None:
        known = {each.order.key for each in self.entries}
        self.entries += [Entry(order, PAUSED, progress) for order, progress in found if order.key not in known]
        self.changed.emit()

    def _of_sender(self) -> Entry | None:
        job = self.sender()
        return next((each for each in self.entries if each.job is not None and each.job is job), None)

    def _on_started(self) -> None:
        entry = self._of_sender()
        if entry is not None:
            entry.state = RUNNING
            self.changed.emit()

    def _on_progress(self, progress: object) -> None:
        entry = self._of_sender()
        if entry is not None and isinstance(progress, Transfer):
            entry.progress = progress
            self.progressed.emit(entry)

    def _on_arrived(self, checkpoint: Checkpoint) -> None:
        entry = self._of_sender()
        if entry is not None:
            entry.state = DONE
            self.arrived.emit(checkpoint)

    def _on_failed(self, error: WorkbenchError) -> None:
        entry = self._of_sender()
        if entry is not None and entry.job is not None:
            entry.state, entry.error = FAILED, error
            self.failed.emit(error, entry.job.details)

    def _on_finished(self) -> None:
        entry = self._of_sender()
        if entry is None or entry.job is None:
            return
        if entry.job.state is State.CANCELLED:
            entry.state = PAUSED
        entry.job = None
        if entry.leaves:
            self._leave(entry)
        else:
            self.changed.emit()
        self.stopped.emit()

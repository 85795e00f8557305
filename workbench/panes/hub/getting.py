"""The starters of the shelf on their way to this machine."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from workbench.engine import starters
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress
from workbench.panes.hub.shelf import Shelf
from workbench.runtime.jobs import Job, Lane, Runner


class Getting(QObject):
    """Fetches what the shelf asks for, and shows there how far it has come.

    Args:
        shelf: Asks and is told.
        runner: Fetches on the IO lane.

    Signals:
        begun(): One was asked for.
        arrived(Checkpoint): One is there.
        failed(WorkbenchError, str): One failed, with the details.
        stopped(): One is no longer fetched, whatever the reason.
    """

    begun = Signal()
    arrived = Signal(object)
    failed = Signal(object, str)
    stopped = Signal()

    def __init__(self, shelf: Shelf, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shelf, self._runner = shelf, runner
        self._jobs: dict[str, Job] = {}
        shelf.get_requested.connect(self.get)
        shelf.cancel_requested.connect(self.cancel)

    def get(self, key: str) -> None:
        """Fetch a starter, unless it is on its way."""
        if key in self._jobs:
            return
        job = Job(f"Get {starters.starter(key).name}", starters.get, key, pane="hub")
        self._jobs[key] = job
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self.arrived)
        job.failed.connect(self._on_failed)
        job.finished.connect(self._on_finished)
        self.begun.emit()
        self._shelf.set_progress(key, Progress(0, None, "bytes", "starting"))
        self._runner.start(job, Lane.IO)

    def cancel(self, key: str) -> None:
        """Stop fetching a starter."""
        if key in self._jobs:
            self._jobs[key].cancel()

    def cancel_all(self) -> None:
        """Stop fetching every one."""
        for job in self._jobs.values():
            job.cancel()

    def _on_progress(self, progress: Progress) -> None:
        for key, job in self._jobs.items():
            if job is self.sender():
                self._shelf.set_progress(key, progress)

    def _on_failed(self, error: WorkbenchError) -> None:
        job = self.sender()
        self.failed.emit(error, job.details if isinstance(job, Job) else "")

    def _on_finished(self) -> None:
        for key in [key for key, job in self._jobs.items() if not job.active]:
            del self._jobs[key]
            self._shelf.set_progress(key, None)
        self.stopped.emit()

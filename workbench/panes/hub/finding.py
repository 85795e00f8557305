"""What is read for the pane: a search and its pages, cards and files of the Hub, facts of what is here, devices."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from workbench.engine import hub
from workbench.engine.errors import WorkbenchError
from workbench.engine.hub import Local, Remote, Search
from workbench.engine.values import Checkpoint, Listing
from workbench.panes.hub import work
from workbench.panes.hub.details import Details
from workbench.panes.hub.search import SearchPanel
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets.pane_frame import PaneFrame


class Finding(QObject):
    """Asks the Hub and this machine, and hands what comes to the two sides of the pane.

    Args:
        pane: Whose notices are used.
        results: Takes the pages of a search.
        details: Takes what is read of the selected checkpoint.
        runner: All of it runs on the IO lane.

    Signals:
        looked(): The Hub has said what a repository is.
        was_read(): What a checkpoint of this machine is has been read.
    """

    looked = Signal()
    was_read = Signal()

    def __init__(self, pane: PaneFrame, results: SearchPanel, details: Details, runner: Runner) -> None:
        super().__init__(pane)
        self._pane, self._results, self._details, self._runner = pane, results, details, runner
        self._devices: tuple[str, ...] = ()
        self._asked_devices = False

    @property
    def fastest(self) -> str:
        """The device that ``auto`` stands for, as far as it is known."""
        return self._devices[0] if self._devices else "cpu"

    def search(self, search: Search) -> None:
        """Ask for the next page of a search."""
        job = self._start(Job("Search the Hub", work.next_page, search, pane="hub", quiet=True), "hub.search")
        job.succeeded.connect(self._on_page)
        job.failed.connect(self._on_search_failed)

    def look(self, listing: Listing) -> None:
        """Ask the Hub for card, files and revisions of a repository."""
        what, revision = f"Read {listing.repo_id}", self._details.revision
        job = self._start(Job(what, work.look_remote, listing, revision, pane="hub", quiet=True), "hub.look")
        job.succeeded.connect(self._on_remote)
        job.failed.connect(self._on_no_card)

    def pictures(self, remote: Remote, addresses: tuple[str, ...]) -> None:
        """Fetch the pictures of a card."""
        what = f"Fetch the pictures of {remote.repo_id}"
        job = self._start(Job(what, work.card_pictures, remote, addresses, pane="hub"), "hub.pictures")
        job.succeeded.connect(self._on_pictures)
        job.failed.connect(self._show_error)

    def read(self, checkpoint: Checkpoint) -> None:
        """Read facts, card and files of a checkpoint of this machine."""
        job = self._start(
            Job(f"Read {checkpoint.name}", hub.look_local, checkpoint, pane="hub", quiet=True), "hub.look"
        )
        job.succeeded.connect(self._on_local)
        if not self._asked_devices:
            # Imports torch, so not before somebody wants to load something.
            self._asked_devices = True
            devices = Job("Looking for devices", work.find_devices, pane="hub", quiet=True)
            devices.succeeded.connect(self._on_devices)
            self._runner.start(devices, Lane.MODEL)

    def _start(self, job: Job, slot: str) -> Job:
        return self._runner.start(job, Lane.IO, slot=slot)

    def _on_page(self, found: tuple[Search, tuple[Listing, ...]]) -> None:
        self._results.add_page(*found)

    def _on_search_failed(self, error: WorkbenchError) -> None:
        self._results.stop(error.why)
        self._show_error(error)
        last = Job("Read the last results", work.last_results, error.why, pane="hub", quiet=True)
        self._start(last, "hub.search").succeeded.connect(self._on_last)

    def _on_last(self, found: tuple[tuple[Listing, ...], float, str]) -> None:
        if found[0]:
            self._results.show_last(*found)

    def _on_remote(self, found: tuple[Remote, Checkpoint | None]) -> None:
        remote, cached = found
        self._details.show_remote(remote, cached)
        self.looked.emit()
        if cached is not None and self._details.checkpoint == cached:
            self.read(cached)

    def _on_no_card(self, error: WorkbenchError) -> None:
        self._details.show_no_card(f"{error.why} {error.remedy}")

    def _on_pictures(self, found: tuple[Remote, dict[str, bytes]]) -> None:
        self._details.show_pictures(*found)

    def _on_local(self, local: Local) -> None:
        self._details.show_local(local)
        wrong = local.error is not None and local.checkpoint.complete and local.checkpoint.source != "dataset"
        if local.error is not None and wrong and self._details.checkpoint == local.checkpoint:
            self._show_error(local.error)
        self.was_read.emit()

    def _on_devices(self, devices: tuple[str, ...]) -> None:
        self._devices = devices
        self._details.set_devices(devices)

    def _show_error(self, error: WorkbenchError) -> None:
        self._pane.show_notice(error.what, error.why, error.remedy)

"""The Hub pane: search, the shelf, what is on this machine, and loading."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QCheckBox, QFileDialog, QSplitter, QVBoxLayout, QWidget

from workbench.engine import codegen, hub, models, starters
from workbench.engine.errors import WorkbenchError
from workbench.engine.hub import Local, Remote, Search
from workbench.engine.models import LoadedModel
from workbench.engine.task import Progress
from workbench.engine.values import Checkpoint, Listing
from workbench.panes.hub import work
from workbench.panes.hub.consent import ask_to_delete
from workbench.panes.hub.details import Details
from workbench.panes.hub.loaded import Loaded
from workbench.panes.hub.local import LocalPanel
from workbench.panes.hub.search import SearchPanel
from workbench.panes.hub.shelf import Shelf
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.quantities import format_bytes, format_count, format_seconds


class HubPane(PaneFrame):
    """Finds checkpoints on the left, shows and loads the selected one on the right.

    Args:
        session: Takes the loaded model and the offline switch.
        runner: Searches, reads and fetches on the IO lane, loads on the model lane.
    """

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("hub", "Hub", parent)
        self._session, self._runner = session, runner
        self._downloads: dict[str, Job] = {}
        self._getting: dict[str, Job] = {}
        self._load_job: Job | None = None
        self._installed: dict[str, Checkpoint] = {}
        self._devices: tuple[str, ...] = ()
        self._asked_devices = False
        self._wanted: Path | None = None

        self._offline = named(
            QCheckBox("Offline"), "hub.offline", "Offline", "Send nothing; what is on this machine works as it is"
        )
        self._search = SearchPanel()
        self._shelf = named(Shelf(), "hub.shelf", "Starters")
        self._local = LocalPanel()
        self._loaded = Loaded(session)
        self._details = Details()
        self._lay_out()

        self._offline.toggled.connect(self._on_offline_toggled)
        self._search.search_requested.connect(self._on_search)
        self._search.more_requested.connect(self._on_more)
        self._search.chosen.connect(self._on_listing_chosen)
        self._shelf.get_requested.connect(self._on_get)
        self._shelf.load_requested.connect(self._on_load_starter)
        self._shelf.cancel_requested.connect(self._on_cancel_get)
        self._local.chosen.connect(self._on_local_chosen)
        self._local.load_requested.connect(self._on_local_activated)
        self._local.open_requested.connect(self.ask_for_folder)
        self._local.delete_requested.connect(self._on_delete_requested)
        self._details.download_requested.connect(self.download)
        self._details.cancel_requested.connect(self._on_cancel_download)
        self._details.load_requested.connect(self._on_load_requested)
        self._details.load_second_requested.connect(self._on_load_second_requested)
        self._loaded.unload_requested.connect(self._on_unload)
        self._loaded.swap_requested.connect(self._on_swap)
        self._details.choices_changed.connect(self._show_code_text)
        self.code_shown.connect(self._show_code_text)
        session.offline_changed.connect(self._show_offline)
        session.local_changed.connect(self.refresh)

        self.setAcceptDrops(True)
        self._show_offline()
        self.refresh()

    def _lay_out(self) -> None:
        self.header.addStretch(1)
        self.header.addWidget(self._offline)
        lower = QWidget()
        column = QVBoxLayout(lower)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._shelf)
        column.addWidget(self._local, 1)
        left = QSplitter(Qt.Orientation.Vertical)
        left.setChildrenCollapsible(False)
        left.addWidget(self._search)
        left.addWidget(lower)
        left.setStretchFactor(0, 1)
        left.setStretchFactor(1, 1)
        self._left = left
        both = QSplitter(Qt.Orientation.Horizontal)
        both.setChildrenCollapsible(False)
        both.addWidget(left)
        right = QWidget()
        about = QVBoxLayout(right)
        about.setContentsMargins(0, 0, 0, 0)
        about.addWidget(self._details, 1)
        about.addWidget(self._loaded)
        both.addWidget(right)
        both.setStretchFactor(0, 3)
        both.setStretchFactor(1, 2)
        both.setSizes([700, 480])
        self.body.addWidget(both, 1)

    # What can be asked of it.

    def run_main_action(self) -> None:
        """Load what is selected, or search when nothing is."""
        checkpoint = self._details.checkpoint
        if checkpoint is not None and checkpoint.complete:
            self._on_load_requested(checkpoint)
        else:
            self._search.run()

    def stop_main_action(self) -> None:
        """Stop what was started here last: a load, else every download."""
        if self._load_job is not None and self._load_job.active:
            self._load_job.cancel()
            return
        for job in (*self._downloads.values(), *self._getting.values()):
            job.cancel()

    def refresh(self) -> None:
        """Look again at what is on this machine."""
        job = Job("Looking at this machine", work.look_around, pane="hub", quiet=True)
        job.succeeded.connect(self._show_around)
        job.failed.connect(self._show_error)
        self._runner.start(job, Lane.IO, slot="hub.local")

    def download(self, repo_id: str) -> None:
        """Fetch a repository, or go on with it where it was stopped."""
        if repo_id in self._downloads:
            return
        job = Job(f"Download {repo_id}", hub.download, repo_id, pane="hub", stops="at once, keeping what has come")
        self._downloads[repo_id] = job
        job.progressed.connect(self._on_download_progress)
        job.succeeded.connect(self._on_downloaded)
        job.failed.connect(self._on_job_failed)
        job.finished.connect(self._on_download_finished)
        self._runner.start(job, Lane.IO)
        self._show_download()

    def load(
        self,
        checkpoint: Checkpoint,
        head: str | None = None,
        dtype: str = "auto",
        device: str = "auto",
        *,
        second: bool = False,
    ) -> None:
        """Load a checkpoint into the session; the one before is freed once the new one stands.

        Args:
            checkpoint: A whole one of this machine.
            head: Auto class; None takes the trained one.
            dtype: As `models.load` takes it.
            device: As `models.load` takes it.
            second: Beside the model there is, not in its place.
        """
        job = Job(
            f"Load {checkpoint.name}",
            models.load,
            checkpoint,
            head=head,
            dtype=dtype,
            device=device,
            pane="hub",
            stops="when the weights are read",
        )
        job.succeeded.connect(self._on_second_loaded if second else self._on_loaded)
        job.failed.connect(self._on_job_failed)
        job.finished.connect(self._on_load_finished)
        self._load_job = job
        self._runner.start(job, Lane.MODEL, slot="hub.load")
        self.clear_notices()
        self._shelf.set_loading(True)
        self._details.set_loading(True)

    def load_folder(self, path: Path) -> None:
        """Take a folder as a checkpoint and load it as it is."""
        self._open(path, then_load=True)

    def ask_for_folder(self) -> None:
        """Ask for a folder and take it as a checkpoint."""
        dialog = QFileDialog(self, "Open a checkpoint folder")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._on_folder_chosen)
        dialog.open()

    # What the person did.

    def _on_offline_toggled(self, offline: bool) -> None:
        hub.set_offline(offline)
        self._session.set_offline(offline)

    def _on_search(self, search: Search) -> None:
        self._left.setSizes([self._left.height() * 55 // 100, self._left.height() * 45 // 100])
        self._ask(search)

    def _on_more(self, search: Search) -> None:
        self._ask(search)

    def _ask(self, search: Search) -> None:
        job = Job("Search the Hub", work.next_page, search, pane="hub", quiet=True)
        job.succeeded.connect(self._on_page)
        job.failed.connect(self._on_search_failed)
        self._runner.start(job, Lane.IO, slot="hub.search")

    def _on_page(self, found: tuple[Search, tuple[Listing, ...]]) -> None:
        self._search.add_page(*found)

    def _on_search_failed(self, error: WorkbenchError) -> None:
        self._search.stop(error.why)
        self._show_error(error)

    def _on_listing_chosen(self, listing: Listing) -> None:
        self._local.select(None)
        self._details.show_listing(listing)
        self._show_download()
        self._show_code_text()
        job = Job(f"Read {listing.repo_id}", work.look_remote, listing.repo_id, pane="hub", quiet=True)
        job.succeeded.connect(self._show_remote)
        job.failed.connect(self._on_no_card)
        self._runner.start(job, Lane.IO, slot="hub.look")

    def _on_no_card(self, error: WorkbenchError) -> None:
        self._details.show_no_card(f"{error.why} {error.remedy}")

    def _on_local_chosen(self, checkpoint: Checkpoint) -> None:
        self._search.clear_selection()
        self._select(checkpoint)

    def _select(self, checkpoint: Checkpoint) -> None:
        self._details.show_checkpoint(checkpoint)
        self._show_download()
        self._read(checkpoint)

    def _read(self, checkpoint: Checkpoint) -> None:
        job = Job(f"Read {checkpoint.name}", hub.look_local, checkpoint, pane="hub", quiet=True)
        job.succeeded.connect(self._show_local)
        self._runner.start(job, Lane.IO, slot="hub.look")
        if not self._asked_devices:
            # Imports torch, so not before somebody wants to load something.
            self._asked_devices = True
            devices = Job("Looking for devices", work.find_devices, pane="hub", quiet=True)
            devices.succeeded.connect(self._show_devices)
            self._runner.start(devices, Lane.MODEL)

    def _on_local_activated(self, checkpoint: Checkpoint) -> None:
        if checkpoint.complete:
            self.load(checkpoint)

    def _on_load_requested(self, checkpoint: Checkpoint) -> None:
        if self._load_job is None or not self._load_job.active:
            self.load(checkpoint, self._details.head, self._details.dtype, self._details.device)

    def _on_load_second_requested(self, checkpoint: Checkpoint) -> None:
        if self._load_job is None or not self._load_job.active:
            details = self._details
            self.load(checkpoint, details.head, details.dtype, details.device, second=True)

    def _on_load_starter(self, key: str) -> None:
        checkpoint = self._installed.get(key)
        if checkpoint is not None:
            self._local.select(checkpoint)
            self._search.clear_selection()
            self._select(checkpoint)
            self.load(checkpoint)

    def _on_get(self, key: str) -> None:
        if key in self._getting:
            return
        starter = starters.starter(key)
        job = Job(f"Get {starter.name}", starters.get, key, pane="hub")
        self._getting[key] = job
        job.progressed.connect(self._on_get_progress)
        job.succeeded.connect(self._on_got)
        job.failed.connect(self._on_job_failed)
        job.finished.connect(self._on_get_finished)
        self.clear_notices()
        self._shelf.set_progress(key, Progress(0, None, "bytes", "starting"))
        self._runner.start(job, Lane.IO)

    def _on_cancel_get(self, key: str) -> None:
        if key in self._getting:
            self._getting[key].cancel()

    def _on_got(self, checkpoint: Checkpoint) -> None:
        self._wanted = checkpoint.path

    def _on_get_progress(self, progress: Progress) -> None:
        for key, job in self._getting.items():
            if job is self.sender():
                self._shelf.set_progress(key, progress)

    def _on_get_finished(self) -> None:
        for key in [key for key, job in self._getting.items() if not job.active]:
            del self._getting[key]
            self._shelf.set_progress(key, None)
        self._session.local_changed.emit()

    def _on_cancel_download(self, repo_id: str) -> None:
        if repo_id in self._downloads:
            self._downloads[repo_id].cancel()

    def _on_download_progress(self, progress: Progress) -> None:
        job = self.sender()
        if job is self._downloads.get(self._details.repo_id) and isinstance(job, Job):
            self._details.set_progress(progress, job.remaining)

    def _on_downloaded(self, checkpoint: Checkpoint) -> None:
        if self._details.repo_id == checkpoint.name:
            self._wanted = checkpoint.path

    def _on_download_finished(self) -> None:
        self._downloads = {repo_id: job for repo_id, job in self._downloads.items() if job.active}
        self._show_download()
        self._session.local_changed.emit()

    def _on_folder_chosen(self, path: str) -> None:
        self._open(Path(path), then_load=False)

    def _open(self, path: Path, *, then_load: bool) -> None:
        job = Job(f"Open {path.name}", work.open_folder, path, pane="hub", quiet=True)
        job.succeeded.connect(self._on_opened_to_load if then_load else self._on_opened)
        job.failed.connect(self._show_error)
        self._runner.start(job, Lane.IO)

    def _on_opened(self, checkpoint: Checkpoint) -> None:
        self.clear_notices()
        self._wanted = checkpoint.path
        self._session.local_changed.emit()

    def _on_opened_to_load(self, checkpoint: Checkpoint) -> None:
        self._on_opened(checkpoint)
        self.load(checkpoint)

    def _on_delete_requested(self, checkpoint: Checkpoint) -> None:
        loaded = [model.checkpoint.path for model in (self._session.model, self._session.second) if model is not None]
        if checkpoint.path in loaded:
            self.show_notice(
                f"{checkpoint.name} is loaded.",
                "Its weights are in use.",
                "Unload it first, then delete it.",
                kind="warning",
            )
            return
        ask_to_delete(self, checkpoint, partial(self._delete, checkpoint))

    def _delete(self, checkpoint: Checkpoint) -> None:
        job = Job(f"Delete {checkpoint.name}", work.delete_checkpoint, checkpoint, pane="hub")
        job.succeeded.connect(self._on_deleted)
        job.failed.connect(self._on_job_failed)
        self._runner.start(job, Lane.IO)

    def _on_deleted(self, gone: tuple[Checkpoint, int]) -> None:
        checkpoint, freed = gone
        self._details.show_nothing()
        if freed:
            self.show_notice(f"{checkpoint.name} is deleted.", f"{format_bytes(freed)} were freed.", kind="info")
        self._session.local_changed.emit()

    def _on_loaded(self, model: LoadedModel) -> None:
        had_one, before = self._session.model is not None, models.memory().process
        self._session.set_model(model)
        self._show_load_report(model)
        self._session.local_changed.emit()
        if had_one:
            self._free(before)

    def _on_second_loaded(self, model: LoadedModel) -> None:
        had_one, before = self._session.second is not None, models.memory().process
        self._session.set_second(model)
        self._show_load_report(model)
        if had_one:
            self._free(before)

    def _on_unload(self, second: bool) -> None:
        model = self._session.second if second else self._session.model
        if model is None:
            return
        name, before = model.checkpoint.name, models.memory().process
        del model
        self.clear_notices()
        if second:
            self._session.set_second(None)
        else:
            self._session.set_model(None)
        self._free(before).succeeded.connect(partial(self._show_freed, name))

    def _on_swap(self) -> None:
        first, second = self._session.model, self._session.second
        self._session.set_second(first)
        self._session.set_model(second)

    def _free(self, before: int) -> Job:
        """Collect what nobody holds any more, where it holds up no window."""
        job = Job("Freeing a model", work.free_memory, before, pane="hub", quiet=True)
        self._runner.start(job, Lane.MODEL)
        return job

    def _on_load_finished(self) -> None:
        if self._load_job is not None and not self._load_job.active:
            self._load_job = None
            self._shelf.set_loading(False)
            self._details.set_loading(False)

    def _on_job_failed(self, error: WorkbenchError) -> None:
        job = self.sender()
        self._show_error(error, job.details if isinstance(job, Job) else "")

    # What the state is.

    def _show_error(self, error: WorkbenchError, details: str = "") -> None:
        self.show_notice(error.what, error.why, error.remedy, details)

    def _show_load_report(self, model: LoadedModel) -> None:
        report = (
            f"{format_count(model.parameters)} weights as {model.dtype} on {model.device}, "
            f"{format_bytes(model.bytes)}, loaded with {model.head} in {format_seconds(model.seconds)}."
        )
        if model.notes:
            self.show_notice(f"{model.checkpoint.name} is loaded.", report, " ".join(model.notes), kind="warning")
        else:
            self.show_notice(f"{model.checkpoint.name} is loaded.", report, kind="info")

    def _show_freed(self, name: str, freed: int) -> None:
        self.show_notice(f"{name} is unloaded.", f"{format_bytes(freed)} of memory were given back.", kind="info")

    def _show_offline(self) -> None:
        self._offline.setChecked(self._session.offline)

    def _show_around(self, around: tuple[tuple[Checkpoint, ...], dict[str, Checkpoint]]) -> None:
        rows, self._installed = around
        self._local.set_rows(rows)
        self._shelf.set_installed({key: found.source for key, found in self._installed.items()})
        wanted, self._wanted = self._wanted, None
        for row in rows:
            if row.path == wanted:
                self._local.select(row)
                self._search.clear_selection()
                self._select(row)
                return
        shown = self._details.checkpoint
        if shown is not None and self._details.listing is None and shown.path not in {row.path for row in rows}:
            self._details.show_nothing()

    def _show_remote(self, found: tuple[Remote, Checkpoint | None]) -> None:
        remote, cached = found
        self._details.show_remote(remote, cached)
        self._show_download()
        if cached is not None and self._details.checkpoint == cached:
            self._read(cached)

    def _show_local(self, local: Local) -> None:
        self._details.show_local(local)
        if local.error is not None and self._details.checkpoint == local.checkpoint and local.checkpoint.complete:
            self._show_error(local.error)
        self._show_code_text()

    def _show_devices(self, devices: tuple[str, ...]) -> None:
        self._devices = devices
        self._details.set_devices(devices)

    def _show_download(self) -> None:
        job = self._downloads.get(self._details.repo_id)
        self._details.set_progress((job.progress or Progress(0, None, "bytes", "starting")) if job else None)

    def _show_code_text(self) -> None:
        if not self.code_is_shown:
            return
        details = self._details
        if details.checkpoint is not None and details.checkpoint.complete and details.head:
            device = details.device
            if device == "auto":
                device = self._devices[0] if self._devices else "cpu"
            self.set_code(codegen.load(details.checkpoint, details.head, details.dtype, device))
        elif details.repo_id:
            self.set_code(codegen.download(details.repo_id))
        else:
            self.set_code("# Select a checkpoint: the code that downloads or loads it appears here.\n")

    # Qt.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a folder of this machine."""
        if self._dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the dropped folder."""
        path = self._dropped(event)
        if path is not None:
            event.acceptProposedAction()
            self._open(path, then_load=False)

    def _dropped(self, event: QDropEvent) -> Path | None:
        urls = event.mimeData().urls()
        path = Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None
        return path if path is not None and path.is_dir() else None

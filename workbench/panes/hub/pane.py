"""The Hub pane: search, the shelf, what is on this machine, and loading."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QCheckBox, QFileDialog, QPushButton, QSplitter, QTabWidget, QVBoxLayout, QWidget

from workbench.engine import hub
from workbench.engine.errors import WorkbenchError
from workbench.engine.hub import Offered, Order, Search, Transfer
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, Listing
from workbench.panes.hub import work
from workbench.panes.hub.account import AccountDialog
from workbench.panes.hub.chooser import FileChooser
from workbench.panes.hub.column import Column
from workbench.panes.hub.details import Details
from workbench.panes.hub.downloads import Downloads, Entry
from workbench.panes.hub.finding import Finding
from workbench.panes.hub.getting import Getting
from workbench.panes.hub.keeping import Keeping
from workbench.panes.hub.load_form import Choices
from workbench.panes.hub.loaded import Loaded
from workbench.panes.hub.loading import Loading
from workbench.panes.hub.local import LocalPanel
from workbench.panes.hub.pack_view import PackView
from workbench.panes.hub.queue_view import QueueView
from workbench.panes.hub.search import SearchPanel
from workbench.panes.hub.shelf import Shelf
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.turning_splitter import TurningSplitter


class HubPane(PaneFrame):
    """Finds checkpoints on the left, shows and loads the selected one on the right.

    Args:
        session: Takes the loaded model and the offline switch.
        runner: Searches and reads on the IO lane, fetches on the fetch lane, loads on the model lane.
    """

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("hub", "Hub", parent)
        self._session, self._runner = session, runner
        self._downloads = Downloads(runner, self)
        self._keeping = Keeping(self, session, runner)
        self._loading = Loading(self, session, runner)
        self._installed: dict[str, Checkpoint] = {}
        self._wanted: Path | None = None

        self._offline = named(
            QCheckBox("Offline"), "hub.offline", "Offline", "Send nothing; what is on this machine works as it is"
        )
        self._account = named(
            QPushButton("Account…"), "hub.account", "Account…", "Log in to the Hub for gated and private repositories"
        )
        self._search = SearchPanel()
        self._shelf = named(Shelf(), "hub.shelf", "Starters")
        self._getting = Getting(self._shelf, runner, self)
        self._local = LocalPanel()
        self._queue = QueueView(self._downloads)
        self._places = named(
            QTabWidget(), "hub.places", "Checkpoints and downloads", "What is here, and what is coming"
        )
        self._loaded = Loaded(session)
        self._details = Details()
        self._finding = Finding(self, self._search, self._details, runner)
        self._lay_out()

        self._offline.toggled.connect(self._on_offline_toggled)
        self._account.clicked.connect(self._on_account)
        self._search.search_requested.connect(self._on_search)
        self._search.more_requested.connect(self._finding.search)
        self._search.chosen.connect(self._on_listing_chosen)
        self._getting.begun.connect(self.clear_notices)
        self._getting.arrived.connect(self._on_got)
        self._getting.failed.connect(self._show_error)
        self._getting.stopped.connect(self._session.local_changed)
        self._shelf.load_requested.connect(self._on_load_starter)
        self._local.chosen.connect(self._on_local_chosen)
        self._local.load_requested.connect(self._on_local_activated)
        self._local.open_requested.connect(self.ask_for_folder)
        self._local.import_requested.connect(self.ask_for_file)
        self._local.pack_requested.connect(self._on_pack_requested)
        self._local.delete_requested.connect(self._on_delete_requested)
        self._local.verify_requested.connect(self._keeping.verify)
        self._local.pin_requested.connect(self._keeping.pin)
        self._local.folder_requested.connect(self._keeping.show_folder)
        self._keeping.opened.connect(self._on_opened)
        self._keeping.deleted.connect(self._on_deleted)
        self._keeping.order_requested.connect(self._order)
        self._downloads.changed.connect(self._on_queue_changed)
        self._downloads.progressed.connect(self._on_download_progress)
        self._downloads.arrived.connect(self._on_downloaded)
        self._downloads.failed.connect(self._show_error)
        self._downloads.stopped.connect(self._session.local_changed)
        self._details.download_requested.connect(self.download)
        self._details.choose_requested.connect(self._on_choose)
        self._details.cancel_requested.connect(self._on_cancel_download)
        self._details.load_requested.connect(self._on_load_requested)
        self._details.load_second_requested.connect(self._on_load_second_requested)
        self._details.revision_requested.connect(self._finding.look)
        self._details.pictures_requested.connect(self._finding.pictures)
        self._finding.looked.connect(self._show_download)
        self._finding.was_read.connect(self._show_code_text)
        self._loading.changed.connect(self._show_loading)
        self._loading.code_requested.connect(self._on_code_requested)
        self._loaded.unload_requested.connect(self._loading.unload)
        self._loaded.swap_requested.connect(session.swap)
        self._loaded.use_requested.connect(self._loading.use)
        self._loaded.second_requested.connect(self._loading.use_second)
        self._details.choices_changed.connect(self._show_code_text)
        self.code_shown.connect(self._show_code_text)
        session.offline_changed.connect(self._show_offline)
        session.local_changed.connect(self.refresh)

        self.setAcceptDrops(True)
        self._show_offline()
        self.refresh()
        self._downloads.restore()

    def _lay_out(self) -> None:
        self.header.addStretch(1)
        self.header.addWidget(self._account)
        self.header.addWidget(self._offline)
        lower = QWidget()
        column = QVBoxLayout(lower)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._shelf)
        self._places.addTab(self._local, "On this machine")
        self._places.addTab(self._queue, self._queue.title)
        column.addWidget(self._places, 1)
        left = QSplitter(Qt.Orientation.Vertical)
        left.setChildrenCollapsible(False)
        left.addWidget(self._search)
        left.addWidget(lower)
        left.setStretchFactor(0, 1)
        left.setStretchFactor(1, 1)
        self._left = left
        both = TurningSplitter()
        both.addWidget(Column(left, "hub.left", first=(self._search, self._shelf)))
        right = QWidget()
        about = QVBoxLayout(right)
        about.setContentsMargins(0, 0, 0, 0)
        about.addWidget(self._details, 1)
        about.addWidget(self._loaded)
        about_column = Column(right, "hub.right", 345)
        about_column.width_changed.connect(self._details.set_width)
        both.addWidget(about_column)
        both.setStretchFactor(0, 3)
        both.setStretchFactor(1, 2)
        both.setSizes([700, 480])
        self.body.addWidget(both, 1)

    @cached_property
    def _chooser(self) -> FileChooser:
        """Built when it is first wanted: the pane opens sooner."""
        chooser = FileChooser()
        chooser.download_requested.connect(self._on_files_chosen)
        chooser.closed.connect(partial(self._close_tab, chooser))
        return chooser

    @cached_property
    def _pack(self) -> PackView:
        """Built when it is first wanted: the pane opens sooner."""
        view = PackView()
        view.export_requested.connect(self._keeping.export)
        view.closed.connect(partial(self._close_tab, view))
        return view

    # What can be asked of it.

    def run_main_action(self) -> None:
        """Load what is selected, or search when nothing is."""
        checkpoint = self._details.checkpoint
        if checkpoint is not None and checkpoint.complete:
            self._on_load_requested(checkpoint)
        else:
            self._search.run()

    def look_for(self, name: str) -> None:
        """Search the Hub for a checkpoint by its name."""
        self._search.look_for(name)

    def stop_main_action(self) -> None:
        """Stop what was started here last: a load, else every download, which can go on later."""
        if self._loading.active:
            self._loading.cancel()
            return
        for entry in list(self._downloads.entries):
            self._downloads.pause(entry)
        self._getting.cancel_all()

    def refresh(self) -> None:
        """Look again at what is on this machine."""
        job = Job("Looking at this machine", work.look_around, pane="hub", quiet=True)
        job.part_ready.connect(self._show_first)
        job.succeeded.connect(self._show_around)
        job.failed.connect(self._show_error)
        self._runner.start(job, Lane.IO, slot="hub.local")

    def download(self, repo_id: str) -> None:
        """Fetch a repository, or go on with it where it was stopped."""
        entry = self._downloads.of(repo_id)
        shown = repo_id == self._details.repo_id
        if entry is not None:
            self._downloads.go_on(entry)
        elif shown and self._details.with_code:
            self._fetch_with_code(repo_id, self._details.revision)
        else:
            self._order(Order(repo_id, self._details.revision if shown else "main"))

    def _fetch_with_code(self, repo_id: str, revision: str) -> None:
        job = Job(f"List the files of {repo_id}", work.with_code, repo_id, revision, pane="hub", quiet=True)
        job.succeeded.connect(self._order)
        job.failed.connect(self._show_error)
        self._runner.start(job, Lane.IO, slot="hub.choose")

    def _order(self, order: Order) -> None:
        entry = self._downloads.of(order.repo_id)
        if entry is not None and entry.active:
            self.show_notice(
                f"{order.repo_id} is being fetched already.",
                "A repository is fetched once at a time.",
                "Pause or cancel it first to fetch other files of it.",
                kind="warning",
            )
            return
        self.clear_notices()
        self._downloads.add(order)

    def load(self, checkpoint: Checkpoint, choices: Choices | None = None, *, second: bool = False) -> Job:
        """Load a checkpoint into the session; see `Loading.load`."""
        return self._loading.load(checkpoint, choices, second=second)

    def unload(self, model: LoadedModel) -> None:
        """Take a model out of memory."""
        self._loading.unload(model)

    def load_folder(self, path: Path) -> None:
        """Take a folder as a checkpoint and load it as it is."""
        self._keeping.open(path).succeeded.connect(self._on_opened_to_load)

    def ask_for_folder(self) -> None:
        """Ask for a folder and take it as a checkpoint."""
        dialog = QFileDialog(self, "Open a checkpoint folder")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._on_path_chosen)
        dialog.open()

    def ask_for_file(self) -> None:
        """Ask for a GGUF file or a model pack and take it."""
        dialog = QFileDialog(self, "Import", str(Path.home()), "GGUF files and model packs (*.gguf *.zip pack.json)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._on_path_chosen)
        dialog.open()

    # What the person did.

    def _on_offline_toggled(self, offline: bool) -> None:
        hub.set_offline(offline)
        self._session.set_offline(offline)

    def _on_account(self) -> None:
        AccountDialog(self._runner, self).open()

    def _on_search(self, search: Search) -> None:
        self.clear_notices()
        self._left.setSizes([self._left.height() * 55 // 100, self._left.height() * 45 // 100])
        self._finding.search(search)

    def _on_listing_chosen(self, listing: Listing) -> None:
        self._local.select(None)
        self._details.show_listing(listing)
        self._show_download()
        self._show_code_text()
        self._finding.look(listing)

    def _on_local_chosen(self, checkpoint: Checkpoint) -> None:
        self._search.clear_selection()
        self._select(checkpoint)

    def _select(self, checkpoint: Checkpoint) -> None:
        self._details.show_checkpoint(checkpoint)
        self._show_download()
        self._finding.read(checkpoint)

    def _on_local_activated(self, checkpoint: Checkpoint) -> None:
        if checkpoint.complete and checkpoint.source != "dataset":
            self.load(checkpoint)

    def _on_load_requested(self, checkpoint: Checkpoint) -> None:
        if not self._loading.active:
            self.load(checkpoint, self._details.choices)

    def _on_load_second_requested(self, checkpoint: Checkpoint) -> None:
        if not self._loading.active:
            self.load(checkpoint, self._details.choices, second=True)

    def _on_load_starter(self, key: str) -> None:
        checkpoint = self._installed.get(key)
        if checkpoint is not None:
            self._local.select(checkpoint)
            self._search.clear_selection()
            self._select(checkpoint)
            self.load(checkpoint)

    def _on_got(self, checkpoint: Checkpoint) -> None:
        self._wanted = checkpoint.path

    def _on_cancel_download(self, repo_id: str) -> None:
        entry = self._downloads.of(repo_id)
        if entry is not None:
            self._downloads.cancel(entry)

    def _on_download_progress(self, entry: Entry) -> None:
        if entry.order.repo_id == self._details.repo_id and entry.progress is not None:
            self._details.set_progress(entry.progress, entry.progress.remaining)

    def _on_code_requested(self, checkpoint: Checkpoint) -> None:
        self._fetch_with_code(checkpoint.name, checkpoint.revision or "main")

    def _on_downloaded(self, checkpoint: Checkpoint) -> None:
        self._loading.go_on(checkpoint)
        if self._details.repo_id == checkpoint.name:
            self._wanted = checkpoint.path

    def _on_queue_changed(self) -> None:
        self._places.setTabText(self._places.indexOf(self._queue), self._queue.title)
        self._show_download()

    def _on_choose(self, repo_id: str) -> None:
        job = Job(f"List the files of {repo_id}", work.offered, repo_id, pane="hub", quiet=True)
        job.succeeded.connect(self._show_choice)
        job.failed.connect(self._show_error)
        self._runner.start(job, Lane.IO, slot="hub.choose")

    def _on_files_chosen(self, repo_id: str, names: tuple[str, ...]) -> None:
        self._close_tab(self._chooser)
        self._order(Order(repo_id, names=names))
        self._places.setCurrentWidget(self._queue)

    def _on_pack_requested(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        self._pack.show_checkpoints(checkpoints)
        self._show_tab(self._pack, "Model pack")

    def _on_path_chosen(self, path: str) -> None:
        self._keeping.open(Path(path))

    def _on_opened(self, checkpoint: Checkpoint) -> None:
        self._wanted = checkpoint.path
        self._session.local_changed.emit()

    def _on_opened_to_load(self, found: object) -> None:
        if isinstance(found, Checkpoint):
            self.load(found)

    def _on_delete_requested(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        for each in checkpoints:
            entry = self._downloads.of(each.name)
            if not each.complete and entry is not None and entry.active:
                self.show_notice(
                    f"{each.name} is being fetched.", "Its files grow.", "Pause or cancel it first.", kind="warning"
                )
                return
        self._keeping.delete(checkpoints)

    def _on_deleted(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        self._details.show_nothing()
        for each in checkpoints:
            entry = self._downloads.of(each.name)
            if not each.complete and entry is not None:
                self._downloads.cancel(entry)

    # What the state is.

    def _show_error(self, error: WorkbenchError, details: str = "") -> None:
        self.show_notice(error.what, error.why, error.remedy, details)

    def _show_loading(self, loading: bool) -> None:
        self._shelf.set_loading(loading)
        self._details.set_loading(loading)

    def _show_offline(self) -> None:
        self._offline.setChecked(self._session.offline)

    def _show_first(self, around: work.Around) -> None:
        # Only while there is nothing: later looks replace rows, and must not shrink the list on the way.
        if not self._local.rows:
            self._local.set_rows(around.rows, around.pinned, around.refs)

    def _show_around(self, around: work.Around) -> None:
        rows, self._installed = around.rows, dict(around.installed)
        self._local.set_rows(rows, around.pinned, around.refs)
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

    def _show_choice(self, found: tuple[str, tuple[Offered, ...]]) -> None:
        self._chooser.show_files(*found)
        self._show_tab(self._chooser, "Choose files")

    def _show_tab(self, page: QWidget, title: str) -> None:
        if self._places.indexOf(page) < 0:
            self._places.addTab(page, title)
        self._places.setCurrentWidget(page)

    def _close_tab(self, page: QWidget) -> None:
        self._places.removeTab(self._places.indexOf(page))

    def _show_download(self) -> None:
        entry = self._downloads.of(self._details.repo_id)
        if entry is None or not entry.active:
            self._details.set_progress(None)
        else:
            progress = entry.progress or Transfer(0, None, "bytes", "starting")
            self._details.set_progress(progress, progress.remaining)

    def _show_code_text(self) -> None:
        if not self.code_is_shown:
            return
        # The scripts know every part of the engine, which the first paint need not wait for.
        from workbench.engine import codegen

        details = self._details
        choices = details.choices
        if details.checkpoint is not None and details.checkpoint.complete and choices.head:
            device = self._finding.fastest if choices.device == "auto" else choices.device
            made = codegen.load(
                details.checkpoint,
                choices.head,
                choices.dtype,
                device,
                attention=choices.attention,
                bits=choices.bits,
            )
            self.set_code(made)
        elif details.repo_id:
            self.set_code(codegen.download(details.repo_id, details.revision))
        else:
            self.set_code("# Select a checkpoint: the code that downloads or loads it appears here.\n")

    # Qt.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a folder, a GGUF file or a model pack of this machine."""
        if self._dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        path = self._dropped(event)
        if path is not None:
            event.acceptProposedAction()
            self._keeping.open(path)

    def _dropped(self, event: QDropEvent) -> Path | None:
        urls = event.mimeData().urls()
        path = Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None
        known = path is not None and (path.is_dir() or path.suffix.lower() in (".gguf", ".zip"))
        return path if known else None

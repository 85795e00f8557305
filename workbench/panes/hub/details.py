"""The right side: what the selected checkpoint is, its card and files, and what can be done with it."""

from __future__ import annotations

import time

from PySide6.QtCore import QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import trust
from workbench.engine.hub import Local, Remote, RepoFile
from workbench.engine.task import Progress
from workbench.engine.values import Checkpoint, Facts, Listing
from workbench.panes.hub.fact_rows import of_facts, of_listing, of_local
from workbench.panes.hub.fits_view import FitsView
from workbench.panes.hub.load_form import Choices, LoadForm
from workbench.widgets import icons
from workbench.widgets.card_view import CardView
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Size, format_bytes, format_progress, format_seconds
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import px, set_role
from workbench.widgets.visible_text import drawable

#: Letters that half a line has room for.
_HALF = 36
#: Pixels at 100 % that a card is read in at least.
_READABLE = 150
#: Pixels at 100 % below which each fact has a line to itself.
_NARROW = 420
_HINT = "Select a checkpoint on the left to see what it is, or get a starter from the shelf."


class Details(QWidget):
    """A checkpoint, on the Hub or here.

    Signals:
        download_requested(str): Fetch this repository.
        choose_requested(str): Its files are to be chosen first.
        cancel_requested(str): Stop fetching it.
        load_requested(Checkpoint), load_second_requested(Checkpoint): Load it as the controls say.
        revision_requested(Listing): Another branch or tag of it is to be shown, `revision`.
        pictures_requested(Remote, tuple): The pictures of its card are wanted, by their addresses.
        choices_changed(): Head, dtype or device was chosen, or another checkpoint is shown.
    """

    download_requested = Signal(str)
    choose_requested = Signal(str)
    cancel_requested = Signal(str)
    load_requested = Signal(object)
    load_second_requested = Signal(object)
    revision_requested = Signal(object)
    pictures_requested = Signal(object, tuple)
    choices_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.listing: Listing | None = None
        self.checkpoint: Checkpoint | None = None
        self.facts: Facts | None = None
        self.remote: Remote | None = None
        self._local: Local | None = None
        self._fetching = self._narrow = False
        self._loading = False
        self._fastest = "cpu"
        self._title = named(QLabel(_HINT), "hub.title", "Selected checkpoint", "What the right side is about")
        self._title.setWordWrap(True)
        self._title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        set_role(self._title, "muted")
        self._facts = QGridLayout()
        self._facts.setHorizontalSpacing(12)
        self._facts.setVerticalSpacing(2)
        self._facts.setColumnStretch(1, 1)
        self._facts.setColumnStretch(3, 1)
        self._card = named(CardView(), "hub.card", "Model card", "What its authors say; pictures come when you ask")
        self._files = named(DataTable(), "hub.files", "Files", "Files of the checkpoint; pickles and code never run")
        self._tabs = named(_About(), "hub.about", "About", "The model card and the files")
        self._tabs.addTab(self._card, "Card")
        self._tabs.addTab(self._files, "Files")
        self._config = named(DataTable(), "hub.config", "Config", "What config.json says of it")
        self._config.set_empty_text("no config.json")
        self._tabs.addTab(self._config, "Config")
        self._pictures = named(
            QPushButton(),
            "hub.pictures",
            "Show pictures",
            "Fetch the pictures of this card, over https alone; who hosts them learns that somebody looks at it",
        )
        set_role(self._pictures, "quiet")
        self._tabs.setCornerWidget(self._pictures)
        self._pictures.hide()
        self._pictures.clicked.connect(self._on_pictures)
        self._revision = named(QuietComboBox(), "hub.revision", "Revision", "Its branches and tags")
        self._revision.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._revision.setMinimumContentsLength(8)
        self._access = named(
            QPushButton("Ask for access…"), "hub.access", "Ask for access…", "Open its page on the Hub in the browser"
        )
        self._box = QFrame()
        set_role(self._box, "card")
        actions = QVBoxLayout(self._box)
        self._fits = FitsView()
        self._form = LoadForm()
        actions.addWidget(self._fits)
        actions.addWidget(self._build_download())
        actions.addWidget(self._form)
        self._box.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        top.addWidget(self._revision)
        column.addLayout(top)
        column.addLayout(self._facts)
        column.addWidget(self._tabs, 1)
        column.addWidget(self._box)
        self._tabs.hide()
        self._form.changed.connect(self._on_changed)
        self._form.load_requested.connect(self._on_load)
        self._revision.activated.connect(self._on_revision)
        self._access.clicked.connect(self._on_access)
        self._show()

    def _build_download(self) -> QWidget:
        self._download = named(QPushButton("Download"), "hub.download", "Download", "Fetch it into the Hub cache")
        set_role(self._download, "primary")
        icons.put(self._download, "download", "accent_text")
        self._choose = named(
            QPushButton("Choose files…"), "hub.choose", "Choose files…", "See all of its files and take only some"
        )
        self._cancel = named(
            QPushButton("Cancel"), "hub.cancel", "Cancel", "Stop fetching; what has come is kept for the next time"
        )
        self._bar = named(QProgressBar(), "hub.progress", "Download progress", "How far the download has come")
        self._bar.setTextVisible(False)
        self._amount = named(QLabel(), "hub.progress_text", "Progress", "Bytes that have come, and the time left")
        self._download_note = QLabel()
        self._download_note.setWordWrap(True)
        set_role(self._download_note, "muted")
        self._code = named(
            QCheckBox("With its code"),
            "hub.with_code",
            "With its code",
            "Fetch the Python files of its architecture too; before they run, they are shown and you are asked",
        )
        self._download_row = QWidget()
        grid = QGridLayout(self._download_row)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self._download_note, 0, 0, 1, 3)
        grid.addWidget(self._code, 1, 0, 1, 3)
        grid.addWidget(self._choose, 2, 1)
        grid.addWidget(self._download, 2, 2)
        grid.addWidget(self._bar, 3, 0, 1, 2)
        grid.addWidget(self._cancel, 3, 2)
        grid.addWidget(self._amount, 4, 0, 1, 3)
        grid.addWidget(self._access, 5, 0, 1, 3, Qt.AlignmentFlag.AlignRight)
        grid.setColumnStretch(0, 1)
        self._download.clicked.connect(self._on_download)
        self._choose.clicked.connect(self._on_choose)
        self._cancel.clicked.connect(self._on_cancel)
        return self._download_row

    # What the pane says.

    @property
    def choices(self) -> Choices:
        """How it is to be loaded."""
        return self._form.choices

    @property
    def revision(self) -> str:
        """The branch, tag or commit that is shown."""
        return str(self._revision.currentData() or "main")

    @property
    def with_code(self) -> bool:
        """Whether the Python files of its architecture are to be fetched too."""
        return self._needs_code and self._code.isChecked()

    @property
    def _needs_code(self) -> bool:
        facts = self.remote.facts if self.remote is not None else None
        return facts is not None and trust.needs_code(facts)

    @property
    def repo_id(self) -> str:
        """The repository that can be fetched, empty when none is shown."""
        if self.listing is not None:
            return self.listing.repo_id if self.listing.kind == "model" else ""
        if self.checkpoint is not None and not self.checkpoint.complete and self.checkpoint.source == "hub":
            return self.checkpoint.name
        return ""

    def set_devices(self, devices: tuple[str, ...]) -> None:
        """Offer these devices beside auto."""
        self._fastest = devices[0] if devices else "cpu"
        self._form.set_devices(devices)
        self._show_fits()

    def show_nothing(self) -> None:
        """Say what to do."""
        self.listing = self.checkpoint = self.facts = self.remote = self._local = None
        self._title.setText(_HINT)
        self._show()

    def show_listing(self, listing: Listing) -> None:
        """Show what the search said of a repository, its card and files being asked for."""
        self.checkpoint = self.facts = self.remote = self._local = None
        self.listing = listing
        self._code.setChecked(False)
        self._title.setText(drawable(listing.repo_id))
        self._revision.clear()
        self._card.set_text("*Reading the card…*")
        self._set_files(())
        self._show()

    def show_remote(self, remote: Remote, cached: Checkpoint | None) -> None:
        """Show card, files, revisions and config of the listing, and whether it is here already."""
        if self.listing is None or remote.repo_id != self.listing.repo_id:
            return
        self.remote = remote
        seen = (
            f"*As it was seen on {time.strftime('%Y-%m-%d', time.localtime(remote.when))}.*\n\n" if remote.when else ""
        )
        self._card.set_text(seen + (remote.card or "*It has no card.*"))
        self._set_files(remote.files)
        self.checkpoint = cached
        self._show_revisions(remote)
        self._show()

    def show_pictures(self, remote: Remote, found: dict[str, bytes]) -> None:
        """Show the pictures of the card, unless another one is shown by now."""
        if remote is self.remote:
            self._card.set_pictures(found)
            missing = len(self._card.pictures) - len(found)
            self._show_pictures_button(missing, "{} not to be had")

    def show_no_card(self, why: str) -> None:
        """Say why there is no card to be read."""
        if self.listing is not None:
            self._card.set_text(why)

    def show_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Show a checkpoint of this machine, its facts being read."""
        self.listing = self.facts = self.remote = self._local = None
        self.checkpoint = checkpoint
        self._title.setText(drawable(checkpoint.name))
        self._show()

    def show_local(self, local: Local) -> None:
        """Show facts, card and files of the checkpoint."""
        if self.checkpoint is None or local.checkpoint.path != self.checkpoint.path:
            return
        self.checkpoint, self.facts, self._local = local.checkpoint, local.facts, local
        if self.listing is None:
            self._card.set_text(local.card or "*The folder has no card (README.md).*")
            self._set_files(local.files)
        self._form.show_facts(local.facts)
        self._show()
        self.choices_changed.emit()

    def set_progress(self, progress: Progress | None, remaining: float | None = None) -> None:
        """Show how far the download has come; None while there is none."""
        self._fetching = progress is not None
        if progress is not None:
            self._bar.setRange(0, 1000 if progress.total else 0)
            self._bar.setValue(int(1000 * progress.done / progress.total) if progress.total else 0)
            parts = [format_progress(progress.done, progress.total, progress.unit), progress.note]
            parts += [f"{format_seconds(remaining)} left"] if remaining is not None else []
            self._amount.setText(" · ".join(part for part in parts if part))
        self._show_actions()

    def set_width(self, pixels: int) -> None:
        """Arrange the facts for what can be seen of it: where two are too many, each has a line to itself."""
        narrow = pixels < px(self, _NARROW)
        if narrow != self._narrow:
            self._narrow = narrow
            self._fits.set_narrow(narrow)
            self._show_facts()

    def set_loading(self, loading: bool) -> None:
        """A load runs: none else can be asked for."""
        self._loading = loading
        self._show_actions()

    # What is shown.

    def _show(self) -> None:
        something = self.listing is not None or self.checkpoint is not None
        set_role(self._title, "title" if something else "muted")
        self._title.setAlignment(Qt.AlignmentFlag.AlignLeft if something else Qt.AlignmentFlag.AlignCenter)
        self._tabs.setVisible(something)
        self._show_pictures_button(len(self._card.pictures) if self.remote is not None else 0)
        self._revision.setVisible(self.remote is not None and self._revision.count() > 1)
        self._show_facts()
        facts = self.facts or (self.remote.facts if self.remote is not None else None)
        self._set_config(facts, self.remote.wrong if self.remote is not None else "")
        self._show_fits()
        self._show_actions()

    def _rows(self) -> list[tuple[str, str]]:
        if self.listing is not None:
            return of_listing(self.listing, self.remote)
        return of_local(self._local) if self._local is not None else []

    def _show_fits(self) -> None:
        facts = self.facts or (self.remote.facts if self.remote is not None else None)
        choices = self._form.choices
        here = self.facts is not None
        device = choices.device if here and choices.device != "auto" else self._fastest
        self._fits.set_choices(choices.dtype if here else "auto", device, choices.bits if here else 0)
        if facts is not None:
            self._fits.show_facts(facts)
        elif self.listing is not None and self.listing.stored:
            self._fits.show_listing(self.listing)
        else:
            self._fits.clear()

    def _show_revisions(self, remote: Remote) -> None:
        names = [*remote.branches, *remote.tags]
        self._revision.blockSignals(True)
        self._revision.clear()
        for name in dict.fromkeys([*names, remote.revision]):
            self._revision.addItem(drawable(name) + (" (tag)" if name in remote.tags else ""), name)
        self._revision.setCurrentIndex(self._revision.findData(remote.revision))
        self._revision.blockSignals(False)
        self._revision.setToolTip(f"Branches and tags; this one is commit {remote.commit or 'unknown'}")

    def _set_config(self, facts: Facts | None, wrong: str) -> None:
        rows = of_facts(facts) if facts is not None else [("Config", wrong)] if wrong else []
        self._config.set_rows(("What", "As config.json says"), rows)

    def _show_facts(self) -> None:
        rows = self._rows()
        while (item := self._facts.takeAt(0)) is not None:
            # Seen no longer at once, deleted when its turn comes.
            item.widget().hide()
            item.widget().deleteLater()
        line = side = 0
        for name, value in rows:
            label, text = QLabel(name), QLabel(value)
            set_role(label, "muted")
            text.setTextFormat(Qt.TextFormat.PlainText)
            text.setWordWrap(True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            whole = self._narrow or len(value) > _HALF
            line, side = (line + 1, 0) if side > 2 or (whole and side) else (line, side)
            self._facts.addWidget(label, line, side, Qt.AlignmentFlag.AlignTop)
            self._facts.addWidget(text, line, side + 1, 1, 3 if whole else 1, Qt.AlignmentFlag.AlignTop)
            side = 4 if whole else side + 2

    def _show_actions(self) -> None:
        here = self.checkpoint is not None and self.checkpoint.complete and self.checkpoint.source != "dataset"
        fetchable = bool(self.repo_id) and not here
        self._download_row.setVisible(fetchable or self._fetching)
        self._download.setVisible(not self._fetching)
        self._choose.setVisible(not self._fetching)
        self._download_note.setVisible(not self._fetching)
        self._bar.setVisible(self._fetching)
        self._amount.setVisible(self._fetching)
        self._cancel.setVisible(self._fetching)
        resumes = self.checkpoint is not None and not self.checkpoint.complete
        size = format_bytes(self.listing.size) if self.listing and self.listing.size else ""
        words = "Resume" if resumes else f"Download {size}".strip()
        self._download.setText(words)
        self._download.setAccessibleName(words)
        self._download_note.setText(
            "Some of it has come already; only the rest is fetched."
            if resumes
            else "Its architecture is Python code of its own, without which it can't be loaded; fetching runs nothing."
            if self._needs_code
            else "Config, safetensors and tokenizer go into the Hub cache; pickles and code stay away."
        )
        self._code.setVisible(self._needs_code and not resumes and not self._fetching)
        self._form.setVisible(here and not self._fetching)
        self._form.set_state(ready=self.facts is not None, loading=self._loading)
        gated = self.remote is not None and bool(self.remote.gated) and not here
        self._access.setVisible(gated)
        self._box.setVisible(fetchable or here or self._fetching or gated)

    def _set_files(self, files: tuple[RepoFile, ...]) -> None:
        rows = [(file.name, file.kind, Size(file.size) if file.size is not None else None) for file in files]
        self._files.set_rows(("File", "Kind", "Size"), rows)
        self._tabs.setTabText(1, f"Files ({len(files)})" if files else "Files")

    # What the person did.

    def _on_changed(self) -> None:
        self._show_fits()
        self.choices_changed.emit()

    def _show_pictures_button(self, count: int, words: str = "Show {} pictures") -> None:
        text = words.format(count) if count != 1 else words.format(1).replace("pictures", "picture")
        self._pictures.setText(text)
        self._pictures.setAccessibleName(text)
        self._pictures.setEnabled(words.startswith("Show"))
        self._pictures.setVisible(count > 0)

    def _on_pictures(self) -> None:
        if self.remote is not None:
            self._pictures.setEnabled(False)
            self.pictures_requested.emit(self.remote, self._card.pictures)

    def _on_revision(self) -> None:
        if self.listing is not None:
            self.revision_requested.emit(self.listing)

    def _on_access(self) -> None:
        if self.remote is not None:
            page = QUrl(self.remote.page)
            if page.scheme() in ("http", "https"):
                QDesktopServices.openUrl(page)

    def _on_download(self) -> None:
        if self.repo_id:
            self.download_requested.emit(self.repo_id)

    def _on_choose(self) -> None:
        if self.repo_id:
            self.choose_requested.emit(self.repo_id)

    def _on_cancel(self) -> None:
        self.cancel_requested.emit(self.repo_id)

    def _on_load(self, second: bool) -> None:
        if self.checkpoint is not None:
            (self.load_second_requested if second else self.load_requested).emit(self.checkpoint)


class _About(QTabWidget):
    """Takes what the lines of words around it leave, and no less than can be read; the pages inside scroll."""

    def sizeHint(self) -> QSize:
        """As little as can be read."""
        return QSize(super().sizeHint().width(), px(self, _READABLE))

    def minimumSizeHint(self) -> QSize:
        """As little as can be read."""
        return QSize(super().minimumSizeHint().width(), px(self, _READABLE))

    def hasHeightForWidth(self) -> bool:
        """Whether it does; Qt says so when a page has words that wrap, and then squeezes it to them."""
        return False

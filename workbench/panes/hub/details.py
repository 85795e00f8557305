"""The right side: what the selected checkpoint is, its card and files, and what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
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

from workbench.engine.hub import Local, Remote, RepoFile
from workbench.engine.task import Progress
from workbench.engine.values import Checkpoint, Facts, Listing
from workbench.widgets import icons
from workbench.widgets.card_view import CardView
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Size, format_bytes, format_count, format_progress, format_seconds
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.theme import set_role

DTYPES = ("auto", "float32", "bfloat16", "float16")
_WIDTH = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
_HINT = "Select a checkpoint on the left to see what it is, or get a starter from the shelf."


class Details(QWidget):
    """A checkpoint, on the Hub or here.

    Signals:
        download_requested(str): Fetch this repository.
        cancel_requested(str): Stop fetching it.
        load_requested(Checkpoint), load_second_requested(Checkpoint): Load it as the controls say.
        choices_changed(): Head, dtype or device was chosen, or another checkpoint is shown.
    """

    download_requested = Signal(str)
    cancel_requested = Signal(str)
    load_requested = Signal(object)
    load_second_requested = Signal(object)
    choices_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.listing: Listing | None = None
        self.checkpoint: Checkpoint | None = None
        self.facts: Facts | None = None
        self._fetching = False
        self._loading = False
        self._title = named(QLabel(_HINT), "hub.title", "Selected checkpoint", "What the right side is about")
        self._title.setWordWrap(True)
        self._title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        set_role(self._title, "muted")
        self._facts = QGridLayout()
        self._facts.setHorizontalSpacing(12)
        self._facts.setVerticalSpacing(2)
        self._facts.setColumnStretch(1, 1)
        self._facts.setColumnStretch(3, 1)
        self._card = named(CardView(), "hub.card", "Model card", "What its authors say; pictures are not fetched")
        self._files = named(DataTable(), "hub.files", "Files", "Files of the checkpoint; pickles and code never run")
        self._tabs = named(QTabWidget(), "hub.about", "About", "The model card and the files")
        self._tabs.addTab(self._card, "Card")
        self._tabs.addTab(self._files, "Files")
        self._box = QFrame()
        set_role(self._box, "card")
        actions = QVBoxLayout(self._box)
        actions.addWidget(self._build_download())
        actions.addWidget(self._build_load())
        self._box.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._title)
        column.addLayout(self._facts)
        column.addWidget(self._tabs, 1)
        column.addWidget(self._box)
        self._tabs.hide()
        self._show()

    def _build_download(self) -> QWidget:
        self._download = named(QPushButton("Download"), "hub.download", "Download", "Fetch it into the Hub cache")
        set_role(self._download, "primary")
        icons.put(self._download, "download", "accent_text")
        self._cancel = named(
            QPushButton("Cancel"), "hub.cancel", "Cancel", "Stop fetching; what has come is kept for the next time"
        )
        self._bar = named(QProgressBar(), "hub.progress", "Download progress", "How far the download has come")
        self._bar.setTextVisible(False)
        self._amount = named(QLabel(), "hub.progress_text", "Progress", "Bytes that have come, and the time left")
        self._download_note = QLabel()
        self._download_note.setWordWrap(True)
        set_role(self._download_note, "muted")
        self._download_row = QWidget()
        grid = QGridLayout(self._download_row)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self._download_note, 0, 0)
        grid.addWidget(self._download, 0, 1)
        grid.addWidget(self._bar, 1, 0)
        grid.addWidget(self._cancel, 1, 1)
        grid.addWidget(self._amount, 2, 0, 1, 2)
        grid.setColumnStretch(0, 1)
        self._download.clicked.connect(self._on_download)
        self._cancel.clicked.connect(self._on_cancel)
        return self._download_row

    def _build_load(self) -> QWidget:
        self._head = named(
            QuietComboBox(), "hub.head", "Head", "Which Auto class to load it with; the trained one fits the weights"
        )
        self._head.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._head.setMinimumContentsLength(16)
        self._dtype = named(
            QuietComboBox(), "hub.dtype", "dtype", "Bytes a weight takes: auto keeps what is stored, float32 takes 4"
        )
        for name in DTYPES:
            self._dtype.addItem(name, name)
        self._device = named(QuietComboBox(), "hub.device", "Device", "Where it computes; auto takes the fastest")
        self._device.addItem("auto", "auto")
        self._load = named(QPushButton("Load"), "hub.load", "Load", "Load it with these choices (Ctrl+Enter)")
        self._second = named(
            QPushButton("Load as second"),
            "hub.load_second",
            "Load as second",
            "Load it beside the first model: to compare the two, to score a text with both, or to guess ahead",
        )
        set_role(self._load, "primary")
        icons.put(self._load, "play", "accent_text")
        self._needs = named(QLabel(), "hub.needs", "Memory", "What the weights take once loaded")
        self._needs.setWordWrap(True)
        set_role(self._needs, "muted")
        self._load_row = QWidget()
        grid = QGridLayout(self._load_row)
        grid.setContentsMargins(0, 0, 0, 0)
        for label, control, line, column in (
            ("Head", self._head, 0, 0),
            ("dtype", self._dtype, 1, 0),
            ("Device", self._device, 1, 2),
        ):
            words = QLabel(label)
            words.setBuddy(control)
            set_role(words, "muted")
            grid.addWidget(words, line, column)
            grid.addWidget(control, line, column + 1, 1, 4 if control is self._head else 1)
            control.currentIndexChanged.connect(self._on_choice)
        buttons = QHBoxLayout()
        buttons.addWidget(self._second)
        buttons.addWidget(self._load)
        grid.addWidget(self._needs, 2, 0, 1, 3)
        grid.addLayout(buttons, 2, 3, 1, 2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self._load.clicked.connect(self._on_load)
        self._second.clicked.connect(self._on_load_second)
        return self._load_row

    # What the pane says.

    @property
    def head(self) -> str | None:
        """The chosen Auto class, None while nothing local is shown."""
        return self._head.currentData()

    @property
    def dtype(self) -> str:
        """The chosen dtype."""
        return str(self._dtype.currentData())

    @property
    def device(self) -> str:
        """The chosen device."""
        return str(self._device.currentData())

    @property
    def repo_id(self) -> str:
        """The repository that can be fetched, empty when none is shown."""
        if self.listing is not None:
            return self.listing.repo_id
        if self.checkpoint is not None and not self.checkpoint.complete and self.checkpoint.source == "hub":
            return self.checkpoint.name
        return ""

    def set_devices(self, devices: tuple[str, ...]) -> None:
        """Offer these devices beside auto."""
        if [self._device.itemData(index) for index in range(1, self._device.count())] != list(devices):
            while self._device.count() > 1:
                self._device.removeItem(1)
            for device in devices:
                self._device.addItem(device, device)

    def show_nothing(self) -> None:
        """Say what to do."""
        self.listing = self.checkpoint = self.facts = None
        self._title.setText(_HINT)
        self._show()

    def show_listing(self, listing: Listing) -> None:
        """Show what the search said of a checkpoint, its card and files being asked for."""
        self.listing, self.checkpoint, self.facts = listing, None, None
        self._title.setText(listing.repo_id)
        self._card.set_text("*Reading the card…*")
        self._set_files(())
        self._show()

    def show_remote(self, remote: Remote, cached: Checkpoint | None) -> None:
        """Show card and files of the listing, and whether it is here already."""
        if self.listing is None or remote.repo_id != self.listing.repo_id:
            return
        self._card.set_text(remote.card or "*It has no card.*")
        self._set_files(remote.files)
        self.checkpoint = cached
        self._show()

    def show_no_card(self, why: str) -> None:
        """Say why there is no card to be read."""
        if self.listing is not None:
            self._card.set_text(why)

    def show_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Show a checkpoint of this machine, its facts being read."""
        self.listing, self.checkpoint, self.facts = None, checkpoint, None
        self._title.setText(checkpoint.name)
        self._show()

    def show_local(self, local: Local) -> None:
        """Show facts, card and files of the checkpoint."""
        if self.checkpoint is None or local.checkpoint.path != self.checkpoint.path:
            return
        self.checkpoint, self.facts = local.checkpoint, local.facts
        if self.listing is None:
            self._card.set_text(local.card or "*The folder has no card (README.md).*")
            self._set_files(local.files)
        facts = local.facts
        self._head.blockSignals(True)
        self._head.clear()
        for head in facts.heads if facts else ():
            trained = facts is not None and head == facts.trained_head
            self._head.addItem(f"{head} (trained)" if trained else head, head)
        trained_at = self._head.findData(facts.trained_head) if facts else -1
        self._head.setCurrentIndex(max(0, trained_at))
        self._head.blockSignals(False)
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
        self._show_facts(self._rows_of_facts())
        self._show_actions()

    def _rows_of_facts(self) -> list[tuple[str, str]]:
        listing, facts, checkpoint = self.listing, self.facts, self.checkpoint
        rows: list[tuple[str, str]] = []
        if listing is not None:
            rows = [
                ("Task", listing.task),
                ("Parameters", format_count(listing.parameters) if listing.parameters else ""),
                ("Weights", format_bytes(listing.size) if listing.size else ""),
                ("Downloads", format_count(listing.downloads)),
                ("Likes", format_count(listing.likes)),
                ("Library", listing.library),
                ("Licence", listing.licence),
                ("Updated", listing.updated),
                ("Access", "gated: ask its authors first" if listing.gated else "open"),
            ]
        elif facts is not None and checkpoint is not None:
            layers = f"{facts.layers} layers × {facts.hidden_size:,}" if facts.layers and facts.hidden_size else ""
            heads = f"{facts.attention_heads}" if facts.attention_heads else ""
            if facts.kv_heads and facts.kv_heads != facts.attention_heads:
                heads += f" ({facts.kv_heads} KV)"
            rows = [
                ("Architecture", ", ".join(facts.architectures) or facts.model_type),
                ("Stored as", " ".join(part for part in (facts.weights, facts.dtype) if part)),
                ("Body", layers),
                ("Attention heads", heads),
                ("Vocabulary", f"{facts.vocab_size:,} tokens" if facts.vocab_size else ""),
                ("Context", f"{facts.context:,} tokens" if facts.context else ""),
                ("Weights", format_bytes(facts.weight_bytes)),
                ("Chat template", "yes" if facts.has_chat_template else "no"),
                ("Labels", ", ".join(facts.labels[:6]) + (" …" if len(facts.labels) > 6 else "")),
                ("Tokenizer", "" if facts.has_tokenizer else "none"),
            ]
        return [(name, value) for name, value in rows if value]

    def _show_facts(self, rows: list[tuple[str, str]]) -> None:
        while (item := self._facts.takeAt(0)) is not None:
            item.widget().deleteLater()
        for number, (name, value) in enumerate(rows):
            label, text = QLabel(name), QLabel(value)
            set_role(label, "muted")
            text.setWordWrap(True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            line, side = number // 2, number % 2 * 2
            self._facts.addWidget(label, line, side, Qt.AlignmentFlag.AlignTop)
            self._facts.addWidget(text, line, side + 1, Qt.AlignmentFlag.AlignTop)

    def _show_actions(self) -> None:
        here = self.checkpoint is not None and self.checkpoint.complete
        fetchable = bool(self.repo_id) and not here
        self._download_row.setVisible(fetchable or self._fetching)
        self._download.setVisible(not self._fetching)
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
            else "Config, safetensors and tokenizer go into the Hub cache; pickles and code stay away."
        )
        self._load_row.setVisible(here and not self._fetching)
        for button in (self._load, self._second):
            button.setEnabled(self.facts is not None and not self._loading)
        words = "Loading…" if self._loading else "Load"
        self._load.setText(words)
        self._load.setAccessibleName(words)
        self._box.setVisible(fetchable or here or self._fetching)
        self._show_needs()

    def _show_needs(self) -> None:
        facts = self.facts
        if facts is None:
            self._needs.setText("")
            return
        stored = _WIDTH.get(facts.dtype or "", 4)
        needed = facts.weight_bytes * _WIDTH.get(self.dtype, stored) / stored
        words = [f"The weights take {format_bytes(needed)}."]
        head = self._head.currentData()
        if head and facts.trained_head and head not in (facts.trained_head, "AutoModel"):
            words.append("This head is untrained: its weights are drawn at random until you fine-tune it.")
        elif head == "AutoModel" and facts.trained_head != "AutoModel":
            words.append("Without a head it gives hidden states only.")
        self._needs.setText(" ".join(words))

    def _set_files(self, files: tuple[RepoFile, ...]) -> None:
        rows = [(file.name, file.kind, Size(file.size) if file.size is not None else None) for file in files]
        self._files.set_rows(("File", "Kind", "Size"), rows)
        self._tabs.setTabText(1, f"Files ({len(files)})" if files else "Files")

    # What the person did.

    def _on_choice(self) -> None:
        self._show_needs()
        self.choices_changed.emit()

    def _on_download(self) -> None:
        if self.repo_id:
            self.download_requested.emit(self.repo_id)

    def _on_cancel(self) -> None:
        self.cancel_requested.emit(self.repo_id)

    def _on_load(self) -> None:
        if self.checkpoint is not None:
            self.load_requested.emit(self.checkpoint)

    def _on_load_second(self) -> None:
        if self.checkpoint is not None:
            self.load_second_requested.emit(self.checkpoint)

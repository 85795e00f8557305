"""Sharing a result: a copy elsewhere, an adapter merged, or a repository on the Hub, with all that goes there shown."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import hub
from workbench.engine.errors import WorkbenchError
from workbench.engine.hub import Ready
from workbench.engine.hub.head import licence_of, of_card
from workbench.engine.task import Progress, Task
from workbench.engine.train.methods import merge
from workbench.engine.values import Checkpoint
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Size, format_bytes, format_progress
from workbench.widgets.theme import px, set_role

_UNLICENSED = (
    "The card names no licence, and without one nobody may use what is pushed: "
    "add a line such as “license: apache-2.0” to its head."
)


class ShareDialog(QDialog):
    """Shows what of a checkpoint would go where; nothing happens but by its buttons.

    Args:
        checkpoint: The result of a run.
        runner: Copies and uploads on the IO lane, merges on the model lane.

    Signals:
        made(): A new folder with a checkpoint exists.
    """

    made = Signal()

    def __init__(self, checkpoint: Checkpoint, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Share {checkpoint.name}")
        self.setObjectName("trainer.share_dialog")
        self._checkpoint, self._runner = checkpoint, runner
        self._job: Job | None = None
        self._pushing = ""

        self._copy = _button("save_copy", "Save a copy…", "save", "Copy the checkpoint's files into a folder of yours")
        self._merge = _button(
            "merge",
            "Merge the adapter…",
            "branch",
            "Write a checkpoint of its own: base and adapter in one",
        )
        self._name = named(QLineEdit(), "trainer.repository", "Repository", "On the Hub, as owner/name")
        self._name.setPlaceholderText("owner/name")
        self._private = named(
            QCheckBox("Private"),
            "trainer.private",
            "Private",
            "Only you see a new repository",
        )
        self._private.setChecked(True)
        self._card = named(
            QPlainTextEdit(), "trainer.card", "Model card", "The README.md that goes with it; edit it as you like"
        )
        self._licence = named(QLabel(), "trainer.card_licence", "Licence")
        self._licence.setWordWrap(True)
        set_role(self._licence, "muted")
        self._files = named(DataTable(), "trainer.push_files", "Files", "What goes to the Hub, and nothing else")
        self._stays = named(QLabel(), "trainer.kept_back", "Stays here")
        self._stays.setWordWrap(True)
        set_role(self._stays, "muted")
        self._push = _button("push", "Push", "export", "Create the repository and upload these files")
        set_role(self._push, "primary")
        icons.put(self._push, "export", "accent_text")
        self._later = _button(
            "make_ready", "Make ready", "folder", "Keep a folder with these files, to be pushed when there is a network"
        )
        self._status = named(QLabel(), "trainer.share_status", "Sharing")
        self._status.setWordWrap(True)
        self._status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()

        self._copy.clicked.connect(self._on_copy)
        self._merge.clicked.connect(self._on_merge)
        self._push.clicked.connect(self._on_push)
        self._later.clicked.connect(self._on_later)
        self._card.textChanged.connect(self._show_licence)
        self._merge.setEnabled((checkpoint.path / "adapter_config.json").is_file())
        self._look()

    def save_copy(self, into: Path) -> None:
        """Copy the files of the checkpoint into a new folder below ``into``."""
        self._start(Job(f"Copy {self._checkpoint.name}", _copy, self._checkpoint.path, into, pane="trainer"))

    def merge_into(self, into: Path) -> None:
        """Write the merged checkpoint into a new folder below ``into``."""
        place = into / f"{self._checkpoint.name}-merged"
        job = Job(f"Merge {self._checkpoint.name}", _merge, self._checkpoint.path, place, pane="trainer",
                  stops="after merging")  # fmt: skip
        self._start(job, Lane.MODEL)

    # What the person did.

    def _on_copy(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose where the copy goes", str(Path.home()))
        if folder:
            self.save_copy(Path(folder))

    def _on_merge(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose where the merged checkpoint goes", str(Path.home()))
        if folder:
            self.merge_into(Path(folder))

    def _on_push(self) -> None:
        self._pushing = self._name.text().strip()
        self._make_ready()

    def _on_later(self) -> None:
        self._pushing = ""
        self._make_ready()

    # Work and what came of it.

    def _look(self) -> None:
        try:
            ready = hub.look_ready(self._checkpoint.path)
        except WorkbenchError as error:
            self._tell(error)
            self._push.setEnabled(False)
            self._later.setEnabled(False)
            return
        self._card.setPlainText(ready.card or f"---\nlibrary_name: transformers\n---\n\n# {self._checkpoint.name}\n")
        self._files.set_rows(("File", "Size"), [(name, Size(size)) for name, size in ready.files])
        stays = f"{format_bytes(ready.size)} in all."
        if ready.kept_back:
            stays += f" Stays here: {', '.join(ready.kept_back)}."
        if ready.local_paths:
            stays += f" Names a folder of this machine: {', '.join(ready.local_paths)}."
        self._stays.setText(stays)

    def _show_licence(self) -> None:
        licence = licence_of(of_card(self._card.toPlainText()))
        self._licence.setText(f"Licence: {licence}." if licence else _UNLICENSED)

    def _make_ready(self) -> None:
        job = Job(
            f"Make {self._checkpoint.name} ready",
            _make_ready,
            self._checkpoint.path,
            self._name.text().strip(),
            self._card.toPlainText(),
            pane="trainer",
        )
        self._start(job)

    def _start(self, job: Job, lane: Lane = Lane.IO) -> None:
        if self._job is not None:
            return
        job.progressed.connect(self._show_progress)
        job.succeeded.connect(self._show_done)
        job.failed.connect(self._tell)
        job.finished.connect(self._on_finished)
        self._job = job
        self._show_busy()
        self._runner.start(job, lane)

    def _show_progress(self, progress: Progress) -> None:
        self._status.setText(f"{progress.note} {format_progress(progress.done, progress.total, progress.unit)}")

    def _show_done(self, made: object) -> None:
        set_role(self._status, "success")
        if isinstance(made, Ready):
            self._status.setText(f"Ready to push, in {made.folder}")
            if self._pushing:
                self._next = Job(
                    f"Push {self._pushing}", _push, made, self._pushing, self._private.isChecked(), pane="trainer",
                    stops="when the files have arrived",
                )  # fmt: skip
        elif isinstance(made, Checkpoint):
            self._status.setText(f"Written to {made.path}")
            self.made.emit()
        else:
            self._status.setText(f"Pushed: {made}")

    def _tell(self, error: WorkbenchError) -> None:
        set_role(self._status, "error")
        self._status.setText(f"{error.what} {error.why} {error.remedy}")

    def _on_finished(self) -> None:
        self._job = None
        following, self._next = self._next, None
        if following is not None:
            self._start(following)
        self._show_busy()

    def _show_busy(self) -> None:
        idle = self._job is None
        for button in (self._copy, self._push, self._later):
            button.setEnabled(idle)
        self._merge.setEnabled(idle and (self._checkpoint.path / "adapter_config.json").is_file())

    def _lay_out(self) -> None:
        self._next: Job | None = None
        self.resize(px(self, 860), px(self, 640))
        here = QHBoxLayout()
        here.addWidget(_heading("On this machine"), 1)
        here.addWidget(self._copy)
        here.addWidget(self._merge)
        there = QGridLayout()
        label = QLabel("Repository")
        label.setBuddy(self._name)
        there.addWidget(label, 0, 0)
        there.addWidget(self._name, 0, 1)
        there.addWidget(self._private, 0, 2)
        there.setColumnStretch(1, 1)
        what = QHBoxLayout()
        what.addWidget(self._card, 3)
        what.addWidget(self._files, 2)
        buttons = QHBoxLayout()
        buttons.addWidget(self._status, 1)
        buttons.addWidget(self._later)
        buttons.addWidget(self._push)
        layout = QVBoxLayout(self)
        layout.addLayout(here)
        layout.addWidget(_heading("On the Hub"))
        layout.addLayout(there)
        layout.addLayout(what, 1)
        layout.addWidget(self._licence)
        layout.addWidget(self._stays)
        layout.addLayout(buttons)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    set_role(label, "heading")
    return label


def _button(name: str, text: str, icon: str, tip: str) -> QPushButton:
    button = named(QPushButton(text), f"trainer.{name}", text, tip)
    icons.put(button, icon)
    return button


def _copy(folder: Path, into: Path, *, task: Task) -> Checkpoint:
    return hub.save_copy(folder, into / folder.name, task=task)


def _merge(folder: Path, into: Path, *, task: Task) -> Checkpoint:
    task.report(Progress(0, None, "bytes", "Merging"))
    return merge(folder, into)


def _make_ready(folder: Path, name: str, card: str, *, task: Task) -> Ready:
    task.report(Progress(0, None, "bytes", "Copying"))
    return hub.make_ready(folder, name, card, task=task)


def _push(ready: Ready, name: str, private: bool, *, task: Task) -> str:
    return hub.push(ready, name, private=private, task=task)

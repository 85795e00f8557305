"""What is done with checkpoints of this machine: open, verify, pin, delete, pack; the jobs and their notices."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices

from workbench.engine import hub
from workbench.engine.errors import WorkbenchError
from workbench.engine.hub import Verified, pack
from workbench.engine.values import Checkpoint
from workbench.panes.hub import work
from workbench.panes.hub.consent import ask_to_bring_in, ask_to_delete
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.quantities import format_bytes, format_many


class Keeping(QObject):
    """The verbs of the list "On this machine".

    Args:
        pane: Whose notices and questions are used.
        session: Asked what is loaded, told that the list has changed.
        runner: Long work runs on the fetch lane, so that searching never waits for it.

    Signals:
        opened(Checkpoint): A folder or a file was taken as a checkpoint.
        deleted(tuple): These checkpoints are gone.
        order_requested(Order): Something is to be fetched again.
    """

    opened = Signal(object)
    deleted = Signal(tuple)
    order_requested = Signal(object)

    def __init__(self, pane: PaneFrame, session: Session, runner: Runner) -> None:
        super().__init__(pane)
        self._pane, self._session, self._runner = pane, session, runner

    def open(self, path: Path) -> Job:
        """Take a folder, a GGUF file or a model pack; `opened` or a question follows."""
        long = path.suffix.lower() == ".gguf"
        job = Job(f"Open {path.name}", work.open_path, path, pane="hub", quiet=not long)
        job.succeeded.connect(self._on_opened)
        return self._start(job, Lane.FETCH if long else Lane.IO)

    def show_folder(self, checkpoint: Checkpoint) -> None:
        """Open the folder in the system's file manager."""
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(checkpoint.path))):
            self._pane.show_notice(
                "Could not open the folder.", "The system named no file manager.", f"It is {checkpoint.path}."
            )

    def pin(self, checkpoints: tuple[Checkpoint, ...], on: bool) -> None:
        """Protect them from Delete, or no longer."""
        job = Job("Pin" if on else "Unpin", work.pin, checkpoints, on, pane="hub", quiet=True)
        job.succeeded.connect(self._on_pinned)
        self._start(job, Lane.IO)

    def verify(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        """Compare every byte with its hash."""
        self._pane.clear_notices()
        for each in checkpoints:
            job = Job(f"Verify {each.name}", hub.verify, each, pane="hub")
            job.succeeded.connect(self._on_verified)
            self._start(job, Lane.FETCH)

    def delete(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        """Find out what would be freed, and ask."""
        loaded = [model.checkpoint.path for model in self._session.models]
        for each in checkpoints:
            if each.path in loaded:
                self._pane.show_notice(
                    f"{each.name} is loaded.",
                    "Its weights are in use.",
                    "Unload it first, then delete it.",
                    kind="warning",
                )
                return
        job = Job("Looking what would be freed", work.weigh, checkpoints, pane="hub", quiet=True)
        job.succeeded.connect(self._ask_to_delete)
        self._start(job, Lane.IO)

    def export(self, checkpoints: tuple[Checkpoint, ...], data: tuple[Path, ...], target: Path) -> None:
        """Write a model pack."""
        self._pane.clear_notices()
        job = Job(f"Export {target.name}", pack.export, checkpoints, data, target, pane="hub")
        job.succeeded.connect(self._on_exported)
        self._start(job, Lane.FETCH)

    def _start(self, job: Job, lane: Lane) -> Job:
        job.failed.connect(self._on_failed)
        return self._runner.start(job, lane)

    def _on_failed(self, error: WorkbenchError) -> None:
        job = self.sender()
        self._pane.show_notice(error.what, error.why, error.remedy, job.details if isinstance(job, Job) else "")

    def _on_opened(self, found: Checkpoint | pack.Pack) -> None:
        self._pane.clear_notices()
        if isinstance(found, pack.Pack):
            ask_to_bring_in(self._pane, found, partial(self._bring_in, found.path))
        else:
            self.opened.emit(found)

    def _bring_in(self, path: Path) -> None:
        job = Job(f"Bring in {path.name}", pack.bring_in, path, pane="hub")
        job.succeeded.connect(self._on_brought_in)
        self._start(job, Lane.FETCH)

    def _on_brought_in(self, found: pack.Imported) -> None:
        names = ", ".join(each.name for each in found.checkpoints)
        data = f"The data lies in {found.data[0].parent}." if found.data else ""
        self._pane.show_notice(
            f"The pack is in: {names or 'data files'}.", "Every file is what its hash says.", data, kind="success"
        )
        self._session.local_changed.emit()

    def _on_exported(self, made: pack.Pack) -> None:
        self._pane.show_notice(
            f"The pack {made.path.name} is written.",
            f"{format_many(len(made.models), 'checkpoint')} and {format_many(len(made.data), 'data file')}, "
            f"{format_bytes(made.size)}, all with hashes.",
            f"Drop it onto the Hub pane of the other machine. It is {made.path}.",
            kind="success",
        )

    def _on_pinned(self) -> None:
        self._session.local_changed.emit()

    def _on_verified(self, verified: Verified) -> None:
        name, revision = verified.checkpoint.name, verified.checkpoint.revision
        proved = format_many(len(verified.proved), "file")
        parts = [f"Proved by hashes: {proved}, {format_bytes(verified.bytes)} read."]
        parts += [f"Well formed, without a hash: {len(verified.sound)} safetensors."] if verified.sound else []
        unproved = len(verified.unproved)
        parts += [f"Nothing to compare with: {format_many(unproved, 'file')}."] if unproved else []
        if verified.whole:
            self._pane.show_notice(f"{name} is whole.", " ".join(parts), kind="success")
            return
        wrong = [f"{each} is damaged" for each in verified.damaged[:3]]
        wrong += [f"{each} is missing" for each in verified.missing[:3]]
        again = verified.checkpoint.source == "hub" and bool(revision)
        self._pane.show_notice(
            f"{name} is not whole.",
            "; ".join(wrong) + ".",
            "Fetch these files again." if again else "Copy it anew from where you have it.",
            "\n".join((*verified.damaged, *verified.missing)),
            action=("Fetch again", partial(self._mend, verified)) if again else None,
        )

    def _mend(self, verified: Verified) -> None:
        job = Job(f"Mend {verified.checkpoint.name}", work.mend, verified, pane="hub", quiet=True)
        job.succeeded.connect(self.order_requested)
        self._start(job, Lane.IO)

    def _ask_to_delete(self, found: tuple[tuple[Checkpoint, ...], int]) -> None:
        checkpoints, freed = found
        ask_to_delete(self._pane, checkpoints, freed, partial(self._delete, checkpoints))

    def _delete(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        name = checkpoints[0].name if len(checkpoints) == 1 else f"{len(checkpoints)} checkpoints"
        job = Job(f"Delete {name}", work.delete, checkpoints, pane="hub")
        job.succeeded.connect(self._on_deleted)
        self._start(job, Lane.IO)

    def _on_deleted(self, gone: tuple[tuple[Checkpoint, ...], int]) -> None:
        checkpoints, freed = gone
        self.deleted.emit(checkpoints)
        if freed:
            name = checkpoints[0].name if len(checkpoints) == 1 else f"{len(checkpoints)} checkpoints"
            verb = "is" if len(checkpoints) == 1 else "are"
            self._pane.show_notice(f"{name} {verb} deleted.", f"{format_bytes(freed)} were freed.", kind="info")
        self._session.local_changed.emit()

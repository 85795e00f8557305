"""Text, steps and whole sessions to files and back, and a replay that says whether the record still holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QMenu, QToolButton

from workbench.engine import record
from workbench.engine.errors import WorkbenchError
from workbench.engine.record import Recorded, Replay
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets import icons
from workbench.widgets.beam_view import BeamView
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.saving import save
from workbench.widgets.theme import set_role

_KIND = f"Workbench session (*{record.ENDING})"


class Files(QToolButton):
    """A menu of what can be kept and opened.

    Args:
        session: Whose branches are saved; takes those that are opened.
        runner: Writes and reads on the IO lane, replays on the model lane.
        pane: Shows the notices.
        beams: Their picture can be kept.
    """

    def __init__(self, session: Session, runner: Runner, pane: PaneFrame, beams: BeamView) -> None:
        super().__init__(pane)
        named(self, "playground.files", "Save and open", "Save text, steps or the whole session; open one; replay it")
        self._session, self._runner, self._pane, self._beams = session, runner, pane, beams
        icons.put(self, "save")
        set_role(self, "quiet")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        self._text = self._add(menu, "playground.save_text", "Save the text…", self._on_save_text)
        self._steps = self._add(menu, "playground.save_steps", "Save every step as JSON…", self._on_save_steps)
        self._pictures = [
            self._add(menu, f"playground.save_beams_{kind}", f"Save the beams as {kind.upper()}…", what)
            for kind, what in (("png", self._on_save_png), ("svg", self._on_save_svg))
        ]
        self._all = self._add(menu, "playground.save_session", "Save the session…", self._on_save_session)
        menu.addSeparator()
        self._add(menu, "playground.open_session", "Open a session…", self._on_open_session)
        self._replay = self._add(menu, "playground.replay", "Replay this branch", self.replay)
        self.setMenu(menu)
        menu.aboutToShow.connect(self._show_offers)

    # What can be asked of it.

    def save_session(self, path: Path) -> None:
        """Write all branches of the checkpoint that wrote the one looked at to a session file."""
        current = self._session.branch
        branches = [current if current and branch.key == current.key else branch for branch in self._session.branches]
        branches = [branch for branch in branches if current is None or branch.checkpoint == current.checkpoint]
        words = self._session.vocabulary or Vocabulary()
        self._start(
            Job(f"Save {path.name}", record.save, path, tuple(branches), words, pane="playground"),
            Lane.IO,
            self._on_saved,
        )

    def save_steps(self, path: Path) -> None:
        """Write every step of the branch that is looked at, with its foremost alternatives."""
        branch = self._session.branch
        if branch is not None:
            job = Job(f"Save {path.name}", record.save_steps, path, branch, self._session.vocabulary, pane="playground")
            self._start(job, Lane.IO, self._on_steps_saved)

    def open_session(self, path: Path) -> None:
        """Read a session file; its branches join those that are there."""
        self._start(Job(f"Open {path.name}", record.read, path, pane="playground"), Lane.IO, self._on_opened)

    def replay(self) -> None:
        """Generate the branch that is looked at again, with the knobs that held, and compare."""
        session, branch = self._session, self._session.branch
        if session.model is None or branch is None or not branch.steps:
            return
        branches = [branch if each.key == branch.key else each for each in session.branches]
        again = (session.model, tuple(branches), branch.key, session.second)
        job = Job(f"Replay {branch.name}", record.replay, *again, pane="playground", stops="within a token")
        self._start(job, Lane.MODEL, self._on_replayed)

    # The work.

    def _add(self, menu: QMenu, name: str, text: str, what: Callable[[], None]) -> QAction:
        action = QAction(text, self)
        action.setObjectName(name)
        action.triggered.connect(what)
        menu.addAction(action)
        return action

    def _start(self, job: Job, lane: Lane, done: Callable[..., None]) -> None:
        job.succeeded.connect(done)
        job.failed.connect(self._on_failed)
        self._runner.start(job, lane)

    def _show_offers(self) -> None:
        branch = self._session.branch
        written = branch is not None and bool(branch.steps)
        for action in (self._text, self._steps):
            action.setEnabled(written)
        for action in self._pictures:
            action.setEnabled(bool(self._beams.steps))
        self._all.setEnabled(any(each.steps for each in self._session.branches) or written)
        self._replay.setEnabled(written and self._session.model is not None)

    def _on_save_text(self) -> None:
        branch = self._session.branch
        if branch is not None:
            save(self, "Save the text", "text.txt", "Text (*.txt)", ".txt", partial(_write, branch.text))

    def _on_save_png(self) -> None:
        save(self, "Save the beams", "beams.png", "PNG (*.png)", ".png", self._beams.save_picture)

    def _on_save_svg(self) -> None:
        save(self, "Save the beams", "beams.svg", "SVG (*.svg)", ".svg", self._beams.save_picture)

    def _on_save_steps(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Save every step", "steps.json", "JSON (*.json)")
        if chosen:
            self.save_steps(Path(chosen))

    def _on_save_session(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the session", f"session{record.ENDING}", _KIND)
        if chosen:
            self.save_session(Path(chosen))

    def _on_open_session(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Open a session", "", _KIND)
        if chosen:
            self.open_session(Path(chosen))

    def _on_steps_saved(self, path: Path) -> None:
        self._pane.show_notice("Every step is saved.", f"It is {path}.", kind="success")

    def _on_saved(self, path: Path) -> None:
        self._pane.show_notice("The session is saved.", f"It is {path}.", kind="success")

    def _on_opened(self, recorded: Recorded) -> None:
        count = len(recorded.branches)
        self._session.adopt(recorded.branches, recorded.vocabulary)
        names = ", ".join(sorted({branch.checkpoint for branch in recorded.branches if branch.checkpoint}))
        written = (
            f" Written by {names} with transformers {recorded.versions.get('transformers', '?')}." if names else ""
        )
        self._pane.show_notice(
            f"{count} {'branch is' if count == 1 else 'branches are'} open.",
            f"Every recorded step can be looked at without a model.{written}",
            "Load the checkpoint to replay or to go on.",
            kind="info",
        )

    def _on_replayed(self, replays: tuple[Replay, ...]) -> None:
        tokens = sum(replay.tokens for replay in replays)
        other = next((replay for replay in replays if not replay.equal), None)
        if other is None:
            largest = max((replay.largest for replay in replays if not math.isnan(replay.largest)), default=math.nan)
            bits = "" if math.isnan(largest) else f" Largest difference between the logits: {largest:g}."
            self._pane.show_notice("The replay is equal.", f"All {tokens:,} tokens are the same.{bits}", kind="success")
        else:
            self._pane.show_notice(
                "The replay differs.",
                f"{other.branch} chose another token at step {(other.difference or 0) + 1:,}.",
                "Other versions of the libraries, another dtype, device or checkpoint can be the reason.",
                kind="warning",
            )

    def _on_failed(self, error: WorkbenchError) -> None:
        self._pane.show_notice(error.what, error.why, error.remedy)


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogatepass")

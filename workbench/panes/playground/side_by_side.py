"""Which texts stand side by side: the sequences of a run while they come, or the branches that are compared."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QTimer

from workbench.engine.values import Branch, Step
from workbench.panes.playground.output import piece_of
from workbench.panes.playground.runs import Runs
from workbench.panes.playground.sequences import Column, differ, together
from workbench.panes.playground.texts import Texts
from workbench.runtime.session import Session

#: Milliseconds between two redraws while tokens come.
_FRAME = 100


class SideBySide(QObject):
    """Fills the columns of the output area, and empties them again.

    Args:
        session: Whose branches.
        runs: What is being written.
        texts: Where the columns are.

    Attributes:
        keys: Of the branches that are shown, none while one text is.
    """

    def __init__(self, session: Session, runs: Runs, texts: Texts) -> None:
        super().__init__(texts)
        self._session, self._runs, self._texts = session, runs, texts
        self.keys: tuple[int, ...] = ()
        self._clock = QTimer(self, interval=_FRAME, singleShot=True)
        self._clock.timeout.connect(self.flush)
        runs.grew.connect(self._on_grew)

    def compare(self, keys: Sequence[int]) -> None:
        """Show branches with the first token marked in which they differ."""
        shown = self._take(keys)
        at, words = differ(shown, [self._steps_of(branch) for branch in shown])
        self._show(shown, at, words)

    def show_sequences(self, keys: Sequence[int]) -> None:
        """Show the sequences of one run, when there are several."""
        if len(keys) > 1:
            shown = self._take(keys)
            self._show(shown, None, f"{len(shown)} sequences of one run; click one to look at it.")

    def show_run(self) -> None:
        """Show the sequences that came of one run with the branch that is looked at, when there are several."""
        branch = self._session.branch
        if branch is not None:
            self.show_sequences([each.key for each in together(self._session.branches, branch)])

    def mark(self) -> None:
        """Mark the column that is looked at."""
        branch = self._session.branch
        self._texts.columns.set_current(branch.key if branch is not None else None)

    def close(self) -> None:
        """Show one text again."""
        self.keys = ()
        self._clock.stop()
        self._texts.show_columns(False)

    def flush(self) -> None:
        """Add the tokens that have come since the last time, and count them."""
        for key in self._runs.keys:
            self._texts.branches.tree.set_tokens(key, len(self._runs.steps_of(key)))
        if not self.keys:
            return
        columns, vocabulary = self._texts.columns, self._session.vocabulary
        for branch in self._session.branches:
            if branch.key in self.keys:
                more = self._steps_of(branch)[columns.count(branch.key) :]
                columns.append(branch.key, [piece_of(step, vocabulary) for step in more])

    def _on_grew(self) -> None:
        if not self._clock.isActive():
            self._clock.start()

    def _take(self, keys: Sequence[int]) -> list[Branch]:
        branches = {branch.key: branch for branch in self._session.branches}
        self.keys = tuple(key for key in keys if key in branches)
        return [branches[key] for key in self.keys]

    def _show(self, shown: Sequence[Branch], at: int | None, words: str) -> None:
        vocabulary = self._session.vocabulary
        columns = [
            Column(branch.key, branch.name, tuple(piece_of(step, vocabulary) for step in self._steps_of(branch)))
            for branch in shown
        ]
        self._texts.columns.set_columns(columns, at, words)
        self.mark()
        self._texts.show_columns(True)

    def _steps_of(self, branch: Branch) -> Sequence[Step]:
        return self._runs.steps_of(branch.key) if branch.key in self._runs.keys else branch.steps

"""Beam search as the beam view draws it: each step's beams, and the way to the one that was taken."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject

from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Beam, BeamStep
from workbench.panes.playground.runs import Runs
from workbench.panes.playground.texts import Texts
from workbench.runtime.session import Session
from workbench.widgets.beam_view import BeamRow


class Beams(QObject):
    """Shows the beams of the branch that is looked at, also while they are searched.

    Args:
        session: Whose branch.
        runs: What is being written.
        texts: Where they are shown.
    """

    def __init__(self, session: Session, runs: Runs, texts: Texts) -> None:
        super().__init__(texts)
        self._session, self._runs, self._texts = session, runs, texts
        runs.beams_grew.connect(self._on_grew)

    def show(self) -> None:
        """Show all steps anew."""
        branch = self._session.branch
        writing = branch is not None and branch.key in self._runs.keys
        steps = tuple(self._runs.beams) if writing else branch.beams if branch is not None else ()
        taken = [step.token_id for step in branch.steps[branch.start.kept :]] if branch is not None else []
        vocabulary = self._session.vocabulary
        rows = [rows_of(steps, index, vocabulary) for index in range(len(steps))]
        self._texts.show_beams(rows, None if writing else winner(steps, taken))

    def _on_grew(self) -> None:
        branch, steps = self._session.branch, self._runs.beams
        if branch is None or branch.key not in self._runs.keys:
            return
        if len(self._texts.beams.steps) == len(steps) - 1 > 0:
            self._texts.beams.append(rows_of(steps, len(steps) - 1, self._session.vocabulary))
        else:
            self.show()


def rows_of(steps: Sequence[BeamStep], index: int, vocabulary: Vocabulary | None) -> tuple[BeamRow, ...]:
    """The beams of one step: those that go on, and behind them those that it completed.

    Args:
        steps: All steps of the search so far.
        index: Which one.
        vocabulary: Spells the last token of each beam.
    """
    beams = _beams(steps, index)
    spelled = vocabulary.spell([beam.ids[-1] for beam in beams]) if vocabulary is not None else [""] * len(beams)
    return tuple(
        BeamRow(text, beam.score, beam.parent, beam.finished, beam.text)
        for beam, text in zip(beams, spelled, strict=True)
    )


def winner(steps: Sequence[BeamStep], ids: Sequence[int]) -> tuple[int, int] | None:
    """Step and row of the beam that has these new ids, or None."""
    wanted = tuple(ids)
    if not 0 < len(wanted) <= len(steps):
        return None
    index = len(wanted) - 1
    rows = [row for row, beam in enumerate(_beams(steps, index)) if beam.ids == wanted]
    # A beam that went on may have the ids of one that was completed by the same token.
    return (index, rows[-1]) if rows else None


def _beams(steps: Sequence[BeamStep], index: int) -> list[Beam]:
    known = {beam.ids for beam in steps[index - 1].finished} if index else set()
    completed = [beam for beam in steps[index].finished if beam.ids and beam.ids not in known]
    return [*(beam for beam in steps[index].running if beam.ids), *completed]

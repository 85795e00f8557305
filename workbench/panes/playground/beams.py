"""Beam search as the beam view draws it: each step's beams, and the way to the one that was taken."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Beam, BeamStep
from workbench.widgets.beam_view import BeamRow


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

"""What each processor did to the scores it was handed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.engine.sampling.scores import Scores


@dataclass(frozen=True, slots=True)
class Act:
    """What one of them did.

    Attributes:
        name: The field of `Sampling` (``top_k``), or ``guidance_scale``, or ``greedy``.
        removed: Share of the probability it was handed that it took away, in ``[0, 1]``; NaN where it was handed
            numbers that give no probabilities, such as NaN that remove_invalid_values is about to replace.
        removed_count: Tokens it cut.
        changed: Tokens whose score it moved without cutting them.
    """

    name: str
    removed: float
    removed_count: int
    changed: int


@dataclass(frozen=True, eq=False, slots=True)
class Link:
    """An act with what it was handed and what it made of it.

    Attributes:
        key: What it depends on besides the scores.
        act: What it did.
        handed: The scores before.
        made: The scores after; the same object when it found nothing to do.
        gone: Which tokens it cut, bool of shape ``(vocab,)``; None when it cut none.
    """

    key: tuple[object, ...]
    act: Act
    handed: Scores
    made: Scores
    gone: np.ndarray | None


def link(name: str, key: tuple[object, ...], handed: Scores, made: Scores) -> Link:
    """Account for an act."""
    if made is handed:
        return Link(key, Act(name, 0.0, 0, 0), handed, made, None)
    moved = made.values != handed.values
    changed = int(np.count_nonzero(moved))
    if np.isnan(handed.top):
        changed -= int(np.count_nonzero(np.isnan(handed.values) & np.isnan(made.values)))
    gone = moved & (made.values == -np.inf)
    count = int(np.count_nonzero(gone))
    if not count:
        return Link(key, Act(name, 0.0, 0, changed), handed, made, None)
    return Link(key, Act(name, handed.share(gone), count, changed - count), handed, made, gone)

"""What became of a distribution under some knobs, act by act."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from workbench.engine.sampling.library import ACTS
from workbench.engine.sampling.reasons import reason
from workbench.engine.sampling.scores import Scores
from workbench.engine.values import Sampling, Situation


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


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """What became of a distribution under some knobs.

    Attributes:
        sampling: The knobs.
        acts: Everything that acted, in the library's order; a knob that is off is not there.
        probabilities: After all of them, float32 of shape ``(vocab,)``; 0.0 where cut, and everywhere when all are.
        cut: uint8 of shape ``(vocab,)``: 0, or 1 + the index in `ACTS` of what removed the token.
        kept: Tokens left to choose from; 0 when every token was cut, which ends a generation with an error.
        entropy: Of ``probabilities``, in bits.
    """

    sampling: Sampling
    acts: tuple[Act, ...]
    probabilities: np.ndarray
    cut: np.ndarray
    kept: int
    entropy: float
    _made: Scores = field(repr=False)
    _links: tuple[Link, ...] = field(repr=False)
    _situation: Situation = field(repr=False)

    @property
    def removed(self) -> dict[str, float]:
        """For everything that can cut tokens: the share of the probability it was handed that it took away."""
        return {act.name: act.removed for act in self.acts if _cuts(act)}

    @property
    def removed_count(self) -> dict[str, int]:
        """For everything that can cut tokens: how many it cut."""
        return {act.name: act.removed_count for act in self.acts if _cuts(act)}

    def possible(self, token_id: int) -> bool:
        """Whether the token can still be chosen."""
        return bool(self.probabilities[token_id] > 0)

    def cut_by(self, token_id: int) -> str | None:
        """What removed the token, or None."""
        code = int(self.cut[token_id])
        return ACTS[code - 1] if code else None

    def reach(self, token_id: int) -> float:
        """Cumulative probability after all acts: of the token and all that are at least as probable, in ``[0, 1]``."""
        return self._made.reach(token_id)

    def scores(self, token_id: int) -> tuple[float, ...]:
        """The token's score after each act; ``-inf`` from where it was cut."""
        return tuple(float(link.made.values[token_id]) for link in self._links)

    def why(self, token_id: int) -> str:
        """Why the token can't be chosen, in words with numbers; empty when it can."""
        return (
            "" if self.possible(token_id) else reason(self._made, token_id, self._links, self.sampling, self._situation)
        )


#: Acts that only move scores; a cut of theirs (a bias of minus infinity, an overflow) is told when there is one.
_MOVERS = frozenset(
    (
        "guidance_scale",
        "sequence_bias",
        "encoder_repetition_penalty",
        "repetition_penalty",
        "remove_invalid_values",
        "exponential_decay_length_penalty",
        "temperature",
        "watermarking_config",
        "renormalize_logits",
    )
)


def _cuts(act: Act) -> bool:
    return act.removed_count > 0 or act.name not in _MOVERS


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

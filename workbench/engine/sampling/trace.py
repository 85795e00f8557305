"""What became of a distribution under some knobs, act by act."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from workbench.engine.sampling.acts import Act, Link
from workbench.engine.sampling.library import ACTS
from workbench.engine.sampling.reasons import reason
from workbench.engine.sampling.scores import Scores
from workbench.engine.values import Sampling, Situation


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

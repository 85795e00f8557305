"""The library's processors applied to one step; the slow ones by quicker ways to the same values, ties included.

Where rounding would decide, the library's own object does; where a tie would, torch's own sort (`ties`).

References:
    transformers, Generation: LogitsProcessor, TopKLogitsWarper, TopPLogitsWarper, TypicalLogitsWarper
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.sampling.scores import Scores, entropy
from workbench.engine.sampling.ties import lowest

if TYPE_CHECKING:
    import torch

#: How near to the limit, as a share of it, a probability may come before the last digits of the entropy could decide.
_NEAR = 1e-4


class Warpers:
    """Applies the processors of one list to the scores of one step.

    Args:
        ids: The ids in front of the token, int64 of shape ``(1, seq)``.
    """

    def __init__(self, ids: torch.Tensor) -> None:
        self._ids = ids

    def apply(self, name: str, processor: Any, scores: Scores) -> Scores:
        """What ``processor``, known as the knob ``name``, makes of the scores.

        Returns:
            The new scores, or ``scores`` itself when nothing changed.
        """
        quick = {
            "min_new_tokens": self._min_new_tokens,
            "remove_invalid_values": self._remove_invalid_values,
            "suppress_tokens": self._suppress_tokens,
            "begin_suppress_tokens": self._begin_suppress_tokens,
            "temperature": self._temperature,
            "top_k": self._top_k,
            "top_p": self._top_p,
            "min_p": self._min_p,
            "typical_p": self._typical_p,
            "epsilon_cutoff": self._epsilon_cutoff,
            "eta_cutoff": self._eta_cutoff,
        }
        return quick.get(name, self._library)(processor, scores)

    def _min_new_tokens(self, processor: Any, scores: Scores) -> Scores:
        new = self._ids.shape[-1] - processor.prompt_length_to_skip
        return _banned(processor.eos_token_id, scores) if new < processor.min_new_tokens else scores

    def _suppress_tokens(self, processor: Any, scores: Scores) -> Scores:
        return _banned(processor.suppress_tokens, scores)

    def _begin_suppress_tokens(self, processor: Any, scores: Scores) -> Scores:
        first = self._ids.shape[-1] == processor.begin_index
        return _banned(processor.begin_suppress_tokens, scores) if first else scores

    def _remove_invalid_values(self, processor: Any, scores: Scores) -> Scores:
        if not scores.top < np.inf:
            return self._library(processor, scores)
        # There is nothing to replace but what was cut, and that by the smallest number.
        least = np.finfo(np.float32).min
        return scores if scores.values.min() >= least else Scores(np.maximum(scores.values, least))

    def _library(self, processor: Any, scores: Scores) -> Scores:
        import torch

        made = processor(self._ids, torch.from_numpy(scores.values)[None])[0].numpy()
        if made is scores.values or np.array_equal(made, scores.values):
            return scores
        return Scores(made)

    def _temperature(self, processor: Any, scores: Scores) -> Scores:
        made = self._library(processor, scores)
        if made is not scores and "rising" in vars(scores):
            made.rising = self._library(processor, Scores(scores.rising)).values
        return made

    def _top_k(self, processor: Any, scores: Scores) -> Scores:
        limit = scores.rising[-min(processor.top_k, scores.values.size)]
        start = int(np.searchsorted(scores.rising, limit, side="left"))
        if start <= scores.first:
            return scores
        return _prefix_cut(scores, np.where(scores.values < limit, np.float32(-np.inf), scores.values), start)

    def _top_p(self, processor: Any, scores: Scores) -> Scores:
        size = scores.values.size
        start = int(np.searchsorted(scores.shares, np.float32(1 - processor.top_p), side="right"))
        start = min(start, max(0, size - processor.min_tokens_to_keep))
        if start <= scores.first:
            return scores
        limit = scores.rising[start]
        values = np.where(scores.values < limit, np.float32(-np.inf), scores.values)
        if scores.rising[start - 1] == limit:
            # Of equal scores on both sides of the limit torch's sort decides which go.
            values[lowest(scores.values, start)] = -np.inf
        return _prefix_cut(scores, values, start)

    def _min_p(self, processor: Any, scores: Scores) -> Scores:
        # The most probable token always stays; how many more have to is the library's to say.
        if processor.min_tokens_to_keep > 1:
            return self._library(processor, scores)
        chances = scores.chances
        return _cut(scores, chances < np.float32(processor.min_p) * chances.max())

    def _epsilon_cutoff(self, processor: Any, scores: Scores) -> Scores:
        if processor.min_tokens_to_keep > 1:
            return self._library(processor, scores)
        return _cut(scores, (scores.chances < np.float32(processor.epsilon)) & (scores.values < scores.top))

    def _eta_cutoff(self, processor: Any, scores: Scores) -> Scores:
        chances, epsilon = scores.chances, float(processor.epsilon)
        least = min(epsilon, math.sqrt(epsilon) * 2.0 ** -entropy(chances))
        # The library adds up the entropy in another order; only where that could decide is it asked.
        unsure = np.abs(chances - np.float32(least)) <= np.float32(least * _NEAR)
        if processor.min_tokens_to_keep > 1 or bool(unsure.any()):
            return self._library(processor, scores)
        return _cut(scores, (chances < np.float32(least)) & (scores.values < scores.top))

    def _typical_p(self, processor: Any, scores: Scores) -> Scores:
        surprise = scores.surprise
        if not surprise.settled(processor.mass):
            return self._library(processor, scores)
        limit = surprise.limit(processor.mass)
        if limit == np.inf:
            return scores
        keep = processor.min_tokens_to_keep
        if keep > 1 and int(np.count_nonzero(surprise.distance <= limit)) < keep:
            return self._library(processor, scores)
        return Scores(np.where(surprise.distance > limit, np.float32(-np.inf), scores.values))


def _cut(scores: Scores, gone: np.ndarray) -> Scores:
    gone &= scores.values > -np.inf
    if not bool(gone.any()):
        return scores
    return Scores(np.where(gone, np.float32(-np.inf), scores.values))


def _banned(ids: torch.Tensor, scores: Scores) -> Scores:
    listed = ids.numpy()
    listed = listed[listed < scores.values.size]
    if not bool(np.any(scores.values[listed] != -np.inf)):
        return scores
    values = scores.values.copy()
    values[listed] = -np.inf
    return Scores(values)


def _prefix_cut(scores: Scores, values: np.ndarray, start: int) -> Scores:
    rising = scores.rising.copy()
    rising[:start] = -np.inf
    return Scores(values, rising)

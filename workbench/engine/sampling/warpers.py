"""The library's processors applied to one step; the slow ones by quicker ways to the same values, ties included.

Where rounding would decide, the library's own object does; where a tie would, torch's own sort (`ties`).

References:
    transformers, Generation: LogitsProcessor, TopKLogitsWarper, TopPLogitsWarper, TypicalLogitsWarper
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.sampling.scores import Scores
from workbench.engine.sampling.ties import lowest

if TYPE_CHECKING:
    import torch


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
            "typical_p": self._typical_p,
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
        return scores if bool(np.isfinite(scores.values).all()) else self._library(processor, scores)

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

"""What the knobs do to a next-token distribution, over the full vocabulary, step by step as the library does it."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.values import Candidate, Logits, Sampling

if TYPE_CHECKING:
    import torch

    from workbench.engine.tokens.vocabulary import Vocabulary

#: What can remove a token, in the order the library applies it; `Trace.cut` holds 1 + the index here.
CUTS = ("top_k", "top_p", "min_p", "greedy")


class Knobs:
    """The knobs of a running generation: the window writes them, the worker reads them before each token.

    Args:
        sampling: Where they stand at the start.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._lock = threading.Lock()
        self._current = check(sampling)

    @property
    def current(self) -> Sampling:
        """Where the knobs stand now; may be read and set from any thread.

        Raises:
            InputError: A value that was set is out of its range; the knobs stay where they were.
        """
        with self._lock:
            return self._current

    @current.setter
    def current(self, sampling: Sampling) -> None:
        checked = check(sampling)
        with self._lock:
            self._current = checked


def check(sampling: Sampling) -> Sampling:
    """Return the knobs, with the number types the library insists on, or say which one is out of its range.

    Raises:
        InputError: A value is out of the range that `Sampling` documents.
    """
    ranges: tuple[tuple[str, float, bool, str], ...] = (
        ("temperature", sampling.temperature, sampling.temperature > 0, "above 0; take greedy decoding for 0"),
        ("top_k", sampling.top_k, sampling.top_k >= 0, "0 (off) or more"),
        ("top_p", sampling.top_p, 0 <= sampling.top_p <= 1, "from 0 to 1; 1 is off"),
        ("min_p", sampling.min_p, 0 <= sampling.min_p <= 1, "from 0 to 1; 0 is off"),
        ("repetition_penalty", sampling.repetition_penalty, sampling.repetition_penalty > 0, "above 0; 1 is off"),
        ("max_new_tokens", sampling.max_new_tokens, sampling.max_new_tokens >= 1, "1 or more"),
        ("seed", sampling.seed, 0 <= sampling.seed < 2**63, "from 0 to 9,223,372,036,854,775,807"),
    )
    for name, value, good, usual in ranges:
        if not good or not math.isfinite(value):
            raise InputError(
                f"{name} can't be {value:g}.", why=f"It has to be {usual}.", remedy=f"Set {name} to another value."
            )
    return Sampling(
        do_sample=bool(sampling.do_sample),
        temperature=float(sampling.temperature),
        top_k=int(sampling.top_k),
        top_p=float(sampling.top_p),
        min_p=float(sampling.min_p),
        repetition_penalty=float(sampling.repetition_penalty),
        max_new_tokens=int(sampling.max_new_tokens),
        seed=int(sampling.seed),
    )


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """What became of a distribution under some knobs.

    Attributes:
        sampling: The knobs.
        probabilities: After all of them, float32 of shape ``(vocab,)``; 0.0 where cut.
        cut: uint8 of shape ``(vocab,)``: 0, or 1 + the index in `CUTS` of the knob that removed the token.
        kept: Tokens left to draw from.
        removed: For every knob that acts: the share of the probability it was handed that it took away, in ``[0, 1)``.
        removed_count: For every knob that acts: how many tokens it removed.
        entropy: Of ``probabilities``, in bits.
    """

    sampling: Sampling
    probabilities: np.ndarray
    cut: np.ndarray
    kept: int
    removed: dict[str, float]
    removed_count: dict[str, int]
    entropy: float

    def possible(self, token_id: int) -> bool:
        """Whether the token can still be chosen."""
        return bool(self.probabilities[token_id] > 0)

    def cut_by(self, token_id: int) -> str | None:
        """The knob that removed the token, or None."""
        code = int(self.cut[token_id])
        return CUTS[code - 1] if code else None


class Distribution:
    """The logits of one step, sorted once, so that every move of a knob is answered in a few milliseconds.

    The arithmetic is the library's, operation for operation in float32, in the order of ``_get_logits_processor``:
    repetition penalty, then (when sampling) temperature, top-k, top-p, min-p. Only its sorting is done ahead and kept.

    Args:
        logits: Raw logits of shape ``(vocab,)``.
        before: All ids in front of the token, prompt included; the repetition penalty acts on them.

    Raises:
        NotSupported: The logits hold NaN, or no finite value at all.

    References:
        transformers, Generation: RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper,
        TopPLogitsWarper, MinPLogitsWarper
    """

    def __init__(self, logits: Logits, before: Sequence[int] = ()) -> None:
        self.logits = logits.float32()
        top = self.logits.max(initial=-np.inf)
        if not np.isfinite(top):
            raise NotSupported(
                "This step has no next-token distribution.",
                why=f"The model's logits hold {'NaN' if np.isnan(top) else 'no finite number'}.",
                remedy="Load the checkpoint in float32 or bfloat16; if that does not help, its weights are damaged.",
            )
        self.probabilities = _softmax(self.logits)
        self.entropy = _entropy(self.probabilities)
        seen = np.unique(np.asarray(before, dtype=np.int64))
        self._seen = seen[(seen >= 0) & (seen < self.logits.size)]
        self._raw_sorted = np.sort(self.logits)
        self._penalised: tuple[float, np.ndarray, np.ndarray] | None = None
        self._library_sort: tuple[int, np.ndarray, np.ndarray] | None = None
        self._trace: Trace | None = None

    def rank(self, token_id: int) -> int:
        """Rank among the raw logits: 1 + how many are strictly larger."""
        return self.logits.size - int(np.searchsorted(self._raw_sorted, self.logits[token_id], side="right")) + 1

    def trace(self, sampling: Sampling) -> Trace:
        """Apply the knobs.

        Raises:
            InputError: A knob is out of its range.
        """
        if self._trace is None or self._trace.sampling != sampling:
            self._trace = self._apply(check(sampling))
        return self._trace

    def top(self, count: int, sampling: Sampling, vocabulary: Vocabulary | None) -> tuple[Candidate, ...]:
        """The foremost candidates, by falling logit after the repetition penalty (the other knobs keep that order).

        Args:
            count: How many.
            sampling: The knobs whose effect the candidates show.
            vocabulary: Spells the candidates; without one their text is empty.
        """
        trace = self.trace(sampling)
        scores, order = self._after_penalty(trace.sampling.repetition_penalty)
        head = order[::-1][:count]
        head = head[np.lexsort((head, -scores[head]))]
        ranks = self.logits.size - np.searchsorted(self._raw_sorted, self.logits[head], side="right") + 1
        texts = vocabulary.spell(head.tolist()) if vocabulary is not None else [""] * len(head)
        return tuple(
            Candidate(
                id=token_id,
                text=text,
                logit=logit,
                probability=probability,
                after=after,
                cut_by=CUTS[cut - 1] if cut else None,
                rank=rank,
            )
            for token_id, text, logit, probability, after, cut, rank in zip(
                head.tolist(),
                texts,
                self.logits[head].tolist(),
                self.probabilities[head].tolist(),
                trace.probabilities[head].tolist(),
                trace.cut[head].tolist(),
                ranks.tolist(),
                strict=True,
            )
        )

    def _after_penalty(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Scores ``(vocab,)`` after the repetition penalty, and the ids by rising score."""
        if not self._seen.size:
            penalty = 1.0
        if self._penalised is None or self._penalised[0] != penalty:
            scores = self.logits
            if penalty != 1.0:
                scores = scores.copy()
                found, factor = scores[self._seen], np.float32(penalty)
                scores[self._seen] = np.where(found < 0, found * factor, found / factor)
            self._penalised = (penalty, scores, np.argsort(scores))
            self._library_sort = None
        return self._penalised[1], self._penalised[2]

    def _apply(self, sampling: Sampling) -> Trace:
        scores, order = self._after_penalty(sampling.repetition_penalty)
        cut = np.zeros(scores.size, dtype=np.uint8)
        removed: dict[str, float] = {}
        counts: dict[str, int] = {}

        def note(knob: str, gone: np.ndarray, handed: np.ndarray) -> None:
            cut[gone] = CUTS.index(knob) + 1
            removed[knob] = float(handed[gone].sum(dtype=np.float64))
            counts[knob] = int(gone.size)

        if not sampling.do_sample:
            best = _argmax(scores)
            rest = np.flatnonzero(scores > -np.inf)
            note("greedy", rest[rest != best], _softmax(scores))
            chosen = np.zeros(scores.size, dtype=np.float32)
            chosen[best] = 1.0
            return Trace(sampling, chosen, cut, 1, removed, counts, 0.0)

        if sampling.temperature != 1.0:
            scores = scores / np.float32(sampling.temperature)
        rising = scores[order]
        # Everything below position `first` of the rising order is cut, or was -inf from the start.
        first = int(np.searchsorted(rising, -np.inf, side="right"))
        if sampling.top_k != 0:
            limit = rising[-min(sampling.top_k, rising.size)]
            start = max(first, int(np.searchsorted(rising, limit, side="left")))
            note("top_k", order[first:start], _softmax(scores))
            scores = _without(scores, order[first:start])
            first = start
        if sampling.top_p < 1.0:
            rising[:first] = -np.inf
            handed = _softmax(rising)
            cumulative = _cumsum(handed)
            start = int(np.searchsorted(cumulative, np.float32(1 - sampling.top_p), side="right"))
            start = min(max(first, start), rising.size - 1)
            if start > first and rising[start - 1] == rising[start]:
                order = self._library_order(scores, sampling, order)
            gone = order[first:start]
            note("top_p", gone, _softmax(scores))
            scores = _without(scores, gone)
            first = start
        if sampling.min_p > 0:
            handed = _softmax(scores)
            kept = order[first:]
            weak = handed[kept] < np.float32(sampling.min_p) * handed.max()
            weak[-1] = False
            note("min_p", kept[weak], handed)
            scores = _without(scores, kept[weak])
            first += int(weak.sum())
        after = _softmax(scores)
        return Trace(sampling, after, cut, rising.size - first, removed, counts, _entropy(after))

    def _library_order(self, scores: np.ndarray, sampling: Sampling, order: np.ndarray) -> np.ndarray:
        """The order `torch.sort` gives these scores.

        It only matters where equal scores lie on both sides of the top-p limit: which of them stays is decided by how
        torch sorts equals, and that differs from numpy's way. Temperature changes no comparison unless two scores round
        to one, so a sort made at another temperature is reused as long as the equals are the same ones.
        """
        import torch

        kept = self._library_sort
        if kept is not None and kept[0] == sampling.top_k:
            rising = scores[kept[1]]
            if np.array_equal(rising[1:] == rising[:-1], kept[2]) and np.all(rising[1:] >= rising[:-1]):
                return kept[1]
        indices = torch.sort(torch.from_numpy(scores)[None], descending=False)[1][0].numpy()
        rising = scores[indices]
        self._library_sort = (sampling.top_k, indices, rising[1:] == rising[:-1])
        return indices


def keep(row: torch.Tensor, dtype: str) -> Logits:
    """Take logits off the device as compactly as they were computed, with every bit of them.

    Args:
        row: Shape ``(vocab,)``; float32 where the library has widened what the model computed.
        dtype: What the model computes in; the logits are kept in it when that loses nothing, else as float32.
    """
    import torch

    if dtype in ("bfloat16", "float16"):
        narrow = row.to(getattr(torch, dtype))
        if torch.equal(narrow.to(row.dtype), row):
            return Logits(narrow.view(torch.int16).cpu().numpy().view(np.uint16).copy(), dtype)
    return Logits(row.to(torch.float32).cpu().numpy().copy(), "float32")


# Softmax and running sum are torch's own: numpy's differ in the last bits, and in a flat distribution over 150,000
# tokens that moves the top-p limit by a token.


def _softmax(scores: np.ndarray) -> np.ndarray:
    import torch

    result: np.ndarray = torch.softmax(torch.from_numpy(scores)[None], dim=-1)[0].numpy()
    return result


def _cumsum(values: np.ndarray) -> np.ndarray:
    import torch

    result: np.ndarray = torch.from_numpy(values)[None].cumsum(dim=-1)[0].numpy()
    return result


def _argmax(scores: np.ndarray) -> int:
    import torch

    return int(torch.argmax(torch.from_numpy(scores)))


def _without(scores: np.ndarray, gone: np.ndarray) -> np.ndarray:
    result = scores.copy()
    result[gone] = -np.inf
    return result


def _entropy(probabilities: np.ndarray) -> float:
    positive = probabilities[probabilities > 0]
    return float(max(0.0, -(positive * np.log2(positive)).sum(dtype=np.float64)))

"""Which candidates are listed: the foremost, all that are kept, or those that were searched for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np

from workbench.engine.sampling import Distribution, Trace
from workbench.engine.task import Silent, Task
from workbench.engine.tokens.vocabulary import Vocabulary

#: Rows listed at most when all that are kept, or found, are asked for.
MOST = 1_000
#: Spelled at a time, between two looks at whether the search was given up.
_CHUNK = 2_048
#: What tables show instead of blanks and breaks may be typed as well.
_SIGNS = str.maketrans({"·": " ", "␣": " ", "⏎": "\n", "⇥": "\t"})


class Row:
    """A candidate whose reason is worked out when somebody asks for it.

    Attributes:
        id, text, logit, probability, after, cut_by, rank, scores: As in `Candidate`.
    """

    __slots__ = ("_trace", "after", "cut_by", "id", "logit", "probability", "rank", "scores", "text")

    def __init__(self, distribution: Distribution, trace: Trace, token_id: int, text: str) -> None:
        self._trace = trace
        self.id, self.text = token_id, text
        self.logit = float(distribution.logits[token_id])
        self.probability = float(distribution.probabilities[token_id])
        self.after = float(trace.probabilities[token_id])
        self.cut_by = trace.cut_by(token_id)
        self.rank = distribution.rank(token_id)
        self.scores = trace.scores(token_id)

    @property
    def why(self) -> str:
        """Why it was cut, in words with numbers; empty when it is kept."""
        return self._trace.why(self.id)


class Rows(Sequence[Row]):
    """Candidates made when they are seen.

    Args:
        distribution: Theirs.
        trace: What became of it.
        ids: Which ones, in this order.
        vocabulary: Spells them.
    """

    def __init__(
        self, distribution: Distribution, trace: Trace, ids: Sequence[int], vocabulary: Vocabulary | None
    ) -> None:
        self._distribution, self._trace, self._vocabulary = distribution, trace, vocabulary
        self._ids = ids
        self._made: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self._ids)))]
        token_id = self._ids[index]
        if token_id not in self._made:
            text = self._vocabulary.spell([token_id])[0] if self._vocabulary is not None else ""
            self._made[token_id] = Row(self._distribution, self._trace, token_id, text)
        return self._made[token_id]


def reach(distribution: Distribution, trace: Trace) -> Callable[[int], tuple[float, float]]:
    """Gives the cumulative probability of an id, before the knobs and after."""
    return lambda token_id: (distribution.reach(token_id), trace.reach(token_id))


def kept_ids(probabilities: np.ndarray) -> list[int]:
    """Ids of what is left to draw from, the most probable first, at most `MOST`."""
    kept = np.flatnonzero(probabilities > 0)
    if kept.size > MOST:
        kept = kept[np.argpartition(-probabilities[kept], MOST)[:MOST]]
    order: list[int] = kept[np.lexsort((kept, -probabilities[kept]))].tolist()
    return order


def ranked(found: Sequence[tuple[int, int]], probabilities: np.ndarray) -> list[int]:
    """Ids of what `search` found: the best likeness first, and the most probable first among equals; at most `MOST`."""
    if not found:
        return []
    pairs = np.asarray(found, dtype=np.int64)
    pairs = pairs[pairs[:, 1] < probabilities.size]
    order: list[int] = pairs[np.lexsort((-probabilities[pairs[:, 1]], pairs[:, 0]))][:MOST, 1].tolist()
    return order


def search(vocabulary: Vocabulary, query: str, size: int, *, task: Task | None = None) -> list[tuple[int, int]]:
    """Find tokens by id or by text.

    Args:
        vocabulary: Spells them; what is spelled once is known the next time.
        query: A number, or (part of) a text, as it reads or as tables show it.
        size: Entries of the vocabulary, padding included.
        task: Asked while it searches whether to stop.

    Returns:
        Pairs of likeness and id: 0 is that id, 1 the same text, 2 the same but for blanks around it, 3 begins with it,
        4 holds it, 5 holds it in other letters' case.
    """
    task = task or Silent()
    found: list[tuple[int, int]] = []
    number = query.strip().replace(",", "")
    if number.isascii() and number.isdigit() and int(number) < size:
        found.append((0, int(number)))
    typed = query.translate(_SIGNS)
    bare = typed.strip() or typed
    folded = bare.casefold()
    for begin in range(0, len(vocabulary), _CHUNK):
        task.check()
        ids = range(begin, min(begin + _CHUNK, len(vocabulary)))
        for token_id, text in zip(ids, vocabulary.spell(ids), strict=True):
            if text in (typed, query):
                found.append((1, token_id))
            elif bare in text:
                stripped = text.strip()
                found.append((2 if stripped == bare else 3 if stripped.startswith(bare) else 4, token_id))
            elif folded in text.casefold():
                found.append((5, token_id))
    return found

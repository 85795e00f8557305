"""Which of equal scores `torch.sort` puts first, found without sorting all of them.

``TopPLogitsWarper`` cuts so many tokens off the lower end of a sorted row. Where equal scores lie on both sides of that
place, which of them go follows from how torch sorts equals. On the CPU that is ``std::sort``: halving around a pivot
until 16 are left, then inserting. Only the half that the place lies in has to be followed, which takes a tenth of the
time. Whether torch sorts that way here is looked at once; where it does not, it sorts.

References:
    torch, torch.sort; D. R. Musser, Introspective sorting and selection algorithms (1997)
"""

from __future__ import annotations

from functools import cache

import numpy as np

#: So many or fewer are sorted by inserting them.
_FEW = 16


def lowest(values: np.ndarray, count: int) -> np.ndarray:
    """The indices that an unstable rising sort of torch puts first, in no order.

    Args:
        values: float32 of shape ``(n,)`` without NaN.
        count: How many, in ``[0, n]``.

    Returns:
        Of shape ``(count,)``.
    """
    found = _followed(values, count) if _is_introsort() else None
    return found if found is not None else _sorted(values)[:count]


def _sorted(values: np.ndarray) -> np.ndarray:
    import torch

    indices: np.ndarray = torch.sort(torch.from_numpy(values)[None], descending=False)[1][0].numpy()
    return indices


@cache
def _is_introsort() -> bool:
    """Whether torch, as it was built for this machine, sorts equals as is followed here."""
    values = np.random.default_rng(0).integers(0, 40, 3000).astype(np.float32)
    order = _sorted(values)
    for count in range(50, 3000, 150):
        found = _followed(values, count)
        if found is None or not np.array_equal(np.sort(found), np.sort(order[:count])):
            return False
    return True


def _followed(values: np.ndarray, count: int) -> np.ndarray | None:
    """Follow the halves that place ``count`` lies in; None where the sort would give halving up."""
    values, places = values.copy(), np.arange(values.size)
    first, last = 0, values.size
    for _ in range(2 * (values.size.bit_length() - 1)):
        if last - first <= _FEW:
            break
        cut = _halved(values, places, first, last)
        first, last = (first, cut) if count < cut else (cut, last)
    if last - first > _FEW:
        return None
    places[first:last] = places[first:last][np.argsort(values[first:last], kind="stable")]
    return places[:count]


def _halved(values: np.ndarray, places: np.ndarray, first: int, last: int) -> int:
    """Put what is smaller than a pivot in front of what is larger, and say where the larger ones begin."""
    pivot = _median(values, first + 1, first + (last - first) // 2, last - 1)
    values[[first, pivot]], places[[first, pivot]] = values[[pivot, first]], places[[pivot, first]]
    inside = values[first + 1 : last]
    # From the left what is too large is looked for, from the right what is too small; each pair changes places until
    # the two meet. What equals the pivot stops both.
    left = np.flatnonzero(inside >= values[first]) + first + 1
    right = np.flatnonzero(inside <= values[first])[::-1] + first + 1
    pairs = min(left.size, right.size)
    pairs = int(np.count_nonzero(left[:pairs] < right[:pairs]))
    one, other = left[:pairs], right[:pairs]
    values[one], values[other] = values[other], values[one]
    places[one], places[other] = places[other], places[one]
    met = int(left[pairs]) if pairs < left.size else last
    return min(met, int(other[-1])) if pairs else met


def _median(values: np.ndarray, a: int, b: int, c: int) -> int:
    """Which of three places holds the median, where equals count as ``std::sort`` has them."""
    if values[a] < values[b]:
        return b if values[b] < values[c] else c if values[a] < values[c] else a
    return a if values[a] < values[c] else c if values[b] < values[c] else b

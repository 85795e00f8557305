"""The points of a line: as many as come, their running mean, and the few of them that a picture needs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: Largest power of ten by which a block of the running mean is scaled, so that float64 neither overflows nor rounds.
_LARGEST = 150.0
_FIRST_ROOM = 256


class Curve:
    """Points in order of x; a y that is no number is a gap, and nothing is ever dropped.

    Attributes:
        revision: Counts the changes.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._count = 0
        self._xs = np.empty(_FIRST_ROOM)
        self._ys = np.empty(_FIRST_ROOM)
        self._means = np.empty(_FIRST_ROOM)
        self._weight = 0.0
        # Of the running mean after the last point: its sum, and the weight of the numbers in it.
        self._sum = self._norm = 0.0
        self._bounds: dict[tuple[bool, bool], tuple[int, tuple[float, float] | None]] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def xs(self) -> np.ndarray:
        """All x, rising; not to be written to."""
        return self._xs[: self._count]

    @property
    def ys(self) -> np.ndarray:
        """All y; NaN where there is a gap."""
        return self._ys[: self._count]

    @property
    def means(self) -> np.ndarray:
        """The exponential mean up to each point, corrected for its start; gaps stay gaps and are passed over."""
        return self._means[: self._count]

    def append(self, x: float, y: float) -> None:
        """Add a point; one that comes before the last takes its place among the others."""
        if self._count and x < self._xs[self._count - 1]:
            at = int(np.searchsorted(self.xs, x, side="right"))
            self.set(np.insert(self.xs, at, x), np.insert(self.ys, at, y))
            return
        if self._count == len(self._xs):
            self._make_room(2 * self._count)
        self._xs[self._count] = x
        self._ys[self._count] = y if math.isfinite(y) else math.nan
        self._count += 1
        self._extend_means(self._count - 1)
        self.revision += 1

    def set(self, xs: Sequence[float] | np.ndarray, ys: Sequence[float] | np.ndarray) -> None:
        """Take these points instead, of equal number."""
        new_xs, new_ys = np.array(xs, dtype=float), np.array(ys, dtype=float)
        if new_xs.shape != new_ys.shape:
            raise ValueError(f"{len(new_xs)} x and {len(new_ys)} y")
        new_ys[~np.isfinite(new_ys)] = np.nan
        if np.any(np.diff(new_xs) < 0):
            order = np.argsort(new_xs, kind="stable")
            new_xs, new_ys = new_xs[order], new_ys[order]
        self._count = len(new_xs)
        room = max(_FIRST_ROOM, self._count)
        self._xs, self._ys, self._means = np.empty(room), np.empty(room), np.empty(room)
        self._xs[: self._count], self._ys[: self._count] = new_xs, new_ys
        self._mean_anew()

    def set_weight(self, weight: float) -> None:
        """Weight of the running mean in ``[0, 1)``: what is left of it after each point."""
        if weight != self._weight:
            self._weight = weight
            self._mean_anew()

    def nearest(self, x: float) -> int | None:
        """Place of the point nearest to ``x``, or None without points."""
        if not self._count:
            return None
        right = min(int(np.searchsorted(self.xs, x)), self._count - 1)
        left = max(right - 1, 0)
        return left if x - self._xs[left] <= self._xs[right] - x else right

    def x_bounds(self) -> tuple[float, float] | None:
        """First and last x."""
        return (float(self._xs[0]), float(self._xs[self._count - 1])) if self._count else None

    def y_bounds(self, *, mean: bool, log: bool) -> tuple[float, float] | None:
        """Least and greatest value that can be drawn, as its logarithm on a logarithmic axis; None without any."""
        known = self._bounds.get((mean, log))
        if known is not None and known[0] == self.revision:
            return known[1]
        values = self.means if mean else self.ys
        if log:
            values = values[values > 0]
        found = None
        if len(values) and not math.isnan(low := float(np.fmin.reduce(values))):
            high = float(np.fmax.reduce(values))
            found = (math.log10(low), math.log10(high)) if log else (low, high)
        self._bounds[mean, log] = (self.revision, found)
        return found

    def visible(
        self, low: float, high: float, columns: int, *, mean: bool = False, log: bool = False
    ) -> tuple[np.ndarray, np.ndarray, bool]:
        """What has to be drawn between two x.

        Args:
            low: Where the view begins.
            high: Where it ends.
            columns: Pixels between them.
            mean: Of the running mean instead of the values.
            log: Give decimal logarithms; what is not above zero is a gap.

        Returns:
            x and y, and whether they are pairs: where many more points than pixels are in view, these are the least and
            the greatest of each column of pixels, in turn, at the x of its first point.
        """
        xs = self.xs
        # The line goes on beyond the edges, to the neighbours out of view.
        first = max(int(np.searchsorted(xs, low)) - 1, 0)
        last = min(int(np.searchsorted(xs, high, side="right")) + 1, len(xs))
        xs, ys = xs[first:last], (self.means if mean else self.ys)[first:last]
        if log and len(ys) and np.fmin.reduce(ys) <= 0:
            ys = np.where(ys > 0, ys, np.nan)
        pairs = len(xs) > 3 * columns and high > low
        if pairs:
            width = (high - low) / columns
            # Columns stay where they are while the view moves, so that the line does not flicker.
            edges = np.arange(math.floor(low / width), math.ceil(high / width) + 1) * width
            starts = np.unique(np.append(0, np.searchsorted(xs, edges)))
            starts = starts[starts < len(xs)]
            least, greatest = np.fmin.reduceat(ys, starts), np.fmax.reduceat(ys, starts)
            xs, ys = np.repeat(xs[starts], 2), np.stack((least, greatest), axis=1)
            # Up and down in turn, which leaves the shortest way from a column to the next.
            ys[1::2] = ys[1::2, ::-1]
            ys = ys.ravel()
        return xs, np.log10(ys) if log else ys, pairs

    def _make_room(self, room: int) -> None:
        for name in ("_xs", "_ys", "_means"):
            wider = np.empty(room)
            wider[: self._count] = getattr(self, name)[: self._count]
            setattr(self, name, wider)

    def _mean_anew(self) -> None:
        self._sum = self._norm = 0.0
        self._extend_means(0)
        self.revision += 1

    def _extend_means(self, start: int) -> None:
        weight, values = self._weight, self._ys[start : self._count]
        if weight == 0.0:
            self._means[start : self._count] = values
            return
        if len(values) == 1:
            self._means[start] = self._next_mean(float(values[0]))
            return
        finite = ~np.isnan(values)
        kept = values[finite]
        sums = _running(kept, weight, self._sum)
        norms = 1.0 - (1.0 - self._norm) * weight ** np.arange(1, len(kept) + 1)
        means = np.full(len(values), np.nan)
        means[finite] = sums / norms
        self._means[start : self._count] = means
        if len(kept):
            self._sum, self._norm = float(sums[-1]), float(norms[-1])

    def _next_mean(self, value: float) -> float:
        if math.isnan(value):
            return value
        self._sum = self._weight * self._sum + (1 - self._weight) * value
        self._norm = self._weight * self._norm + (1 - self._weight)
        return self._sum / self._norm


def _running(values: np.ndarray, weight: float, start: float) -> np.ndarray:
    """``s[i] = weight * s[i - 1] + (1 - weight) * values[i]`` for all i, from ``s[-1] = start``."""
    # A sum over a block is one pass of numpy when each value is scaled by how far its weight has fallen since.
    length = max(1, min(len(values), int(_LARGEST / -math.log10(weight))))
    blocks = -(-len(values) // length)
    table = np.zeros((blocks, length))
    table.ravel()[: len(values)] = values
    fallen = weight ** np.arange(1, length + 1)
    sums = np.cumsum(table * ((1 - weight) / fallen), axis=1) * fallen
    before = np.empty(blocks)
    for number in range(blocks):
        before[number] = start
        start = float(sums[number, -1]) + float(fallen[-1]) * start
    sums += before[:, None] * fallen
    return sums.ravel()[: len(values)]

"""A curve keeps every point, means them as asked, and draws of a million only what can be seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.widgets.curve import Curve

NUMBERS = st.floats(-1e6, 1e6) | st.just(math.nan) | st.just(math.inf)


def means(values: list[float], weight: float) -> list[float]:
    """The exponential mean as its definition has it, point by point."""
    made, total, norm = [], 0.0, 0.0
    for value in values:
        if not math.isfinite(value):
            made.append(math.nan)
            continue
        total, norm = weight * total + (1 - weight) * value, weight * norm + (1 - weight)
        made.append(total / norm)
    return made


@settings(deadline=None)
@given(st.lists(NUMBERS, max_size=60), st.lists(NUMBERS, max_size=20), st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99]))
def test_the_mean_is_that_of_its_definition_whether_points_come_at_once_or_one_by_one(
    at_once: list[float], after: list[float], weight: float
) -> None:
    curve = Curve()
    curve.set(range(len(at_once)), at_once)
    curve.set_weight(weight)
    for number, value in enumerate(after, len(at_once)):
        curve.append(number, value)
    expected = means([*at_once, *after], weight)
    np.testing.assert_allclose(curve.means, expected, rtol=1e-9, atol=1e-6)


def test_a_long_mean_neither_overflows_nor_drifts() -> None:
    values = np.random.default_rng(0).normal(5, 1, 300_000)
    values[::1000] = np.nan
    for weight in (0.01, 0.3, 0.99):
        curve = Curve()
        curve.set(range(len(values)), values)
        curve.set_weight(weight)
        np.testing.assert_allclose(curve.means, means(values.tolist(), weight), rtol=1e-12)


def test_points_come_back_in_order_and_none_is_lost() -> None:
    curve = Curve()
    for number in range(1000):
        curve.append(number, 1 / (number + 1))
    curve.append(499.5, 7.0)
    assert len(curve) == 1001
    assert curve.xs.tolist()[499:502] == [499, 499.5, 500]
    assert curve.ys[500] == 7.0
    curve.set([3, 1, 2], [30, 10, math.inf])
    assert curve.xs.tolist() == [1, 2, 3]
    assert curve.ys[0] == 10 and math.isnan(curve.ys[1])
    assert (curve.nearest(1.4), curve.nearest(1.6), curve.nearest(99)) == (0, 1, 2)
    assert Curve().nearest(0) is None
    with pytest.raises(ValueError, match="1 x and 2 y"):
        curve.set([1], [1, 2])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(20, 200), st.floats(-0.2, 1.0), st.floats(0.01, 1.2), st.booleans())
def test_each_column_of_pixels_shows_its_least_and_greatest(
    seed: int, columns: int, start: float, span: float, log: bool
) -> None:
    generator = np.random.default_rng(seed)
    count = 5000
    ys = generator.normal(size=count)
    ys[generator.random(count) < 0.05] = np.nan
    curve = Curve()
    curve.set(np.arange(count), ys)
    low, high = start * count, (start + span) * count
    xs, drawn, pairs = curve.visible(low, high, columns, log=log)
    seen = np.where(ys > 0, ys, np.nan) if log else ys
    first, last = max(0, math.ceil(low) - 1), min(count, max(1, math.floor(high) + 2))
    if not pairs:
        assert len(xs) <= 3 * columns
        assert xs.tolist() == list(range(first, last))
        np.testing.assert_allclose(10**drawn if log else drawn, seen[first:last])
        return
    assert len(xs) <= 2 * (columns + 4)
    starts = xs[::2].astype(int).tolist()
    assert starts[0] == first
    width = (high - low) / columns
    for start_of, end_of, pair in zip(starts, [*starts[1:], last], drawn.reshape(-1, 2), strict=True):
        part = seen[start_of:end_of]
        inside = [n for n in range(start_of, end_of) if low <= n < high]
        assert len({math.floor(n / width + 1e-9) for n in inside}) <= 2, "no column is wider than a pixel"
        assert not inside or inside[-1] - inside[0] <= width
        part = part[np.isfinite(part)]
        if not len(part):
            assert np.isnan(pair).all()
        else:
            expected = [part.min(), part.max()]
            np.testing.assert_allclose(sorted(10**pair if log else pair), expected, rtol=1e-9)


def test_a_million_points_are_a_few_thousand_in_view_and_a_gap_stays_one() -> None:
    ys = np.ones(1_000_000)
    ys[400_000:600_000] = np.nan
    curve = Curve()
    curve.set(np.arange(1_000_000), ys)
    xs, drawn, pairs = curve.visible(0, 1_000_000, 1000)
    assert pairs and len(xs) <= 2010
    assert np.isnan(drawn[(xs >= 400_000) & (xs < 600_000)]).all()
    assert not (drawn == 0).any()
    assert np.isfinite(drawn[(xs < 399_000) | (xs > 601_000)]).all()
    xs, drawn, pairs = curve.visible(100, 110, 1000)
    assert not pairs and xs.tolist() == list(range(99, 112))


def test_bounds_are_those_of_what_can_be_drawn() -> None:
    curve = Curve()
    assert curve.y_bounds(mean=False, log=False) is None
    curve.set([0, 1, 2, 3], [math.nan, -1.0, 0.1, 10.0])
    assert curve.y_bounds(mean=False, log=False) == (-1.0, 10.0)
    assert curve.y_bounds(mean=False, log=True) == pytest.approx((-1.0, 1.0))
    curve.set([0], [math.nan])
    assert curve.y_bounds(mean=False, log=False) is None
    assert curve.y_bounds(mean=False, log=True) is None

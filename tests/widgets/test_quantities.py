"""Numbers read as people write them, and stay numbers in a table."""

from __future__ import annotations

import pytest

from workbench.widgets.quantities import (
    Count,
    Size,
    format_bytes,
    format_count,
    format_many,
    format_progress,
    format_seconds,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (812, "812 B"), (999, "999 B"), (1000, "1.00 kB"), (9_996, "10.0 kB"), (92_871_040, "92.9 MB"),
     (999_499, "999 kB"), (999_999, "1.00 MB"), (269_060_552, "269 MB"), (1_240_000_000, "1.24 GB"),
     (3e15, "3000 TB")],
)  # fmt: skip
def test_bytes(value: float, text: str) -> None:
    assert format_bytes(value) == text


@pytest.mark.parametrize(("value", "text"), [(812, "812"), (22_713_216, "22.7 M"), (134_515_008, "135 M")])
def test_counts(value: float, text: str) -> None:
    assert format_count(value) == text


def test_a_noun_stands_in_the_plural_where_it_is_not_one() -> None:
    assert [format_many(count, "file") for count in (0, 1, 1204)] == ["0 files", "1 file", "1,204 files"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.04, "0.0 s"), (9.96, "10 s"), (59.7, "1 min 0 s"), (125, "2 min 5 s"), (4800, "1 h 20 min")]
)
def test_times(value: float, text: str) -> None:
    assert format_seconds(value) == text


def test_progress() -> None:
    assert format_progress(43, 100, "bytes") == "43 % of 100 B"
    assert format_progress(118, 600, "steps") == "118/600 steps"
    assert format_progress(0, None, "steps") == ""
    assert format_progress(5, None, "rows") == "5 rows"


def test_table_numbers_stay_numbers() -> None:
    assert str(Size(2_000_000)) == "2.00 MB" and Size(5) < Size(6)
    assert str(Count(1500)) == "1.50 k" and Count(1500) == 1500

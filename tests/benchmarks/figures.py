"""A figure, its bar, and how it is printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value against a bar.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: ``x`` (a ratio), ``ms`` or ``MB``.
        bar: What it must reach.
        at_most: Whether the value must stay at or below the bar (else at or above).
        detail: The two sides of a ratio, and how often each was run.
    """

    name: str
    value: float
    unit: str
    bar: float
    at_most: bool
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the bar is met."""
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def line(self) -> str:
        """``name value unit bar ok|FALLS SHORT``."""
        sign = "≤" if self.at_most else "≥"
        verdict = "ok" if self.ok else "FALLS SHORT"
        return (
            f"{self.name:<42} {self.value:9.3f} {self.unit:<2} {sign} {self.bar:g}  {verdict}  {self.detail}".rstrip()
        )

    def as_json(self) -> dict[str, object]:
        """For ``bench.json``."""
        return {**asdict(self), "ok": self.ok}


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of runs made side by side, so that a drifting machine cancels out."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

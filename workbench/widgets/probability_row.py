"""A candidate for the next token: what is known of it, and how its cells read."""

from __future__ import annotations

import math
from typing import Protocol

#: Longer names of processors stand on two lines.
_ONE_LINE = 9


class ProbabilityRow(Protocol):
    """A candidate: ``after`` is 0 and ``cut_by`` names the knob when it was removed."""

    @property
    def id(self) -> int:
        """Vocabulary id."""
        ...

    @property
    def text(self) -> str:
        """Decoded."""
        ...

    @property
    def rank(self) -> int:
        """1 is the most probable."""
        ...

    @property
    def logit(self) -> float:
        """Raw."""
        ...

    @property
    def probability(self) -> float:
        """Before any knob."""
        ...

    @property
    def after(self) -> float:
        """After every knob; 0.0 when cut."""
        ...

    @property
    def cut_by(self) -> str | None:
        """The knob that removed it, or None."""
        ...

    @property
    def scores(self) -> tuple[float, ...]:
        """After each processor; -inf from where it was cut."""
        ...

    @property
    def why(self) -> str:
        """Why it was cut, in words; empty when it is kept."""
        ...


def heading(act: str) -> str:
    """A processor's name over its column, on two lines of about one length when it is long."""
    places = [place + 1 for place, letter in enumerate(act) if letter == "_"]
    if len(act) <= _ONE_LINE or not places:
        return act
    place = min(places, key=lambda each: max(each, len(act) - each))
    return f"{act[:place]}\n{act[place:]}"


def score_cells(row: ProbabilityRow, count: int) -> list[object]:
    """The score after each processor: ``cut`` where it was cut, nothing behind that."""
    cells: list[object] = []
    before = row.logit
    for score in row.scores[:count]:
        gone = score == -math.inf
        cells.append(score if not gone else "cut" if before != -math.inf else "" if row.cut_by else score)
        before = score
    return cells + [""] * (count - len(cells))


def format_rank(value: int) -> str:
    """A rank, thousands apart."""
    return f"{value:,}"


def format_score(value: float | str) -> str:
    """A logit or what a processor made of it; words as they are."""
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "∞" if value > 0 else "−∞"
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:.3g}"

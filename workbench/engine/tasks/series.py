"""Series of numbers, as people write them: one after the other, or a moment a line as a spreadsheet has it."""

from __future__ import annotations

import math
import re

from workbench.engine.errors import InputError
from workbench.engine.tasks.inputs import check_text

DECIDES = ("decision_transformer",)
"""Those whose series are steps of somebody who acts: the state, the action, and the return to go."""

ARCHITECTURES = ("autoformer", *DECIDES, "informer", "patchtsmixer", "patchtst", "time_series_transformer")
"""Those that read series and have no head among the Auto classes."""

PATCHED = ("timesfm", "timesfm2_5")
"""Those that read a series alone, a patch of it at a time."""

_BETWEEN = re.compile(r"[,;\t ]+")


def column(text: str) -> list[float]:
    """One series: the numbers of a line, or the last one of each of several lines, whose first may name them.

    Raises:
        InputError: There are none, or something else stands among them.
    """
    return [row[-1] for row in table(text)]


def table(text: str) -> list[list[float]]:
    """Several series, a moment a row: numbers on one line are a series alone, and then each is a row of its own.

    Of lines with words in front, such as a date, only the last cell counts.

    Raises:
        InputError: There are none, something else stands among them, or the lines differ in length.
    """
    check_text(text, "series")
    lines = [_BETWEEN.split(line.strip().strip(",;")) for line in text.splitlines() if line.strip(" \t,;")]
    if len(lines) == 1:
        return [[_number(cell)] for cell in lines[0]]
    if lines and not _is_number(lines[0][-1]):
        lines = lines[1:]
    if any(not all(map(_is_number, cells)) for cells in lines):
        lines = [cells[-1:] for cells in lines]
    rows = [[_number(cell) for cell in cells] for cells in lines]
    if len({len(row) for row in rows}) != 1:
        raise InputError(
            "The series can't be read.",
            why="Its lines do not all have the same number of columns." if rows else "There is no number below a name.",
            remedy="Write a moment a line, its numbers between commas.",
        )
    return rows


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _number(cell: str) -> float:
    if not _is_number(cell):
        raise InputError(
            "The series can't be read.",
            why=f"“{cell[:40]}” is no number.",
            remedy="Write numbers with a decimal point, between commas or a line each.",
        )
    return float(cell)

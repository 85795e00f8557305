"""The words of a page, each with the box it stands in, as whatever read the page found them."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from workbench.engine.models import LoadedModel

WORDS = "Words, one a line: word,left,top,right,bottom in thousandths of the page"
"""How a page is written."""

EXAMPLE = (
    "Invoice,80,60,240,90\n2024-117,250,60,390,90\nTotal,80,700,160,730\n418.00,620,700,740,730\nEUR,750,700,810,730"
)
"""A page to try."""

BOXED = ("bros",)
"""Architectures that can't do without boxes, and whose tokenizers know of none."""

_SIDES = 4


def wanted(model: LoadedModel) -> bool:
    """Whether a model reads words with boxes and no running text."""
    return model.tokenizer is not None and (model.facts.model_type in BOXED or placing(model.tokenizer))


def placing(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer gives each token the box of its word, as LayoutLMv2's and those after it do."""
    kind: type = type(tokenizer)
    return _placing(kind)


@cache
def _placing(kind: type) -> bool:
    # Asked for every row of a batch, and a signature takes as long to read as a short row to classify.
    return "boxes" in inspect.signature(kind.__call__).parameters


def words(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The words of a page that is written as CSV, each with its box.

    Raises:
        InputError: A line is no word with four numbers from 0 to 1000.
    """
    return tuple((word, tuple(map(int, box))) for _, word, box in _rows(text))


def places(text: str) -> tuple[tuple[int, int], ...]:
    """Where each of those words stands in the text: its characters ``[start, end)``; the whole line where it is quoted.

    Raises:
        InputError: As for `words`.
    """
    lines = text.splitlines(keepends=True)
    begins = list(accumulate(map(len, lines), initial=0))
    found = []
    for number, word, _ in _rows(text):
        line = lines[number]
        start, length = (line.find(word), len(word)) if word in line else (0, len(line.rstrip("\r\n")))
        found.append((begins[number] + start, begins[number] + start + length))
    return tuple(found)


def told(text: str) -> tuple[str, str]:
    """What stands before the first word with a box in a text, and the page from there on."""
    lines = text.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if _is_word(_cut(line))), len(lines))
    return "".join(lines[:first]).strip(), "".join(lines[first:])


def _rows(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Number of the line, word and box of each line that is not empty."""
    for number, line in enumerate(text.splitlines()):
        row = _cut(line)
        if not row:
            continue
        if not _is_word(row):
            raise InputError(
                f"Line {number + 1} is no word with its box.",
                why="It needs a word and four whole numbers from 0 to 1000: left, top, right and bottom.",
                remedy="Write it like “Total,80,700,160,730”; 1000 is the far edge of the page.",
            )
        yield number, ",".join(row[:-_SIDES]).strip(), row[-_SIDES:]


def _cut(line: str) -> list[str]:
    return next(csv.reader([line], skipinitialspace=True), []) if line.strip() else []


def _is_word(row: list[str]) -> bool:
    word, box = ",".join(row[:-_SIDES]).strip(), row[-_SIDES:]
    return bool(word) and all(side.strip().isdecimal() and int(side) <= 1000 for side in box)

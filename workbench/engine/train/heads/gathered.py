"""Encoded rows as Arrow holds them: a token takes its bytes, not an object of Python each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

#: Rows that wait as Python's lists before they are packed.
_WAITING = 4096


class Gathered:
    """Takes slices of encoded rows, one after another, and gives them as one table.

    Packed on the way, a million rows of a hundred tokens take a gigabyte; as lists they would take four.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[Any]] = {}
        self._packed: list[Dataset] = []

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Take a slice: the values of each column, equally many, and the same columns each time."""
        for name, values in columns.items():
            self._waiting.setdefault(name, []).extend(values)
        if len(next(iter(self._waiting.values()), ())) >= _WAITING:
            self._pack()

    def dataset(self) -> Dataset:
        """All rows."""
        from datasets import Dataset, concatenate_datasets

        self._pack()
        return concatenate_datasets(self._packed) if self._packed else Dataset.from_dict({})

    def _pack(self) -> None:
        from datasets import Dataset

        if self._waiting:
            self._packed.append(Dataset.from_dict(self._waiting))
            self._waiting = {}

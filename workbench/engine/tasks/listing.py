"""What became of many rows, as a table: a line for each item, asked for one by one, and written to files."""

from __future__ import annotations

import csv
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from workbench.engine.errors import WorkbenchError, explain
from workbench.engine.task import Silent, Task
from workbench.engine.values import TaskInput

KINDS = (".csv", ".jsonl", ".parquet")
"""Endings of the files that results are written to."""

_FIELDS = ("text", "second", "image", "audio", "other", "video", "beside")
#: Lines between two looks at whether to stop.
_STRIDE = 1000
#: Lines that are turned into columns at once.
_PART = 10_000


@dataclass(frozen=True, eq=False, slots=True)
class BatchRow:
    """What became of one row.

    Attributes:
        number: Its place among the rows, from 1.
        where: Where it is written, as ``reviews.csv, line 17``; empty where nobody knows.
        given: The input.
        lines: A dict for each item of its result, of one kind for all rows; none where it failed or nothing was found.
        error: Why it failed, in words; empty where it did not.
        truncated: Tokens that were cut off because the input is longer than the context.
    """

    number: int
    where: str
    given: TaskInput
    lines: tuple[dict[str, Any], ...]
    error: str = ""
    truncated: int = 0


class Listing:
    """Rows as lines: one for each item, and one for each row without any.

    Only the rows are held, however many lines are asked for: there may be a million of them.

    Attributes:
        rows: All of them, in the order in which they came.
        failed: Places in ``rows`` of those that failed.
        cut: How many of them were cut at the context.
        columns: ``row``, ``where`` it is written, the input's fields that were given, the items' fields, how many
            tokens were ``cut`` off where any were, and ``error``.
    """

    def __init__(self, rows: Sequence[BatchRow] = ()) -> None:
        self.rows: list[BatchRow] = []
        self.failed: list[int] = []
        self.cut = 0
        self._starts: list[int] = []
        self._count = 0
        self._given: set[str] = set()
        self._kinds: dict[str, None] = {}
        self.columns: tuple[str, ...] = ()
        self.add(rows)

    def add(self, rows: Sequence[BatchRow]) -> None:
        """Take more rows."""
        for row in rows:
            if row.error:
                self.failed.append(len(self.rows))
            self.cut += bool(row.truncated)
            self.rows.append(row)
            self._starts.append(self._count)
            self._count += len(row.lines) or 1
            self._given.update(name for name in _FIELDS if getattr(row.given, name))
            if row.where:
                self._given.add("where")
            for line in row.lines:
                self._kinds.update(dict.fromkeys(line))
        given = tuple(name for name in ("where", *_FIELDS) if name in self._given)
        self.columns = ("row", *given, *self._kinds, *(["cut"] if self.cut else []), "error")

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            for place in range(len(row.lines) or 1):
                yield self._line(row, place)

    def line(self, number: int) -> dict[str, Any]:
        """One line, by column."""
        place = bisect_right(self._starts, number) - 1
        return self._line(self.rows[place], number - self._starts[place])

    def row(self, number: int) -> BatchRow:
        """The row of a line."""
        return self.rows[bisect_right(self._starts, number) - 1]

    def failure(self, number: int) -> dict[str, Any]:
        """The line of one of the rows that failed, by its place among those."""
        return self._line(self.rows[self.failed[number]], 0)

    def _line(self, row: BatchRow, place: int) -> dict[str, Any]:
        item = row.lines[place] if row.lines else {}
        return {name: item.get(name) if name in self._kinds else _told(row, name) for name in self.columns}


def _told(row: BatchRow, name: str) -> Any:
    if name in ("row", "cut"):
        return row.number if name == "row" else row.truncated
    value = getattr(row if name in ("where", "error") else row.given, name)
    return str(value) if isinstance(value, Path) else value


def save(rows: Sequence[BatchRow], path: Path, *, task: Task | None = None) -> None:
    """Write rows as the table of `Listing`; the file appears when all of it is written.

    Args:
        rows: What a batch gave, all or some of it.
        path: Its ending says how: one of `KINDS`.
        task: May stop it; nothing is left behind then.

    Raises:
        WorkbenchError: It can't be written.
        ValueError: The ending is none of these.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise ValueError(f"{path.name} ends in none of {', '.join(KINDS)}")
    listing = Listing(rows)
    lines = _watched(listing, task or Silent())
    beside = path.with_name(path.name + ".part")
    try:
        {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[kind](lines, listing.columns, beside)
        beside.replace(path)
    except OSError as error:
        what = f"Could not save {path}."
        plain = explain(error, what)
        if type(plain) is WorkbenchError:
            plain = WorkbenchError(what, why=f"{error.strerror or error}.", remedy="Choose another folder.")
        raise plain from error
    finally:
        beside.unlink(missing_ok=True)


def _watched(listing: Listing, task: Task) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(listing):
        if number % _STRIDE == 0:
            task.check()
        yield line


def _csv(lines: Iterator[dict[str, Any]], columns: tuple[str, ...], path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for line in lines:
            # A list has no place in a cell; JSON can be read back from it.
            writer.writerow(
                {key: json.dumps(value) if isinstance(value, list) else value for key, value in line.items()}
            )


def _jsonl(lines: Iterator[dict[str, Any]], _columns: tuple[str, ...], path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _parquet(lines: Iterator[dict[str, Any]], columns: tuple[str, ...], path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    parts = []
    while part := list(islice(lines, _PART)):
        parts.append(pyarrow.table({name: [_storable(line[name]) for line in part] for name in columns}))
    # A column may have nothing in one part, and numbers in the next.
    pyarrow.parquet.write_table(pyarrow.concat_tables(parts, promote_options="permissive"), path)


def _storable(value: Any) -> Any:
    """Arrow takes no lone surrogates; a row that failed for one is kept as the other kinds of files write it."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value

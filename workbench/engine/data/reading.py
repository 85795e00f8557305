"""Reading a source: its first rows at once, then all it holds counted, any page of it, and its columns for a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from workbench.engine.data.nested import MOST_KEYS, inner, inner_columns
from workbench.engine.data.parts import Part
from workbench.engine.data.sources import Opened, open_source
from workbench.engine.errors import DataError
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import DataSource, Table

#: Rows a `Table` carries.
PREVIEW_ROWS = 200
#: A column with more different values than this is no label column and its values are not counted.
MOST_LABELS = 50
#: Rows of a page.
PAGE = 100

_SHOWN = 2000
_ABSENT = object()
_REPORTED = 2000
_KINDS = {
    str: "text",
    int: "number",
    float: "number",
    bool: "truth value",
    list: "list",
    dict: "object",
    type(None): "nothing",
}


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """Every row of a source.

    Attributes:
        columns: Values by role, as the source types them: text in CSV and plain text, what JSON and Arrow say
            elsewhere, the names of label ids, a path (or bytes and path) for a picture.
        places: Where each row is written, as ``reviews.csv, line 17``.
    """

    columns: dict[str, list[Any]]
    places: list[str]


class _Columns:
    """What is found out of the columns while rows pass, those inside others included.

    Attributes:
        outer: Names of the columns, in order.
        counts: How often each value occurs, of columns with few different ones.
        kinds: How often each type of value occurs.
    """

    def __init__(self) -> None:
        self.outer: dict[str, None] = {}
        self.counts: dict[str, Counter[str]] = {}
        self.kinds: dict[str, Counter[type]] = {}
        self._inside: dict[str, dict[str, None]] = {}
        self._wide: set[str] = set()
        self._wild: set[str] = set()

    def add(self, row: dict[str, Any]) -> None:
        """Look at a row."""
        for name, value in row.items():
            self.outer.setdefault(name)
            self._count(name, value)
            if isinstance(value, dict) and name not in self._wild:
                self._look_inside(name, value)

    def names(self) -> tuple[str, ...]:
        """All columns, each followed by those inside it."""
        return tuple(dict.fromkeys(one for name in self.outer for one in (name, *self._inside.get(name, ()))))

    def _look_inside(self, name: str, value: Any) -> None:
        found = self._inside.setdefault(name, {})
        for key, within in inner_columns(name, value):
            if key not in found and key in self.outer:
                # A column of the row itself is called so.
                continue
            found.setdefault(key)
            self._count(key, within)
        if len(found) > MOST_KEYS:
            # A dictionary of its own: its keys are no columns.
            self._wild.add(name)
            for key in self._inside.pop(name):
                self.counts.pop(key, None)
                self._wide.discard(key)
                del self.kinds[key]

    def _count(self, name: str, value: Any) -> None:
        kinds = self.kinds.get(name)
        if kinds is None:
            # A counter made for each cell, to be thrown away, took half of the time.
            kinds = self.kinds[name] = Counter()
            self.counts[name] = Counter()
        kinds[type(value)] += 1
        if name in self._wide:
            return
        counter = self.counts[name]
        counter[as_text(value)] += 1
        if len(counter) > MOST_LABELS:
            self._wide.add(name)
            del self.counts[name]


class Index:
    """Where the pages of a source begin.

    Attributes:
        opened: The source.
        marks: For each page: part, where its first row begins there, and the number of that row.
    """

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.marks: list[tuple[int, int, int]] = []


def read(source: DataSource, *, task: Task | None = None) -> Table:
    """Parse a whole data source: its first rows, how many there are, and how often each label occurs.

    The first rows are sent as a `Table` that is not ``complete`` before the rest is looked at.

    Args:
        source: A CSV (any delimiter), TSV, JSON, JSONL, plain text (UTF-8, UTF-16 or Windows-1252) or Parquet file, a
            folder of them or of pictures, a folder that ``save_to_disk`` wrote, or a data set of the Hub.
        task: Is sent the first rows; hears of rows; may stop the reading.

    Raises:
        DataError: What is wrong with the file, with the line where it is.
        NetworkError: The Hub can't be reached, or refuses.
        Cancelled: The person stopped it.
    """
    task = task or Silent()
    if source.path is not None and source.path.is_file():
        _send_first(source, task)
    opened = open_source(source, task)
    index = Index(opened)
    found = _Columns()
    kept: list[dict[str, Any]] = []
    known = [part.total for part in opened.parts]
    whole = None if None in known else sum(total or 0 for total in known)
    total = 0
    for number, part in enumerate(opened.parts):
        found.outer.update(dict.fromkeys(part.columns))
        for at, place, row in part.records():
            if total % PAGE == 0:
                index.marks.append((number, at, place))
            total += 1
            found.add(row)
            if len(kept) < PREVIEW_ROWS:
                kept.append(row)
            if total % _REPORTED == 0:
                task.check()
                task.report(Progress(total, whole, "rows", f"Reading {part.name}"))
    if total == 0:
        raise DataError(
            f"Could not use {source.name}.", why="It has a header but no rows.", remedy="Choose a file with rows."
        )
    columns = found.names()
    return Table(
        source=opened.source,
        columns=columns,
        rows=_texts(kept, columns),
        total=total,
        labels={name: dict(found.counts[name].most_common()) for name in columns if name in found.counts},
        kinds={name: _worded(found.kinds.get(name, Counter()), total) for name in columns},
        splits=opened.splits,
        index=index,
    )


def load(source: DataSource, columns: Mapping[str, str], *, task: Task | None = None) -> Rows:
    """Every value of some columns, in the source's order.

    Args:
        source: One that `read` can read.
        columns: Names of columns by role, as `Table` has them (``translation.en`` is a column inside another); a JSON
            object without one gives None.
        task: May stop the reading.

    Raises:
        DataError: A column is not there, or the source can't be read.
    """
    taken: dict[str, list[Any]] = {role: [] for role in columns}
    places: list[str] = []
    for place, row in scan(source, columns, task=task):
        for role, values in taken.items():
            values.append(row[role])
        places.append(place)
    return Rows(taken, places)


def scan(
    source: DataSource, columns: Mapping[str, str], *, task: Task | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The place and the values by role of each row, one at a time: for sources that memory does not hold.

    Args:
        source: As of `load`.
        columns: As of `load`.
        task: As of `load`.

    Raises:
        DataError: A column is not there (told after the last row, for JSON has none before), or the source can't be
            read.
    """
    task = task or Silent()
    opened = open_source(source, task)
    seen: dict[str, None] = {}
    nested = [name for name in dict.fromkeys(columns.values()) if "." in name]
    count = 0
    for part in opened.parts:
        if part.columns:
            seen.update(dict.fromkeys(part.columns))
            plain = {role: name for role, name in columns.items() if name not in nested}
            if opened.parts[1:] == () and _missing(plain, seen):
                break
        for _, number, row in part.records():
            if not part.columns:
                seen.update(dict.fromkeys(row))
            seen.update((name, None) for name in nested if inner(row, name, _ABSENT) is not _ABSENT)
            yield part.place(number), {role: inner(row, name) for role, name in columns.items()}
            count += 1
            if count % _REPORTED == 0:
                task.check()
    if missing := _missing(columns, seen):
        there = ", ".join(f"“{name}”" for name in islice(seen, 12)) or "none"
        raise DataError(
            f"Could not use {source.name}: it has no column “{missing}”.",
            why=f"Its columns are {there}.",
            remedy="Choose the columns again.",
        )


def page(table: Table, number: int, *, task: Task | None = None) -> tuple[tuple[str, ...], ...]:
    """The rows ``number * PAGE`` and following of a complete table.

    Args:
        table: As `read` gave it.
        number: From 0.
        task: May stop it.

    Returns:
        For each row its place, and its cells as text of at most 2,000 characters.

    Raises:
        DataError: The file has changed and can't be read any more.
    """
    task = task or Silent()
    index = table.index
    if not isinstance(index, Index):
        return ()
    first, at, place = index.marks[number]
    rows: list[dict[str, Any]] = []
    places: list[str] = []
    for part in index.opened.parts[first:]:
        for _, line, row in islice(part.records(at, place), PAGE - len(rows)):
            rows.append(row)
            places.append(part.place(line) if len(index.opened.parts) > 1 else f"{part.unit} {line}")
        if len(rows) == PAGE:
            break
        at, place = 0, 1
        task.check()
    cells = _texts(rows, table.columns)
    return tuple((place, *row) for place, row in zip(places, cells, strict=True))


def as_text(value: Any) -> str:
    """A value as the text that is trained on: strings as they are, null as nothing, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _send_first(source: DataSource, task: Task) -> None:
    """The first rows, trusting the beginning of the file; the whole reading tells what is wrong further on."""
    try:
        part: Part = open_source(source, task, whole=False).parts[0]
        rows = [row for _, _, row in islice(part.records(), PREVIEW_ROWS)]
    except DataError:
        return
    if rows:
        found = _Columns()
        found.outer.update(dict.fromkeys(part.columns))
        for row in rows:
            found.add(row)
        shown = _texts(rows, found.names())
        task.send(Table(source=source, columns=found.names(), rows=shown, total=len(shown), complete=False))


def _missing(columns: Mapping[str, str], seen: Mapping[str, None]) -> str:
    return next((name for name in columns.values() if name not in seen), "")


def _texts(rows: list[dict[str, Any]], columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_shown(inner(row, name)) for name in columns) for row in rows)


def _shown(value: Any) -> str:
    if isinstance(value, dict) and isinstance(held := value.get("bytes"), bytes):
        return f"{value.get('path') or 'picture'} ({len(held):,} bytes)"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return as_text(value)[:_SHOWN]


def _worded(kinds: Counter[type], total: int) -> dict[str, int]:
    words: Counter[str] = Counter()
    for kind, count in kinds.items():
        words[_KINDS.get(kind, kind.__name__)] += count
    if total > kinds.total():
        words["nothing"] += total - kinds.total()
    return dict(words.most_common())

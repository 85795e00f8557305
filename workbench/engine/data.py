"""Data files as people have them: CSV in any dialect, TSV, JSON, JSON Lines and plain lines."""

from __future__ import annotations

import codecs
import csv
import functools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from workbench.engine.errors import DataError
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import DataSource, Table

#: Rows a `Table` carries.
PREVIEW_ROWS = 200
#: A column with more different values than this is no label column and its values are not counted.
MOST_LABELS = 50

_SNIFFED = 65536
_DELIMITERS = (",", "\t", ";", "|")
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_SIGNATURES = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive (spreadsheets are)",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
}
_TEXT_NAMES = ("text", "sentence", "review", "content", "comment", "body", "message", "tweet", "document", "prompt")
_LABEL_NAMES = ("label", "labels", "sentiment", "class", "category", "target", "intent", "topic", "stars", "y")


@dataclass(frozen=True, slots=True)
class Format:
    """How a data file is written.

    Attributes:
        kind: ``csv``, ``jsonl`` (an object a line), ``json`` (a list of objects) or ``lines`` (a text a line).
        encoding: As ``open()`` takes it.
        delimiter: Between cells, for ``csv``.
        header: Whether the first record names the columns, for ``csv``.
        columns: Names in order for ``csv`` and ``lines``; empty for JSON, whose objects name them.
        key: Where the list is when a ``json`` file holds it inside an object.
    """

    kind: str
    encoding: str
    delimiter: str = ","
    header: bool = True
    columns: tuple[str, ...] = ()
    key: str | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """Every row of a source.

    Attributes:
        columns: Values by role; text where the file knows nothing else, what JSON says where it is JSON.
        places: Where each row is written, as ``reviews.csv, line 17``.
    """

    columns: dict[str, list[Any]]
    places: list[str]


def sniff(path: Path) -> Format:
    """Find out how a file is written from its name and its first 64 KB (its encoding from all of it).

    Raises:
        DataError: It is missing, empty or no text.
    """
    what = f"Could not read {path.name}."
    if not path.is_file():
        raise DataError(what, why="There is no such file.", remedy="Choose another file.")
    about = path.stat()
    return _sniffed(path, about.st_size, about.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _sniffed(path: Path, size: int, _: int) -> Format:
    what = f"Could not read {path.name}."
    if size == 0:
        raise DataError(what, why="The file is empty.", remedy="Choose a file with a header and rows.")
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        head = file.read(_SNIFFED)
    if not head.strip():
        raise DataError(what, why="The file holds only blank lines.", remedy="Choose a file with a header and rows.")
    suffix = path.suffix.lower()
    first = head.lstrip()[0]
    if suffix in (".jsonl", ".ndjson") or (
        suffix != ".json" and first == "{" and _is_object(head.lstrip().split("\n")[0])
    ):
        return Format("jsonl", encoding)
    if suffix == ".json" or (first == "[" and suffix not in (".csv", ".tsv", ".txt")):
        lines = [line for line in head.splitlines() if line.strip()]
        if first == "{" and len(lines) > 1 and _is_object(lines[0]):
            return Format("jsonl", encoding)
        return Format("json", encoding, key=_list_key(path, encoding) if first == "{" else None)
    if suffix == ".txt" and not _looks_tabular(head):
        return Format("lines", encoding, header=False, columns=("text",))
    delimiter = _delimiter(head, preferred="\t" if suffix == ".tsv" else ",")
    records = _sample(head, delimiter)
    header = _has_header(records)
    width = len(records[0])
    names = records[0] if header else [f"column_{number}" for number in range(1, width + 1)]
    return Format("csv", encoding, delimiter, header, _unique(names))


def read(source: DataSource, *, task: Task | None = None) -> Table:
    """Parse a whole data source: its first rows, how many there are, and how often each label occurs.

    Args:
        source: A CSV (any delimiter), TSV, JSON, JSONL or plain text file in UTF-8, UTF-16 or Windows-1252.
        task: Hears of rows; may stop the reading.

    Raises:
        DataError: What is wrong with the file, with the line where it is.
        Cancelled: The person stopped it.
    """
    task = task or Silent()
    path = _file(source)
    form = sniff(path)
    columns: dict[str, None] = dict.fromkeys(form.columns)
    kept: list[dict[str, str]] = []
    counts: dict[str, Counter[str]] = {}
    wide: set[str] = set()
    total = 0
    for _, typed in _records(path, form):
        row = {name: as_text(value) for name, value in typed.items()}
        total += 1
        for name, value in row.items():
            columns.setdefault(name)
            if name in wide:
                continue
            counter = counts.setdefault(name, Counter())
            counter[value] += 1
            if len(counter) > MOST_LABELS:
                wide.add(name)
                del counts[name]
        if len(kept) < PREVIEW_ROWS:
            kept.append(row)
        if total % 2000 == 0:
            task.check()
            task.report(Progress(total, None, "rows", f"Reading {path.name}"))
    if total == 0:
        raise DataError(
            f"Could not use {path.name}.", why="It has a header but no rows.", remedy="Choose a file with rows."
        )
    return Table(
        source=source,
        columns=tuple(columns),
        rows=tuple(tuple(row.get(name, "") for name in columns) for row in kept),
        total=total,
        labels={name: dict(counts[name].most_common()) for name in columns if name in counts},
    )


def load(source: DataSource, columns: Mapping[str, str], *, task: Task | None = None) -> Rows:
    """Every value of some columns, in the source's order.

    Args:
        source: One that `read` can read.
        columns: Names of columns by role; a JSON object without one gives None.
        task: May stop the reading.

    Raises:
        DataError: A column is not there, or the file can't be read.
    """
    task = task or Silent()
    path = _file(source)
    form = sniff(path)
    taken: dict[str, list[Any]] = {role: [] for role in columns}
    places: list[str] = []
    seen: dict[str, None] = dict.fromkeys(form.columns)
    for line, row in _records(path, form):
        if not form.columns:
            seen.update(dict.fromkeys(row))
        for role, values in taken.items():
            values.append(row.get(columns[role]))
        places.append(f"{path.name}, line {line}")
        if len(places) % 2000 == 0:
            task.check()
    missing = [name for name in columns.values() if name not in seen]
    if missing:
        there = ", ".join(f"“{name}”" for name in islice(seen, 12)) or "none"
        raise DataError(
            f"Could not use {path.name}: it has no column “{missing[0]}”.",
            why=f"Its columns are {there}.",
            remedy="Choose the columns again.",
        )
    return Rows(taken, places)


def _file(source: DataSource) -> Path:
    if source.path is None:
        raise DataError(
            f"Could not read {source.name}.", why="It is not on this machine.", remedy="Choose a file of this machine."
        )
    return source.path


def guess_columns(table: Table) -> tuple[str, str | None]:
    """Which column is the text and which the label.

    Returns:
        The text column (by name, else the one with the longest values) and the label column (by name, else the one with
        the fewest different values, from 2 to 20), or None when no column looks like one.
    """
    lengths = {
        name: sum(len(row[index]) for row in table.rows) / max(1, len(table.rows))
        for index, name in enumerate(table.columns)
    }
    longest = max(table.columns, key=lambda name: lengths[name])
    lowered = {name.lower(): name for name in reversed(table.columns)}
    named = [lowered[name] for name in _TEXT_NAMES if name in lowered]
    text = next((name for name in named if lengths[name] * 2 >= lengths[longest]), longest)
    others = [name for name in table.columns if name != text and 2 <= len(table.labels.get(name, ())) <= MOST_LABELS]
    label = next((lowered[name] for name in _LABEL_NAMES if lowered.get(name) in others), None)
    if label is None:
        few = [name for name in others if len(table.labels[name]) <= min(20, max(2, table.total // 2))]
        label = min(few, key=lambda name: len(table.labels[name]), default=None)
    return text, label


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
        for signature, kind in _SIGNATURES.items():
            if head.startswith(signature):
                raise DataError(
                    f"Could not read {path.name}.",
                    why=f"It is {kind}, not text.",
                    remedy="Save it as CSV (UTF-8) or JSON Lines and choose that file.",
                )
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        zeros = (head[0::2].count(0), head[1::2].count(0))
        if sum(zeros) * 4 > len(head) and min(zeros) * 10 < max(zeros):
            return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        if 0 in head:
            raise DataError(
                f"Could not read {path.name}.",
                why="It holds binary data, not text.",
                remedy="Choose a CSV, TSV, JSON or JSON Lines file.",
            )
        file.seek(0)
        for encoding in ("utf-8", "cp1252"):
            decoder = codecs.getincrementaldecoder(encoding)()
            try:
                while block := file.read(1 << 20):
                    decoder.decode(block)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                file.seek(0)
            else:
                return encoding
    raise DataError(
        f"Could not read {path.name}.",
        why="It is text neither in UTF-8 nor in UTF-16 nor in Windows-1252.",
        remedy="Save it as UTF-8 and choose it again.",
    )


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _list_key(path: Path, encoding: str) -> str | None:
    try:
        whole = json.loads(path.read_text(encoding=encoding))
    except ValueError:
        return None
    lists = [key for key, value in whole.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return max(lists, key=lambda key: len(whole[key]), default=None)


def _sample(head: str, delimiter: str) -> list[list[str]]:
    # The last record of a cut text may be half a one.
    complete = head if len(head) < _SNIFFED else head[: head.rfind("\n") + 1]
    try:
        return [record for record in islice(csv.reader(complete.splitlines(True), delimiter=delimiter), 200) if record]
    except csv.Error:
        return [head.splitlines()[0].split(delimiter)]


def _consistency(head: str, delimiter: str) -> tuple[float, int]:
    widths = Counter(len(record) for record in _sample(head, delimiter))
    width, often = widths.most_common(1)[0]
    return (often / widths.total(), width) if width > 1 else (0.0, 1)


def _looks_tabular(head: str) -> bool:
    return _consistency(head, "\t")[0] == 1.0


def _delimiter(head: str, preferred: str) -> str:
    # The header's own delimiter outweighs commas inside the texts of a file that is separated by something else.
    first = head.splitlines()[0]
    scores = {mark: _consistency(head, mark) for mark in _DELIMITERS if mark in first}
    if not scores:
        return preferred
    return max(scores, key=lambda mark: (round(scores[mark][0], 1), mark == preferred, scores[mark][1]))


def _has_header(records: list[list[str]]) -> bool:
    first, rest = records[0], records[1:]
    if any(_NUMBER.fullmatch(cell.strip()) or len(cell) > 64 for cell in first):
        return False
    return not any(
        cell and any(len(record) > index and record[index] == cell for record in rest)
        for index, cell in enumerate(first)
    )


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    taken: list[str] = []
    for number, raw in enumerate(names, 1):
        name = stem = raw.strip() or f"column_{number}"
        again = 2
        while name in taken:
            name, again = f"{stem}_{again}", again + 1
        taken.append(name)
    return tuple(taken)


def _records(path: Path, form: Format) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with the line each begins on (for a JSON list: its number in the list)."""
    with path.open(encoding=form.encoding, newline="" if form.kind == "csv" else None) as file:
        if form.kind == "csv":
            yield from _csv_records(file, form, path.name)
        elif form.kind == "jsonl":
            yield from _jsonl_records(file, path.name)
        elif form.kind == "json":
            yield from _json_records(file, form, path.name)
        else:
            yield from ((at, {"text": line.rstrip("\n")}) for at, line in enumerate(file, 1) if line.strip())


def _csv_records(file: TextIO, form: Format, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(file, delimiter=form.delimiter, strict=True)
    width = len(form.columns)
    begins = 1
    try:
        for number, record in enumerate(reader):
            line, begins = begins, reader.line_num + 1
            if not record or (number == 0 and form.header):
                continue
            if len(record) != width:
                cells = "1 cell" if len(record) == 1 else f"{len(record)} cells"
                raise DataError(
                    f"Could not read {name}: line {line} has {cells} where there should be {width}.",
                    why=f"Cells are separated by {_spelled(form.delimiter)}; a cell with one in it needs quotes.",
                    remedy=f"Correct line {line} and choose the file again.",
                )
            yield line, dict(zip(form.columns, record, strict=True))
    except csv.Error as error:
        raise DataError(
            f"Could not read {name}: the quotes of the row that begins on line {begins} do not match.",
            why=f"The parser says: {error}.",
            remedy="Close the quote, and write a quote inside a quoted cell as two.",
        ) from error


def _jsonl_records(file: TextIO, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise _bad_json(name, number, error) from error
        if not isinstance(value, dict):
            raise DataError(
                f"Could not read {name}: line {number} is no object.",
                why=f'In JSON Lines every line is an object like {{"text": …}}; this one is a {_kind(value)}.',
                remedy=f"Correct line {number} and choose the file again.",
            )
        yield number, {str(key): cell for key, cell in value.items()}


def _json_records(file: TextIO, form: Format, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        whole: Any = json.load(file)
    except json.JSONDecodeError as error:
        raise _bad_json(name, error.lineno, error) from error
    rows = whole[form.key] if form.key is not None else whole
    if not isinstance(rows, list):
        raise DataError(
            f"Could not read {name}: it is no list of objects.",
            why=f"The file holds a {_kind(rows)}.",
            remedy='Write it as [{"text": …}, …] or as JSON Lines.',
        )
    for number, value in enumerate(rows, 1):
        if not isinstance(value, dict):
            raise DataError(
                f"Could not read {name}: element {number} of the list is no object.",
                why=f"It is a {_kind(value)}.",
                remedy="Make every element an object with the same keys.",
            )
        yield number, {str(key): cell for key, cell in value.items()}


def _bad_json(name: str, line: int, error: ValueError) -> DataError:
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return DataError(
        f"Could not read {name}: line {line} is not valid JSON.",
        why=f"The parser says: {reason}.",
        remedy=f"Correct line {line} and choose the file again.",
    )


def as_text(value: Any) -> str:
    """A JSON value as the text that is trained on: strings as they are, null as nothing, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    return {dict: "single object", list: "list", str: "string", bool: "truth value", type(None): "null"}.get(
        type(value), "number"
    )


def _spelled(delimiter: str) -> str:
    return {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}.get(delimiter, repr(delimiter))

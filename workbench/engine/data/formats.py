"""How a text file of rows is written: its kind, its encoding, its delimiter and its columns, found out."""

from __future__ import annotations

import codecs
import csv
import functools
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from workbench.engine.data.json_stream import longest_list
from workbench.engine.errors import DataError

_SNIFFED = 65536
_DELIMITERS = (",", "\t", ";", "|")
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_PARAGRAPHS = re.compile(r'"paragraphs"\s*:\s*\[\s*\{')
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive (spreadsheets are)",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
}


@dataclass(frozen=True, slots=True)
class Format:
    """How a data file is written.

    Attributes:
        kind: ``csv``, ``jsonl`` (an object a line), ``json`` (a list of objects), ``squad`` (JSON of articles, whose
            paragraphs have questions), ``lines`` (a text a line) or ``parquet``.
        encoding: As ``open()`` takes it.
        delimiter: Between cells, for ``csv``.
        header: Whether the first record names the columns, for ``csv``.
        columns: Names in order for ``csv`` and ``lines``; empty for JSON, whose objects name them.
        key: Where the list is when a ``json`` file holds it inside an object.
        errors: As ``open()`` takes it: ``surrogateescape`` where most of the file is UTF-8 and some bytes are not, so
            that the rows with such bytes can be told.
    """

    kind: str
    encoding: str
    delimiter: str = ","
    header: bool = True
    columns: tuple[str, ...] = ()
    key: str | None = None
    errors: str = "strict"


def sniff(path: Path, *, whole: bool = True) -> Format:
    """Find out how a file is written from its name and its first 64 KB (its encoding from all of it).

    Args:
        path: A file of this machine.
        whole: Look for the encoding in the whole file; without, only the first 64 KB are trusted.

    Raises:
        DataError: It is missing, empty or no text.
    """
    what = f"Could not read {path.name}."
    if not path.is_file():
        raise DataError(what, why="There is no such file.", remedy="Choose another file.")
    about = path.stat()
    return _sniffed(path, about.st_size, about.st_mtime_ns, whole)


@functools.lru_cache(maxsize=1024)
def _sniffed(path: Path, size: int, _: int, whole: bool) -> Format:
    what = f"Could not read {path.name}."
    if size == 0:
        raise DataError(what, why="The file is empty.", remedy="Choose a file with a header and rows.")
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(b"PAR1"):
        return Format("parquet", "")
    encoding, errors = _encoding(path, start, whole)
    with path.open(encoding=encoding, newline="", errors=errors) as text:
        head = text.read(_SNIFFED)
    if not head.strip():
        raise DataError(what, why="The file holds only blank lines.", remedy="Choose a file with a header and rows.")
    suffix = path.suffix.lower()
    first = head.lstrip()[0]
    if suffix in (".jsonl", ".ndjson") or (suffix != ".json" and first == "{" and _is_object(_lines(head.lstrip())[0])):
        return Format("jsonl", encoding, errors=errors)
    if suffix == ".json" or (first == "[" and suffix not in (".csv", ".tsv", ".txt")):
        lines = [line for line in _lines(head) if line.strip()]
        if first == "{" and len(lines) > 1 and _is_object(lines[0]):
            return Format("jsonl", encoding, errors=errors)
        key = longest_list(path, encoding, errors) if first == "{" and whole else None
        articles = key is not None and _PARAGRAPHS.search(head) is not None and '"qas"' in head
        return Format("squad" if articles else "json", encoding, key=key, errors=errors)
    if suffix == ".txt" and not _looks_tabular(head):
        return Format("lines", encoding, header=False, columns=("text",), errors=errors)
    delimiter = _delimiter(head, preferred="\t" if suffix == ".tsv" else ",")
    records = _sample(head, delimiter)
    header = _has_header(records)
    width = len(records[0])
    names = records[0] if header else [f"column_{number}" for number in range(1, width + 1)]
    return Format("csv", encoding, delimiter, header, _unique(names), errors=errors)


def _encoding(path: Path, start: bytes, whole: bool) -> tuple[str, str]:
    what = f"Could not read {path.name}."
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            raise DataError(
                what,
                why=f"It is {kind}, not text.",
                remedy="Save it as CSV (UTF-8) or JSON Lines and choose that file.",
            )
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "surrogatepass"
    marked = start.startswith(codecs.BOM_UTF8)
    zeros = (start[0::2].count(0), start[1::2].count(0))
    if not marked and sum(zeros) * 4 > len(start) and min(zeros) * 10 < max(zeros):
        return ("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"), "surrogatepass"
    if 0 in start:
        raise DataError(
            what,
            why="It holds binary data, not text.",
            remedy="Choose a CSV, TSV, JSON, JSON Lines, Parquet or text file.",
        )
    utf8 = "utf-8-sig" if marked else "utf-8"
    letters, strays = _letters(path, whole)
    if strays == 0:
        return utf8, "strict"
    if letters > strays:
        # Most of it is UTF-8: the rows that are not can be told one by one.
        return utf8, "surrogateescape"
    if _decodes(path, "cp1252", whole):
        return "cp1252", "strict"
    raise DataError(
        what,
        why="It is text neither in UTF-8 nor in UTF-16 nor in Windows-1252.",
        remedy="Save it as UTF-8 and choose it again.",
    )


def _letters(path: Path, whole: bool) -> tuple[int, int]:
    """How many characters beyond ASCII are UTF-8, and how many bytes are no UTF-8."""
    letters = strays = 0
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with path.open("rb") as file:
        while block := file.read(1 << 20 if whole else _SNIFFED):
            if block.isascii() and not decoder.getstate()[0]:
                if not whole:
                    break
                continue
            text = decoder.decode(block)
            stray = sum(map(len, _STRAYS.findall(text)))
            strays += stray
            letters += len(text) - len(text.encode("ascii", "ignore")) - stray
            if not whole:
                break
        else:
            strays += len(decoder.decode(b"", final=True))
    return letters, strays


_STRAYS = re.compile("[\udc80-\udcff]+")


def _decodes(path: Path, encoding: str, whole: bool) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20 if whole else _SNIFFED):
                decoder.decode(block)
                if not whole:
                    return True
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines(text: str) -> list[str]:
    """Cut where files are cut, with the line breaks; ``splitlines`` cuts at separators inside texts as well."""
    return io.StringIO(text, newline="").readlines()


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _sample(head: str, delimiter: str) -> list[list[str]]:
    # The last record of a cut text may be half a one.
    complete = head if len(head) < _SNIFFED else head[: head.rfind("\n") + 1] or head
    try:
        return [record for record in islice(csv.reader(_lines(complete), delimiter=delimiter), 200) if record]
    except csv.Error:
        return [_lines(head)[0].rstrip("\r\n").split(delimiter)]


def _consistency(head: str, delimiter: str) -> tuple[float, int]:
    widths = Counter(len(record) for record in _sample(head, delimiter))
    width, often = widths.most_common(1)[0]
    return (often / widths.total(), width) if width > 1 else (0.0, 1)


def _looks_tabular(head: str) -> bool:
    return _consistency(head, "\t")[0] == 1.0


def _delimiter(head: str, preferred: str) -> str:
    # The header's own delimiter outweighs commas inside the texts of a file that is separated by something else.
    first = _lines(head)[0]
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

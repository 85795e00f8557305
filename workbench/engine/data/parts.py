"""What a source is made of: text files, Parquet files and Arrow tables, each read row by row from any row on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.data.formats import Format, sniff
from workbench.engine.data.json_stream import JsonStream, bad_json
from workbench.engine.data.lines import LONGEST, lines, opened
from workbench.engine.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 256

Record = tuple[int, int, dict[str, Any]]
"""Where a row begins (bytes, or rows), its number for people, and its cells."""


class Part:
    """Rows that are written in one place.

    Attributes:
        name: Of the file, as places are told.
        unit: What is counted in places, ``line`` or ``row``.
        columns: Names in order, as far as they are known beforehand.
        total: Rows, when that is known beforehand.
    """

    name: str
    unit: str = "row"
    columns: tuple[str, ...] = ()
    total: int | None = None

    def records(self, at: int = 0, number: int = 1) -> Iterator[Record]:
        """The rows from one that begins ``at`` and has this ``number``.

        Raises:
            DataError: What is wrong, with the line where it is.
        """
        raise NotImplementedError

    def place(self, number: int) -> str:
        """Where a row is written, as ``reviews.csv, line 17``."""
        return f"{self.name}, {self.unit} {number}"


class TextPart(Part):
    """A CSV, JSON, JSONL or plain text file.

    Args:
        path: The file.
        name: As places tell it.
        form: How it is written.
    """

    def __init__(self, path: Path, name: str, form: Format) -> None:
        self.path, self.name, self.form = path, name, form
        self.unit = "row" if form.kind in ("json", "squad") else "line"
        self.columns = form.columns

    def records(self, at: int = 0, number: int = 1) -> Iterator[Record]:
        """The rows; of a JSON list the number is that of the element, of anything else that of the line."""
        read = {
            "csv": self._csv,
            "jsonl": self._jsonl,
            "json": self._json,
            "squad": self._squad,
            "lines": self._plain,
        }
        try:
            yield from read[self.form.kind](at, number)
        except UnicodeDecodeError as error:
            raise DataError(
                f"Could not read {self.name}: it is not {self.form.encoding} all through.",
                why=f"The decoder says: {error.reason}.",
                remedy="Save it as UTF-8 and choose it again.",
            ) from error

    def _plain(self, at: int, number: int) -> Iterator[Record]:
        for offset, line, text in lines(self.path, self.form.encoding, self.form.errors, at, number, cut=True):
            if text.strip():
                yield offset, line, {"text": text.rstrip("\r\n")}

    def _jsonl(self, at: int, number: int) -> Iterator[Record]:
        for offset, line, text in lines(self.path, self.form.encoding, self.form.errors, at, number):
            if not text.strip():
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                reason = error if isinstance(error, ValueError) else ValueError("it is nested too deeply")
                raise bad_json(self.name, line, reason) from error
            if not isinstance(value, dict):
                raise DataError(
                    f"Could not read {self.name}: line {line} is no object.",
                    why=f'In JSON Lines every line is an object like {{"text": …}}; this one is a {_kind(value)}.',
                    remedy=f"Correct line {line} and choose the file again.",
                )
            yield offset, line, value

    def _json(self, at: int, number: int) -> Iterator[Record]:
        with opened(self.path, self.form.encoding, at) as (file, codec):
            stream = JsonStream(file, codec, self.form.errors, self.name, file.tell())
            if at == 0:
                self._open_list(stream)
            for count, (offset, value) in enumerate(stream.elements(), number):
                if not isinstance(value, dict):
                    raise DataError(
                        f"Could not read {self.name}: element {count} of the list is no object.",
                        why=f"It is a {_kind(value)}.",
                        remedy="Make every element an object with the same keys.",
                    )
                yield offset, count, value
            if self.form.key is None and stream.peek():
                raise DataError(
                    f"Could not read {self.name}: something follows the list on line {stream.line}.",
                    why="A JSON file holds one value.",
                    remedy='Write it as [{"text": …}, …] or as JSON Lines, an object a line.',
                )

    def _squad(self, at: int, _: int) -> Iterator[Record]:
        # A row is a question, and its context stands before it: the file is read from its beginning.
        asked = (row for _, _, article in self._json(0, 1) for row in questions(article))
        for place, row in enumerate(islice(asked, at, None), at):
            yield place, place + 1, row

    def _open_list(self, stream: JsonStream) -> None:
        if self.form.key is not None:
            stream.expect("{")
            while stream.value() != self.form.key:
                stream.expect(":")
                stream.value()
                stream.expect(",")
            stream.expect(":")
        if not stream.skip("["):
            value = stream.value()
            raise DataError(
                f"Could not read {self.name}: it is no list of objects.",
                why=f"The file holds a {_kind(value)}.",
                remedy='Write it as [{"text": …}, …] or as JSON Lines.',
            )

    def _csv(self, at: int, number: int) -> Iterator[Record]:
        form = self.form
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        source = _Begun(lines(self.path, form.encoding, form.errors, at, number))
        reader = csv.reader(source, delimiter=form.delimiter, strict=True)
        width = len(form.columns)
        heads = form.header and at == 0
        try:
            for record in reader:
                offset, line = source.begin()
                if not record:
                    continue
                if heads:
                    heads = False
                    continue
                if len(record) != width:
                    cells = "1 cell" if len(record) == 1 else f"{len(record)} cells"
                    raise DataError(
                        f"Could not read {self.name}: line {line} has {cells} where there should be {width}.",
                        why=f"Cells are separated by {_spelled(form.delimiter)}; a cell with one in it needs quotes.",
                        remedy=f"Correct line {line} and choose the file again.",
                    )
                yield offset, line, dict(zip(form.columns, record, strict=True))
        except csv.Error as error:
            line = source.begin()[1]
            raise DataError(
                f"Could not read {self.name}: the quotes of the row that begins on line {line} do not match.",
                why=f"The parser says: {error}.",
                remedy="Close the quote, and write a quote inside a quoted cell as two.",
            ) from error


class _Begun:
    """Lines for the CSV reader, and where the row began that it has just read."""

    def __init__(self, source: Iterator[tuple[int, int, str]]) -> None:
        self._source = source
        self._begin: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        offset, line, text = next(self._source)
        if self._begin is None:
            self._begin = offset, line
        return text

    def begin(self) -> tuple[int, int]:
        """Offset and line of the row that was read; the next line begins another."""
        begin, self._begin = self._begin or (0, 1), None
        return begin


class ParquetPart(Part):
    """A Parquet file; its row groups are read one after another.

    Args:
        path: The file.
        name: As places tell it.
    """

    def __init__(self, path: Path, name: str) -> None:
        from pyarrow import parquet

        self.path, self.name = path, name
        try:
            with parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
                self.total = int(file.metadata.num_rows)
                self._groups = [int(file.metadata.row_group(n).num_rows) for n in range(file.metadata.num_row_groups)]
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error
        self.columns = tuple(schema.names)
        self._named: dict[str, Any] = {}
        if schema.metadata and b"huggingface" in schema.metadata:
            from datasets import Features

            self._named = namings(Features.from_arrow_schema(schema))

    def records(self, at: int = 0, number: int = 1) -> Iterator[Record]:
        """The rows from row ``at``, counted from 0."""
        from pyarrow import parquet

        begin, wanted = 0, list(range(len(self._groups)))
        while wanted and begin + self._groups[wanted[0]] <= at:
            begin += self._groups[wanted.pop(0)]
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=_BATCH, row_groups=wanted) if wanted else ():
                    for row in batch.slice(max(0, at - begin)).to_pylist() if at < begin + len(batch) else ():
                        yield at, at + 1, named_row(row, self._named)
                        at += 1
                    begin += len(batch)
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"Could not read {self.name}: it is a damaged Parquet file.",
            why=f"The reader says: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            remedy="Get the file again, or choose another.",
        )


class SetPart(Part):
    """A table of the datasets library.

    Args:
        dataset: Its rows.
        name: As places tell it.
    """

    def __init__(self, dataset: Dataset, name: str) -> None:
        self.dataset, self.name = dataset, name
        self.columns = tuple(dataset.column_names)
        self.total = len(dataset)
        self._named = namings(dataset.features)

    def records(self, at: int = 0, number: int = 1) -> Iterator[Record]:
        """The rows from row ``at``, counted from 0."""
        # As Arrow holds them: pictures and sounds are not decoded.
        plain = self.dataset.with_format("arrow")
        for begin in range(at, len(plain), _BATCH):
            for place, row in enumerate(plain[begin : begin + _BATCH].to_pylist(), begin):
                yield place, place + 1, named_row(row, self._named)


def text_or_parquet(path: Path, name: str, *, whole: bool = True) -> Part:
    """A file of rows as what it is; ``whole`` as of `sniff`.

    Raises:
        DataError: It can't be read.
    """
    form = sniff(path, whole=whole)
    return ParquetPart(path, name) if form.kind == "parquet" else TextPart(path, name, form)


def namings(features: Mapping[str, Any]) -> dict[str, Any]:
    """What makes values for people of stored ones, by column: names of label ids, paths of pictures."""
    found = {name: naming(feature) for name, feature in features.items()}
    return {name: named for name, named in found.items() if named is not None}


def naming(feature: Any) -> Any:
    """What makes values for people of stored ones of this feature of the datasets library, or None."""
    kind = type(feature).__name__
    if kind == "ClassLabel":
        names = list(feature.names)
        # A label that is not known is stored as -1.
        return lambda value: names[value] if value is not None and 0 <= value < len(names) else None
    if kind == "Image":
        return lambda value: value["path"] if isinstance(value, dict) and value.get("bytes") is None else value
    if isinstance(feature, dict):
        inner = namings(feature)
        return (lambda value: None if value is None else named_row(value, inner)) if inner else None
    child = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    each = None if child is None else naming(child)
    return None if each is None else lambda value: None if value is None else [each(one) for one in value]


def questions(article: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of an article of SQuAD as it is published: its questions, each with its context and its answers."""
    for paragraph in article.get("paragraphs") or []:
        for asked in paragraph.get("qas") or []:
            answers = asked.get("answers") or []
            yield {
                "id": asked.get("id"),
                "title": article.get("title"),
                "context": paragraph.get("context"),
                "question": asked.get("question"),
                "answers": {name: [answer.get(name) for answer in answers] for name in ("text", "answer_start")},
            }


def named_row(row: dict[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """A row with values for people, by what `namings` found."""
    return {name: named[name](value) if name in named else value for name, value in row.items()}


def _kind(value: Any) -> str:
    return {dict: "single object", list: "list", str: "string", bool: "truth value", type(None): "null"}.get(
        type(value), "number"
    )


def _spelled(delimiter: str) -> str:
    return {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}.get(delimiter, repr(delimiter))

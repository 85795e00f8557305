"""The lines of a script that read the data of a run into records, the same rows in the same order as the workbench."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.data.formats import Format, sniff
from workbench.engine.data.lines import CUT, LONGEST, cut_line
from workbench.engine.data.nested import inner
from workbench.engine.data.parts import named_row, naming, namings, questions
from workbench.engine.data.sources import chosen_split, data_files, has_images, is_saved
from workbench.engine.errors import DataError
from workbench.engine.values import DataSource

#: Bytes of a file from which on a cell may be longer than the csv module takes by itself.
_CELL = 131_072


@dataclass(frozen=True, slots=True)
class Reading:
    """How a script reads.

    Attributes:
        data: Value of the variable ``data``: a path, or the name of a data set of the Hub.
        lines: They end with a list ``records``.
        cells: By column, the expression for its value in ``record``.
        typed: Whether values may be something else than text.
        functions: Of the workbench, that the lines call.
        names: What is imported from the datasets library.
    """

    data: str
    lines: list[str]
    cells: dict[str, str]
    typed: bool
    functions: tuple[Callable[..., Any], ...] = ()
    names: tuple[str, ...] = ()


def reading(source: DataSource, columns: Mapping[str, str], data: str = "data") -> Reading:
    """Lines for a source, by what a look into it says; where a file can't be read, for a CSV in UTF-8.

    Args:
        source: The rows.
        columns: By role.
        data: The variable that says where they are.
    """
    names = list(dict.fromkeys(columns.values()))
    path = source.path
    if path is None:
        return _of_set(source.repo, names, _load_hub(source, data), "load_dataset")
    if path.is_dir():
        if is_saved(path):
            return _of_set(str(path), names, _load_saved(source, path, data), "load_from_disk")
        found = data_files(source)
        if found:
            files = found[chosen_split(source, tuple(found))]
            return _of_files(path, files, names, data)
        if has_images(path):
            split = literal(source.split or "train")
            opening = [f'found = load_dataset("imagefolder", data_dir={data}, split={split})']
            return _of_set(str(path), names, opening, "load_dataset")
    form = _form(path)
    if form.kind == "parquet":
        return _of_set(str(path), names, [f"found = Dataset.from_parquet({data})"])
    functions, lines, value = _file(form, data, path.stat().st_size if path.is_file() else 0)
    if form.kind == "csv":
        places = {name: form.columns.index(name) if name in form.columns else at for at, name in enumerate(names)}
        cells = {name: f"record[{place}]" for name, place in places.items()}
    else:
        cells = {name: "record" if form.kind == "lines" else _cell(name) for name in names}
        functions = (*functions, *(_inner(names) if form.kind != "lines" else ()))
    lines = [*lines, f"    records = {value}", *_whole(form, cells.values())]
    return Reading(str(path), lines, cells, form.kind in ("json", "jsonl", "squad"), functions)


def _form(path: Path) -> Format:
    try:
        return sniff(path)
    except (DataError, OSError):
        return Format("jsonl" if path.suffix == ".jsonl" else "csv", "utf-8")


def _file(form: Format, path: str, size: int) -> tuple[tuple[Callable[..., Any], ...], list[str], str]:
    """Functions, the lines up to and with ``with open(…)``, and the expression of the records inside it."""
    cuts = form.kind == "lines" and size > CUT
    newline = ', newline=""' if form.kind == "csv" or cuts else ""
    errors = f", errors={literal(form.errors)}" if form.errors != "strict" else ""
    lines = [f"with open({path}, encoding={literal(form.encoding)}{newline}{errors}) as file:"]
    if form.kind == "csv":
        if size > _CELL:
            lines = [f"csv.field_size_limit({LONGEST})", *lines]
        skipped = "[1:]" if form.header else ""
        reader = f"csv.reader(file, delimiter={literal(form.delimiter)})"
        return (), lines, f"[record for record in {reader} if record]{skipped}"
    if cuts:
        wide = form.encoding.startswith("utf-16")
        codec = "utf-8" if wide or form.encoding == "utf-8-sig" else form.encoding
        how = f"{literal(codec)}, {literal('surrogatepass' if wide else form.errors)}"
        lines.append(f"    pieces = [piece for line in file for piece in cut_line(line.encode({how}), {CUT})]")
        lines.append(f"    texts = [piece.decode({how}) for piece in pieces]")
        return (cut_line,), lines, '[text.rstrip("\\r\\n") for text in texts if text.strip()]'
    if form.kind == "lines":
        return (), lines, '[line.rstrip("\\n") for line in file if line.strip()]'
    if form.kind == "jsonl":
        return (), lines, "[json.loads(line) for line in file if line.strip()]"
    key = f"[{literal(form.key)}]" if form.key is not None else ""
    if form.kind == "squad":
        return (questions,), lines, f"[row for article in json.load(file){key} for row in questions(article)]"
    return (), lines, f"json.load(file){key}"


def _whole(form: Format, cells: Iterable[str]) -> list[str]:
    """Lines that leave out the records whose used cells hold bytes that are no text."""
    if form.errors == "strict":
        return []
    used = " + ".join(f"str({cell})" for cell in cells)
    return [
        "# A few bytes of the file are no text, and no tokenizer takes the rows they are in.",
        *call("records = [", [f'record for record in records if not re.search("[\\ud800-\\udfff]", {used})'], "]"),
    ]


def _of_files(folder: Path, files: Iterable[Path], names: list[str], data: str) -> Reading:
    """Files one after another, those that are written alike in one loop."""
    lines = ["records = []"]
    functions: list[Callable[..., Any]] = []
    sniffed = [(file, _form(file)) for file in files]
    for form, group in groupby(sniffed, key=lambda one: one[1]):
        paths = [file for file, _ in group]
        lines += assign("files", [file.relative_to(folder).as_posix() for file in paths])
        lines.append("for name in files:")
        path = f'f"{{{data}}}/{{name}}"'
        if form.kind == "parquet":
            lines += [f"    found = Dataset.from_parquet({path})", *(f"    {line}" for line in _rows("records += "))]
            functions += [namings, naming, named_row]
            continue
        more, opening, value = _file(form, path, max(file.stat().st_size for file in paths))
        functions += more
        if form.kind == "csv":
            value = f"[dict(zip(columns, record)) for record in {value}]"
            lines[-1:-1] = assign("columns", list(form.columns))
        elif form.kind == "lines":
            value = f'[{{"text": text}} for text in {value}]'
        lines += [*(f"    {line}" for line in opening), f"        records += {value}"]
        if form.errors != "strict":
            lines += _whole(form, map(_cell, names))
    cells = {name: _cell(name) for name in names}
    return Reading(str(folder), lines, cells, True, tuple(dict.fromkeys([*functions, *_inner(names)])))


def _cell(name: str) -> str:
    """The value of a column of records that may lack it; a dot may lead into an object."""
    return f"inner(record, {literal(name)})" if "." in name else f"record.get({literal(name)})"


def _inner(names: Iterable[str]) -> tuple[Callable[..., Any], ...]:
    return (inner,) if any("." in name for name in names) else ()


def _of_set(data: str, names: list[str], opening: list[str], *imports: str) -> Reading:
    cells = {name: _cell(name) if "." in name else f"record[{literal(name)}]" for name in names}
    functions: tuple[Callable[..., Any], ...] = (namings, naming, named_row, *_inner(names))
    return Reading(data, [*opening, *_rows("records = ")], cells, True, functions, imports)


def _rows(assigned: str) -> list[str]:
    return [
        "named = namings(found.features)",
        f'{assigned}[named_row(row, named) for row in found.with_format("arrow")[:].to_pylist()]',
    ]


def _load_hub(source: DataSource, data: str) -> list[str]:
    arguments = [data, *([literal(source.config)] if source.config else [])]
    if source.revision:
        arguments.append(f"revision={literal(source.revision)}")
    return call("found = load_dataset(", [*arguments, f"split={literal(source.split or 'train')}"])


def _load_saved(source: DataSource, path: Path, data: str) -> list[str]:
    try:
        splits = tuple(json.loads((path / "dataset_dict.json").read_text(encoding="utf-8"))["splits"])
    except (OSError, ValueError, KeyError):
        return [f"found = load_from_disk({data})"]
    return [f"found = load_from_disk({data})[{literal(chosen_split(source, splits))}]"]

"""The script that does a task on each row of a file: the lines for one input, in a loop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine import data
from workbench.engine.codegen.script import WIDTH, assign, call, literal
from workbench.engine.codegen.script import columns as columns_of
from workbench.engine.errors import NotSupported
from workbench.engine.tasks import files, spec
from workbench.engine.tasks.batch import can
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from workbench.engine.codegen.task.parts import Script
    from workbench.engine.values import TaskOptions

#: Stands for a column where the lines for one input would have a literal.
_MARK = "<column {}>"


def reading(path: Path, columns: Mapping[str, str]) -> list[str]:
    """``rows = […]``, a dict a row.

    Args:
        path: A file that `data.sniff` knows; or a folder of files, each of them a row.
        columns: Column by field of `TaskInput`.

    Raises:
        DataError: It can't be read.
    """
    kind = files.field(tuple(columns))
    if path.is_dir() and kind:
        return [
            f"folder = Path({literal(str(path))})",
            *call("endings = (", [literal(ending) for ending in files.ENDINGS[kind]]),
            'files = sorted(file for file in folder.glob("**/[!.]*") if file.suffix.lower() in endings)',
            f'rows = [{{"{files.COLUMN}": str(file)}} for file in files]',
        ]
    form = data.sniff(path)
    lines = assign("file", str(path))
    encoding = f"encoding={literal(form.encoding)}"
    if form.kind == "parquet":
        return [*lines, 'rows = pandas.read_parquet(file).to_dict("records")']
    if form.kind == "lines":
        texts = '    rows = [{"text": line.rstrip("\\n")} for line in opened]'
        return [*lines, f"with open(file, {encoding}) as opened:", texts]
    if form.kind == "csv":
        arguments = ["file", f"sep={literal(form.delimiter)}", encoding, "dtype=str", "keep_default_na=False"]
        arguments += [f"names={literal(list(form.columns))}", f"header={0 if form.header else None}"]
        return [*lines, *call("table = pandas.read_csv(", arguments), 'rows = table.to_dict("records")']
    several = "True" if form.kind == "jsonl" else "False"
    reader = f"pandas.read_json(file, lines={several}, dtype=False, {encoding})"
    if form.key:
        return [*lines, f"with open(file, {encoding}) as opened:", f"    rows = json.load(opened)[{literal(form.key)}]"]
    return [*lines, f'rows = {reader}.to_dict("records")']


def loop(
    name: str, made: Script, given: TaskInput, columns: Mapping[str, str], folder: Path, options: TaskOptions
) -> list[str]:
    """The lines for one input, for each of ``rows``; a row that fails is printed and stops no other.

    Args:
        name: The task.
        made: Its script.
        given: What is the same for each row.
        columns: Column by field of `TaskInput`.
        folder: Where files that rows name are looked for.
        options: As for one input.

    Raises:
        NotSupported: The lines for one input can't stand for a row.
    """
    if not can(name) or options.paints or ("second" in columns and name in ("table-question-answering", "fill-mask")):
        raise NotSupported(
            f"There is no script for {name} on rows.", why="It is done on one input at a time.", remedy="Take one."
        )
    reads: dict[str, str] = {}
    for field, column in columns.items():
        mark = _MARK.format(field)
        cell = f"row[{literal(column)}]"
        if field == "labels":
            reads[f"[{literal(mark)}]"] = f'{cell} if isinstance({cell}, list) else str({cell}).split("|")'
        elif field in ("image", "audio", "other", "video", "beside"):
            reads[literal(mark)] = f"os.path.join({literal(str(folder))}, {cell})"
        else:
            reads[literal(mark)] = f"str({cell})"
    given = marked(given, columns)
    lines = made.given(given)
    for mark, read in reads.items():
        lines = [line.replace(mark, read) for line in lines]
    blocks = made.blocks(given, options)
    first = spec(name).takes[0]
    empty: list[str] = []
    if first == "text" and first in columns:
        refused = '    raise ValueError("The text is empty.")'
        empty = [f"if not str(row[{literal(columns[first])}]).strip():", refused]
    body = [*empty, *lines, *(line for block in blocks for line in ("", *block))]
    return [
        "results = []",
        "for number, row in enumerate(rows, 1):",
        '    print(f"row {number}")',
        "    try:",
        *(line for each in body for line in _indented(each)),
        "        results.append(result)",
        "    except Exception as error:",
        "        results.append(None)",
        '        print(f"row {number} failed: {error}")',
    ]


def marked(given: TaskInput, columns: Mapping[str, str]) -> TaskInput:
    """The input of a row: what is the same for each, and a mark in place of what a column has."""
    fields: dict[str, Any] = {}
    for field in columns:
        mark = _MARK.format(field)
        files = ("image", "audio", "other", "video", "beside")
        fields[field] = (mark,) if field == "labels" else Path(mark) if field in files else mark
    return replace(given, **fields)


def _indented(line: str) -> list[str]:
    """A line of the loop; one that is too long there is broken inside its outermost bracket."""
    deep = " " * 8 + line if line else ""
    parts = re.fullmatch(r"(\s*[\w(,)]+ = [\w.]*[(\[])(.*)([)\]])", deep)
    if columns_of(deep) <= WIDTH or parts is None:
        return [deep]
    margin = " " * (len(deep) - len(deep.lstrip()))
    return [parts[1], f"{margin}    {parts[2]}", margin + parts[3]]

"""The scripts that do a task, with its three steps written out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.engine.codegen.reader import part_lines
from workbench.engine.codegen.script import (
    checkpoint_lines,
    class_of,
    imported,
    model_lines,
    script,
    seed_lines,
)
from workbench.engine.codegen.task import (
    anything,
    audio,
    films,
    fitting,
    pages,
    pairs,
    points,
    rarer,
    sequences,
    series,
    text,
    vision,
)
from workbench.engine.codegen.task.rows import loop, marked, reading
from workbench.engine.errors import NotSupported
from workbench.engine.tasks import head_for, spec
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.engine.codegen.task.parts import Script
    from workbench.engine.values import Checkpoint, TaskOptions

__all__ = ["task", "task_rows"]

_SCRIPTS = {
    **text.SCRIPTS,
    **pairs.SCRIPTS,
    **sequences.SCRIPTS,
    **vision.SCRIPTS,
    **points.SCRIPTS,
    **pages.SCRIPTS,
    **films.SCRIPTS,
    **audio.SCRIPTS,
    **rarer.SCRIPTS,
    **anything.SCRIPTS,
    **series.SCRIPTS,
}

_PATH = "from pathlib import Path"
_NAMES = ("csv", "functools", "inspect", "json", "math", "os", "random", "re")
_STANDARD = (*(f"import {name}" for name in _NAMES), _PATH)


def task(
    checkpoint: Checkpoint,
    name: str,
    given: TaskInput | str,
    options: TaskOptions,
    dtype: str,
    device: str,
    head: str | None = None,
    attention: str | None = None,
) -> str:
    """A script that does a task and prints its result.

    Args:
        checkpoint: Loaded by its folder, with the head the task needs.
        name: As the library names it, such as ``text-classification``.
        given: The input; a str is its text. For feature-extraction each line is an input of its own.
        options: Those that apply are written out; without ``max_length`` nothing is cut.
        dtype: As torch spells it, or ``auto``.
        device: As torch spells it.
        head: The Auto class, where the task can be done with several; one that can't do it is not taken.
        attention: ``sdpa`` or ``eager``; None leaves it to transformers.

    Raises:
        NotSupported: There is no such task.

    References:
        transformers, Pipelines
    """
    given = TaskInput(given) if isinstance(given, str) else given
    made = fitting.fitted(name, _script(name), given, checkpoint, head or "")
    return _put_together(
        checkpoint,
        name,
        made,
        given,
        options,
        dtype,
        device,
        head,
        attention,
        (made.given(given), *made.blocks(given, options)),
    )


def task_rows(
    checkpoint: Checkpoint,
    name: str,
    path: Path,
    columns: Mapping[str, str],
    given: TaskInput,
    options: TaskOptions,
    dtype: str,
    device: str,
    head: str | None = None,
    attention: str | None = None,
) -> str:
    """A script that does a task on each row of a file.

    Args:
        checkpoint: As for `task`.
        name: As for `task`.
        path: The file: CSV, JSON, JSON Lines, Parquet or plain lines; or a folder of files, each of them a row.
        columns: Column by field of `TaskInput`.
        given: What is the same for each row.
        options: As for `task`.
        dtype: As for `task`.
        device: As for `task`.
        head: As for `task`.
        attention: As for `task`.

    Raises:
        NotSupported: There is no such task, or it is not done on rows.
        DataError: The file can't be read.
    """
    shaped = marked(given, columns)
    made = fitting.fitted(name, _script(name), shaped, checkpoint, head or "")
    looped = loop(name, made, given, columns, path.parent, options)
    blocks = (reading(path, columns), looped)
    needed = ("import json", "import os", "import pandas")
    written = "\n".join(line for block in blocks for line in block)
    more = [line for line in needed if f"{line.split()[1]}." in written]
    more += [_PATH] if "Path(" in written else []
    return _put_together(checkpoint, name, made, shaped, options, dtype, device, head, attention, blocks, more)


def _script(name: str) -> Script:
    if name not in _SCRIPTS:
        raise NotSupported(
            f"There is no script for {name}.",
            why="This task is not known.",
            remedy=f"Use one of {', '.join(_SCRIPTS)}.",
        )
    return _SCRIPTS[name]


def _put_together(
    checkpoint: Checkpoint,
    name: str,
    made: Script,
    given: TaskInput,
    options: TaskOptions,
    dtype: str,
    device: str,
    head: str | None,
    attention: str | None,
    blocks: Sequence[Sequence[str]],
    more: Sequence[str] = (),
) -> str:
    head = made.whole or (head if head in (*spec(name).heads, *made.heads) else head_for(name))
    reads, readers = _loading(made.loads, checkpoint, head)
    classes = sorted({class_of(checkpoint, head), *readers, *made.classes(options)})
    seed = seed_lines(head)
    needed = [*made.imports(given, options), *more, *(["import torch"] if seed else [])]
    plain = sorted({line for line in needed if line}, key=_order)
    standard = sum(line in _STANDARD for line in plain)
    if standard > 0:
        plain.insert(standard, "")
    return script(
        made.title,
        [*plain, *imported(classes)],
        checkpoint_lines(checkpoint),
        [*seed, *reads, *model_lines(checkpoint, head, dtype, device, attention=attention)],
        *blocks,
    )


def _order(line: str) -> tuple[bool, bool, str]:
    """As isort has it: the standard library first, plain imports before those from a module, by name."""
    return line not in _STANDARD, line.startswith("from "), line.split()[1].lower()


def _loading(loads: tuple[str, ...], checkpoint: Checkpoint, head: str) -> tuple[list[str], list[str]]:
    parts = [part_lines(checkpoint, head, each) for each in loads]
    return [line for lines, _ in parts for line in lines], [name for _, names in parts for name in names]

"""Which script Show code shows: the task on one input, or on each row of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.engine import codegen, tasks
from workbench.engine.errors import WorkbenchError
from workbench.engine.models import LoadedModel
from workbench.engine.values import TaskInput, TaskOptions


def code_of(model: LoadedModel, task: str, given: TaskInput, options: TaskOptions) -> str:
    """The script for one input."""
    return codegen.task(
        model.checkpoint,
        task,
        given,
        _cut(model, task, options),
        model.dtype,
        model.device,
        _head(model, task),
        model.attn_implementation,
    )


def code_of_rows(
    model: LoadedModel, task: str, given: TaskInput, options: TaskOptions, path: Path, columns: dict[str, str]
) -> str:
    """The script for each row of a file, or a comment that says why there is none.

    Args:
        model: The loaded model.
        task: Which of them.
        given: What is the same for all rows.
        options: Likewise.
        path: The file.
        columns: The column of the file for each field that a row fills.
    """
    try:
        return codegen.task_rows(
            model.checkpoint,
            task,
            path,
            columns,
            given,
            _cut(model, task, options),
            model.dtype,
            model.device,
            _head(model, task),
            model.attn_implementation,
        )
    except WorkbenchError as error:
        return f"# {error.what}\n"


def _head(model: LoadedModel, task: str) -> str | None:
    return model.head if tasks.supports(model, task) else None


def _cut(model: LoadedModel, task: str, options: TaskOptions) -> TaskOptions:
    if task == "text-generation" or model.tokenizer is None:
        return options
    return replace(options, max_length=tasks.cut_at(model, options))

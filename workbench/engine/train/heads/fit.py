"""Which task data look made for."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from workbench.engine.train.heads.cells import as_list
from workbench.engine.train.heads.sequence_classification import TextClassification, as_number
from workbench.engine.values import Table

#: By task: for each column that there has to be, what it is called. The first that fits is taken.
_TELLING: tuple[tuple[str, tuple[frozenset[str], ...]], ...] = (
    ("chat", (frozenset({"messages", "conversations", "conversation"}),)),
    ("question-answering", (frozenset({"question"}), frozenset({"context"}), frozenset({"answers", "answer"}))),
    ("chat", (frozenset({"prompt", "instruction"}), frozenset({"completion", "response", "output"}))),
    ("token-classification", (frozenset({"tokens", "words"}), frozenset({"tags", "ner_tags", "pos_tags", "ner"}))),
    (
        "text2text-generation",
        (frozenset({"source", "article", "document", "en"}), frozenset({"target", "summary", "highlights", "de"})),
    ),
    ("image-classification", (frozenset({"image", "img", "picture", "file_name"}), frozenset({"label", "labels"}))),
)
#: Different numbers, one of them no whole one, that are a scale and no labels.
_SCALE = 12


def fitting_task(table: Table, tasks: Collection[str]) -> str | None:
    """The task whose columns are there, told by their names and first values; None where nothing tells.

    Args:
        table: The parsed source.
        tasks: Those there are.
    """
    names = {name.lower(): name for name in table.columns}
    for task, columns in _TELLING:
        if task in tasks and all(names.keys() & called for called in columns):
            return task
    label = next((names[name] for name in TextClassification.roles[1].names if name in names), None)
    if label is None:
        return "text-generation" if names.keys() & {"text", "content", "document"} else None
    place = table.columns.index(label)
    return _by_labels([row[place] for row in table.rows])


def _by_labels(cells: Sequence[str]) -> str:
    filled = [cell for cell in cells if cell.strip()]
    if filled and all(as_list(cell) is not None for cell in filled):
        return "multi-label-classification"
    numbers = {as_number(cell) for cell in filled}
    scale = len(numbers) >= _SCALE and all(map(math.isfinite, numbers)) and any(n != round(n) for n in numbers)
    return "text-regression" if scale else "text-classification"

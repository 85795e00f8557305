"""Which task data look made for, and what of them a task leaves aside."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from workbench.engine.data.roles import called, guess_roles
from workbench.engine.train.heads.cells import as_list
from workbench.engine.train.heads.sequence_classification import TextClassification, as_number
from workbench.engine.values import Table

_ASKED = frozenset({"prompt", "instruction", "question", "query", "input"})
_TOLD = frozenset({"summary", "highlights", "abstract"})

#: By task: for each column that there has to be, what it is called. The first that fits is taken.
_TELLING: tuple[tuple[str, tuple[frozenset[str], ...]], ...] = (
    ("chat", (frozenset({"messages", "conversations", "conversation"}),)),
    ("question-answering", (frozenset({"question"}), frozenset({"context"}), frozenset({"answers", "answer"}))),
    ("chat", (frozenset({"prompt", "instruction"}), frozenset({"completion", "response", "output"}))),
    ("chat", (_ASKED, frozenset({"chosen"}), frozenset({"rejected"}))),
    ("token-classification", (frozenset({"tokens", "words"}), frozenset({"tags", "ner_tags", "pos_tags", "ner"}))),
    (
        "text2text-generation",
        (
            frozenset({"source", "article", "document", "dialogue", "src", "en"}),
            frozenset({"target", "tgt", "de", "fr", *_TOLD}),
        ),
    ),
    ("text2text-generation", (frozenset({"text"}), _TOLD)),
    ("image-classification", (frozenset({"image", "img", "picture", "file_name"}), frozenset({"label", "labels"}))),
)
#: Likewise, where no column is called as labels are.
_LESS_TELLING = (("chat", (_ASKED, frozenset({"completion", "response", "output", "answer"}))),)
#: Different numbers, one of them no whole one, that are a scale and no labels.
_SCALE = 12
#: Columns that are named where they are not used.
_NAMED = 8


def fitting_task(table: Table, tasks: Collection[str]) -> str | None:
    """The task whose columns are there, told by their names and first values; None where nothing tells.

    Args:
        table: The parsed source.
        tasks: Those there are.
    """
    names = called(table)
    label = next((names[name] for name in TextClassification.roles[1].names if name in names), None)
    for task, columns in (*_TELLING, *(() if label is not None else _LESS_TELLING)):
        if task in tasks and all(names.keys() & words for words in columns):
            return task
    if sum(name.startswith("translation.") for name in names) >= 2:
        return "text2text-generation"
    if names.keys() >= {"chosen", "rejected"}:
        return _of_chosen(table, names["chosen"])
    if label is None and names.keys() & {"text", "content", "document"}:
        return "text-generation"
    if label is None:
        label = _by_looks(table)
    if label is None:
        return None
    place = table.columns.index(label)
    return _by_labels([row[place] for row in table.rows])


def _by_looks(table: Table) -> str | None:
    """A column of few different values beside one of texts, whatever they are called; None where there is none."""
    guessed = guess_roles(table, TextClassification.roles)
    return guessed.get("label") if guessed.get("text") else None


def _of_chosen(table: Table, chosen: str) -> str:
    """Answers without a prompt of their own are conversations, as messages or as one text."""
    cells = [row[table.columns.index(chosen)] for row in table.rows]
    return "chat" if all(as_list(cell) for cell in cells if cell.strip()) else "text-generation"


def remarks(table: Table, columns: Mapping[str, str]) -> tuple[str, ...]:
    """What a person should know of columns that are not used.

    Args:
        table: The parsed source.
        columns: The chosen column of each role.

    Returns:
        Sentences; none where every column is used.
    """
    used = set(columns.values())
    # Of an object, the columns inside it stand for the whole, and the whole for them.
    within = {name for name in table.columns for one in used if name.startswith(f"{one}.")}
    around = {name for name in table.columns for one in used if one.startswith(f"{name}.")}
    parents = {name for name in table.columns if any(other.startswith(f"{name}.") for other in table.columns)}
    idle = [name for name in table.columns if name not in used | within | around]
    # A whole that is idle is told once, without what is inside it.
    idle = [name for name in idle if not any(name.startswith(f"{one}.") for one in parents & set(idle))]
    said = []
    names = called(table)
    if names.keys() >= {"chosen", "rejected"}:
        said.append(
            "Pairs of a chosen and a rejected answer are made for preference training such as DPO, which this Trainer "
            "does not do."
        )
        if names["chosen"] in used:
            said.append(f"It learns to say what “{names['chosen']}” says; TRL's DPOTrainer can go on from the result.")
    if idle:
        listed = ", ".join(f"“{name}”" for name in idle[:_NAMED])
        more = f" and {len(idle) - _NAMED} more" if len(idle) > _NAMED else ""
        said.append(f"Not used: {listed}{more}.")
    return tuple(said)


def _by_labels(cells: Sequence[str]) -> str:
    filled = [cell for cell in cells if cell.strip()]
    if filled and all(as_list(cell) is not None for cell in filled):
        return "multi-label-classification"
    numbers = {as_number(cell) for cell in filled}
    scale = len(numbers) >= _SCALE and all(map(math.isfinite, numbers)) and any(n != round(n) for n in numbers)
    return "text-regression" if scale else "text-classification"

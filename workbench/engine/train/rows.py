"""From a data source to the rows of a run: the unusable told, the others drawn and split."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.data import scan
from workbench.engine.errors import DataError
from workbench.engine.task import Progress, Task
from workbench.engine.train.heads import HEADS
from workbench.engine.train.heads.gathered import Gathered, values
from workbench.engine.values import DataSource, TrainSpec

if TYPE_CHECKING:
    from datasets import Dataset

_TOLD = 20
#: Roles that hold what is learned, where that is one of several labels.
_LABELLED = ("label", "tags")


@dataclass(frozen=True, slots=True)
class Unused:
    """A row that is left out.

    Attributes:
        place: Where it is written, as ``reviews.csv, line 17``.
        why: What is wrong with it.
    """

    place: str
    why: str


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """The rows of a run.

    Attributes:
        train, evaluation: A column for each role that has one, and ``place``, where the row is written.
        labels: Names by id; empty where no label is learned.
        unused: What was left out, and why.
    """

    train: Dataset
    evaluation: Dataset
    labels: tuple[str, ...]
    unused: tuple[Unused, ...]


def split_rows(spec: TrainSpec, task: Task) -> Split:
    """Read the sources, leave out what can't be used (each row is told), draw the rows and hold some out.

    Labels are those of all rows, so that one that only the evaluation has counts as wrong instead of being left out.

    Raises:
        DataError: A column is missing, there are too few rows, or the labels can't be learned.
        NetworkError: A data set of the Hub can't be reached.
    """
    from datasets import concatenate_datasets

    head = HEADS[spec.task]
    rows, unused = _usable(spec, spec.data, task)
    texts = rows.column_names[0]
    twice = len(rows) - len(_told_apart(rows, texts))
    if twice:
        task.log(f"{twice:,} rows repeat the {texts} of another row; train and evaluation may share some.")
    if spec.rows is not None:
        rows = rows.shuffle(seed=spec.seed).select(range(min(spec.rows, len(rows))))
    if spec.evaluation is None:
        held_out = math.ceil(len(rows) * spec.eval_fraction)
        _check_sizes(spec, spec.data, len(rows), len(rows) - held_out, held_out, unused)
        labels = head.labels(rows, spec)
        parts = rows.train_test_split(test_size=spec.eval_fraction, seed=spec.seed)
        train, evaluation = parts["train"], parts["test"]
    else:
        _check_sizes(spec, spec.data, len(rows), len(rows), 2, unused)
        head.labels(rows, spec)
        evaluation, more = _usable(spec, spec.evaluation, task)
        train, unused = rows, (*unused, *more)
        _check_sizes(spec, spec.evaluation, len(evaluation), 2, len(evaluation), more)
        labels = head.labels(concatenate_datasets([train, evaluation]), spec)
        shared = len(_told_apart(evaluation, texts) & _told_apart(train, texts))
        if shared:
            task.log(f"{shared:,} different {texts}s of the evaluation are also trained on, so it reads too high.")
    for label, count in unseen_labels(labels, train, evaluation).items():
        have = "row has" if count == 1 else "rows have"
        task.log(
            f"No training row has the label “{label}”, which {count:,} evaluation {have}: "
            "it can't be learned, and counts as wrong."
        )
    return Split(train, evaluation, labels, unused)


def unseen_labels(labels: Sequence[str], train: Dataset, evaluation: Dataset) -> dict[str, int]:
    """Labels that evaluation rows have and no training row has, with the number of those rows."""
    role = next((name for name in _LABELLED if name in train.column_names), None)
    if role is None or not labels:
        return {}
    seen = {str(value) for cell in values(train, role) for value in _each(cell)}
    counts = Counter(str(value) for cell in values(evaluation, role) for value in set(_each(cell)))
    return {label: counts[label] for label in labels if counts[label] and label not in seen}


def _told_apart(rows: Dataset, column: str) -> set[int]:
    """A number for each different value: of many texts, memory may not hold a second copy."""
    return {hash(str(value)) for value in values(rows, column)}


def _each(cell: Any) -> list[Any]:
    return cell if isinstance(cell, list) else [cell]


def _check_sizes(
    spec: TrainSpec, source: DataSource, usable: int, train: int, evaluation: int, unused: Sequence[Unused]
) -> None:
    if train >= 2 and evaluation >= 2:
        return
    what = f"Could not train on {source.name}."
    left = f" {len(unused):,} are left out, the first, {unused[0].place}, because {unused[0].why}." if unused else ""
    if spec.evaluation is None:
        do = "correct them, or choose other columns or another task"
        raise DataError(
            what,
            why=f"{usable:,} usable rows leave {train} to train on and {evaluation} to evaluate.{left}",
            remedy=f"Both need at least 2: {do if left else 'use more rows or another share for evaluation'}.",
        )
    raise DataError(
        what,
        why=f"It has {usable:,} usable {'row' if usable == 1 else 'rows'}.{left}",
        remedy="At least 2 are needed: see in Data why rows can't be used, or choose other columns.",
    )


def _usable(spec: TrainSpec, source: DataSource, task: Task) -> tuple[Dataset, tuple[Unused, ...]]:
    from datasets import Features, List, Value

    head = HEADS[spec.task]
    task.report(Progress(0, None, "rows", f"Reading {source.name}"))
    wanted = {role.name: spec.columns[role.name] for role in head.roles if spec.columns.get(role.name)}
    kinds = {str: Value("string"), float: Value("float64"), list: List(Value("string"))}
    kept: Gathered | None = None
    unused: list[Unused] = []
    count = 0
    for place, row in scan(source, wanted, task=task):
        why = head.problem(row, spec)
        if why:
            unused.append(Unused(place, why))
            continue
        values = {role: head.value(role, row[role]) for role in wanted} | {"place": place}
        # Said, since many rows may begin with lists that hold nothing.
        kept = kept or Gathered(Features({name: kinds[type(value)] for name, value in values.items()}))
        kept.add({name: [value] for name, value in values.items()})
        count += 1
    if unused:
        task.log(f"{len(unused):,} of {len(unused) + count:,} rows are left out:")
        for one in unused[:_TOLD]:
            task.log(f"  {one.place}: {one.why}")
        if len(unused) > _TOLD:
            task.log(f"  and {len(unused) - _TOLD:,} more")
    if kept is None:
        kept = Gathered(Features({name: Value("string") for name in (*wanted, "place")}))
        kept.add({name: [] for name in (*wanted, "place")})
    return kept.dataset(), tuple(unused)

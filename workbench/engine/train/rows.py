"""From a data source to the rows of a run: the unusable told, the others drawn and split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.data import load
from workbench.engine.errors import DataError
from workbench.engine.task import Progress, Task
from workbench.engine.train.heads import HEADS
from workbench.engine.values import TrainSpec

if TYPE_CHECKING:
    from datasets import Dataset

_TOLD = 20


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
    """Read the source, leave out what can't be used (each row is told), draw the rows and hold some out.

    Raises:
        DataError: A column is missing, there are too few rows, or the labels can't be learned.
    """
    task.report(Progress(0, None, "rows", f"Reading {spec.data.name}"))
    rows, unused = _usable(spec, task)
    texts = rows.column_names[0]
    twice = len(rows) - len({str(value) for value in rows[texts]})
    if twice:
        task.log(f"{twice:,} rows repeat the {texts} of another row; train and evaluation may share some.")
    if spec.rows is not None:
        rows = rows.shuffle(seed=spec.seed).select(range(min(spec.rows, len(rows))))
    held_out = math.ceil(len(rows) * spec.eval_fraction)
    if held_out < 2 or len(rows) - held_out < 2:
        raise DataError(
            f"Could not train on {spec.data.name}.",
            why=f"{len(rows):,} usable rows leave {len(rows) - held_out} to train on and {held_out} to evaluate.",
            remedy="Both need at least 2: use more rows or another share for evaluation.",
        )
    labels = HEADS[spec.task].labels(rows, spec)
    parts = rows.train_test_split(test_size=spec.eval_fraction, seed=spec.seed)
    return Split(parts["train"], parts["test"], labels, unused)


def _usable(spec: TrainSpec, task: Task) -> tuple[Dataset, tuple[Unused, ...]]:
    from datasets import Dataset

    head = HEADS[spec.task]
    wanted = {role.name: spec.columns[role.name] for role in head.roles if spec.columns.get(role.name)}
    found = load(spec.data, wanted, task=task)
    kept: dict[str, list[Any]] = {**{role: [] for role in wanted}, "place": []}
    unused: list[Unused] = []
    for values in zip(*found.columns.values(), found.places, strict=True):
        row = dict(zip(wanted, values, strict=False))
        why = head.problem(row, spec)
        if why:
            unused.append(Unused(values[-1], why))
            continue
        for role, value in row.items():
            kept[role].append(head.value(role, value))
        kept["place"].append(values[-1])
    if unused:
        task.log(f"{len(unused):,} of {len(found.places):,} rows are left out:")
        for one in unused[:_TOLD]:
            task.log(f"  {one.place}: {one.why}")
        if len(unused) > _TOLD:
            task.log(f"  and {len(unused) - _TOLD:,} more")
    return Dataset.from_dict(kept), tuple(unused)

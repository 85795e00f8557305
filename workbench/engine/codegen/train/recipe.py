"""What of a script depends on the head, and the pieces that several heads share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.engine import models
from workbench.engine.errors import WorkbenchError
from workbench.engine.train.heads import HEADS, divides_by_items

if TYPE_CHECKING:
    from workbench.engine.values import TrainSpec


@dataclass(frozen=True, slots=True)
class Recipe:
    """The parts of a script that a head brings along.

    The functions are those that the workbench calls itself: a script carries their text.

    Attributes:
        title: First line of the script.
        keep: Condition on ``example`` for a row to be used.
        encode: Lines that make ``train`` and ``evaluation`` out of ``parts``.
        collator: Expression of the collator.
        metrics: Expression of ``compute_metrics``.
        reduce: Function for ``preprocess_logits_for_metrics``, or None.
        names: What is imported from transformers for it.
        values: By role, what is made of a cell, as ``as_words({cell})``; the others are text.
        columns: By role, what becomes a column, as ``example["messages"]``; only where it differs from the value.
        functions: Used while rows are read and encoded.
        measures: Used by the metrics.
        labels: Lines that make ``labels`` out of ``dataset``.
        arguments: Further arguments of ``from_pretrained``.
        settle: Lines after the model is loaded.
        pads: Whether the tokenizer needs a token to pad with.
        reader: What turns rows into tensors: ``tokenizer``, or ``processor`` for pictures.
    """

    title: str
    keep: str
    encode: Sequence[str]
    collator: str
    metrics: str
    reduce: Callable[..., Any] | None
    names: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[Callable[..., Any], ...] = ()
    measures: tuple[Callable[..., Any], ...] = ()
    labels: Sequence[str] = ()
    arguments: Sequence[str] = ()
    settle: Sequence[str] = ()
    pads: bool = True
    reader: str = "tokenizer"


#: Arguments of ``from_pretrained`` for heads with labels.
LABELLED = (
    "id2label=dict(enumerate(labels))",
    "label2id={label: number for number, label in enumerate(labels)}",
    "ignore_mismatched_sizes=True",
)


def source(functions: Sequence[Callable[..., Any]]) -> list[str]:
    """The text of functions as it stands in the workbench, two blank lines between them."""
    lines: list[str] = []
    for function in functions:
        lines += [*([""] * 2 if lines else []), *inspect.getsource(function).rstrip().splitlines()]
    return lines


def label_order(spec: TrainSpec) -> list[str]:
    """Lines that take the checkpoint's own order of labels, where it may know exactly these."""
    from workbench.engine.codegen.script import assign
    from workbench.engine.train.heads.sequence_classification import known_labels

    try:
        known = known_labels(HEADS[spec.task], spec)
    except WorkbenchError:
        return []
    if not known:
        return []
    return [*assign("known", list(known)), "labels = known if set(known) == set(labels) else labels"]


def divides(spec: TrainSpec) -> bool:
    """Whether the model divides its loss by the items of all accumulated batches."""
    try:
        model_type = models.describe(spec.checkpoint).model_type
    except WorkbenchError:
        return HEADS[spec.task].scales_loss
    return HEADS[spec.task].scales_loss and divides_by_items(model_type, HEADS[spec.task].auto_class)

"""A label, several labels or a number for each text or pair of texts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine import models
from workbench.engine.data import as_text
from workbench.engine.errors import DataError
from workbench.engine.task import Task
from workbench.engine.train import metrics
from workbench.engine.train.heads.cells import as_list
from workbench.engine.train.heads.gathered import Gathered, values
from workbench.engine.train.heads.head import Head, Role, batches

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec

_TEXT = Role(
    "text",
    "Text column",
    "The column that goes into the tokenizer",
    names=("text", "sentence", "sentence1", "premise", "review", "content", "comment", "body", "message", "tweet"),
)
_PAIR = Role(
    "pair",
    "Second text column",
    "Where a row is a pair of texts: the second one, such as the hypothesis of a premise",
    required=False,
    names=("text_pair", "sentence2", "hypothesis", "text_b", "question2"),
)
_LABELS = ("label", "labels", "sentiment", "class", "category", "target", "intent", "topic", "stars", "y")


def as_labels(value: Any) -> list[str]:
    """The labels of a cell: a list, or a text with ``|``, ``;`` or ``,`` between them; nothing is no label."""
    items = as_list(value)
    if items is None and isinstance(value, str):
        items = next((value.split(mark) for mark in "|;," if mark in value), [value])
    elif items is None:
        items = [] if value is None else [value]
    named = [item.strip() if isinstance(item, str) else json.dumps(item) for item in items]
    return sorted({name for name in named if name})


def as_number(value: Any) -> float:
    """The number of a cell; not a number where it holds none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


class TextClassification(Head):
    """Text in, one of several labels out.

    References:
        transformers, Text classification
    """

    task = "text-classification"
    title = "Text classification: one label"
    learns = "a label for each text"
    auto_class = "AutoModelForSequenceClassification"
    problem_type = "single_label_classification"
    roles = (_TEXT, Role("label", "Label column", "The column with what is to be learned", names=_LABELS), _PAIR)
    metric = "accuracy"
    told: Mapping[str, bool] = {"accuracy": True, "f1": True}

    def labels(self, rows: Dataset, spec: TrainSpec) -> tuple[str, ...]:
        """The different labels, sorted; in the checkpoint's own order where it knows exactly these."""
        return different_labels(rows, self, spec)

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """Give tokenizer and model a token to pad with, and name the kind of problem."""
        super().settle(model, tokenizer, spec)
        if model.config.pad_token_id is None:
            # A decoder finds the last token of a row, which its classification head reads, by the padding after it.
            model.config.pad_token_id = tokenizer.pad_token_id
        model.config.problem_type = self.problem_type

    def targets(self, rows: Dataset, labels: Sequence[str]) -> list[Any]:
        """What is learned of each row: the id of its label."""
        ids = {label: number for number, label in enumerate(labels)}
        return [ids[label] for label in values(rows, "label")]

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """``input_ids`` and what else the tokenizer gives, cut at ``max_length``, with ``labels``."""
        encoded, full = Gathered(), 0
        for batch in batches(rows, task):
            told = tokenizer(batch["text"], batch.get("pair"), truncation=True, max_length=spec.max_length)
            full += sum(len(ids) == spec.max_length for ids in told["input_ids"])
            encoded.add(told)
        if full:
            task.log(f"{full:,} of {len(rows):,} rows fill all {spec.max_length} tokens and are cut there when longer.")
        return encoded.dataset().add_column("labels", self.targets(rows, labels))

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Pads a batch to its longest row."""
        from transformers import DataCollatorWithPadding

        return DataCollatorWithPadding(tokenizer)

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Accuracy and macro F1."""
        return metrics.classification_metrics

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> list[int] | None:
        """Tokens of the text, or of both texts."""
        pair = list(values(rows, "pair")) if "pair" in rows.column_names else None
        return [len(ids) for ids in tokenizer(list(values(rows, "text")), pair, verbose=False)["input_ids"]]


class MultiLabelClassification(TextClassification):
    """Text in, any number of labels out.

    References:
        transformers, ``problem_type="multi_label_classification"``
    """

    task = "multi-label-classification"
    title = "Text classification: several labels"
    learns = "which of several labels fit each text"
    problem_type = "multi_label_classification"
    roles = (
        _TEXT,
        Role(
            "label",
            "Labels column",
            "A JSON list of labels, or labels with |, ; or , between them; an empty cell is a row without any",
            names=("labels", "label", "tags", "topics", "categories", "emotions"),
        ),
        _PAIR,
    )
    metric = "f1"
    told: Mapping[str, bool] = {"f1": True, "macro_f1": True, "exact_match": True}

    def problem(self, row: Mapping[str, Any], spec: TrainSpec) -> str:
        """Text is needed; labels are not."""
        return super().problem({**row, "label": as_text(row["label"]) or "none"}, spec)

    def value(self, role: str, value: Any) -> Any:
        """Labels as a list."""
        return as_labels(value) if role == "label" else as_text(value)

    def labels(self, rows: Dataset, spec: TrainSpec) -> tuple[str, ...]:
        """The different labels, sorted; in the checkpoint's own order where it knows exactly these."""
        labels = tuple(sorted({label for several in values(rows, "label") for label in several}))
        what = f"Could not train on {spec.data.name}."
        if len(labels) < 2:
            raise DataError(
                what,
                why=f"There are {len(labels)} different labels in {len(rows):,} rows.",
                remedy="Choose another label column.",
            )
        if len(labels) > max(2, len(rows) // 2):
            raise DataError(
                what,
                why=f"“{spec.columns['label']}” has {len(labels):,} different labels in {len(rows):,} rows.",
                remedy="Choose a column with few labels, each on many rows.",
            )
        return in_order(labels, self, spec)

    def targets(self, rows: Dataset, labels: Sequence[str]) -> list[Any]:
        """1.0 for each label that a row has, else 0.0."""
        return [[float(label in several) for label in labels] for several in values(rows, "label")]

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Micro and macro F1, and the share of rows with all labels right."""
        return metrics.multi_label_metrics

    def reduce_logits(self, spec: TrainSpec) -> Callable[..., Any] | None:
        """0 or 1 for each label: a logit above 0 is a probability above a half."""
        return metrics.above_zero


class TextRegression(TextClassification):
    """Text in, a number out.

    References:
        transformers, ``problem_type="regression"``
    """

    task = "text-regression"
    title = "Text regression: a number"
    learns = "a number for each text"
    problem_type = "regression"
    roles = (
        _TEXT,
        Role("label", "Number column", "The number to be learned", names=("score", "rating", "similarity", *_LABELS)),
        _PAIR,
    )
    metric = "mse"
    # Predictions that are all the same have no correlation, so not every evaluation tells one.
    told: Mapping[str, bool] = {"mse": False, "mae": False}

    def problem(self, row: Mapping[str, Any], spec: TrainSpec) -> str:
        """The label has to be a number."""
        why = super().problem(row, spec)
        if not why and not math.isfinite(as_number(row["label"])):
            return f"“{as_text(row['label'])[:40]}” is no number"
        return why

    def value(self, role: str, value: Any) -> Any:
        """The number as such."""
        return as_number(value) if role == "label" else as_text(value)

    def labels(self, rows: Dataset, spec: TrainSpec) -> tuple[str, ...]:
        """The column's name: the head has one output."""
        if len(set(values(rows, "label"))) < 2:
            raise DataError(
                f"Could not train on {spec.data.name}.",
                why=f"All {len(rows):,} rows have the number {rows['label'][0]:g}.",
                remedy="Choose another column.",
            )
        return (spec.columns["label"],)

    def targets(self, rows: Dataset, labels: Sequence[str]) -> list[Any]:
        """The numbers."""
        return list(values(rows, "label"))

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Mean squared and absolute error, and the correlation."""
        return metrics.regression_metrics

    def reduce_logits(self, spec: TrainSpec) -> Callable[..., Any] | None:
        """The number itself is small."""
        return metrics.only_logits


def different_labels(rows: Dataset, head: Head, spec: TrainSpec) -> tuple[str, ...]:
    """The different labels of rows with one each, sorted; see `in_order`.

    Raises:
        DataError: There is only one, or there are too many to be labels.
    """
    labels = tuple(sorted(set(values(rows, "label"))))
    what = f"Could not train on {spec.data.name}."
    if len(labels) < 2:
        raise DataError(
            what,
            why=f"All {len(rows):,} rows have the label “{labels[0]}”, so there is nothing to tell apart.",
            remedy="Choose another label column or use more rows.",
        )
    if len(labels) > max(2, len(rows) // 2):
        raise DataError(
            what,
            why=f"“{spec.columns['label']}” has {len(labels):,} different values in {len(rows):,} rows: "
            "it does not look like a label.",
            remedy="Choose a column with few values, each on many rows.",
        )
    return in_order(labels, head, spec)


def in_order(labels: tuple[str, ...], head: Head, spec: TrainSpec) -> tuple[str, ...]:
    """The labels in the order the checkpoint has them, where it has this head and exactly these labels.

    Its head would mean other labels than those it has learned otherwise.
    """
    known = known_labels(head, spec)
    return known if set(known) == set(labels) else labels


def known_labels(head: Head, spec: TrainSpec) -> tuple[str, ...]:
    """Labels of a head that the checkpoint has already, or none."""
    facts = models.describe(spec.checkpoint)
    return facts.labels if facts.trained_head == head.auto_class else ()

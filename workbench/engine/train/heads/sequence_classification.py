"""A label for each text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import DataError
from workbench.engine.task import Task
from workbench.engine.train.heads.head import Head, Role, batches
from workbench.engine.train.metrics import classification_metrics, predicted_ids

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


class SequenceClassification(Head):
    """Text in, one of several labels out.

    References:
        transformers, Text classification
    """

    task = "text-classification"
    title = "Text classification"
    learns = "a label for each text"
    auto_class = "AutoModelForSequenceClassification"
    roles = (
        Role("text", "Text column", "The column that goes into the tokenizer"),
        Role("label", "Label column", "The column with what is to be learned"),
    )
    metric = "accuracy"
    greater_is_better = True

    def labels(self, rows: Dataset, spec: TrainSpec) -> tuple[str, ...]:
        """The different labels, sorted."""
        labels = tuple(sorted(set(rows["label"])))
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
        return labels

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """Give tokenizer and model a token to pad with."""
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        if model.config.pad_token_id is None:
            # A decoder finds the last token of a row, which its classification head reads, by the padding after it.
            model.config.pad_token_id = tokenizer.pad_token_id

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """``input_ids`` and what else the tokenizer gives, cut at ``max_length``, with ``labels`` as ids."""
        from datasets import Dataset

        encoded: dict[str, list[Any]] = {}
        for batch in batches(rows, task):
            for name, values in tokenizer(batch["text"], truncation=True, max_length=spec.max_length).items():
                encoded.setdefault(name, []).extend(values)
        full = sum(len(ids) == spec.max_length for ids in encoded["input_ids"])
        if full:
            task.log(f"{full:,} of {len(rows):,} rows fill all {spec.max_length} tokens and are cut there when longer.")
        ids = {label: number for number, label in enumerate(labels)}
        return Dataset.from_dict({**encoded, "labels": [ids[label] for label in rows["label"]]})

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Pads a batch to its longest row."""
        from transformers import DataCollatorWithPadding

        return DataCollatorWithPadding(tokenizer)

    def metrics(
        self, tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], spec: TrainSpec
    ) -> Callable[..., dict[str, float]] | None:
        """Accuracy and macro F1."""
        return classification_metrics

    def reduce_logits(self) -> Callable[..., Any] | None:
        """One id a row."""
        return predicted_ids

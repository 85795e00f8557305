"""A tag for each word."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import CheckpointError, DataError
from workbench.engine.task import Task
from workbench.engine.train import metrics
from workbench.engine.train.heads.cells import as_list
from workbench.engine.train.heads.gathered import Gathered, values
from workbench.engine.train.heads.head import Head, Role, batches, broken
from workbench.engine.train.heads.sequence_classification import in_order

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


def as_words(value: Any) -> list[str]:
    """The words (or tags) of a cell: a list, or a text with blanks between them."""
    items = as_list(value)
    if items is None:
        items = value.split() if isinstance(value, str) else [] if value is None else [value]
    return [item if isinstance(item, str) else json.dumps(item) for item in items]


def ragged(words: list[str], tags: list[str]) -> str:
    """Why a row can't be tagged, or an empty string."""
    if not words:
        return "there are no words"
    if len(words) != len(tags):
        return f"there are {len(words):,} words and {len(tags):,} tags"
    if not all(word.strip() for word in words):
        return "a word is empty"
    return ""


def tag_order(tag: str) -> tuple[bool, str, str]:
    """Sorts ``O`` first and then by what is tagged: ``B-LOC``, ``I-LOC``, ``B-PER``."""
    return (tag != "O", tag[2:], tag)


def aligned(word_ids: list[int | None], tags: list[int]) -> list[int]:
    """Labels of tokens: the first token of a word has its tag's id, all others -100, which the loss leaves out."""
    labels = []
    before = None
    for word in word_ids:
        labels.append(-100 if word is None or word == before else tags[word])
        before = word
    return labels


class TokenClassification(Head):
    """Words in, a tag for each out.

    References:
        transformers, Token classification
    """

    task = "token-classification"
    title = "Token classification: a tag for each word"
    learns = "a tag for each word"
    auto_class = "AutoModelForTokenClassification"
    roles = (
        Role(
            "tokens",
            "Words column",
            "The words of a sentence: a JSON list, or words with blanks between them",
            names=("tokens", "words", "sentence", "text"),
        ),
        Role(
            "tags",
            "Tags column",
            "A tag for each word, such as O, B-PER and I-PER: as many as words",
            names=("tags", "ner_tags", "labels", "pos_tags", "ner", "label"),
        ),
    )
    metric = "f1"
    # Precision and recall are told of whole entities alone.
    told: Mapping[str, bool] = {"f1": True, "accuracy": True}

    def problem(self, row: Mapping[str, Any], spec: TrainSpec) -> str:
        """Words and tags have to be as many."""
        return ragged(as_words(row["tokens"]), as_words(row["tags"])) or broken(row)

    def value(self, role: str, value: Any) -> Any:
        """Words and tags as lists."""
        return as_words(value)

    def labels(self, rows: Dataset, spec: TrainSpec) -> tuple[str, ...]:
        """The different tags, ``O`` first; in the checkpoint's own order where it knows exactly these."""
        labels = tuple(sorted({tag for tags in values(rows, "tags") for tag in tags}, key=tag_order))
        if len(labels) < 2:
            raise DataError(
                f"Could not train on {spec.data.name}.",
                why=f"All words have the tag “{labels[0]}”, so there is nothing to tell apart.",
                remedy="Choose another column for the tags.",
            )
        words = sum(map(len, values(rows, "tags")))
        if len(labels) > max(10, words // 2):
            raise DataError(
                f"Could not train on {spec.data.name}.",
                why=f"“{spec.columns['tags']}” has {len(labels):,} different tags on {words:,} words.",
                remedy="Choose a column with few tags, each on many words.",
            )
        return in_order(labels, self, spec)

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """A word's tokens must be known, which only fast tokenizers tell.

        Raises:
            CheckpointError: The tokenizer is written in Python, or has no token to pad with.
        """
        super().settle(model, tokenizer, spec)
        _check_fast(tokenizer, spec, "which token belongs to which word")
        if getattr(tokenizer, "add_prefix_space", None) is False:
            # Byte-level tokenizers refuse words by themselves unless a blank may be put in front of each.
            tokenizer.add_prefix_space = True

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """The words' ids, cut at ``max_length``, with ``labels``: the tag's id where a word begins, else -100."""
        ids = {label: number for number, label in enumerate(labels)}
        encoded, kept, full, done = Gathered(), list[int](), 0, 0
        for batch in batches(rows, task):
            made = tokenizer(batch["tokens"], is_split_into_words=True, truncation=True, max_length=spec.max_length)
            told = [
                aligned(made.word_ids(place), [ids[tag] for tag in tags]) for place, tags in enumerate(batch["tags"])
            ]
            kept += [done + place for place, row in enumerate(told) if any(label != -100 for label in row)]
            full += sum(len(row) == spec.max_length for row in made["input_ids"])
            done += len(told)
            encoded.add({**made, "labels": told})
        if full:
            task.log(f"{full:,} of {len(rows):,} rows fill all {spec.max_length} tokens and are cut there when longer.")
        if len(kept) < len(rows):
            task.log(f"{len(rows) - len(kept):,} of {len(rows):,} rows are left out: no word of them has a token.")
        return encoded.dataset().select(kept)

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Pads a batch to its longest row, the labels with -100."""
        from transformers import DataCollatorForTokenClassification

        return DataCollatorForTokenClassification(tokenizer)

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Precision, recall and F1 of whole entities, and the accuracy of single tags."""
        return functools.partial(metrics.span_metrics, labels=list(labels))

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> list[int] | None:
        """Tokens of all words."""
        made = tokenizer(list(values(rows, "tokens")), is_split_into_words=True, verbose=False)
        return [len(ids) for ids in made["input_ids"]]


def _check_fast(tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, unknown: str) -> None:
    if not tokenizer.is_fast:
        raise CheckpointError(
            f"Could not train {spec.checkpoint.name}.",
            why=f"Its tokenizer is written in Python and does not say {unknown}.",
            remedy="Choose a checkpoint with a tokenizer.json.",
        )

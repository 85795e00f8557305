"""From a data file to what the Trainer sees: rows dropped, drawn, split and encoded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.data import load_columns
from workbench.engine.errors import DataError
from workbench.engine.task import Progress, Task
from workbench.engine.values import TrainSpec

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

_ENCODED_AT_ONCE = 256


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """The rows of a run, with the columns ``text`` and ``label``, and the names of the labels."""

    train: Dataset
    evaluation: Dataset
    labels: tuple[str, ...]


def split_rows(spec: TrainSpec, task: Task) -> Split:
    """Read the file, drop what is empty (saying so in the log), draw the rows and hold some out.

    Raises:
        DataError: A column is missing, there are too few rows, or the labels are none.
    """
    from datasets import Dataset

    task.report(Progress(0, None, "rows", f"Reading {spec.data.name}"))
    names = [spec.text_column] if spec.label_column is None else [spec.text_column, spec.label_column]
    columns = load_columns(spec.data, names, task=task)
    what = f"Could not train on {spec.data.name}."
    kept = {"text" if name == spec.text_column else "label": values for name, values in columns.items()}
    texts = kept["text"]
    filled = [row for row in range(len(texts)) if all(values[row].strip() for values in kept.values())]
    if len(filled) < len(texts):
        dropped = len(texts) - len(filled)
        task.log(f"{dropped:,} of {len(texts):,} rows have no text or no label and are left out.")
        kept = {name: [values[row] for row in filled] for name, values in kept.items()}
    _refuse_broken_characters(what, kept["text"], filled)
    twice = len(filled) - len(set(kept["text"]))
    if twice:
        task.log(f"{twice:,} rows repeat the text of another row; train and evaluation may share some.")
    dataset = Dataset.from_dict(kept)
    if spec.rows is not None:
        dataset = dataset.shuffle(seed=spec.seed).select(range(min(spec.rows, len(dataset))))
    held_out = math.ceil(len(dataset) * spec.eval_fraction)
    if held_out < 2 or len(dataset) - held_out < 2:
        raise DataError(
            what,
            why=f"{len(dataset):,} usable rows leave {len(dataset) - held_out} to train on and {held_out} to evaluate.",
            remedy="Both need at least 2: use more rows or another share for evaluation.",
        )
    labels: tuple[str, ...] = ()
    if spec.label_column is not None:
        labels = tuple(sorted(set(dataset["label"])))
        _check_labels(what, spec.label_column, labels, len(dataset))
    parts = dataset.train_test_split(test_size=spec.eval_fraction, seed=spec.seed)
    return Split(parts["train"], parts["test"], labels)


def encode_rows(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
) -> Dataset:
    """Tokenize rows of a `Split`.

    Returns:
        For classification ``input_ids`` and what else the tokenizer gives, cut at ``max_length``, with ``labels`` as
        ids; for text generation blocks of ``max_length`` ids, the texts joined by the end token, and equal ``labels``.

    Raises:
        DataError: There is too little text for one block.
    """
    from datasets import Dataset

    classify = spec.label_column is not None
    options: dict[str, Any] = {"truncation": True, "max_length": spec.max_length} if classify else {"verbose": False}
    encoded: dict[str, list[Any]] = {}
    total = len(dataset)
    for start in range(0, total, _ENCODED_AT_ONCE):
        task.check()
        task.report(Progress(start, total, "rows", "Encoding"))
        for name, values in tokenizer(dataset[start : start + _ENCODED_AT_ONCE]["text"], **options).items():
            encoded.setdefault(name, []).extend(values)
    if classify:
        full = sum(len(ids) == spec.max_length for ids in encoded["input_ids"])
        if full:
            task.log(f"{full:,} of {total:,} rows fill all {spec.max_length} tokens and are cut there when longer.")
        ids = {label: number for number, label in enumerate(labels)}
        return Dataset.from_dict({**encoded, "labels": [ids[label] for label in dataset["label"]]})
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    stream = [token for text in encoded["input_ids"] for token in [*text, *end]]
    length = spec.max_length
    blocks = [stream[at : at + length] for at in range(0, len(stream) - length + 1, length)]
    if not blocks:
        raise DataError(
            f"Could not train on {spec.data.name}.",
            why=f"{total:,} rows give {len(stream):,} tokens, less than one block of {length}.",
            remedy="Use more rows or a smaller max_length.",
        )
    task.log(f"{total:,} rows give {len(blocks):,} blocks of {length} tokens.")
    return Dataset.from_dict({"input_ids": blocks, "labels": blocks})


def _refuse_broken_characters(what: str, texts: Sequence[str], numbers: Sequence[int]) -> None:
    for text, number in zip(texts, numbers, strict=True):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise DataError(
                what,
                why=f"Row {number + 1:,} holds half a character (a lone surrogate), which no tokenizer takes.",
                remedy="Correct or remove that row.",
            ) from None


def _check_labels(what: str, column: str, labels: Sequence[str], rows: int) -> None:
    if len(labels) < 2:
        raise DataError(
            what,
            why=f"All {rows:,} rows have the label “{labels[0]}”, so there is nothing to tell apart.",
            remedy="Choose another label column or use more rows.",
        )
    if len(labels) > max(2, rows // 2):
        raise DataError(
            what,
            why=f"“{column}” has {len(labels):,} different values in {rows:,} rows: it does not look like a label.",
            remedy="Choose a column with few values, each on many rows.",
        )

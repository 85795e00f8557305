"""What the trainer really sees: the first batches of a run, as its own loader gives them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine import models
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.train.build import build
from workbench.engine.train.checkpoints import Sealed
from workbench.engine.train.heads import HEADS
from workbench.engine.train.means import check_means
from workbench.engine.train.rows import Split, split_rows
from workbench.engine.train.seeds import seed_epoch
from workbench.engine.train.settings import check, training_threads
from workbench.engine.train.threads import computing_with
from workbench.engine.values import TrainSpec

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

#: Batches that are shown, and over which padding is measured.
SHOWN, MEASURED = 3, 40
#: Rows whose whole length is measured.
_LENGTHS = 2000
#: What is logged about the model is no news here.
_ABOUT_ROWS = re.compile(r"\b(rows|targets)\b|^  ")


@dataclass(frozen=True, slots=True)
class Piece:
    """A token of a batch.

    Attributes:
        text: Decoded alone, or as the vocabulary spells it where it is no text alone.
        id: Its id.
        label: What is to be said here, as a tag or a token; empty where nothing is learned (label -100).
        learned: Whether the loss counts it.
        padding: Whether it only fills the row up.
        special: Whether it is a special token.
    """

    text: str
    id: int
    label: str = ""
    learned: bool = False
    padding: bool = False
    special: bool = False


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A row of a batch.

    Attributes:
        pieces: What goes into the model; empty for a picture.
        target: What is to be written, where that is a sequence of its own.
        label: What is learned of the row as a whole, or empty.
        picture: Shape of a picture's tensor, or empty.
        text: All of it decoded, padding left out.
    """

    pieces: tuple[Piece, ...]
    target: tuple[Piece, ...] = ()
    label: str = ""
    picture: tuple[int, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Batches:
    """The first batches of a run.

    Attributes:
        batches: The first of them, in the order of the run.
        rows: Rows (or blocks, or windows) that are trained on.
        batch_size: Rows of a batch.
        measured: Batches that `width`, `padding` and `learned` are about.
        width: Tokens of the longest row.
        padding: Share of the positions that is padding, in ``[0, 1]``; None for pictures.
        learned: Share of the positions that the loss counts; None where a row is learned as a whole.
        cut: Share of the rows that are longer than ``max_length``; None where no row is cut.
        lost: Share of all tokens that is cut off; None likewise.
        notes: What was said while the rows were read and encoded.
    """

    batches: tuple[tuple[SeenRow, ...], ...]
    rows: int
    batch_size: int
    measured: int
    width: int
    padding: float | None
    learned: float | None
    cut: float | None
    lost: float | None
    notes: tuple[str, ...] = ()


class Noting:
    """A task that keeps what it is told beside handing it on.

    Attributes:
        lines: What was logged.
    """

    def __init__(self, task: Task) -> None:
        self.lines: list[str] = []
        self._task = task

    @property
    def cancelled(self) -> bool:
        """Whether it should stop."""
        return self._task.cancelled

    def report(self, progress: Progress) -> None:
        """Hand progress on."""
        self._task.report(progress)

    def send(self, part: object) -> None:
        """Keep parts back: they belong to a run."""

    def log(self, line: str) -> None:
        """Keep a line and hand it on."""
        self.lines.append(line)
        self._task.log(line)

    def check(self) -> None:
        """Stop when asked to."""
        self._task.check()


def look(spec: TrainSpec, *, task: Task | None = None) -> Batches:
    """The first batches as the run's own loader gives them: same seed, same order, same collator.

    Args:
        spec: The run.
        task: Hears of the encoding; may stop it.

    Raises:
        WorkbenchError: The run can't be made.
        Cancelled: The person stopped it.
    """
    task = Noting(task or Silent())
    with on_trial(spec, task) as (trainer, rows):
        seed_epoch(trainer.args, trainer.state)
        first: list[Any] = []
        positions = padding = learned = width = measured = 0
        for batch in islice(trainer.get_train_dataloader(), MEASURED):
            task.check()
            measured += 1
            if len(first) < SHOWN:
                first.append(batch)
            if "input_ids" not in batch:
                continue
            ids, labels = batch["input_ids"], batch.get("labels")
            positions += ids.numel()
            width = max(width, ids.shape[1])
            if "attention_mask" in batch:
                padding += int((batch["attention_mask"] == 0).sum())
            if labels is not None and labels.shape == ids.shape and not labels.is_floating_point():
                learned += int((labels != -100).sum())
        cut, lost = _truncation(spec, rows, trainer)
        return Batches(
            batches=tuple(_rows(batch, trainer.processing_class, rows.labels) for batch in first),
            rows=len(trainer.train_dataset),
            batch_size=spec.batch_size,
            measured=measured,
            width=width,
            padding=padding / positions if positions else None,
            learned=learned / positions if learned else None,
            cut=cut,
            lost=lost,
            notes=tuple(line.strip() for line in dict.fromkeys(task.lines) if _ABOUT_ROWS.search(line)),
        )


@contextmanager
def on_trial(spec: TrainSpec, task: Task) -> Iterator[tuple[Sealed, Split]]:
    """The Trainer of a run and its rows, with the threads of the run; what it writes and draws is forgotten.

    Raises:
        WorkbenchError: The run can't be made.
    """
    import torch

    check(spec, models.describe(spec.checkpoint))
    check_means(spec)
    rows = split_rows(spec, task)
    with (
        tempfile.TemporaryDirectory(prefix="workbench-") as folder,
        computing_with(training_threads(spec)),
        torch.random.fork_rng(devices=[]),
    ):
        yield build(spec, rows, Path(folder), task), rows


def _truncation(spec: TrainSpec, rows: Split, trainer: Sealed) -> tuple[float | None, float | None]:
    head = HEADS[spec.task]
    some = rows.train.select(range(min(_LENGTHS, len(rows.train))))
    lengths = head.lengths(some, trainer.processing_class, spec) if head.reads == "tokenizer" else None
    if not lengths:
        return None, None
    over = [length - spec.max_length for length in lengths if length > spec.max_length]
    return len(over) / len(lengths), sum(over) / sum(lengths)


def _rows(batch: Any, reader: Any, labels: Sequence[str]) -> tuple[SeenRow, ...]:
    if "pixel_values" in batch:
        pictures = zip(batch["pixel_values"], batch["labels"], strict=True)
        return tuple(SeenRow((), label=labels[int(label)], picture=tuple(pixels.shape)) for pixels, label in pictures)
    return tuple(_row({name: tensor[place] for name, tensor in batch.items()}, reader, labels)
                 for place in range(len(batch["input_ids"])))  # fmt: skip


def _row(row: dict[str, torch.Tensor], tokenizer: PreTrainedTokenizerBase, names: Sequence[str]) -> SeenRow:
    ids, told = row["input_ids"].tolist(), row.get("labels")
    mask = row["attention_mask"].tolist() if "attention_mask" in row else [1] * len(ids)
    spelled = [""] * len(ids)
    learned = [False] * len(ids)
    special = set(tokenizer.all_special_ids)
    label = ""
    target: tuple[Piece, ...] = ()
    if "start_positions" in row:
        begin, end = int(row["start_positions"]), int(row["end_positions"])
        learned = [begin <= place <= end for place in range(len(ids))]
        spelled = ["answer" if part else "" for part in learned]
        label = "" if begin else "no answer here"
    elif told is not None and told.ndim == 0:
        label = f"{float(told):g}" if told.is_floating_point() else names[int(told)]
    elif told is not None and told.is_floating_point():
        label = ", ".join(name for name, one in zip(names, told.tolist(), strict=True) if one) or "no label"
    elif told is not None and "decoder_input_ids" not in row and len(told) == len(ids):
        learned = [value != -100 for value in told.tolist()]
        spelled = [
            "" if value == -100 else names[value] if names else _text(tokenizer, value) for value in told.tolist()
        ]
    elif told is not None:
        written = [value for value in told.tolist() if value != -100]
        target = tuple(Piece(_text(tokenizer, value), value, "", True, special=value in special) for value in written)
    pieces = tuple(
        Piece(_text(tokenizer, token), token, spelled[at], learned[at], not mask[at], token in special)
        for at, token in enumerate(ids)
    )
    text = tokenizer.decode([token for token, one in zip(ids, mask, strict=True) if one])
    return SeenRow(pieces, target, label, text=str(text))


def _text(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    text = str(tokenizer.decode([token]))
    if not text.strip("\ufffd") and not text.isspace():
        return str(tokenizer.convert_ids_to_tokens(token))
    return text

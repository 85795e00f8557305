"""What every head has in common: the roles of columns it wants, how a row is encoded, and how an evaluation is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.data import as_text
from workbench.engine.errors import CheckpointError
from workbench.engine.task import Progress, Task
from workbench.engine.train import metrics

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec

_ENCODED_AT_ONCE = 256
#: What an evaluation tells where tokens are predicted.
OF_TOKENS: Mapping[str, bool] = {"token_accuracy": True, "perplexity": False}


@dataclass(frozen=True, slots=True)
class Role:
    """What a column is for.

    Attributes:
        name: Key of ``TrainSpec.columns`` and name of the column in the rows of a run.
        title: As a form shows it.
        tip: What belongs there.
        required: Whether a run needs it.
        names: What such a column is usually called, likeliest first.
        unless: A role whose column makes this one needless.
    """

    name: str
    title: str
    tip: str
    required: bool = True
    names: tuple[str, ...] = ()
    unless: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """A setting that only some heads have; its value stands in ``TrainSpec.head_options``.

    Attributes:
        name: Key of ``TrainSpec.head_options``.
        title: As a form shows it.
        tip: What it does, with its usual range.
        default: What holds where nothing is set; its type is the type of the setting.
        low, high: Range of a number.
        choices: Of a text that is one of a few, each with its title.
        long: Whether a text takes several lines.
        holds: What a text must have in it.
        needs: The role without whose column it has no effect; empty where it always has one.
    """

    name: str
    title: str
    tip: str
    default: float | str
    low: float = 0
    high: float = 0
    choices: tuple[tuple[str, str], ...] = ()
    long: bool = False
    holds: tuple[str, ...] = ()
    needs: str = ""

    def problem(self, value: object) -> str:
        """Why a value can't be taken, or an empty string."""
        if isinstance(self.default, str):
            known = [name for name, _ in self.choices]
            if not isinstance(value, str) or (known and value not in known):
                return f"{self.title} must be {' or '.join(known) if known else 'text'}, not {value!r}."
            lacking = [part for part in self.holds if part not in value]
            return f"{self.title} must hold {lacking[0]}." if lacking else ""
        kinds = int if isinstance(self.default, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            return f"{self.title} must be a {'whole ' if kinds is int else ''}number, not {value!r}."
        if not self.low <= value <= self.high:
            return f"{self.title} must lie between {self.low:g} and {self.high:g}."
        return ""


class Head:
    """A head that can be trained; one module each, listed in `HEADS`.

    Attributes:
        task: As transformers names what is learned.
        title: As a form shows it.
        learns: What is learned, as a sentence's end.
        auto_class: The Auto class that loads the model with the head.
        roles: Which columns it wants.
        options: Settings of its own.
        reads: What turns a row into tensors: ``tokenizer`` or ``image_processor``.
        metric: The metric that says which checkpoint is best, where no other is chosen.
        told: What every evaluation tells besides the loss: by name, whether more of it is better.
        scales_loss: Whether the models divide their loss by the items of all accumulated batches, as Trainer believes
            of every model that takes ``**kwargs``; see `loss.divides_by_items` for the exceptions.
        by_length: Whether rows of like length can be put into one batch.
        wide_logits: Whether a row's logits are as wide as the vocabulary, so that an evaluation must go in small
            batches; its metrics then know the loss too.
    """

    task: str
    title: str
    learns: str
    auto_class: str
    roles: tuple[Role, ...]
    options: tuple[Option, ...] = ()
    reads = "tokenizer"
    metric = "loss"
    told: Mapping[str, bool] = {}
    scales_loss = False
    by_length = True
    wide_logits = False

    def option(self, spec: TrainSpec, name: str) -> Any:
        """The value of one of its settings: as set, else the default."""
        defaults = {option.name: option.default for option in self.options}
        return spec.head_options.get(name, defaults[name])

    def measures(self, options: Mapping[str, Any]) -> dict[str, bool]:
        """What every evaluation tells, by which the best checkpoint can be chosen.

        Args:
            options: Values of its settings; what is not named keeps its default.

        Returns:
            By name, whether more of it is better.
        """
        return {"loss": False, **self.told}

    def lacks(self, columns: Mapping[str, str]) -> str:
        """What is missing among the chosen columns, or an empty string."""
        missing = [role.name for role in self.roles if role.required and not columns.get(role.name)]
        return f"No column is chosen for the {missing[0]}." if missing else ""

    def problem(self, row: Mapping[str, Any], spec: TrainSpec) -> str:
        """Why a row can't be used, or an empty string. ``row`` has a value for each role that has a column."""
        for role in self.roles:
            if role.name in row and role.required and not as_text(row[role.name]).strip():
                return f"the {role.name} is empty"
        return broken(row)

    def value(self, role: str, value: Any) -> Any:
        """A cell as the rows of a run hold it: text here."""
        return as_text(value)

    def labels(self, rows: Dataset, spec: TrainSpec) -> tuple[str, ...]:
        """Names of the labels in these rows, in the order of their ids; none where no label is learned.

        Raises:
            DataError: They can't be learned.
        """
        return ()

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """Prepare a model and its tokenizer for this head: here, give the tokenizer a token to pad with.

        Raises:
            CheckpointError: The tokenizer can't be used for this head.
        """
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token is None:
                raise CheckpointError(
                    f"Could not train {spec.checkpoint.name}.",
                    why="Its tokenizer has neither a pad token nor an end token, so rows of different length can't "
                    "make a batch.",
                    remedy="Choose a checkpoint whose tokenizer has one of them.",
                )
            tokenizer.pad_token = tokenizer.eos_token

    def encode(
        self,
        rows: Dataset,
        tokenizer: PreTrainedTokenizerBase,
        spec: TrainSpec,
        labels: Sequence[str],
        task: Task,
    ) -> Dataset:
        """Rows as the model takes them; ``labels`` are the names by id."""
        raise NotImplementedError

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """What makes batches of encoded rows."""
        raise NotImplementedError

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """``compute_metrics`` of the Trainer; None leaves the loss alone, which is all that is computed then.

        Args:
            tokenizer: Of the run.
            labels: Names by id.
            spec: The run.
            encoded: The rows that are evaluated, as `encode` gave them.
        """
        return None

    def reduce_logits(self, spec: TrainSpec) -> Callable[..., Any] | None:
        """``preprocess_logits_for_metrics`` of the Trainer: what of the logits an evaluation keeps in memory.

        One id a token or a row, unless a head needs more.
        """
        return metrics.predicted_ids

    def generation(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What ``Seq2SeqTrainingArguments`` is given besides where an evaluation writes texts by itself, else nothing.

        Args:
            options: Values of its settings; what is not named keeps its default.
        """
        return {}

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> list[int] | None:
        """Tokens of each row before anything is cut, or None where no row is cut."""
        return None


def batches(rows: Dataset, task: Task) -> Iterator[dict[str, list[Any]]]:
    """Slices of rows, reported while they are encoded; the task may stop it."""
    total = len(rows)
    for start in range(0, total, _ENCODED_AT_ONCE):
        task.check()
        task.report(Progress(start, total, "rows", "Encoding"))
        yield rows[start : start + _ENCODED_AT_ONCE]
    task.report(Progress(total, total, "rows", "Encoding"))


def broken(row: Mapping[str, Any]) -> str:
    """Which value of a row no tokenizer takes, as a reason, or an empty string."""
    for name, value in row.items():
        try:
            as_text(value).encode()
        except UnicodeEncodeError:
            return (
                f"the {name} holds half a character (a lone surrogate) or bytes that are no text: no tokenizer takes it"
            )
    return ""

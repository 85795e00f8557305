"""What every head has in common: the roles of columns it wants, how a row is encoded, and how an evaluation is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.data import as_text
from workbench.engine.task import Progress, Task

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec

_ENCODED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Role:
    """What a column is for.

    Attributes:
        name: Key of ``TrainSpec.columns`` and name of the column in the rows of a run.
        title: As a form shows it.
        tip: What belongs there.
        required: Whether a run needs it.
    """

    name: str
    title: str
    tip: str
    required: bool = True


class Head:
    """A head that can be trained; one module each, listed in `HEADS`.

    Attributes:
        task: As transformers names what is learned.
        title: As a form shows it.
        learns: What is learned, as a sentence's end.
        auto_class: The Auto class that loads the model with the head.
        roles: Which columns it wants.
        metric: The metric that says which checkpoint is best.
        greater_is_better: Whether more of it is better.
        scales_loss: Whether the model divides its loss by the items of all accumulated batches, as Trainer believes of
            every model that takes ``**kwargs``.
        by_length: Whether rows of like length can be put into one batch.
    """

    task: str
    title: str
    learns: str
    auto_class: str
    roles: tuple[Role, ...]
    metric = "eval_loss"
    greater_is_better = False
    scales_loss = False
    by_length = True

    def problem(self, row: Mapping[str, Any], spec: TrainSpec) -> str:
        """Why a row can't be used, or an empty string. ``row`` has a value for each role that has a column."""
        for role in self.roles:
            if role.name in row and role.required and not as_text(row[role.name]).strip():
                return f"the {role.name} is empty"
        return _broken(row)

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
        """Prepare a model and its tokenizer for this head."""

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
        self, tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], spec: TrainSpec
    ) -> Callable[..., dict[str, float]] | None:
        """``compute_metrics`` of the Trainer; None leaves the loss alone, which is all that is computed then."""
        return None

    def reduce_logits(self) -> Callable[..., Any] | None:
        """``preprocess_logits_for_metrics`` of the Trainer: what of the logits an evaluation keeps in memory."""
        return None


def batches(rows: Dataset, task: Task) -> Iterator[dict[str, list[Any]]]:
    """Slices of rows, reported while they are encoded; the task may stop it."""
    total = len(rows)
    for start in range(0, total, _ENCODED_AT_ONCE):
        task.check()
        task.report(Progress(start, total, "rows", "Encoding"))
        yield rows[start : start + _ENCODED_AT_ONCE]


def _broken(row: Mapping[str, Any]) -> str:
    for name, value in row.items():
        try:
            as_text(value).encode()
        except UnicodeEncodeError:
            return f"the {name} holds half a character (a lone surrogate), which no tokenizer takes"
    return ""

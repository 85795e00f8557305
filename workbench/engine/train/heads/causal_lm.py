"""To go on writing: plain text cut into blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import DataError
from workbench.engine.task import Task
from workbench.engine.train import metrics
from workbench.engine.train.heads.gathered import Gathered
from workbench.engine.train.heads.head import OF_TOKENS, Head, Role, batches

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


def joined_ids(tokenizer: Any, texts: list[str]) -> list[int]:
    """Ids of the texts one after the other, each followed by the end token."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [token for ids in tokenizer(texts, verbose=False)["input_ids"] for token in [*ids, *end]]


def blocks_of(ids: list[int], length: int) -> list[list[int]]:
    """Blocks of equal length; what is left over at the end fills none and is left out."""
    return [ids[at : at + length] for at in range(0, len(ids) - length + 1, length)]


class CausalLM(Head):
    """Each token is predicted from those before it.

    References:
        transformers, Causal language modeling
    """

    task = "text-generation"
    title = "Text generation (causal LM)"
    learns = "to predict each next token"
    auto_class = "AutoModelForCausalLM"
    roles = (
        Role(
            "text",
            "Text column",
            "The column that goes into the tokenizer",
            names=("text", "content", "document", "chosen"),
        ),
    )
    scales_loss = True
    by_length = False
    told = OF_TOKENS
    wide_logits = True

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """Blocks are equally long, so nothing is padded."""

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """Blocks of ``max_length`` ids, the texts joined by the end token, and equal ``labels``.

        Raises:
            DataError: There is too little text for one block.
        """
        encoded, rest, made, length = Gathered(), list[int](), 0, spec.max_length
        for batch in batches(rows, task):
            rest += joined_ids(tokenizer, batch["text"])
            blocks = blocks_of(rest, length)
            rest = rest[len(blocks) * length :]
            made += len(blocks)
            encoded.add({"input_ids": blocks, "labels": blocks})
        if not made:
            raise DataError(
                f"Could not train on {spec.data.name}.",
                why=f"{len(rows):,} rows give {len(rest):,} tokens, less than one block of {length}.",
                remedy="Use more rows or a smaller max_length.",
            )
        task.log(f"{len(rows):,} rows give {made:,} blocks of {length} tokens.")
        return encoded.dataset()

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Stacks the blocks, which are equally long."""
        from transformers import default_data_collator

        return default_data_collator

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Token accuracy and perplexity."""
        return metrics.next_token_metrics

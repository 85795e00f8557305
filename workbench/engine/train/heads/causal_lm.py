"""To go on writing: plain text cut into blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import DataError
from workbench.engine.task import Task
from workbench.engine.train.heads.head import Head, Role, batches

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


class CausalLM(Head):
    """Each token is predicted from those before it.

    References:
        transformers, Causal language modeling
    """

    task = "text-generation"
    title = "Text generation (causal LM)"
    learns = "to predict each next token"
    auto_class = "AutoModelForCausalLM"
    roles = (Role("text", "Text column", "The column that goes into the tokenizer"),)
    scales_loss = True
    by_length = False

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """Blocks of ``max_length`` ids, the texts joined by the end token, and equal ``labels``.

        Raises:
            DataError: There is too little text for one block.
        """
        from datasets import Dataset

        end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        stream: list[int] = []
        for batch in batches(rows, task):
            for ids in tokenizer(batch["text"], verbose=False)["input_ids"]:
                stream += [*ids, *end]
        length = spec.max_length
        blocks = [stream[at : at + length] for at in range(0, len(stream) - length + 1, length)]
        if not blocks:
            raise DataError(
                f"Could not train on {spec.data.name}.",
                why=f"{len(rows):,} rows give {len(stream):,} tokens, less than one block of {length}.",
                remedy="Use more rows or a smaller max_length.",
            )
        task.log(f"{len(rows):,} rows give {len(blocks):,} blocks of {length} tokens.")
        return Dataset.from_dict({"input_ids": blocks, "labels": blocks})

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Stacks the blocks, which are equally long."""
        from transformers import default_data_collator

        return default_data_collator

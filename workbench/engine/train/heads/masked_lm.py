"""To fill in what is masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import CheckpointError, DataError
from workbench.engine.task import Task
from workbench.engine.train import metrics
from workbench.engine.train.heads.gathered import Gathered, values
from workbench.engine.train.heads.head import OF_TOKENS, Head, Option, Role, batches

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


def masking_collator(tokenizer: Any, mlm_probability: float, seed: int) -> Any:
    """A DataCollatorForLanguageModeling whose masks follow from the batch, and which masks one token at least.

    So an evaluation asks the same each time, and a run that is resumed masks as it would have.
    """
    import torch
    from transformers import DataCollatorForLanguageModeling

    class Masking(DataCollatorForLanguageModeling):
        def torch_mask_tokens(self, inputs: Any, **options: Any) -> tuple[Any, Any]:
            self.generator = torch.Generator().manual_seed(seed + int(inputs.sum()))
            masked, labels = super().torch_mask_tokens(inputs.clone(), **options)
            while not (labels != -100).any():
                masked, labels = super().torch_mask_tokens(inputs.clone(), **options)
            return masked, labels

    return Masking(tokenizer, mlm_probability=mlm_probability)


def maskable(tokenizer: Any, rows: list[list[int]]) -> list[int]:
    """Places of the rows that have a token besides special ones."""
    special = set(tokenizer.all_special_ids)
    return [place for place, ids in enumerate(rows) if not special.issuperset(ids)]


class MaskedLM(Head):
    """Tokens are masked at random and predicted from both sides.

    References:
        transformers, Masked language modeling; Devlin et al. 2019, BERT
    """

    task = "fill-mask"
    title = "Fill the mask (masked LM)"
    learns = "to fill in what is masked"
    auto_class = "AutoModelForMaskedLM"
    roles = (
        Role("text", "Text column", "The column that goes into the tokenizer", names=("text", "sentence", "content")),
    )
    options = (
        Option(
            "mlm_probability",
            "Masked share",
            "Share of the tokens that has to be predicted: 8 in 10 of them are masked, 1 is another token, 1 stays. "
            "Usually 0.15 to 0.3",
            0.15,
            0.01,
            0.9,
        ),
    )
    told = OF_TOKENS
    wide_logits = True

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """There has to be a mask token.

        Raises:
            CheckpointError: There is none, or none to pad with.
        """
        super().settle(model, tokenizer, spec)
        if tokenizer.mask_token is None:
            raise CheckpointError(
                f"Could not train {spec.checkpoint.name}.",
                why="Its tokenizer has no mask token.",
                remedy="Choose an encoder such as BERT, or another task.",
            )

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """``input_ids`` and what else the tokenizer gives, cut at ``max_length``; the collator masks.

        Raises:
            DataError: No row has a token that could be masked.
        """
        encoded, kept, done = Gathered(), list[int](), 0
        for batch in batches(rows, task):
            made = tokenizer(batch["text"], truncation=True, max_length=spec.max_length)
            kept += [done + place for place in maskable(tokenizer, made["input_ids"])]
            done += len(made["input_ids"])
            encoded.add(made)
        if len(kept) < len(rows):
            task.log(f"{len(rows) - len(kept):,} of {len(rows):,} rows are left out: they have no token to mask.")
        if not kept:
            raise DataError(
                f"Could not train on {spec.data.name}.",
                why=f"The tokenizer knows nothing in any of {len(rows):,} rows.",
                remedy="Choose another column, or a checkpoint that knows the language.",
            )
        return encoded.dataset().select(kept)

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Pads a batch to its longest row and masks it."""
        return masking_collator(tokenizer, self.option(spec, "mlm_probability"), spec.seed)

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Token accuracy and perplexity of what is masked."""
        return metrics.masked_token_metrics

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> list[int] | None:
        """Tokens of the text."""
        return [len(ids) for ids in tokenizer(list(values(rows, "text")), verbose=False)["input_ids"]]

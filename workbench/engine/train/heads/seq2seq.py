"""Text in, another text out: translation, summaries, and whatever else an encoder and a decoder can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.task import Task
from workbench.engine.train import metrics
from workbench.engine.train.heads.head import Head, Option, Role, batches

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


def written_ids(
    tokenizer: Any, rows: dict[str, list[Any]], prefix: str, max_length: int, max_target_length: int
) -> dict[str, list[Any]]:
    """Sources with their prefix as the encoder takes them, and targets as ``labels``, each cut at its length."""
    sources = [prefix + text for text in rows["source"]]
    encoded = tokenizer(sources, truncation=True, max_length=max_length)
    targets = tokenizer(text_target=rows["target"], truncation=True, max_length=max_target_length)
    return {**encoded, "labels": targets["input_ids"]}


class Seq2Seq(Head):
    """Each token of the target is predicted from the source and the target's tokens before it.

    The metrics are those of the right tokens before: nothing is generated while it trains, which would take as long as
    the training itself. What it writes by itself is for the probes, the Tasks pane and the Playground.

    References:
        transformers, Translation and Summarization: DataCollatorForSeq2Seq
    """

    task = "text2text-generation"
    title = "Text to text (translation, summary)"
    learns = "to write the target of a source"
    auto_class = "AutoModelForSeq2SeqLM"
    roles = (
        Role(
            "source",
            "Source column",
            "What the encoder reads",
            names=("source", "article", "document", "en", "text", "input"),
        ),
        Role(
            "target",
            "Target column",
            "What the decoder has to write",
            names=("target", "summary", "highlights", "de", "fr", "output"),
        ),
    )
    options = (
        Option(
            "prefix",
            "Prefix",
            "Stands before every source, as T5 was taught: summarize: or translate English to German: with a blank "
            "behind it. Usually empty for other checkpoints",
            "",
        ),
        Option(
            "max_target_length", "Target length", "Targets are cut at as many tokens. Usually 64 to 256", 64, 2, 100_000
        ),
    )
    wide_logits = True

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """``input_ids`` of the source, cut at ``max_length``, and ``labels``: ids of the target."""
        from datasets import Dataset

        prefix, longest = self.option(spec, "prefix"), self.option(spec, "max_target_length")
        encoded: dict[str, list[Any]] = {}
        for batch in batches(rows, task):
            for name, values in written_ids(tokenizer, batch, prefix, spec.max_length, longest).items():
                encoded.setdefault(name, []).extend(values)
        cut = sum(len(ids) == longest for ids in encoded["labels"])
        if cut:
            task.log(f"{cut:,} of {len(rows):,} targets fill all {longest} tokens and are cut there when longer.")
        return Dataset.from_dict(encoded)

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Pads sources, and targets with -100, and shifts the targets for the decoder."""
        from transformers import DataCollatorForSeq2Seq

        return DataCollatorForSeq2Seq(tokenizer, model=model, label_pad_token_id=-100)

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Token accuracy, targets with every token right, and perplexity."""
        return metrics.written_metrics

    def reduce_logits(self) -> Callable[..., Any] | None:
        """One id a token."""
        return metrics.predicted_ids

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> list[int] | None:
        """Tokens of the source with its prefix."""
        prefix = self.option(spec, "prefix")
        return [len(ids) for ids in tokenizer([prefix + text for text in rows["source"]], verbose=False)["input_ids"]]

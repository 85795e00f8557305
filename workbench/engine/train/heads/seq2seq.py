"""Text in, another text out: translation, summaries, and whatever else an encoder and a decoder can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.engine.task import Task
from workbench.engine.train import metrics
from workbench.engine.train.heads.gathered import Gathered, values
from workbench.engine.train.heads.head import OF_TOKENS, Head, Option, Role, batches

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

    By itself an evaluation predicts each token from the right ones before it, which is quick and flatters. On wish it
    writes every target by itself, as the checkpoint will be used, and is scored as translations and summaries are. The
    loss that it tells besides is Seq2SeqTrainer's: a shorter last batch then weighs as much as a full one.

    References:
        transformers, Translation and Summarization: DataCollatorForSeq2Seq, Seq2SeqTrainer(predict_with_generate)
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
            names=("source", "article", "document", "dialogue", "src", "en", "text", "input"),
        ),
        Role(
            "target",
            "Target column",
            "What the decoder has to write",
            names=("target", "summary", "highlights", "abstract", "tgt", "de", "fr", "output"),
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
        Option(
            "predict_with_generate",
            "Evaluate by",
            "Whether an evaluation predicts each token from the right ones before it (quick), or writes whole texts, "
            "scored with BLEU, chrF and ROUGE (often longer than the training). Usually whole texts, for a result",
            "no",
            choices=(("no", "the right tokens before"), ("yes", "whole texts: BLEU, chrF, ROUGE")),
        ),
        Option(
            "generation_num_beams",
            "Beams",
            "Beams of the texts that an evaluation writes; 1 is greedy unless the checkpoint draws. Usually 1 to 5",
            1,
            1,
            32,
        ),
    )
    told: Mapping[str, bool] = {**OF_TOKENS, "exact_match": True}
    wide_logits = True

    def measures(self, options: Mapping[str, Any]) -> dict[str, bool]:
        """By what it writes, or by single tokens."""
        if not self.generation(options):
            return super().measures(options)
        better = ("bleu", "chrf", "rouge1", "rouge2", "rougeL", "exact_match")
        return {"loss": False, **dict.fromkeys(better, True), "perplexity": False}

    def generation(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Whole targets, the token that the decoder starts with not counted."""
        chosen = {option.name: options.get(option.name, option.default) for option in self.options}
        if chosen["predict_with_generate"] != "yes":
            return {}
        return {
            "predict_with_generate": True,
            "generation_max_length": chosen["max_target_length"] + 1,
            "generation_num_beams": chosen["generation_num_beams"],
        }

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """``input_ids`` of the source, cut at ``max_length``, and ``labels``: ids of the target."""
        prefix, longest = self.option(spec, "prefix"), self.option(spec, "max_target_length")
        encoded, cut = Gathered(), 0
        for batch in batches(rows, task):
            made = written_ids(tokenizer, batch, prefix, spec.max_length, longest)
            cut += sum(len(ids) == longest for ids in made["labels"])
            encoded.add(made)
        if cut:
            task.log(f"{cut:,} of {len(rows):,} targets fill all {longest} tokens and are cut there when longer.")
        return encoded.dataset()

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
        """Scores of what was written; else token accuracy, targets with every token right, and perplexity."""
        if self.generation(spec.head_options):
            return partial(metrics.generated_metrics, tokenizer=tokenizer)
        return metrics.written_metrics

    def reduce_logits(self, spec: TrainSpec) -> Callable[..., Any] | None:
        """One id a token, which is what generating gives anyway."""
        return None if self.generation(spec.head_options) else metrics.predicted_ids

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> list[int] | None:
        """Tokens of the source with its prefix."""
        prefix = self.option(spec, "prefix")
        texts = [prefix + text for text in values(rows, "source")]
        return [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]]

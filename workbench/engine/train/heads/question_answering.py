"""Where in a text the answer to a question stands."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.data import as_text
from workbench.engine.errors import CheckpointError, DataError
from workbench.engine.task import Task
from workbench.engine.train.heads.cells import as_list
from workbench.engine.train.heads.gathered import Gathered
from workbench.engine.train.heads.head import Head, Option, Role, batches, broken
from workbench.engine.train.metrics import answer_scores

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import EvalPrediction, PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


def as_answers(value: Any, context: str) -> list[dict[str, Any]]:
    """The answers of a cell with where each begins; none means that the text has no answer.

    Args:
        value: A text that stands in the context, a list of them, ``{"text": [...], "answer_start": [...]}`` as SQuAD
            has it, or a list of ``{"text": ..., "answer_start": ...}``; JSON is read.
        context: Where answers without a place are looked for; those that are not there get the place -1.
    """
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            value = json.loads(value)
        except ValueError:
            value = [value]
    starts: Any = []
    if isinstance(value, dict):
        starts, value = value.get("answer_start"), value.get("text")
    texts = as_list(value)
    if texts is None:
        texts = [] if value is None or value == "" else [value]
    if texts and all(isinstance(one, dict) for one in texts):
        starts, texts = [one.get("answer_start") for one in texts], [one.get("text", "") for one in texts]
    starts = starts if isinstance(starts, list) else [] if starts is None else [starts]
    answers = []
    for place, text in enumerate(texts):
        known = place < len(starts) and starts[place] is not None
        start = starts[place] if known else context.find(str(text))
        answers.append({"text": str(text), "start": int(start) if str(start).isdecimal() else -1})
    return answers


def unlearnable(question: str, context: str, answers: Any) -> str:
    """Why a row can't be learned, or an empty string; ``answers`` as `as_answers` reads them."""
    if not question.strip() or not context.strip():
        return f"the {'context' if question.strip() else 'question'} is empty"
    for answer in as_answers(answers, context):
        text, start = answer["text"], answer["start"]
        if not text.strip():
            return "an answer is empty"
        if start < 0:
            return f"the answer “{text[:40]}” does not stand in the context"
        if context[start : start + len(text)] != text:
            return f"the answer “{text[:40]}” does not stand in the context at {start}"
    return ""


def answer_windows(tokenizer: Any, rows: dict[str, list[Any]], max_length: int, stride: int) -> dict[str, list[Any]]:
    """Question and context as the model takes them, a long context in overlapping windows.

    Args:
        tokenizer: A fast one.
        rows: ``question``, ``context`` and ``answers`` (as JSON: what `as_answers` gives).
        max_length: Tokens of a window.
        stride: Tokens of the context that two windows share.

    Returns:
        What the tokenizer gives, and per window: ``start_positions`` and ``end_positions`` (those of the first token
        where the window holds no answer), ``row`` (its place in ``rows``) and ``offsets`` (``[start, end]`` of a token
        in the context, ``[0, 0]`` outside it).
    """
    made = tokenizer(
        rows["question"],
        rows["context"],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    windows: dict[str, list[Any]] = {name: list(values) for name, values in made.items()}
    windows["row"] = windows.pop("overflow_to_sample_mapping")
    spans = windows.pop("offset_mapping")
    windows |= {"start_positions": [], "end_positions": [], "offsets": []}
    for window, (row, span) in enumerate(zip(windows["row"], spans, strict=True)):
        parts = made.sequence_ids(window)
        offsets = [list(pair) if part == 1 else [0, 0] for pair, part in zip(span, parts, strict=True)]
        begin = end = 0
        for answer in json.loads(rows["answers"][row])[:1]:
            first, last = answer["start"], answer["start"] + len(answer["text"]) - 1
            begins = [place for place, (start, stop) in enumerate(offsets) if start <= first < stop]
            ends = [place for place, (start, stop) in enumerate(offsets) if start <= last < stop]
            if begins and ends:
                begin, end = begins[0], ends[-1]
        windows["start_positions"].append(begin)
        windows["end_positions"].append(end)
        windows["offsets"].append(offsets)
    return windows


def best_answer(starts: Any, ends: Any, offsets: list[list[int]], context: str, may_lack: bool) -> tuple[float, str]:
    """The likeliest answer in a window, of at most 30 tokens, and its score: the sum of its start and end logits.

    Args:
        starts: Logits of shape ``(seq,)``.
        ends: Likewise.
        offsets: ``[start, end]`` of each token in the context, ``[0, 0]`` outside it.
        context: The whole context.
        may_lack: Whether the first token may say that there is no answer.
    """
    places = [place for place, (start, stop) in enumerate(offsets) if stop > start]
    best = (float(starts[0] + ends[0]), "") if may_lack or not places else (float("-inf"), "")
    for begin in sorted(places, key=lambda place: -starts[place])[:20]:
        for end in range(begin, min(begin + 30, len(offsets))):
            score = float(starts[begin] + ends[end])
            if offsets[end][1] > offsets[end][0] and score > best[0]:
                best = (score, context[offsets[begin][0] : offsets[end][1]])
    return best


def answer_metrics(prediction: EvalPrediction, encoded: Any) -> dict[str, float]:
    """``compute_metrics``: exact match and F1 over words of the best answer of each row, both in ``[0, 1]``.

    Args:
        prediction: Start and end logits, each of shape ``(windows, seq)``.
        encoded: The windows with ``offsets`` and ``told``, the row's context and answers as JSON.
    """
    starts, ends = prediction.predictions[:2]
    may_lack = not all(json.loads(told)["answers"] for told in encoded["told"])
    best: dict[str, tuple[float, str]] = {}
    for window, (told, offsets) in enumerate(zip(encoded["told"], encoded["offsets"], strict=True)):
        context = json.loads(told)["context"]
        found = best_answer(starts[window], ends[window], offsets, context, may_lack)
        best[told] = max(best.get(told, found), found)
    scores = [answer_scores(found, json.loads(told)["answers"]) for told, (_, found) in best.items()]
    return {
        "f1": sum(f1 for _, f1 in scores) / len(scores),
        "exact_match": sum(match for match, _ in scores) / len(scores),
    }


def told_of(rows: dict[str, list[Any]], place: int) -> str:
    """Question, context and the texts of the answers of a row, as JSON: what an evaluation compares with."""
    texts = [answer["text"] for answer in json.loads(rows["answers"][place])]
    return json.dumps({"question": rows["question"][place], "context": rows["context"][place], "answers": texts})


def start_and_end(logits: Any, _: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``preprocess_logits_for_metrics``: the start and end logits, and nothing else of what a model gives."""
    return logits[0], logits[1]


class QuestionAnswering(Head):
    """A question and a context in, the span of the answer out.

    References:
        transformers, Question answering; Rajpurkar et al. 2016, SQuAD
    """

    task = "question-answering"
    title = "Question answering: a span"
    learns = "where the answer stands in the context"
    auto_class = "AutoModelForQuestionAnswering"
    roles = (
        Role("question", "Question column", "What is asked", names=("question", "query")),
        Role("context", "Context column", "The text that holds the answer", names=("context", "passage", "paragraph")),
        Role(
            "answers",
            "Answers column",
            "Text that stands in the context, or text and answer_start as SQuAD has it; empty where there is no answer",
            names=("answers", "answer", "answer_text"),
        ),
    )
    options = (
        Option(
            "stride",
            "Overlap",
            "Tokens that two windows of a long context share, so that no answer is cut in two. Usually 32 to 128",
            32,
            0,
            100_000,
        ),
    )
    metric = "f1"
    told: Mapping[str, bool] = {"f1": True, "exact_match": True}
    # Trainer would evaluate in the order of lengths too, and the windows could not be told from one another.
    by_length = False

    def problem(self, row: Mapping[str, Any], spec: TrainSpec) -> str:
        """The answer has to stand in the context."""
        return unlearnable(as_text(row["question"]), as_text(row["context"]), row["answers"]) or broken(row)

    def value(self, role: str, value: Any) -> Any:
        """Answers as JSON; text as text."""
        return json.dumps(value, ensure_ascii=False) if role == "answers" else as_text(value)

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """Where tokens stand in the context must be known, which only fast tokenizers tell.

        Raises:
            CheckpointError: The tokenizer is written in Python, or has no token to pad with.
        """
        super().settle(model, tokenizer, spec)
        if not tokenizer.is_fast:
            raise CheckpointError(
                f"Could not train {spec.checkpoint.name}.",
                why="Its tokenizer is written in Python and does not say where its tokens stand.",
                remedy="Choose a checkpoint with a tokenizer.json.",
            )

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """Windows of ``max_length`` tokens with start and end positions, and what an evaluation compares with.

        Raises:
            DataError: A question leaves no room for the context.
        """
        encoded, made = Gathered(), 0
        stride = self.option(spec, "stride")
        for batch in batches(rows, task):
            longest = max(len(ids) for ids in tokenizer(batch["question"], verbose=False)["input_ids"])
            room = spec.max_length - longest - tokenizer.num_special_tokens_to_add(pair=True)
            if room <= stride:
                raise DataError(
                    f"Could not train on {spec.data.name}.",
                    why=f"A question takes {longest} of {spec.max_length} tokens, and windows that share {stride} "
                    "find no room beside it.",
                    remedy="Use a larger max_length or a smaller overlap.",
                )
            batch["answers"] = [
                json.dumps(as_answers(json.loads(cell), context), ensure_ascii=False)
                for cell, context in zip(batch["answers"], batch["context"], strict=True)
            ]
            windows = answer_windows(tokenizer, batch, spec.max_length, stride)
            windows["told"] = [told_of(batch, place) for place in windows.pop("row")]
            made += len(windows["input_ids"])
            encoded.add(windows)
        if made > len(rows):
            task.log(f"{len(rows):,} rows give {made:,} windows of up to {spec.max_length} tokens.")
        return encoded.dataset()

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Pads a batch to its longest window."""
        from transformers import DataCollatorWithPadding

        return DataCollatorWithPadding(tokenizer)

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Exact match and F1 over words, where the windows are known."""
        return None if encoded is None else functools.partial(answer_metrics, encoded=encoded)

    def reduce_logits(self, spec: TrainSpec) -> Callable[..., Any] | None:
        """Start and end logits."""
        return start_and_end

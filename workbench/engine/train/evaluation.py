"""After a run: how the checkpoint does on the rows that were held out, row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine import models
from workbench.engine.errors import CheckpointError
from workbench.engine.task import Cancelled, Progress, Silent, Task
from workbench.engine.tasks.processors import image_processor
from workbench.engine.train import callbacks
from workbench.engine.train.accelerate_state import keep_apart
from workbench.engine.train.arguments import arguments_of, generates
from workbench.engine.train.heads import HEADS, Head
from workbench.engine.train.heads.gathered import values
from workbench.engine.train.rows import Split, split_rows
from workbench.engine.train.settings import training_arguments
from workbench.engine.values import Bin, Checkpoint, ClassScore, Evaluation, Example, TrainSpec

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_BINS = 10
_LONGEST = 2000
_ONLY_PREDICTING = {
    "prediction_loss_only": False,
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": False,
}

_PREDICTING_TOKENS = {"predict_with_generate": "no"}


def evaluate(spec: TrainSpec, checkpoint: Checkpoint, *, task: Task | None = None) -> Evaluation:
    """Run a checkpoint over the rows that a run held out.

    Args:
        spec: The run; its data, split and lengths are used.
        checkpoint: What is evaluated: the run's result, or what it began with.
        task: Hears of the rows; may stop it.

    Returns:
        Metrics as the Trainer computes them, and each row with its own loss.

    Raises:
        WorkbenchError: The data or the checkpoint can't be used.
        Cancelled: The person stopped it.

    References:
        transformers, Trainer.predict; Guo et al. 2017, On Calibration of Modern Neural Networks (expected calibration
        error, ten bins)
    """
    import transformers

    task = task or Silent()
    head = HEADS[spec.task]
    rows = split_rows(spec, task)
    task.report(Progress(0, len(rows.evaluation), "rows", f"Loading {checkpoint.name}"))
    # A base checkpoint gets its head as the run got it, so that both are measured by the same labels.
    loaded = models.load(
        checkpoint, head=head.auto_class, dtype="float32", device="cpu", labels=rows.labels or None, seed=spec.seed,
        task=task,
    )  # fmt: skip
    reader = loaded.tokenizer if head.reads == "tokenizer" else image_processor(loaded)
    if reader is None:
        raise CheckpointError(
            f"Could not evaluate {checkpoint.name}.",
            why="It has no tokenizer.",
            remedy="Choose a checkpoint with a tokenizer.",
        )
    head.settle(loaded.model, reader, spec)
    encoded = head.encode(rows.evaluation, reader, spec, rows.labels, task)
    # Row by row the loss is that of the right tokens before, whatever an evaluation writes besides.
    plain = replace(spec, head_options={**spec.head_options, **_PREDICTING_TOKENS}) if _writes(head, spec) else spec
    keep_apart()
    answer = _predict(plain, loaded.model, reader, encoded, _losses_of(loaded.model, head, plain), task)
    losses, told, reduced = answer.predictions
    metrics = {"loss": float(answer.metrics["held_out_loss"])}
    if _tells_one_label(told, answer.label_ids, rows.labels):
        return _labelled(checkpoint, rows, losses, told, answer.label_ids, metrics)
    measure = head.metrics(reader, rows.labels, plain, encoded)
    if measure is not None:
        loss = np.array([metrics["loss"]])
        metrics |= measure(transformers.EvalPrediction(reduced, answer.label_ids, losses=loss))
    right, written = [""] * len(encoded), [""] * len(encoded)
    if _writes(head, spec):
        answer = _predict(spec, loaded.model, reader, encoded, None, task)
        # Where both tell a number, this is the one that a run tells: Seq2SeqTrainer counts a last batch as a full one.
        metrics["loss"] = float(answer.metrics["held_out_loss"])
        measure = head.metrics(reader, rows.labels, spec, encoded)
        if measure is not None:
            loss = np.array([metrics["loss"]])
            metrics |= measure(transformers.EvalPrediction(answer.predictions, answer.label_ids, losses=loss))
        right, written = (_decoded(reader, ids) for ids in (answer.label_ids, answer.predictions))
    texts = [reader.decode(ids) for ids in values(encoded, "input_ids")]
    places = list(values(rows.evaluation, "place")) if len(rows.evaluation) == len(encoded) else [""] * len(encoded)
    examples = [
        Example(place, text[:_LONGEST], target[:_LONGEST], guess[:_LONGEST], float(loss))
        for place, text, target, guess, loss in zip(places, texts, right, written, losses, strict=True)
    ]
    return Evaluation(checkpoint.name, len(encoded), metrics, examples=_worst_first(examples))


def _writes(head: Head, spec: TrainSpec) -> bool:
    return bool(head.generation(spec.head_options))


def _predict(spec: TrainSpec, model: Any, reader: Any, encoded: Any, losses: Any, task: Task) -> Any:
    """As the run evaluated: its batches, its precision; what comes out stands in the order of the rows."""
    import torch
    import transformers

    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        given = training_arguments(spec, Path(folder), cpu=not torch.accelerator.is_available()) | _ONLY_PREDICTING
        kind = transformers.Seq2SeqTrainer if generates(given) else transformers.Trainer
        trainer = kind(
            model=model,
            args=arguments_of(given),
            data_collator=HEADS[spec.task].collator(reader, model, spec),
            processing_class=reader,
            preprocess_logits_for_metrics=losses,
        )
        trainer.remove_callback(transformers.PrinterCallback)
        callbacks.attach(trainer, _Steps, task, len(encoded))
        lock = callbacks.attach(trainer, callbacks.StepLock)
        lock.take()
        try:
            answer = trainer.predict(encoded, metric_key_prefix="held_out")
        finally:
            lock.release()
        # Where rows of like length share a batch, Trainer gives the answers in the order of the batches.
        back = np.argsort(list(chain.from_iterable(trainer.get_test_dataloader(encoded).batch_sampler)))
    return answer._replace(predictions=_put(answer.predictions, back), label_ids=_put(answer.label_ids, back))


def _put(values: Any, order: np.ndarray) -> Any:
    return tuple(_put(each, order) for each in values) if isinstance(values, tuple) else values[order]


def _decoded(reader: Any, ids: np.ndarray) -> list[str]:
    return list(reader.batch_decode(np.where(ids == -100, reader.pad_token_id, ids), skip_special_tokens=True))


class _Steps:
    """Reports the rows of an evaluation and stops it when it is asked to."""

    def __init__(self, task: Task, rows: int) -> None:
        self._task, self._rows, self._done = task, rows, 0

    def on_prediction_step(self, args: Any, *_: object, **__: object) -> None:
        self._done = min(self._rows, self._done + args.eval_batch_size)
        self._task.report(Progress(self._done, self._rows, "rows", "Evaluating"))
        if self._task.cancelled:
            raise Cancelled


def _losses_of(model: PreTrainedModel, head: Head, spec: TrainSpec) -> Any:
    """``preprocess_logits_for_metrics``: the loss of each row, what is small enough to keep, what the head keeps."""
    reduce = head.reduce_logits(spec)
    each_and_kept = _each_and_kept(model)

    def losses(logits: Any, labels: Any) -> tuple[Any, ...]:
        return (*each_and_kept(logits, labels), reduce(logits, labels) if reduce is not None else logits)

    return losses


def _each_and_kept(model: PreTrainedModel) -> Any:
    shifts = type(model).__name__.endswith(("ForCausalLM", "LMHeadModel"))

    def losses(logits: Any, labels: Any) -> tuple[torch.Tensor, torch.Tensor]:
        import torch
        from torch.nn import functional

        if isinstance(labels, (tuple, list)):
            # An answer's start and end.
            ends = list(zip(logits, labels, strict=False))
            each = torch.stack([functional.cross_entropy(part.float(), at, reduction="none") for part, at in ends])
            return each.mean(0), torch.stack([part.argmax(-1) for part, _ in ends], dim=-1)
        scores = (logits[0] if isinstance(logits, tuple) else logits).float()
        if scores.ndim == 3:
            if shifts:
                scores, labels = scores[:, :-1], labels[:, 1:]
            counted = labels != -100
            each = functional.cross_entropy(scores.transpose(1, 2), labels, ignore_index=-100, reduction="none")
            return each.sum(1) / counted.sum(1).clamp(min=1), counted.sum(1)
        if labels.is_floating_point():
            if scores.shape[-1] == 1:
                return functional.mse_loss(scores.squeeze(-1), labels.reshape(-1), reduction="none"), scores
            return functional.binary_cross_entropy_with_logits(scores, labels, reduction="none").mean(-1), scores
        return functional.cross_entropy(scores, labels, reduction="none"), scores

    return losses


def _tells_one_label(scores: np.ndarray, right: Any, labels: Sequence[str]) -> bool:
    return (
        bool(labels)
        and isinstance(right, np.ndarray)
        and right.ndim == 1
        and right.dtype.kind == "i"
        and (scores.shape == (len(right), len(labels)))
    )


def _labelled(
    checkpoint: Checkpoint,
    rows: Split,
    losses: np.ndarray,
    scores: np.ndarray,
    right: np.ndarray,
    metrics: dict[str, float],
) -> Evaluation:
    import torch
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

    labels = rows.labels
    ids = list(range(len(labels)))
    guessed = scores.argmax(-1)
    sure = torch.from_numpy(scores).softmax(-1).amax(-1).numpy()
    metrics = metrics | {
        "accuracy": float(accuracy_score(right, guessed)),
        "f1": float(f1_score(right, guessed, average="macro", zero_division=0)),
    }
    each = precision_recall_fscore_support(right, guessed, labels=ids, zero_division=0)
    classes = tuple(
        ClassScore(label, float(precision), float(recall), float(f1), int(support))
        for label, precision, recall, f1, support in zip(labels, *each, strict=True)
    )
    places, texts = (values(rows.evaluation, name) for name in ("place", rows.evaluation.column_names[0]))
    examples = [
        Example(place, _spoken(text)[:_LONGEST], labels[at], labels[guess], float(loss), float(share))
        for place, text, at, guess, loss, share in zip(places, texts, right, guessed, losses, sure, strict=True)
    ]
    calibration = _bins(sure, guessed == right)
    return Evaluation(
        checkpoint.name,
        len(right),
        metrics,
        labels,
        tuple(tuple(int(count) for count in line) for line in confusion_matrix(right, guessed, labels=ids)),
        classes,
        _worst_first(examples),
        calibration,
        sum(one.rows * abs(one.confidence - one.accuracy) for one in calibration) / len(right),
    )


def _bins(sure: np.ndarray, right: np.ndarray) -> tuple[Bin, ...]:
    place = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    found = []
    for number in range(_BINS):
        inside = place == number
        if inside.any():
            found.append(
                Bin(
                    number / _BINS,
                    (number + 1) / _BINS,
                    int(inside.sum()),
                    float(sure[inside].mean()),
                    float(right[inside].mean()),
                )
            )
    return tuple(found)


def _worst_first(examples: list[Example]) -> tuple[Example, ...]:
    return tuple(sorted(examples, key=lambda example: -example.loss))


def _spoken(value: Any) -> str:
    return value if isinstance(value, str) else str(value)

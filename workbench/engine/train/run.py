"""A whole run: data, tokenizer, model, Trainer, and the checkpoint that comes out of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine import models
from workbench.engine.errors import CheckpointError, explain
from workbench.engine.task import Cancelled, Progress, Silent, Task
from workbench.engine.train import callbacks
from workbench.engine.train.freeze import freeze
from workbench.engine.train.heads import HEADS
from workbench.engine.train.rows import Split, split_rows
from workbench.engine.train.settings import check, training_arguments, training_threads
from workbench.engine.train.wishes import Saved, Wishes
from workbench.engine.values import Checkpoint, TrainResult, TrainSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer


def fine_tune(spec: TrainSpec, *, wishes: Wishes | None = None, task: Task | None = None) -> TrainResult:
    """Fine-tune a checkpoint with transformers' Trainer.

    The losses are those of the script that ``codegen.train(spec)`` writes, bit for bit, on the same number of threads.

    Args:
        spec: The run; ``output_dir`` must not exist yet and appears only when everything in it is written.
        wishes: What is asked of the run while it goes on: to pause, to evaluate, to save, or to leave nothing. They are
            granted before the next optimizer step, and the losses and the weights stay those of a run without them.
        task: Is sent a `TrainPoint` for every optimizer step and every evaluation and a `Saved` for every checkpoint
            that was asked for, and hears of the steps. When it is cancelled after the first step, the step at work is
            finished and the checkpoint is kept.

    Returns:
        The new checkpoint: model (float32), tokenizer, ``trainer_state.json`` with the log history, and ``run.json``
        with the spec.

    Raises:
        WorkbenchError: The settings, the data, the checkpoint or the room on this machine don't allow the run, or the
            loss became something else than a number.
        Cancelled: The person stopped it before the first step was done, or discards it; nothing is kept.

    References:
        transformers, Trainer: TrainingArguments, TrainerCallback
    """
    task = task or Silent()
    wishes = wishes or Wishes()
    check(spec, models.describe(spec.checkpoint))
    rows = split_rows(spec, task)
    # Beside the result, so that moving it into place is one rename on one disk.
    partial = spec.output_dir.with_name(f".{spec.output_dir.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _threads(training_threads(spec)):
            trainer = _trainer(spec, rows, partial, task)
            watch, stopped = _train(trainer, task, wishes, lambda: _save_now(spec, rows, trainer))
            _leave(wishes)
            task.report(Progress(trainer.state.global_step, trainer.state.max_steps, "steps", "Saving"))
            _save(spec, rows, trainer, partial)
        _leave(wishes)
        partial.replace(spec.output_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return TrainResult(
        _made(spec.output_dir), tuple(watch.points), stopped, len(rows.train), len(rows.evaluation), rows.labels
    )


def _trainer(spec: TrainSpec, rows: Split, output_dir: Path, task: Task) -> Trainer:
    import torch
    import transformers

    task.report(Progress(0, None, "steps", f"Loading {spec.checkpoint.name}"))
    # Before the model, because a fresh head is drawn at random.
    transformers.set_seed(spec.seed)
    model, tokenizer = _load(spec, rows, task)
    frozen = freeze(model, spec.freeze_layers)
    task.log(f"{model.num_parameters() - frozen:,} of {model.num_parameters():,} weights are trained.")
    head = HEADS[spec.task]
    train, evaluation = (
        head.encode(part, tokenizer, spec, rows.labels, task) for part in (rows.train, rows.evaluation)
    )
    use_cache = model.config.use_cache
    arguments = training_arguments(spec, output_dir, cpu=not torch.accelerator.is_available())
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(**arguments),
        data_collator=head.collator(tokenizer, model, spec),
        train_dataset=train,
        eval_dataset=evaluation,
        processing_class=tokenizer,
        compute_metrics=head.metrics(tokenizer, rows.labels, spec),
        preprocess_logits_for_metrics=head.reduce_logits(),
    )
    # Trainer switches it off, and the saved model would generate slowly.
    model.config.use_cache = use_cache
    if not head.scales_loss:
        # Most heads take **kwargs, from which Trainer concludes that they divide by the number of rows of all
        # accumulated batches. They don't, and loss and gradients would come out too large by the accumulation.
        trainer.model_accepts_loss_kwargs = False
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _load(spec: TrainSpec, rows: Split, task: Task) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    # float32 whatever the weights are stored in: AdamW's steps are too small for bfloat16 weights. The device is
    # Trainer's to choose.
    loaded = models.load(
        spec.checkpoint,
        head=HEADS[spec.task].auto_class,
        dtype="float32",
        device="cpu",
        labels=rows.labels or None,
        seed=None,
        task=task,
    )
    tokenizer = loaded.tokenizer
    if tokenizer is None:
        raise CheckpointError(
            f"Could not train {spec.checkpoint.name}.",
            why=" ".join(loaded.notes) or "It has no tokenizer.",
            remedy="Choose a checkpoint with a tokenizer.",
        )
    HEADS[spec.task].settle(loaded.model, tokenizer, spec)
    for note in loaded.notes:
        task.log(note)
    return loaded.model, tokenizer


def _made(folder: Path) -> Checkpoint:
    return Checkpoint(
        name=folder.name, path=folder, source="run", size=sum(file.stat().st_size for file in folder.iterdir())
    )


def _leave(wishes: Wishes) -> None:
    if wishes.discarding:
        raise Cancelled


def _train(trainer: Trainer, task: Task, wishes: Wishes, save_now: Callable[[], Saved]) -> tuple[callbacks.Watch, bool]:
    saved: dict[int, Saved] = {}

    def evaluate() -> None:
        if not _evaluated(trainer):
            _evaluate_now(trainer, lock)

    def save() -> None:
        step = trainer.state.global_step
        task.report(Progress(step, trainer.state.max_steps, "steps", "Saving"))
        if step not in saved or saved[step].error is not None:
            saved[step] = save_now()
        task.send(saved[step])

    granting = callbacks.attach(trainer, callbacks.Granting, wishes, task, evaluate, save)
    watch = callbacks.attach(trainer, callbacks.Watch, task, len(trainer.train_dataset), lambda: granting.waited)
    lock = callbacks.attach(trainer, callbacks.StepLock)
    lock.take()
    try:
        trainer.train()
    except Cancelled:
        # It was an evaluation that was left; the weights are those after the last step.
        pass
    finally:
        lock.release()
    if trainer.state.global_step == 0:
        task.check()
    return watch, trainer.state.global_step < trainer.state.max_steps or (task.cancelled and not _evaluated(trainer))


def _evaluated(trainer: Trainer) -> bool:
    return any("eval_loss" in logs and logs["step"] == trainer.state.global_step for logs in trainer.state.log_history)


def _evaluate_now(trainer: Trainer, lock: callbacks.StepLock) -> None:
    import torch

    lock.take()
    try:
        # The loader of an evaluation draws from the generator that the dropout of the next step draws from.
        with torch.random.fork_rng(devices=[]):
            trainer.evaluate()
    finally:
        lock.release()


def _save_now(spec: TrainSpec, rows: Split, trainer: Trainer) -> Saved:
    """Save the weights as they are beside the run's folder; a failure is told and the run goes on."""
    step = trainer.state.global_step
    stem = f"{spec.output_dir.name}-step-{step}"
    folder, number = spec.output_dir.with_name(stem), 1
    while folder.exists():
        number += 1
        folder = spec.output_dir.with_name(f"{stem}-{number}")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _save(spec, rows, trainer, partial)
        partial.replace(folder)
        return Saved(step, _made(folder))
    except Exception as error:
        told = explain(error, f"Could not save step {step:,}; the training goes on.")
        return Saved(step, error=told, details=traceback.format_exc())
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _save(spec: TrainSpec, rows: Split, trainer: Trainer, folder: Path) -> None:
    # save_model() would add training_args.bin, a pickle.
    trainer.model.save_pretrained(folder)
    trainer.processing_class.save_pretrained(folder)
    trainer.state.save_to_json(str(folder / "trainer_state.json"))
    kept = asdict(spec) | {"threads": training_threads(spec), "labels": list(rows.labels)}
    (folder / "run.json").write_text(
        json.dumps(kept, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8"
    )
    for file in folder.glob("*.safetensors"):
        # They are written for the owner alone; other files of the run are not.
        file.chmod(0o644)


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with so many CPU threads. The setting is the process's, so other work has as many meanwhile."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)

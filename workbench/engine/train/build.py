"""From a spec and its rows to a Trainer that is ready to train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine import generation_config, models
from workbench.engine.errors import CheckpointError
from workbench.engine.task import Progress, Task
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tokens import load_tokenizer
from workbench.engine.train import methods
from workbench.engine.train.accelerate_state import keep_apart
from workbench.engine.train.arguments import arguments_of, generates
from workbench.engine.train.checkpoints import Sealed
from workbench.engine.train.heads import HEADS, divides_by_items
from workbench.engine.train.own_adapter import OWN, beneath
from workbench.engine.train.rows import Split
from workbench.engine.train.settings import training_arguments
from workbench.engine.train.stopping import early_stopping
from workbench.engine.values import Method, TrainSpec

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def build(spec: TrainSpec, rows: Split, output_dir: Path, task: Task) -> Sealed:
    """Load the checkpoint with its head, encode the rows and make the Trainer.

    Args:
        spec: The run.
        rows: Its rows.
        output_dir: Where checkpoints go.
        task: Hears of the loading and the encoding, and may stop it.

    Raises:
        WorkbenchError: The checkpoint or the rows can't be used.
    """
    import torch
    import transformers

    keep_apart()
    task.report(Progress(0, None, "steps", f"Loading {spec.checkpoint.name}"))
    while not models.LOAD_LOCK.acquire(timeout=0.1):
        task.check()
    try:
        # Before the model, because a fresh head is drawn at random; nobody else draws while the lock is held.
        transformers.set_seed(spec.seed)
        model, tokenizer = _load(spec, rows, task)
    finally:
        models.LOAD_LOCK.release()
    trained, total = methods.counted(model)
    task.log(f"{trained:,} of {total:,} weights are trained.")
    head = HEADS[spec.task]
    train, evaluation = (
        head.encode(part, tokenizer, spec, rows.labels, task) for part in (rows.train, rows.evaluation)
    )
    use_cache = getattr(model.config, "use_cache", None)
    arguments = training_arguments(spec, output_dir, cpu=not torch.accelerator.is_available())
    # The base class is given here because importing this module must not import transformers.
    base = transformers.Seq2SeqTrainer if generates(arguments) else transformers.Trainer
    trainer: Sealed = type("SealedTrainer", (Sealed, base), {})(
        model=model,
        args=arguments_of(arguments),
        data_collator=head.collator(tokenizer, model, spec),
        train_dataset=train,
        eval_dataset=evaluation,
        processing_class=tokenizer,
        compute_metrics=head.metrics(tokenizer, rows.labels, spec, evaluation),
        preprocess_logits_for_metrics=head.reduce_logits(spec),
        callbacks=early_stopping(spec),
    )
    # Trainer switches it off, and the saved model would generate slowly.
    if use_cache is not None:
        model.config.use_cache = use_cache
    if not (head.scales_loss and divides_by_items(model.config.model_type, head.auto_class)):
        # Most heads take **kwargs, from which Trainer concludes that they divide by the number of rows of all
        # accumulated batches. They don't, and loss and gradients would come out too large by the accumulation.
        trainer.model_accepts_loss_kwargs = False
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _load(spec: TrainSpec, rows: Split, task: Task) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    method = spec.method
    # What is trained whole is not packed; the seed is not touched by looking for it.
    unpacked = methods.layout(replace(spec, method=Method()), rows.labels, task=task).heads if method.bits else ()
    # float32 whatever the weights are stored in: AdamW's steps are too small for bfloat16 weights. The device is
    # Trainer's to choose.
    # An adapter is merged into what lies beneath it, unless it is trained on itself.
    own = method.kind == OWN
    loaded = models.load(
        beneath(spec.checkpoint) if own else spec.checkpoint,
        head=HEADS[spec.task].auto_class,
        dtype="float32",
        device="auto" if method.bits else "cpu",
        labels=rows.labels or None,
        bits=method.bits,
        unpacked=unpacked,
        seed=None,
        task=task,
    )
    tokenizer = load_tokenizer(spec.checkpoint) if own else loaded.tokenizer
    if HEADS[spec.task].reads == "image_processor":
        tokenizer = image_processor(loaded)
    if tokenizer is None:
        raise CheckpointError(
            f"Could not train {spec.checkpoint.name}.",
            why=" ".join(loaded.notes) or "It has no tokenizer.",
            remedy="Choose a checkpoint with a tokenizer.",
        )
    HEADS[spec.task].settle(loaded.model, tokenizer, spec)
    for note in loaded.notes:
        task.log(note)
    if loaded.model.can_generate() and (idle := generation_config.without_idle(loaded.model.generation_config)):
        task.log(f"{', '.join(idle)} in its {generation_config.FILE} had no effect; the result is saved without.")
    return methods.apply(loaded.model, spec, loaded.missing), tokenizer

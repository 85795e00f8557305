"""A `TrainSpec` in transformers' words: the arguments of TrainingArguments, the threads, and what can't be run."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import psutil

from workbench.engine.errors import CheckpointError, InputError, NotSupported, OutOfMemory, OutOfSpace
from workbench.engine.train.arguments import further
from workbench.engine.train.heads import HEADS
from workbench.engine.train.methods import ADAPTERS
from workbench.engine.train.own_adapter import OWN, refusal
from workbench.engine.values import Facts, TrainSpec

# float32 weights, their gradients and AdamW's two moments.
_BYTES_PER_WEIGHT = 16
#: Their losses are not the cross-entropy that label smoothing replaces.
_NOT_SMOOTHED = ("multi-label-classification", "text-regression")
_STORED_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}


def training_arguments(spec: TrainSpec, output_dir: Path, *, cpu: bool) -> dict[str, Any]:
    """The keyword arguments of ``TrainingArguments`` that make this run; those left out keep their defaults.

    Args:
        spec: The run.
        output_dir: Where Trainer may write.
        cpu: Whether there is no accelerator; bfloat16 needs it said.

    References:
        transformers, Trainer: TrainingArguments
    """
    head = HEADS[spec.task]
    arguments: dict[str, Any] = {
        "output_dir": str(output_dir),
        "num_train_epochs": spec.epochs,
        "max_steps": spec.max_steps,
        "per_device_train_batch_size": spec.batch_size,
        "per_device_eval_batch_size": spec.batch_size * (1 if head.wide_logits else 2),
        "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": spec.lr_scheduler_type,
        "warmup_steps": spec.warmup_steps if spec.warmup_steps < 1 else int(spec.warmup_steps),
        "weight_decay": spec.weight_decay,
        "bf16": spec.bf16,
        "eval_strategy": "steps" if spec.eval_steps else "epoch",
        "logging_steps": 1,
        # With the filter on, a step whose loss is not a number is logged as loss 0.
        "logging_nan_inf_filter": False,
        # Of pictures it would count the pixels.
        "include_num_input_tokens_seen": "non_padding" if head.reads == "tokenizer" else "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": spec.seed,
        # Without it the order comes from torch's global seed.
        "data_seed": spec.seed,
        "use_cpu": cpu,
        "dataloader_pin_memory": not cpu,
    }
    if spec.eval_steps:
        arguments["eval_steps"] = spec.eval_steps
    if head.reads == "image_processor":
        # The collator opens the pictures, whose paths the model takes no notice of.
        arguments["remove_unused_columns"] = False
    if head.wide_logits:
        # The metrics tell the perplexity too.
        arguments["include_for_metrics"] = ["loss"]
    if spec.group_by_length and head.by_length:
        arguments["train_sampling_strategy"] = "group_by_length"
    return arguments | head.generation(spec.head_options) | _of_method(spec) | further(spec.arguments)


def _of_method(spec: TrainSpec) -> dict[str, Any]:
    """What differs from the defaults, so that a script shows what was chosen."""
    wanted: dict[str, Any] = {
        "fp16": spec.fp16,
        "activation_checkpointing": spec.activation_checkpointing,
        "torch_compile": spec.torch_compile,
        "label_smoothing_factor": spec.label_smoothing_factor,
        "neftune_noise_alpha": spec.neftune_noise_alpha,
    }
    arguments = {name: value for name, value in wanted.items() if value}
    if spec.early_stopping_patience or spec.load_best_model_at_end:
        metric = best_metric(spec)
        arguments["metric_for_best_model"] = metric
        arguments["greater_is_better"] = HEADS[spec.task].measures(spec.head_options)[metric]
    if spec.load_best_model_at_end:
        # Each evaluation that is better than all before gets a checkpoint of its own, whatever else is saved.
        arguments |= {"save_strategy": "best", "load_best_model_at_end": True}
    return arguments


def best_metric(spec: TrainSpec) -> str:
    """What tells which evaluation is best: a name of the head's ``measures``, where the choice is one."""
    return spec.metric_for_best_model.removeprefix("eval_") or HEADS[spec.task].metric


def training_threads(spec: TrainSpec) -> int:
    """CPU threads of the run: as asked for, else one less than the physical cores, so that the window keeps one."""
    return spec.threads or max(1, (psutil.cpu_count(logical=False) or 1) - 1)


def check(spec: TrainSpec, facts: Facts) -> None:
    """Refuse what can't work before anything heavy is done.

    Raises:
        InputError: A setting is out of its range.
        NotSupported: The checkpoint can't have the head.
        CheckpointError: There is no tokenizer.
        OutOfSpace, OutOfMemory: The result or the training would not fit.
    """
    what = f"Could not train {spec.checkpoint.name}."
    _check_ranges(spec, facts)
    if HEADS[spec.task].reads == "tokenizer" and not facts.has_tokenizer:
        raise CheckpointError(
            what, why="It has no tokenizer, so no text can be encoded.", remedy="Choose a checkpoint with a tokenizer."
        )
    head = HEADS[spec.task]
    if head.auto_class not in facts.heads:
        raise NotSupported(
            what,
            why=f"Models of type {facts.model_type} have no {head.auto_class}.",
            remedy="Choose another task or another checkpoint.",
        )
    weights = facts.weight_bytes // _STORED_BYTES.get(facts.dtype or "", 4)
    method = spec.method
    if (refused := refusal(spec, head.auto_class)) is not None:
        raise refused
    if method.kind == "full":
        _check_space(what, spec.output_dir, weights * 4 + facts.weight_bytes // 10 + 10_000_000)
        _check_memory(what, weights * _BYTES_PER_WEIGHT)
        return
    # The body has neither gradients nor moments; what is trained beside it is taken for a tenth of it.
    kept = weights * (method.bits or 32) // 8
    _check_space(what, spec.output_dir, (weights // 10 if method.is_adapter else weights) * 4 + 10_000_000)
    _check_memory(what, kept + weights // 10 * _BYTES_PER_WEIGHT)


def _check_ranges(spec: TrainSpec, facts: Facts) -> None:
    if spec.task not in HEADS:
        raise InputError(f"Could not train for {spec.task}.", remedy=f"Choose {' or '.join(HEADS)}.")
    wrong = ""
    if not 0.0 < spec.eval_fraction < 1.0:
        wrong = "The share held out for evaluation must lie between 0 and 1."
    elif min(spec.batch_size, spec.gradient_accumulation_steps) < 1:
        wrong = "Batch size and gradient accumulation must be at least 1."
    elif not (math.isfinite(spec.learning_rate) and spec.learning_rate > 0):
        wrong = "The learning rate must be above 0."
    elif spec.max_steps < 1 and not spec.epochs > 0:
        wrong = "There are neither epochs nor steps to train for."
    elif spec.rows is not None and spec.rows < 4:
        wrong = "A run needs at least 4 rows."
    elif spec.max_length < 4:
        wrong = "max_length must be at least 4 tokens."
    elif facts.context is not None and spec.max_length > facts.context:
        wrong = f"max_length is {spec.max_length:,} tokens, and the checkpoint's context is {facts.context:,}."
    elif facts.layers is not None and not 0 <= spec.freeze_layers <= facts.layers:
        wrong = f"{spec.freeze_layers} layers can't be frozen: the checkpoint has {facts.layers}."
    else:
        wrong = _about_method(spec) or _about_columns(spec) or _about_options(spec) or _about_metric(spec)
    if wrong:
        raise InputError("Could not start the training.", why=wrong, remedy="Correct the setting and start again.")


def _about_method(spec: TrainSpec) -> str:
    method = spec.method
    if method.kind not in ("full", "head", OWN, *ADAPTERS):
        return f"“{method.kind}” is no method: choose full, head, {OWN}, {', '.join(ADAPTERS)}."
    if method.is_adapter and min(method.rank, method.alpha) < 1:
        return "Rank and alpha of an adapter must be at least 1."
    if method.is_adapter and not 0.0 <= method.dropout < 1.0:
        return "The dropout of an adapter must be at least 0 and below 1."
    if method.bits not in (0, 4, 8) or (method.bits and method.kind not in ADAPTERS):
        return "Weights can be packed into 8 or 4 bits below a new adapter, and nowhere else."
    if method.kind != "full" and spec.freeze_layers:
        return "Layers are frozen in a full training alone; this method freezes all of them."
    if spec.bf16 and spec.fp16:
        return "bfloat16 and float16 exclude one another."
    if not 0.0 <= spec.label_smoothing_factor < 1.0:
        return "Label smoothing must be at least 0 and below 1."
    if spec.label_smoothing_factor and spec.task in _NOT_SMOOTHED:
        return f"{HEADS[spec.task].title} has no single right label whose share could be spread: smooth nothing."
    if min(spec.neftune_noise_alpha, spec.early_stopping_patience, spec.early_stopping_threshold) < 0:
        return "NEFTune's noise, patience and threshold can't be negative."
    return ""


def _about_columns(spec: TrainSpec) -> str:
    head = HEADS[spec.task]
    roles = head.roles
    missing = head.lacks(spec.columns)
    if missing:
        return missing
    chosen = [(spec.columns[role.name], role.name) for role in roles if spec.columns.get(role.name)]
    for at, (column, name) in enumerate(chosen):
        for other, second in chosen[at + 1 :]:
            if column == other:
                return f"The {name} and the {second} are the same column."
    return ""


def _about_options(spec: TrainSpec) -> str:
    head = HEADS[spec.task]
    options = {option.name: option for option in head.options}
    for name, value in spec.head_options.items():
        if name not in options:
            return f"{head.title} has no setting “{name}”."
        if why := options[name].problem(value):
            return why
    return ""


def _about_metric(spec: TrainSpec) -> str:
    head = HEADS[spec.task]
    known = head.measures(spec.head_options)
    if not (spec.early_stopping_patience or spec.load_best_model_at_end) or best_metric(spec) in known:
        return ""
    return f"An evaluation of {head.title} tells no “{best_metric(spec)}”: choose {', '.join(known)}."


def _check_space(what: str, output_dir: Path, needed: int) -> None:
    folder = output_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutOfSpace(
            what,
            why=f"The result takes about {needed / 1e6:,.0f} MB and {folder} has {free / 1e6:,.0f} MB free.",
            remedy="Free some space and start again.",
        )


def _check_memory(what: str, needed: int) -> None:
    free = psutil.virtual_memory().available
    if free < needed:
        raise OutOfMemory(
            what,
            why=f"Weights, gradients and optimizer take about {needed / 1e9:,.1f} GB before the first batch, "
            f"and {free / 1e9:,.1f} GB are free.",
            remedy="Close other programs or choose a smaller checkpoint.",
        )

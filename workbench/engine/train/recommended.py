"""Settings that are known to go well, for a start."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

from workbench.engine.values import Facts, Method

#: The presets, with what they promise: of all-MiniLM-L6-v2 on the film reviews it is measured.
PRESETS: dict[str, tuple[str, str]] = {
    "quick": ("Quick", "A first result in about a minute: few rows, short texts, a part of the layers frozen"),
    "good": ("Good", "All rows two or three times and all layers, in a few minutes for a small encoder"),
}

#: Tokens that a row of these tasks usually takes; the others are cut at a sentence or two.
_LENGTHS = {"question-answering": 384, "text2text-generation": 128, "fill-mask": 128, "token-classification": 96}

#: Rows of these are a sentence or two, of which many fit into a step.
_SENTENCES = ("text-classification", "multi-label-classification", "text-regression")

#: How many times the learning rate of a full training an adapter takes, and what a head alone takes.
_LARGER, _OF_HEAD = 10, 1e-3

_COMMON: dict[str, Any] = {
    "epochs": 1.0,
    "max_steps": -1,
    "warmup_steps": 0.1,
    "weight_decay": 0.0,
    "lr_scheduler_type": "linear",
    "gradient_accumulation_steps": 1,
    "neftune_noise_alpha": 0.0,
    "method": Method(),
}


def recommended(facts: Facts, task: str, preset: str = "quick", method: Method | None = None) -> dict[str, Any]:
    """Fields of a `TrainSpec` for a first run on a CPU.

    The numbers for small encoders are measured, of all-MiniLM-L6-v2 on the film reviews with one thread: of the tenth
    that is held out, over eight random splits, ``quick`` gets 78.8 to 83.8 % right (81.2 on average) after 40 s, and
    ``good`` 84.0 to 86.4 % (85.2 on average; 84.9 with two epochs and without noise) after about four minutes. Words
    counted with TF-IDF get 77 to 82 %.

    Args:
        facts: Of the checkpoint.
        task: A name of `HEADS`.
        preset: ``quick`` or ``good``.
        method: Chosen already; None recommends one. Few weights beside frozen ones take larger steps than all of them.

    Returns:
        Field names and values; fields that are not named keep their defaults.

    References:
        Schulman et al. 2025, LoRA Without Regret: ten times the learning rate of a full training
    """
    made = _of_checkpoint(facts, task, preset)
    if method is None or method.kind == made["method"].kind:
        return made
    rate = made["learning_rate"] / (_LARGER if made["method"].is_adapter else 1)
    if method.kind == "head":
        rate = _OF_HEAD
    elif method.is_adapter:
        rate = min(_LARGER * rate, _OF_HEAD)
    return made | {"method": method, "learning_rate": rate}


def _of_checkpoint(facts: Facts, task: str, preset: str) -> dict[str, Any]:
    context = facts.context or 512
    good = preset == "good"
    made = _COMMON | {"bf16": fast_bfloat16(), "rows": None if good else 5000}
    if task in ("text-generation", "chat"):
        made |= {
            "rows": None if good else 1000,
            "max_length": min(128 if task == "text-generation" else 256, context),
            "batch_size": 4,
            "max_steps": -1 if good else 60,
            "learning_rate": 5e-5,
            "freeze_layers": 0,
            "group_by_length": False,
        }
        if task == "chat":
            # Beside frozen weights, an adapter learns an answer's form from few rows without unlearning to speak.
            made |= {"method": Method("lora"), "learning_rate": 5e-4, "lr_scheduler_type": "cosine"}
        return made
    small = facts.weight_bytes < 200e6
    made |= {"learning_rate": 2e-4 if small else 2e-5, "group_by_length": True}
    length = _LENGTHS.get(task, 64 if good else 48)
    if good:
        made |= {"epochs": 2.0, "batch_size": 32, "freeze_layers": 0}
        if small and task in _SENTENCES:
            # Noise on the embeddings keeps the third pass over few rows from learning them by heart.
            made |= {"epochs": 3.0, "batch_size": 64, "neftune_noise_alpha": 5.0}
        elif small:
            made |= {"learning_rate": 1e-4}
        return made | {"max_length": min(length, context)}
    return made | {"max_length": min(length, context), "batch_size": 16, "freeze_layers": (facts.layers or 0) // 3}


def fast_bfloat16() -> bool:
    """Whether this machine computes bfloat16 faster than float32: by its GPU, else by its processor.

    Torch is asked only where it is imported already, because a form is filled in with this before that.
    """
    # While another thread imports torch, it is there in part.
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)
    if hasattr(cuda, "is_bf16_supported") and cuda.is_available():
        return bool(cuda.is_bf16_supported(including_emulation=False))
    return _processor_has_bfloat16()


@functools.cache
def _processor_has_bfloat16() -> bool:
    try:
        processor = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = set(processor.partition("\n\n")[0].split())
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})

"""Settings that are known to go well, for a start."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from workbench.engine.values import Facts


def recommended(facts: Facts, task: str) -> dict[str, Any]:
    """Fields of a `TrainSpec` for a first run of a minute or so on a CPU.

    The numbers for small encoders are measured: all-MiniLM-L6-v2 with them reaches about 82 % on the film reviews.

    Args:
        facts: Of the checkpoint.
        task: ``text-classification`` or ``text-generation``.

    Returns:
        Field names and values; fields that are not named keep their defaults.
    """
    context = facts.context or 512
    small = facts.weight_bytes < 200e6
    common = {"epochs": 1.0, "max_steps": -1, "warmup_steps": 0.1, "weight_decay": 0.0, "lr_scheduler_type": "linear"}
    if task == "text-generation":
        return common | {
            "rows": 1000,
            "max_length": min(128, context),
            "batch_size": 4,
            "max_steps": 60,
            "learning_rate": 5e-5,
            "freeze_layers": 0,
            "group_by_length": False,
            "bf16": fast_bfloat16(),
        }
    return common | {
        "rows": 3000,
        "max_length": min(48, context),
        "batch_size": 16,
        "learning_rate": 2e-4 if small else 2e-5,
        "freeze_layers": (facts.layers or 0) // 3,
        "group_by_length": True,
        "bf16": fast_bfloat16(),
    }


def fast_bfloat16() -> bool:
    """Whether this machine computes bfloat16 faster than float32: by its GPU, else by its processor.

    Torch is asked only where it is imported already, because a form is filled in with this before that.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        processor = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = set(processor.partition("\n\n")[0].split())
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})

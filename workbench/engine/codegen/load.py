"""The script that loads a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import (
    checkpoint_lines,
    model_lines,
    packing_lines,
    script,
    seed_lines,
    tokenizer_lines,
)

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint


def load(
    checkpoint: Checkpoint, head: str, dtype: str, device: str, *, attention: str | None = None, bits: int = 0
) -> str:
    """A script that loads tokenizer and model and prints what it got.

    Args:
        checkpoint: Loaded by its folder.
        head: An Auto class, such as ``AutoModelForCausalLM``.
        dtype: As torch spells it, such as ``bfloat16``, or ``auto`` for the dtype the weights are stored in.
        device: As torch spells it, such as ``cpu`` or ``cuda:0``; ``spread`` for every one there is.
        attention: ``sdpa`` or ``eager``; None leaves it to transformers.
        bits: 8 or 4 where linear layers are packed, 0 where they are not.
    """
    seed = seed_lines(head)
    names = [head, "AutoTokenizer", *(["BitsAndBytesConfig"] if bits else [])]
    return script(
        "Load a checkpoint and its tokenizer.",
        [*(["import torch"] if seed or bits == 4 else []), f"from transformers import {', '.join(names)}"],
        checkpoint_lines(checkpoint),
        [
            *seed,
            *tokenizer_lines(of=checkpoint),
            *packing_lines(bits),
            *model_lines(checkpoint, head, dtype, device, attention=attention, bits=bits),
        ],
        [
            'print(f"{type(model).__name__}: {model.num_parameters():,} parameters, {model.dtype}, {model.device}")',
            'print(f"{type(tokenizer).__name__}: {len(tokenizer):,} tokens")',
        ],
    )

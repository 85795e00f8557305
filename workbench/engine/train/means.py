"""What this machine has no means for, known before a run is begun."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.engine.errors import NotSupported
from workbench.engine.machine import devices, no_compiler
from workbench.engine.train.methods import no_bits
from workbench.engine.values import TrainSpec


@dataclass(frozen=True, slots=True)
class Limits:
    """What this machine has no means for, each a sentence that says why, or empty.

    Attributes:
        bits: Weights in 8 or 4 bits.
        fp16: Mixed precision in float16.
        torch_compile: ``torch.compile``.
    """

    bits: str = ""
    fp16: str = ""
    torch_compile: str = ""


def limits() -> Limits:
    """What this machine can't do, and why. Imports torch."""
    import torch

    return Limits(
        no_bits(devices()[0]),
        "" if torch.accelerator.is_available() else "Mixed precision in float16 needs a GPU; bfloat16 works on a CPU.",
        "" if torch.cuda.is_available() else no_compiler(),
    )


def check_means(spec: TrainSpec) -> None:
    """Refuse a run that this machine has no means for, before anything is read. Imports torch where one is asked for.

    Raises:
        NotSupported: What is missing, and how to do without.
    """
    if not (spec.fp16 or spec.torch_compile or spec.method.bits):
        return
    found = limits()
    for wanted, why, remedy in (
        (spec.fp16, found.fp16, "Switch float16 off."),
        (spec.torch_compile, found.torch_compile, "Switch Compile off, or install a C++ compiler."),
        (bool(spec.method.bits), found.bits, "Leave the base in full precision, or install bitsandbytes."),
    ):
        if wanted and why:
            raise NotSupported("Could not start the training.", why=why, remedy=remedy)

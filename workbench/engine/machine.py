"""What this machine has to compute with: memory, devices, threads and a compiler."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from typing import Any

__all__ = ["Memory", "devices", "empty_caches", "free", "memory", "no_compiler", "threads"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in bytes: resident in this process, in the machine, and still available to programs."""

    process: int
    total: int
    available: int


def memory() -> Memory:
    """Measure the memory of the machine and of this process; under a millisecond."""
    import psutil

    machine = psutil.virtual_memory()
    return Memory(psutil.Process().memory_info().rss, machine.total, machine.available)


def free(device: str = "cpu") -> int | None:
    """Bytes free on a device now, other programs counted; None where it can't be told without importing torch."""
    if device in ("cpu", "mps"):
        return memory().available
    torch = _imported_torch()
    if torch is None or not torch.cuda.is_available():
        return None
    if device == "spread":
        cards = sum(torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count()))
        return int(cards) + memory().available
    return int(torch.cuda.mem_get_info(device)[0])


def threads() -> int:
    """Threads that torch computes with on the CPU, or would once it is imported."""
    torch = _imported_torch()
    return int(torch.get_num_threads()) if torch is not None else os.cpu_count() or 1


def _imported_torch() -> Any:
    """The module torch where it is imported already, whole: another thread may be in the middle of it."""
    torch = sys.modules.get("torch")
    return None if torch is None or getattr(torch.__spec__, "_initializing", False) else torch


def empty_caches() -> None:
    """Hand the memory that torch keeps for later back to the accelerator; does nothing without one. Imports torch."""
    import torch

    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()


def devices() -> tuple[str, ...]:
    """Devices a model can be loaded on, the fastest first, ``cpu`` always among them. Imports torch.

    Where there is a GPU, ``spread`` comes last: its layers go to every GPU, and to memory when those are full.
    """
    import torch

    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    spread = importlib.util.find_spec("accelerate") is not None and bool(found) and torch.cuda.is_available()
    return (*found, "cpu", *(["spread"] if spread else []))


def no_compiler() -> str:
    """Why torch.compile can build no code for the CPU, or an empty text."""
    # As torch's own compiler looks for it.
    usual = {"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++")
    if shutil.which(os.environ.get("CXX") or usual):
        return ""
    return "torch.compile builds code for the CPU with a C++ compiler, and there is none."

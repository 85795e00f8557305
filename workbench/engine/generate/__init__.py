"""New tokens from the library's own loops, with every step recorded and knobs that act while it runs."""

from __future__ import annotations

from workbench.engine.generate.branch import branch, forced_step
from workbench.engine.generate.cache import KeptCache
from workbench.engine.generate.recorder import context_of
from workbench.engine.generate.result import ENDS, Generation
from workbench.engine.generate.stream import prepare, run, stream, stream_text

__all__ = [
    "ENDS",
    "Generation",
    "KeptCache",
    "branch",
    "context_of",
    "forced_step",
    "prepare",
    "run",
    "stream",
    "stream_text",
]

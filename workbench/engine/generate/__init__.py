"""New tokens from the library's own loops, with every step recorded and knobs that act while it runs."""

from __future__ import annotations

from workbench.engine.generate.result import Generation
from workbench.engine.generate.stream import context_of, prepare, run, stream, stream_text

__all__ = ["Generation", "context_of", "prepare", "run", "stream", "stream_text"]

"""What the knobs do to a next-token distribution, over the full vocabulary, step by step as the library does it."""

from __future__ import annotations

from workbench.engine.sampling.acts import Act
from workbench.engine.sampling.distribution import Distribution
from workbench.engine.sampling.knobs import NEUTRAL, Knobs, check
from workbench.engine.sampling.library import ACTS, acting, fields, processors
from workbench.engine.sampling.scores import keep
from workbench.engine.sampling.trace import Trace

__all__ = [
    "ACTS",
    "NEUTRAL",
    "Act",
    "Distribution",
    "Knobs",
    "Trace",
    "acting",
    "check",
    "fields",
    "keep",
    "processors",
]

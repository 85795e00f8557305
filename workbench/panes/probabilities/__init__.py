"""The Probabilities pane: what any step could have been, and what each processor made of it."""

from __future__ import annotations

from workbench.panes.probabilities.pane import ProbabilitiesPane

__all__ = ["ProbabilitiesPane"]

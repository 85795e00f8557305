"""The Compare pane: two checkpoints or two settings on one prompt."""

from __future__ import annotations

from workbench.panes.compare.pane import ComparePane

__all__ = ["ComparePane"]

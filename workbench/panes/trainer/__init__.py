"""The Trainer pane: data, model and head, settings, run."""

from __future__ import annotations

from workbench.panes.trainer.pane import TrainerPane

__all__ = ["TrainerPane"]

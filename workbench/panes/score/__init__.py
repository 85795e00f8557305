"""The Score pane: a text as a model reads it, token by token, alone or beside a second model."""

from __future__ import annotations

from workbench.panes.score.pane import ScorePane

__all__ = ["ScorePane"]

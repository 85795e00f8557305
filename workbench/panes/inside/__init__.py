"""The Inside pane: logit lens, attention, hidden states and embeddings of the loaded model on one text."""

from __future__ import annotations

from workbench.panes.inside.pane import InsidePane

__all__ = ["InsidePane"]

"""The Hub pane: find a checkpoint, fetch it, load it."""

from __future__ import annotations

from workbench.panes.hub.pane import HubPane

__all__ = ["HubPane"]

"""The Playground pane: a prompt or a chat, live knobs, and the text as it comes."""

from __future__ import annotations

from workbench.panes.playground.pane import PlaygroundPane

__all__ = ["PlaygroundPane"]

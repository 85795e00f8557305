"""The Tokenizer pane: a text, the tokens the model sees, and everything about each of them, live as one types."""

from __future__ import annotations

from workbench.panes.tokenizer.pane import TokenizerPane

__all__ = ["TokenizerPane"]

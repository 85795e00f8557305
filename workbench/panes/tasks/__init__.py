"""The Tasks pane: a text in, a result out, and the three steps between them."""

from __future__ import annotations

from workbench.panes.tasks.pane import TasksPane

__all__ = ["TasksPane"]

"""The one question the pane asks: whether a checkpoint may be deleted."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QMessageBox, QWidget

from workbench.engine.values import Checkpoint
from workbench.widgets import consent
from workbench.widgets.quantities import format_bytes


def ask_to_delete(parent: QWidget, checkpoint: Checkpoint, on_yes: Callable[[], object]) -> QMessageBox:
    """Open the question, saying what is freed; nothing happens but by its Delete button.

    Args:
        parent: The pane.
        checkpoint: What would be deleted, or forgotten when it is a folder of the person's own.
        on_yes: Called when the person agrees.
    """
    forget = checkpoint.source == "folder"
    verb = "Forget" if forget else "Delete"
    return consent.ask(
        parent,
        "hub",
        f"{verb} a checkpoint",
        f"Forget {checkpoint.name}?" if forget else f"Delete {checkpoint.name} from the disk?",
        f"It leaves the list. The folder {checkpoint.path} stays as it is."
        if forget
        else f"{format_bytes(checkpoint.size)} on the disk; this can't be undone.\n{checkpoint.path}",
        verb=verb,
        otherwise="Leave everything as it is",
        on_yes=on_yes,
    )

"""The one question the pane asks: whether a checkpoint may be deleted."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from workbench.engine.values import Checkpoint
from workbench.widgets.naming import named
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
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(f"{verb} a checkpoint")
    named(box, "hub.consent", f"{verb} a checkpoint")
    box.setText(f"Forget {checkpoint.name}?" if forget else f"Delete {checkpoint.name} from the disk?")
    box.setInformativeText(
        f"It leaves the list. The folder {checkpoint.path} stays as it is."
        if forget
        else f"{format_bytes(checkpoint.size)} on the disk; this can't be undone.\n{checkpoint.path}"
    )
    yes = named(box.addButton(verb, QMessageBox.ButtonRole.DestructiveRole), "hub.consent_yes", verb, "Do it")
    no = box.addButton(QMessageBox.StandardButton.Cancel)
    named(no, "hub.consent_no", no.text().replace("&", ""), "Leave everything as it is")
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    yes.clicked.connect(on_yes)
    box.open()
    return box

"""The one question the pane asks: whether a run may be discarded."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from workbench.widgets.naming import named


def ask_to_discard(parent: QWidget, name: str, steps: int, on_yes: Callable[[], object]) -> QMessageBox:
    """Open the question, saying what is lost; the run goes on meanwhile, and nothing happens but by its button.

    Args:
        parent: The pane.
        name: The run.
        steps: Optimizer steps done so far.
        on_yes: Called when the person agrees.
    """
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Discard a run")
    named(box, "trainer.consent", "Discard a run")
    box.setText(f"Stop {name} and discard it?")
    done = (
        f"What it learned in {steps:,} step{'' if steps == 1 else 's'} is lost"
        if steps
        else "It has learned nothing yet"
    )
    box.setInformativeText(
        f"{done}; this can't be undone. The data, and checkpoints made with Save now, stay as they are."
    )
    yes = named(
        box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole), "trainer.consent_yes", "Discard", "Do it"
    )
    no = box.addButton(QMessageBox.StandardButton.Cancel)
    named(no, "trainer.consent_no", no.text().replace("&", ""), "Let the run go on")
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    yes.clicked.connect(on_yes)
    box.open()
    return box

"""The one question the pane asks: whether a run may be discarded."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QMessageBox, QWidget

from workbench.widgets import consent


def ask_to_discard(parent: QWidget, name: str, steps: int, on_yes: Callable[[], object]) -> QMessageBox:
    """Open the question, saying what is lost; the run goes on meanwhile, and nothing happens but by its button.

    Args:
        parent: The pane.
        name: The run.
        steps: Optimizer steps done so far.
        on_yes: Called when the person agrees.
    """
    done = (
        f"What it learned in {steps:,} step{'' if steps == 1 else 's'} is lost"
        if steps
        else "It has learned nothing yet"
    )
    return consent.ask(
        parent,
        "trainer",
        "Discard a run",
        f"Stop {name} and discard it?",
        f"{done}; this can't be undone. The data, and checkpoints made with Save now, stay as they are.",
        verb="Discard",
        otherwise="Let the run go on",
        on_yes=on_yes,
    )

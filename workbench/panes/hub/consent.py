"""The questions the pane asks: whether checkpoints may be deleted, and whether a model pack may come in."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QMessageBox, QWidget

from workbench.engine.hub import pack
from workbench.engine.values import Checkpoint
from workbench.widgets import consent
from workbench.widgets.quantities import format_bytes, format_many

_SHOWN = 8


def ask_to_delete(
    parent: QWidget, checkpoints: tuple[Checkpoint, ...], freed: int, on_yes: Callable[[], object]
) -> QMessageBox:
    """Open the question, saying what is freed; nothing happens but by its Delete button.

    Args:
        parent: The pane.
        checkpoints: What would be deleted, or forgotten where it is a folder of the person's own.
        freed: Bytes that the disk gains.
        on_yes: Called when the person agrees.
    """
    forget = all(each.source == "folder" for each in checkpoints)
    verb = "Forget" if forget else "Delete"
    count = len(checkpoints)
    names = f"{count} checkpoints" if count > 1 else checkpoints[0].name
    lines = [
        f"{each.name} {(each.revision or '')[:8]}".strip()
        + (" (forgotten, not deleted)" if each.source == "folder" else "")
        for each in checkpoints[:_SHOWN]
    ]
    lines += [f"and {count - _SHOWN} more"] if count > _SHOWN else []
    shared = " What other revisions share stays." if any(each.revision for each in checkpoints) else ""
    where = str(checkpoints[0].path) if count == 1 else "\n".join(lines)
    return consent.ask(
        parent,
        "hub",
        f"{verb} a checkpoint" if count == 1 else f"{verb} checkpoints",
        f"Forget {names}?" if forget else f"Delete {names} from the disk?",
        f"It leaves the list. The folder {where} stays as it is."
        if forget and count == 1
        else f"{format_bytes(freed)} are freed; this can't be undone.{shared}\n{where}",
        verb=verb,
        otherwise="Leave everything as it is",
        on_yes=on_yes,
    )


def ask_to_bring_in(parent: QWidget, found: pack.Pack, on_yes: Callable[[], object]) -> QMessageBox:
    """Open the question, saying what a pack holds; nothing is written but by its button."""
    lines = [
        f"{model.name} {(model.revision or '')[:8]}, {format_bytes(model.size)}" for model in found.models[:_SHOWN]
    ]
    lines += [f"and {len(found.models) - _SHOWN} more"] if len(found.models) > _SHOWN else []
    lines += [f"{file.name}, {format_bytes(file.size)}" for file in found.data[:_SHOWN]]
    return consent.ask(
        parent,
        "hub",
        "Bring in a model pack",
        f"Bring in {format_many(len(found.models), 'checkpoint')} and {format_many(len(found.data), 'data file')}, "
        f"{format_bytes(found.size)}?",
        "Each file is compared with its hash before it is used.\n" + "\n".join(lines),
        verb="Bring in",
        otherwise="Leave everything as it is",
        on_yes=on_yes,
    )

"""Asking where to save, and saying so when it can't be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from workbench.widgets.pane_frame import PaneFrame


def save(asker: QWidget, title: str, name: str, kinds: str, ending: str, write: Callable[[Path], None]) -> None:
    """Ask for a path and write to it; a failure becomes a notice of the pane that the asker stands in.

    Args:
        asker: The widget whose content is saved.
        title: Of the dialog.
        name: Suggested file name.
        kinds: Filter of the dialog, such as ``CSV (*.csv)``.
        ending: Appended where it is missing, such as ``.csv``.
        write: Writes the file; may raise OSError.
    """
    chosen, _ = QFileDialog.getSaveFileName(asker, title, name, kinds)
    if chosen:
        write_or_tell(asker, Path(chosen if chosen.endswith(ending) else chosen + ending), write)


def write_or_tell(asker: QWidget, path: Path, write: Callable[[Path], None]) -> bool:
    """Write to a path; a failure becomes a notice of the pane that the asker stands in.

    Returns:
        Whether it was written.

    Raises:
        OSError: It can't be written, and the asker stands in no pane.
    """
    try:
        write(path)
    except OSError as error:
        if pane_of(asker) is None:
            raise
        tell(asker, path, error)
        return False
    return True


def pane_of(asker: QWidget) -> PaneFrame | None:
    """The pane that a widget stands in."""
    pane: QWidget | None = asker
    while pane is not None and not isinstance(pane, PaneFrame):
        pane = pane.parentWidget()
    return pane


def tell(asker: QWidget, path: Path, error: OSError) -> None:
    """Say in the asker's pane that a file could not be written."""
    pane = pane_of(asker)
    if pane is not None:
        pane.show_notice(f"Could not save {path}.", f"{error.strerror or error}.", "Choose another folder.")

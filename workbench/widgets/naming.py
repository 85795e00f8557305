"""Names that a screen reader and an automation see."""

from __future__ import annotations

import re
import sys
from typing import TypeVar

from PySide6.QtWidgets import QTabWidget, QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str, label: str, tip: str = "") -> W:
    """Give a control its stable object name, its accessible name and its tooltip.

    Args:
        widget: Any control.
        name: Snake case after the pane, such as ``playground.top_k``; part of the public interface.
        label: The visible label; a screen reader says the same.
        tip: What the control does, with its usual range.

    Returns:
        The same widget, so that it can be named where it is built.
    """
    widget.setObjectName(name)
    widget.setAccessibleName(label)
    if isinstance(widget, QTabWidget):
        # The keyboard focus goes to its bar, which a screen reader would call nothing.
        widget.tabBar().setAccessibleName(label)
    if tip:
        tip = with_keys(tip)
        widget.setToolTip(tip)
        widget.setAccessibleDescription(tip)
    return widget


def with_keys(text: str) -> str:
    """A text that tells keys, as this keyboard calls them: on a Mac, Qt takes Cmd for Ctrl and Option for Alt.

    References:
        Qt, QKeySequence: Keyboard Layout Issues
    """
    if sys.platform != "darwin":
        return text
    return re.sub(r"\bAlt(?=\+)", "Option", re.sub(r"\bCtrl\b", "Cmd", text))


def described(control: QWidget | None) -> str:
    """What the control with the keyboard focus is for, as a sentence, or nothing."""
    while control is not None and not (control.accessibleName() and control.toolTip()):
        control = control.parentWidget()
    return f"{control.accessibleName()}: {control.toolTip().rstrip('.')}. " if control is not None else ""

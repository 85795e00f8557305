"""Checkpoints that are recommended for a task, in a menu."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from workbench.engine.tasks.recommended import Recommended, recommended
from workbench.widgets.naming import named


class AdviceButton(QPushButton):
    """Lists checkpoints for a task, each with its size and licence.

    Signals:
        checkpoint_requested(str): The person wants to look at one, by its name on the Hub.
    """

    checkpoint_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Checkpoints", parent)
        named(
            self,
            "tasks.recommended",
            "Checkpoints",
            "Well-known checkpoints for this task, with about how large they are; a click looks for one in Hub",
        )
        self._menu = QMenu(self)
        self._menu.setObjectName("tasks.recommended_menu")
        self._menu.triggered.connect(self._on_triggered)
        self.setMenu(self._menu)

    @property
    def lines(self) -> tuple[str, ...]:
        """What the menu says."""
        return tuple(action.text() for action in self._menu.actions())

    def show_for(self, task: str) -> None:
        """List what is recommended for a task."""
        self._menu.clear()
        for each in recommended(task):
            self._menu.addAction(_words(each)).setData(each.name)
        self.setEnabled(bool(self._menu.actions()))
        none = "This can be done with any checkpoint"
        self.setStatusTip("" if self.isEnabled() else none)

    def _on_triggered(self, action: QAction) -> None:
        self.checkpoint_requested.emit(str(action.data()))


def _words(each: Recommended) -> str:
    size = f"{each.parameters:,.1f}" if each.parameters < 100 else f"{each.parameters:,.0f}"
    return f"{each.name}   about {size} million parameters, {each.parameters * 4:,.0f} MB in float32   {each.licence}"

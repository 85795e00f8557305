"""Words in the middle of a view while there is nothing in it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractScrollArea, QLabel, QSizePolicy, QVBoxLayout

from workbench.widgets import theme


class EmptyWords(QLabel):
    """Says what a view is empty of, and what fills it; the mouse goes through it.

    Args:
        view: Over whose viewport it lies, in its full width.
    """

    def __init__(self, view: QAbstractScrollArea) -> None:
        super().__init__("nothing here yet")
        theme.set_role(self, "muted")
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        # A view is not larger for what is said in it.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        QVBoxLayout(view.viewport()).addWidget(self)

"""Buttons in rows: as many beside one another as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QAbstractButton, QGridLayout, QWidget

from workbench.widgets.theme import CHANGES


class ButtonRows(QWidget):
    """Holds buttons of one width; every row but the last is full.

    Args:
        buttons: In their order.
        least, most: How many stand in a row at least and at most.
    """

    def __init__(
        self, buttons: Sequence[QAbstractButton], least: int = 1, most: int = 3, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._buttons, self._least, self._most = tuple(buttons), least, most
        self._across = 0
        self._ordered = False
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._arrange(most)

    @property
    def across(self) -> int:
        """How many stand in a full row."""
        return self._across

    def minimumSizeHint(self) -> QSize:
        """As narrow as the fewest in a row."""
        return QSize(self._needed(self._least), super().minimumSizeHint().height())

    def showEvent(self, event: QShowEvent) -> None:
        """Let the Tab key go through them in their order, wherever they were made."""
        super().showEvent(event)
        if self._ordered:
            return
        self._ordered = True
        made = self.window().nextInFocusChain()
        while made not in self._buttons and made is not self.window():
            made = made.nextInFocusChain()
        if made in self._buttons:
            QWidget.setTabOrder(made, self._buttons[0])
            for before, after in pairwise(self._buttons):
                QWidget.setTabOrder(before, after)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the rows."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_grid"):
            self._fit()

    def _needed(self, across: int) -> int:
        widest = max(button.minimumSizeHint().width() for button in self._buttons)
        return widest * across + max(0, self._grid.horizontalSpacing()) * (across - 1)

    def _fit(self) -> None:
        fitting = (across for across in range(self._most, self._least, -1) if self._needed(across) <= self.width())
        self._arrange(next(fitting, self._least))

    def _arrange(self, across: int) -> None:
        if across == self._across:
            return
        self._across = across
        for place, button in enumerate(self._buttons):
            self._grid.addWidget(button, place // across, place % across)
        for column in range(self._most):
            self._grid.setColumnStretch(column, int(column < across))

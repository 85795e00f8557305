"""A widget that lays itself out anew when it has another width, or its parts need another one."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget


class FittingWidget(QWidget):
    """Calls `fit` when it may have to look otherwise."""

    def fit(self) -> None:
        """Choose the layout that there is room for; is called often, so one that stays is left alone."""
        raise NotImplementedError

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit what is inside into the new width."""
        super().resizeEvent(event)
        self.fit()

    def event(self, event: QEvent) -> bool:
        """Look again when a part needs more or less room, as it does when the zoom changes."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self.fit()
        return done

"""Following a change of theme or zoom late: once, in a turn of its own, and only when somebody sees it."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from workbench.widgets.theme import CHANGES


class LateLook(QObject):
    """Tells a widget when to follow the look, where that takes longer than there is time for in the change itself.

    A change of theme sends several events to every widget there is, most of which nobody sees.

    Args:
        widget: Hands over the events of its ``changeEvent`` to `on_change`, and calls `catch_up` in its ``showEvent``.
        wait: Milliseconds after which a widget that is seen follows.
        kinds: The types of events to follow.

    Signals:
        due(): The look is to be followed now.
    """

    due = Signal()

    def __init__(self, widget: QWidget, *, wait: int = 0, kinds: Collection[QEvent.Type] = CHANGES) -> None:
        super().__init__(widget)
        self._wait, self._kinds = wait, kinds
        self._behind = True

    @property
    def behind(self) -> bool:
        """Whether the look has changed since it was followed last; at first it was never."""
        return self._behind

    def on_change(self, event: QEvent) -> None:
        """Note a change, to be followed in a turn of its own when the widget is seen."""
        if event.type() in self._kinds:
            self._behind = True
            if self.parent().isVisible():
                QTimer.singleShot(self._wait, self, self.catch_up)

    def catch_up(self) -> None:
        """Follow now what changed meanwhile."""
        if self._behind:
            self._behind = False
            self.due.emit()

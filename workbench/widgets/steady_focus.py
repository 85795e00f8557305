"""The keyboard stays where a person put it, while what had it is switched off for a time."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from workbench.widgets.pane_frame import PaneFrame


class SteadyFocus(QObject):
    """Gives the keyboard back to a control that is switched on again, and to nothing else meanwhile.

    Of a control that is switched off, as a button is while its work runs, Qt gives the keyboard to whatever comes next:
    a space that was meant for the first then presses another, which may clear or delete.

    Args:
        window: Whose panes it watches.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._lost: QWidget | None = None
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._on_focus_changed)

    def _on_focus_changed(self, old: QWidget | None, now: QWidget | None) -> None:
        if old is None or now is None or not isValid(old) or not self._window.isAncestorOf(old):
            return
        if old.isEnabled():
            if now is not _pane_of(self._lost):
                self._let_go()
        elif old.isVisible() and (pane := _pane_of(old)) is not None:
            self._let_go()
            self._lost = old
            old.installEventFilter(self)
            pane.setFocus()

    def _let_go(self) -> None:
        if self._lost is not None and isValid(self._lost):
            self._lost.removeEventFilter(self)
        self._lost = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Hear that the control is switched on again."""
        if event.type() == QEvent.Type.EnabledChange and watched is self._lost and self._lost.isEnabled():
            lost, pane = self._lost, _pane_of(self._lost)
            self._let_go()
            if pane is not None and QApplication.focusWidget() is pane:
                lost.setFocus()
        return False


def _pane_of(widget: QWidget | None) -> PaneFrame | None:
    while widget is not None and not isinstance(widget, PaneFrame):
        widget = widget.parentWidget()
    return widget

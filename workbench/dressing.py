"""The look of a window's parts: each wears the style sheet itself, and a change of theme takes a part a turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import shiboken6
from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from workbench.widgets import theme

_DIRECT = Qt.FindChildOption.FindDirectChildrenOnly
#: Milliseconds from the end of a step to the next: without any, Qt takes some of them in one turn.
_REST = 10


class Dressing(QObject):
    """Dresses the parts of a window.

    Each part carries the style sheet, not the application, because all at once hold the window up.

    Args:
        window: Whose direct children wear the style sheet.
        follow: Called last in each change, for what no style sheet says.
    """

    def __init__(self, window: QMainWindow, follow: Callable[[], None]) -> None:
        super().__init__(window)
        self._window = window
        self._follow = follow
        self._sheet = ""
        self._steps: list[Callable[[], None]] = []
        self._timer = QTimer(self, interval=_REST, singleShot=True)
        self._timer.timeout.connect(self._on_turn)

    def change(self, dark: bool, zoom: float, high_contrast: bool) -> None:
        """Change theme and zoom of the whole program; a window that can be seen changes within a few turns.

        Args:
            dark: Light text on dark, or the other way round.
            zoom: 1.0 is 100 %.
            high_contrast: For a projector.
        """
        app = QApplication.instance()
        self._sheet = theme.sheet(app, dark, zoom, high_contrast)
        # What is seen comes first.
        parts = sorted(self._window.findChildren(QWidget, options=_DIRECT), key=QWidget.isHidden)
        self._steps = [*theme.steps(app, dark, zoom, high_contrast, parts), self._follow]
        if self._window.isVisible():
            # A step a turn of the event loop, so that running work and typing get theirs in between.
            self._window.setUpdatesEnabled(False)
            self._timer.start()
        else:
            while self._steps:
                self._steps.pop(0)()

    def dress(self, part: QWidget) -> None:
        """Put the style sheet on a part, behind a change that is under way: a palette set later would not reach it."""
        if self._steps:
            self._steps.append(partial(self._put_on, part))
        else:
            self._put_on(part)

    def dress_next(self) -> bool:
        """Put the style sheet on one more dock that was built and not yet shown.

        Returns:
            Whether one was left to dress.
        """
        docks = self._window.findChildren(QDockWidget, options=_DIRECT)
        bare = next((dock for dock in docks if dock.styleSheet() != self._sheet), None)
        if bare is not None:
            self.dress(bare)
        return bare is not None

    def stop(self) -> None:
        """Leave a change as it is, as the window is about to go."""
        self._timer.stop()

    def _put_on(self, part: QWidget) -> None:
        # Qt takes tabs away and makes others while a change is under way.
        if shiboken6.isValid(part) and part.styleSheet() != self._sheet:
            part.setStyleSheet(self._sheet)

    def _on_turn(self) -> None:
        try:
            if self._steps:
                self._steps.pop(0)()
        finally:
            # A step that fails must not leave a window that is never painted again.
            if self._steps:
                self._timer.start()
            else:
                self._window.setUpdatesEnabled(True)

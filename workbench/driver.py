"""Hands for a window: find a control by its object name, use it as a person would, and wait for what follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from PySide6.QtCore import QEventLoop, QObject, Qt, QTimer
from PySide6.QtWidgets import QAbstractButton, QComboBox, QScrollArea, QTableView, QTabWidget, QWidget

from workbench.widgets.foldable import Foldable
from workbench.widgets.knob import Knob
from workbench.window import MainWindow

_W = TypeVar("_W", bound=QObject)


class DriverError(Exception):
    """A control is not there, or something did not happen in time."""


class Driver:
    """Drives a window.

    Args:
        window: It stays the caller's.
    """

    def __init__(self, window: MainWindow) -> None:
        self.window = window

    def find(self, kind: type[_W], name: str) -> _W:
        """The control of that object name.

        Raises:
            DriverError: There is none of that kind.
        """
        widget = self.window.findChild(kind, name)
        if widget is None:
            raise DriverError(f"there is no {kind.__name__} called {name}")
        return widget

    def click(self, name: str) -> None:
        """Press a button that can be pressed."""
        button = self.find(QAbstractButton, name)
        self.require(button.isEnabled(), f"{name} can be pressed")
        button.click()

    def check(self, name: str, on: bool) -> None:
        """Set a check box or a switch."""
        self.find(QAbstractButton, name).setChecked(on)

    def choose(self, name: str, text: str) -> None:
        """Choose the entry of a combo box that contains the text."""
        box = self.find(QComboBox, name)
        index = next(
            (i for i in range(box.count()) if text in (box.itemText(i), box.itemData(i)) or text in box.itemText(i)), -1
        )
        self.require(index >= 0, f"{name} offers {text}")
        box.setCurrentIndex(index)
        box.activated.emit(index)

    def knob(self, name: str, value: float) -> None:
        """Turn a knob."""
        self._above(name, Knob).set_value(value)

    def set_number(self, name: str, value: float) -> None:
        """Set a spin box."""
        self.find(QWidget, name).setProperty("value", value)

    def choose_tab(self, name: str, title: str) -> None:
        """Bring the tab to the front whose title begins so; a number of rows may stand behind it."""
        tabs = self.find(QTabWidget, name)
        index = next((i for i in range(tabs.count()) if tabs.tabText(i).startswith(title)), -1)
        self.require(index >= 0, f"{name} has a tab {title}")
        tabs.setCurrentIndex(index)

    def unfold(self, name: str) -> None:
        """Open what is folded away behind a heading."""
        fold = self._above(name, Foldable)
        if not fold.is_open:
            fold.heading.click()

    def bring(self, name: str) -> None:
        """Scroll until a control is to be seen."""
        # What was just unfolded is laid out first.
        self.turn()
        self._above(name, QScrollArea).ensureWidgetVisible(self.find(QWidget, name))

    def headers(self, table: QTableView) -> list[str]:
        """The names of the columns, in lower case."""
        model = table.model()
        return [str(model.headerData(i, Qt.Orientation.Horizontal)).lower() for i in range(model.columnCount())]

    def cells(self, table: QTableView, most: int | None = None) -> list[list[str]]:
        """What the cells say, row by row.

        Args:
            table: Any table.
            most: Rows from the top; None reads all.
        """
        model = table.model()
        rows = range(model.rowCount() if most is None else min(most, model.rowCount()))
        return [[str(model.index(row, column).data()) for column in range(model.columnCount())] for row in rows]

    def column(self, table: QTableView, header: str) -> list[str]:
        """What the cells of a column say.

        Raises:
            DriverError: There is no such column.
        """
        model, names = table.model(), self.headers(table)
        if model.rowCount() == 0:
            return []
        if header not in names:
            raise DriverError(f"the table has no column {header}: {names}")
        place = names.index(header)
        return [str(model.index(row, place).data()) for row in range(model.rowCount())]

    def turn(self, milliseconds: int = 30) -> None:
        """Let the event loop run for a moment."""
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def wait(self, ready: Callable[[], object], seconds: float, what: str) -> None:
        """Let the event loop run until something holds.

        Raises:
            DriverError: It did not in time.
        """
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                raise DriverError(f"waited {seconds:.0f} s for: {what}")
            self.turn(20)

    def wait_idle(self, seconds: float = 600) -> None:
        """Wait until no work runs."""
        self.wait(lambda: not self.workbench.runner.active, seconds, "all work done")
        self.turn()

    @contextmanager
    def waiting(self, signal: Any, seconds: float) -> Iterator[None]:
        """Wait for a signal that the body causes."""
        heard: list[bool] = []
        loop = QEventLoop()
        signal.connect(lambda: (heard.append(True), loop.quit()))
        yield
        QTimer.singleShot(round(seconds * 1000), loop.quit)
        if not heard:
            loop.exec()
        self.require(bool(heard), "the signal came")

    def require(self, holds: bool, what: str) -> None:
        """Fail the step unless it holds.

        Raises:
            DriverError: It does not.
        """
        if not holds:
            raise DriverError(f"not so: {what}")

    def _above(self, name: str, kind: type[_W]) -> _W:
        """What holds the control of that name, or the control itself."""
        widget: QObject | None = self.find(QWidget, name)
        while widget is not None and not isinstance(widget, kind):
            widget = widget.parent()
        if widget is None:
            raise DriverError(f"{name} is in no {kind.__name__}")
        return widget

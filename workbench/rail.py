"""The rail: the panes as a column of buttons at the window's left."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QToolBar, QWidget

from workbench.entries import ENTRIES
from workbench.widgets import theme
from workbench.widgets.icons import icon
from workbench.widgets.naming import named, with_keys


class Rail(QToolBar):
    """A button for each pane.

    Attributes:
        panes: The action of each pane, by its name.

    Signals:
        pane_requested(str, bool): A pane was chosen, and whether it is to stand beside those that are open.
    """

    pane_requested = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Panes", parent)
        self.setObjectName("window.rail")
        self.setMovable(False)
        theme.set_role(self, "rail")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.toggleViewAction().setVisible(False)
        self.panes: dict[str, QAction] = {}
        for place, entry in enumerate(ENTRIES, 1):
            action = QAction(entry.title, self)
            action.setCheckable(True)
            keys = entry.keys or f"Ctrl+{place}"
            action.setShortcut(QKeySequence(keys))
            action.setToolTip(with_keys(f"{entry.tip} ({keys}; Shift+click opens it beside)"))
            action.setData(entry.name)
            action.triggered.connect(self._on_pane)
            self.addAction(action)
            self.panes[entry.name] = action
            named(self.widgetForAction(action), f"window.{entry.name}", entry.title, action.toolTip())

    def show_open(self, names: Collection[str]) -> None:
        """Mark the panes that are open."""
        for name, action in self.panes.items():
            action.setChecked(name in names)

    def follow_theme(self) -> None:
        """Take the colours and the size of text in force."""
        side = self.fontMetrics().height()
        self.setIconSize(QSize(round(side * 1.3), round(side * 1.3)))
        for name, action in self.panes.items():
            action.setIcon(icon(name))

    def fit(self, room: int) -> None:
        """Put the names beside their pictures where there is no room for names below them.

        Args:
            room: Pixels from top to bottom.
        """
        needed = len(ENTRIES) * (self.iconSize().height() + self.fontMetrics().height() + theme.px(self, 20))
        below, beside = Qt.ToolButtonStyle.ToolButtonTextUnderIcon, Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        self.setToolButtonStyle(below if needed <= room else beside)
        buttons = [self.widgetForAction(action) for action in self.panes.values()]
        # A tool bar centres what is narrower than it; buttons of one width have their pictures in one column.
        width = max(theme.px(self, 84), *(button.sizeHint().width() for button in buttons))
        for button in buttons:
            button.setMinimumWidth(width)

    def _on_pane(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            beside = QGuiApplication.keyboardModifiers() == Qt.KeyboardModifier.ShiftModifier
            self.pane_requested.emit(str(action.data()), beside)

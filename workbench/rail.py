"""The rail: the panes as a column of buttons at the window's left."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QToolBar, QWidget

from workbench.entries import ENTRIES
from workbench.widgets import theme
from workbench.widgets.icons import icon
from workbench.widgets.naming import named, with_keys

#: Pixels that a picture needs to be told from the others, and the height of a button that may be as high as it likes.
_LEAST, _ANY = 16, 2**24 - 1


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
        """Take the colours in force."""
        for name, action in self.panes.items():
            action.setIcon(icon(name))

    def fit(self, room: int) -> None:
        """Put the names beside their pictures where there is no room for names below them, and last leave them out.

        Args:
            room: Pixels from top to bottom.
        """
        under, beside = Qt.ToolButtonStyle.ToolButtonTextUnderIcon, Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        line, least = self.fontMetrics().height(), theme.px(self, 84)
        side, each = round(line * 1.3), (room - theme.px(self, 6)) // len(ENTRIES) - theme.px(self, 2)
        style, high = (under if side + line + theme.px(self, 20) <= room // len(ENTRIES) else beside), _ANY
        if style == beside and side + theme.px(self, 11) > each:
            side, high = min(line, each), each
        if side < line:
            # Not even a line of text.
            style, side, least = Qt.ToolButtonStyle.ToolButtonIconOnly, max(_LEAST, each - theme.px(self, 4)), 0
        self.setIconSize(QSize(side, side))
        self.setToolButtonStyle(style)
        buttons = [self.widgetForAction(action) for action in self.panes.values()]
        for button in buttons:
            # A line of text is cut sooner than the edges around it.
            theme.set_role(button, "tight" if high != _ANY else "")
        # A tool bar centres what is narrower than it; buttons of one width have their pictures in one column.
        width = max(least, *(button.sizeHint().width() for button in buttons))
        for button in buttons:
            button.setMaximumHeight(high)
            button.setMinimumWidth(width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the room that there really is."""
        super().resizeEvent(event)
        if event.size().height() != event.oldSize().height():
            self.fit(event.size().height())

    def _on_pane(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            beside = QGuiApplication.keyboardModifiers() == Qt.KeyboardModifier.ShiftModifier
            self.pane_requested.emit(str(action.data()), beside)

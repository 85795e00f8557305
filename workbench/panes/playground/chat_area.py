"""Where a conversation is read: as text, as the tokens of an answer, or as the template writes it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.widgets.chat_view import ChatView
from workbench.widgets.naming import named
from workbench.widgets.theme import px

_VIEWS = {
    "text": ("Text", "The conversation as it is read, with all versions of its turns"),
    "tokens": ("Tokens", "The answer that is looked at as its tokens, tinted by surprise; click one for alternatives"),
    "template": ("Template", "What the model is really given: the filled-in template and its tokens"),
}


_ROLES = {
    "user": ("You", "The next message is yours"),
    "system": ("System", "The next message tells the model how to go on; it is answered with what follows it"),
    "tool": ("Tool", "The next message is what a tool gave back"),
    "assistant": ("Assistant", "The next message is the beginning of the answer, which the model goes on with"),
}


class RoleButton(QToolButton):
    """Says and chooses who speaks next, of those whom the template lets speak.

    Signals:
        role_chosen(str): Somebody else speaks next.
    """

    role_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.role = "user"
        self._menu = QMenu(self)
        self._actions: dict[str, QAction] = {}
        for role, (label, tip) in _ROLES.items():
            action = QAction(label, self)
            action.setObjectName(f"playground.role_{role}")
            action.setToolTip(tip)
            action.setCheckable(True)
            action.setData(role)
            action.triggered.connect(self._on_triggered)
            self._menu.addAction(action)
            self._actions[role] = action
        self._menu.setToolTipsVisible(True)
        self.setMenu(self._menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.offer(("user",))
        self.choose("user")

    def offer(self, roles: Sequence[str]) -> None:
        """Offer these; the person alone needs no choice."""
        for role, action in self._actions.items():
            action.setVisible(role in roles)
        self.setEnabled(len(roles) > 1)
        if self.role not in roles:
            self.choose("user")

    def choose(self, role: str) -> None:
        """Let somebody speak next."""
        for each, action in self._actions.items():
            action.setChecked(each == role)
        self.setText(_ROLES[role][0])
        self.setAccessibleName(_ROLES[role][0])
        if role != self.role:
            self.role = role
            self.role_chosen.emit(role)

    def _on_triggered(self) -> None:
        self.choose(self.sender().data())


class ChatArea(QWidget):
    """The output of a prompt, or one of the views of a conversation.

    Args:
        output: The text as tokens, the only view of a prompt.

    Attributes:
        view: The conversation as text.

    Signals:
        view_changed(): Another view is shown.
    """

    view_changed = Signal()

    def __init__(self, output: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._output = output
        self._chats = False
        self.view = named(
            ChatView("playground.chat"),
            "playground.chat",
            "Conversation",
            "Alt+Up and Alt+Down move between turns, Alt+Left and Alt+Right between the versions of one; F2 edits it",
        )
        self.view.setToolTip("")
        self.view.set_placeholder("The conversation comes here.")
        self._buttons: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        self._row = QWidget()
        row = QHBoxLayout(self._row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(px(self, 4))
        for key, (label, tip) in _VIEWS.items():
            button = named(QPushButton(label), f"playground.chat_{key}", label, tip)
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            self._buttons[key] = button
            self._group.addButton(button)
            row.addWidget(button)
        row.addStretch(1)
        self._buttons["text"].setChecked(True)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.view)
        self._pages.addWidget(output)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(px(self, 6))
        column.addWidget(self._row)
        column.addWidget(self._pages, 1)
        self._group.buttonToggled.connect(self._on_toggled)
        self.show_mode(chats=False)

    @property
    def shown(self) -> str:
        """Which view is shown: ``text``, ``tokens`` or ``template``."""
        if not self._chats:
            return "tokens"
        return next(key for key, button in self._buttons.items() if button.isChecked())

    def add_template(self, template: QWidget) -> None:
        """Take the view of the template."""
        self._pages.addWidget(template)

    def show_mode(self, *, chats: bool) -> None:
        """Show a conversation, or the output of a prompt alone."""
        self._chats = chats
        self._row.setVisible(chats)
        self._show()

    def show_view(self, key: str) -> None:
        """Show one of the views."""
        self._buttons[key].setChecked(True)

    def _on_toggled(self, button: QAbstractButton, checked: bool) -> None:
        if checked:
            self._show()

    def _show(self) -> None:
        self._pages.setCurrentIndex(list(_VIEWS).index(self.shown))
        self.view_changed.emit()

"""The messages of a conversation as a list to edit: who says what, in which order, and what else is in a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from workbench.widgets import icons, theme
from workbench.widgets.column_scroll import ColumnScroll
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.foldable import Foldable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.visible_text import drawable

#: Lines of a message that are seen at once; a longer one scrolls.
_MOST_LINES = 6
#: Characters that are measured to tell how many lines a message takes.
_MEASURED = 1000


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message of the list.

    Attributes:
        role: Who says it.
        content: What is said.
        more: Its further fields as the person wrote them, such as a JSON object.
    """

    role: str
    content: str = ""
    more: str = ""


class MessageList(QWidget):
    """Messages one below the other, each with its role, its words, its further fields, and buttons to move it.

    Args:
        name: First part of the object names: ``name_1_role``, ``name_1_content``, ``name_1_more``, ``name_1_up``,
            ``name_1_down``, ``name_1_remove``, ``name_add``.
        roles: Offered as roles; others can be typed.

    Signals:
        changed(): The person changed a message, or their order or number.
    """

    changed = Signal()

    def __init__(self, name: str, roles: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._roles = name, tuple(roles)
        self._rows: list[_Row] = []
        self._content = QWidget()
        self._column = QVBoxLayout(self._content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._add = named(QPushButton("Add message"), f"{name}_add", "Add message", "Add a message at the end")
        icons.put(self._add, "plus")
        self._column.addWidget(self._add, 0, Qt.AlignmentFlag.AlignLeft)
        self._column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(ColumnScroll(self._content))
        self._add.clicked.connect(self._on_add)

    @property
    def messages(self) -> tuple[ListedMessage, ...]:
        """The messages as they stand."""
        return tuple(row.message for row in self._rows)

    def set_messages(self, messages: Sequence[ListedMessage]) -> None:
        """Show other messages without announcing it."""
        for row in self._rows:
            self._discard(row)
        self._rows = []
        for message in messages:
            self._append(message)
        self._number()

    def add_below(self, widget: QWidget) -> None:
        """Put a widget below the messages, to scroll with them."""
        self._column.insertWidget(self._column.count() - 1, widget)

    def _append(self, message: ListedMessage) -> None:
        row = _Row(self._roles, message)
        row.changed.connect(self.changed)
        row.asked.connect(self._on_asked)
        self._column.insertWidget(len(self._rows), row)
        self._rows.append(row)

    def _discard(self, row: _Row) -> None:
        self._column.removeWidget(row)
        row.hide()
        # Until the event loop deletes it, nobody may find it under the name of the row that takes its place.
        row.setParent(None)
        row.deleteLater()

    def _number(self) -> None:
        for number, row in enumerate(self._rows, start=1):
            row.set_place(self._name, number, len(self._rows))

    def _on_add(self) -> None:
        after = {"system": "user", "user": "assistant", "assistant": "user", "tool": "assistant"}
        role = after.get(self._rows[-1].message.role, "user") if self._rows else "user"
        self._append(ListedMessage(role))
        self._number()
        self._rows[-1].focus()
        self.changed.emit()

    def _on_asked(self, row: QWidget, what: str) -> None:
        place = next((number for number, each in enumerate(self._rows) if each is row), None)
        if place is None:
            return
        moved = self._rows.pop(place)
        if what == "remove":
            self._discard(moved)
        else:
            place += -1 if what == "up" else 1
            self._rows.insert(place, moved)
            self._column.insertWidget(place, moved)
        self._number()
        self.changed.emit()


class _Row(QFrame):
    """One message.

    Signals:
        changed(): The person changed it.
        asked(QWidget, str): It is to go ``up`` or ``down``, or to be gone (``remove``).
    """

    changed = Signal()
    asked = Signal(QWidget, str)

    def __init__(self, roles: Sequence[str], message: ListedMessage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "card")
        self._role = QuietComboBox()
        self._role.setEditable(True)
        self._role.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._role.setMinimumContentsLength(7)
        self._role.addItems(list(roles))
        self._role.setCurrentText(message.role)
        self._content = ExactTextEdit()
        self._content.set_text(message.content)
        self._more_fold = Foldable("", "More fields (JSON)", "Fields beside role and content, such as tool_calls")
        self._more = ExactTextEdit()
        self._more.setPlaceholderText('{"tool_calls": [...]}')
        self._more.set_text(message.more)
        self._more_fold.body.addWidget(self._more)
        self._more_fold.set_open(bool(message.more))
        self._buttons = {}
        top = QHBoxLayout()
        top.addWidget(self._role, 1)
        for what, picture in (("up", "chevron-up"), ("down", "chevron-down"), ("remove", "trash")):
            button = QToolButton()
            theme.set_role(button, "quiet")
            icons.put(button, picture, "muted", 16)
            button.setProperty("what", what)
            button.clicked.connect(self._on_button)
            self._buttons[what] = button
            top.addWidget(button)
        self._column = QVBoxLayout(self)
        self._column.addLayout(top)
        self._column.addWidget(self._content)
        self._column.addWidget(self._more_fold)
        self._role.currentTextChanged.connect(self._on_changed)
        self._content.textChanged.connect(self._on_changed)
        self._more.textChanged.connect(self._on_changed)
        self._space()

    @property
    def message(self) -> ListedMessage:
        """It as it stands."""
        return ListedMessage(self._role.currentText().strip(), self._content.text(), self._more.text())

    def set_place(self, name: str, number: int, count: int) -> None:
        """Name its controls by its place, counted from 1."""
        named(self._role, f"{name}_{number}_role", f"Role of message {number}", "Who says it; another can be typed")
        named(self._content, f"{name}_{number}_content", f"Content of message {number}", "What is said")
        named(
            self._more,
            f"{name}_{number}_more",
            f"Further fields of message {number}",
            "A JSON object of what stands beside role and content, such as tool_calls, name or reasoning_content",
        )
        self._more_fold.heading.setObjectName(f"{name}_{number}_more_fold")
        self._content.setPlaceholderText(f"Message {number}")
        words = {"up": "Move up", "down": "Move down", "remove": "Remove"}
        for what, button in self._buttons.items():
            label = f"{words[what]} message {number}"
            named(button, f"{name}_{number}_{what}", label, label)
        self._buttons["up"].setEnabled(number > 1)
        self._buttons["down"].setEnabled(number < count)

    def focus(self) -> None:
        """Let the person write."""
        self._content.setFocus()

    def _on_changed(self) -> None:
        self._fit()
        self.changed.emit()

    def _on_button(self) -> None:
        self.asked.emit(self, self.sender().property("what"))

    def _space(self) -> None:
        line = self.fontMetrics().lineSpacing()
        self._more.setFixedHeight(round(line * 4.4))
        edge = theme.px(self, 6)
        self._column.setContentsMargins(edge, edge, edge, edge)
        self._column.setSpacing(theme.px(self, 4))
        self._fit()

    def _fit(self) -> None:
        """Show all of a short message, and the beginning of a long one."""
        metrics = self._content.fontMetrics()
        # A scroll bar's width is left out, as one may come with the last line.
        room = QRect(0, 0, max(1, self.width() - theme.px(self, 52)), 0)
        wrapped = metrics.boundingRect(room, Qt.TextFlag.TextWordWrap, drawable(self._content.text()[:_MEASURED]))
        lines = min(max(1, round(wrapped.height() / metrics.lineSpacing())), _MOST_LINES)
        self._content.setFixedHeight(round(metrics.lineSpacing() * (lines + 1.2)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap anew."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_column"):
            self._space()

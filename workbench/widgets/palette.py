"""The command palette: every command, found by typing a part of its name."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from workbench.widgets import theme
from workbench.widgets.naming import named

_SHORTCUT = Qt.ItemDataRole.UserRole + 1


class CommandPalette(QFrame):
    """A popup over its parent with a search line and the matching commands.

    Signals:
        chosen(int): Index, in the commands given, of the one picked.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("palette")
        self._commands: Sequence[tuple[str, str]] = ()
        self._search = named(QLineEdit(), "palette.search", "Find a command", "Type a part of a command's name")
        self._search.setPlaceholderText("Find a command")
        self._list = named(QListWidget(), "palette.list", "Commands", "Enter runs the marked command")
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setItemDelegate(_Command(self))
        layout = QVBoxLayout(self)
        layout.addWidget(self._search)
        layout.addWidget(self._list)
        self._search.textChanged.connect(self._show_matches)
        self._search.installEventFilter(self)
        self._list.itemClicked.connect(self._on_clicked)

    def open_with(self, commands: Sequence[tuple[str, str]]) -> None:
        """Open over the parent with ``(name, shortcut)`` pairs."""
        self._commands = commands
        self._search.clear()
        self._show_matches("")
        unit = self.fontMetrics().height()
        self.resize(unit * 32, unit * 22)
        parent = self.parentWidget()
        self.move(parent.mapToGlobal(QPoint((parent.width() - self.width()) // 2, unit * 4)))
        self.show()
        self._search.setFocus(Qt.FocusReason.PopupFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Move through the list and pick from it while the search line keeps the focus."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
                step = 1 if event.key() == Qt.Key.Key_Down else -1
                self._list.setCurrentRow(max(0, min(self._list.count() - 1, self._list.currentRow() + step)))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._on_clicked(self._list.currentItem())
                return True
        return super().eventFilter(watched, event)

    def _show_matches(self, text: str) -> None:
        words = text.lower().split()
        self._list.clear()
        for index, (name, shortcut) in enumerate(self._commands):
            if all(word in name.lower() for word in words):
                item = QListWidgetItem(name)
                item.setData(Qt.ItemDataRole.UserRole, index)
                item.setData(_SHORTCUT, shortcut)
                item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{name}, {shortcut}" if shortcut else name)
                self._list.addItem(item)
        self._list.setCurrentRow(0)

    def _on_clicked(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        self.hide()
        self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))


class _Command(QStyledItemDelegate):
    """Draws a command with its keys at the end of the line."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw the keys after the rest."""
        super().paint(painter, option, index)
        painter.save()
        painter.setFont(option.font)
        painter.setPen(QColor(theme.current().muted))
        edge = theme.px(option.widget, 8)
        place = option.rect.adjusted(edge, 0, -edge, 0)
        painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, index.data(_SHORTCUT))
        painter.restore()

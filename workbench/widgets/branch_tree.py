"""A tree of the ways in which texts were continued: walked with a click, renamed in place, pruned, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTreeWidget, QTreeWidgetItem, QWidget

from workbench.widgets.theme import px
from workbench.widgets.visible_text import drawable, one_line, visible

_KEY = Qt.ItemDataRole.UserRole
_STRETCH, _WHOLE = QHeaderView.ResizeMode.Stretch, QHeaderView.ResizeMode.ResizeToContents
_COLUMNS = ("branch", "forked at", "tokens", "ended")


@dataclass(frozen=True, slots=True)
class BranchRow:
    """A branch, as the tree shows it.

    Attributes:
        key: What the signals carry.
        group: What the first branches of one prompt have in common; any text, the rows' order is kept.
        title: The prompt, as the group's line shows it.
        parent: Key of the branch it grows out of, which has to stand in an earlier row, or None.
        name: As the person may edit it.
        fork: Number of the first token of its own, from 1, or None for one that shares nothing.
        token: The token that was forced there; empty when none was.
        tokens: How many it has.
        ending: Why it ended, in words.
    """

    key: int
    group: str
    title: str
    parent: int | None
    name: str
    fork: int | None
    token: str
    tokens: int
    ending: str


class BranchTree(QTreeWidget):
    """Prompts, and below each the branches that grew out of it.

    Signals:
        walked(int): A branch was clicked, or chosen with Enter.
        renamed(int, str): A name was edited (F2 or a double click).
        prune_requested(int): Delete was pressed on a branch.
        compare_requested(tuple): Keys of two or more branches to be shown side by side, in the order of the rows.
        selection_changed(): Other branches are selected.
    """

    walked = Signal(int)
    renamed = Signal(int, str)
    prune_requested = Signal(int)
    compare_requested = Signal(object)
    selection_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[BranchRow, ...] = ()
        self._current: int | None = None
        self._items: dict[int, QTreeWidgetItem] = {}
        self._filling = False
        self.setColumnCount(len(_COLUMNS))
        self.setHeaderLabels(list(_COLUMNS))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed | QAbstractItemView.EditTrigger.DoubleClicked)
        self.setUniformRowHeights(True)
        self.setExpandsOnDoubleClick(False)
        self.setAllColumnsShowFocus(True)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        header = self.header()
        header.setStretchLastSection(False)
        # The name and how it ended share what there is: neither is to push the other out.
        for column, mode in enumerate((_STRETCH, _WHOLE, _WHOLE, _STRETCH)):
            header.setSectionResizeMode(column, mode)
        header.setMinimumSectionSize(px(self, 40))
        self.itemClicked.connect(self._on_clicked)
        self.itemChanged.connect(self._on_changed)
        self.itemSelectionChanged.connect(self._on_selection)

    # What it shows.

    @property
    def rows(self) -> tuple[BranchRow, ...]:
        """As given."""
        return self._rows

    @property
    def chosen(self) -> tuple[int, ...]:
        """Keys of the selected branches, in the order of the rows."""
        selected = {item.data(0, _KEY) for item in self.selectedItems()}
        return tuple(row.key for row in self._rows if row.key in selected)

    def set_rows(self, rows: Sequence[BranchRow], current: int | None) -> None:
        """Show branches.

        Args:
            rows: Parents before their children.
            current: Key of the one that is looked at, or None; it is written in bold.
        """
        rows = tuple(rows)
        shape = [(row.key, row.group, row.parent) for row in rows]
        self._filling = True
        # Lines stay the same objects where they can, so that a double click meets the line its first click met.
        if shape != [(row.key, row.group, row.parent) for row in self._rows]:
            self._build(rows)
        self._rows = rows
        for row in rows:
            self._write(self._items[row.key], row, row.key == current)
        self._filling = False
        if current != self._current or not self.selectedItems():
            self._current = current
            self._select(current)

    def set_tokens(self, key: int, tokens: int) -> None:
        """Show how many tokens a branch has by now."""
        if key in self._items:
            self._filling = True
            self._items[key].setText(2, f"{tokens:,}")
            self._filling = False

    def rename(self) -> None:
        """Edit the name of the selected branch."""
        item = self.currentItem()
        if item is not None and item.data(0, _KEY) is not None:
            self.editItem(item, 0)

    def _build(self, rows: Sequence[BranchRow]) -> None:
        folded = {item.text(0) for item in self._groups() if not item.isExpanded()}
        closed = {key for key, item in self._items.items() if item.childCount() and not item.isExpanded()}
        self.clear()
        self._items = {}
        groups: dict[str, QTreeWidgetItem] = {}
        for row in rows:
            over = self._items.get(row.parent) if row.parent is not None else None
            if over is None:
                if row.group not in groups:
                    groups[row.group] = self._group(row.title)
                over = groups[row.group]
            item = QTreeWidgetItem(over)
            item.setData(0, _KEY, row.key)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            for column in (1, 2):
                item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._items[row.key] = item
        self.expandAll()
        for item in self._groups():
            item.setExpanded(item.text(0) not in folded)
        for key in closed & self._items.keys():
            self._items[key].setExpanded(False)

    def _groups(self) -> list[QTreeWidgetItem]:
        return [item for number in range(self.topLevelItemCount()) if (item := self.topLevelItem(number)) is not None]

    def _group(self, title: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem(self, [one_line(drawable(title))])
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        item.setToolTip(0, drawable(title[:2000]))
        item.setFirstColumnSpanned(True)
        font = item.font(0)
        font.setItalic(True)
        item.setFont(0, font)
        return item

    def _write(self, item: QTreeWidgetItem, row: BranchRow, current: bool) -> None:
        name = one_line(drawable(row.name))
        fork = "" if row.fork is None else f"{row.fork:,} {visible(drawable(row.token))}".rstrip()
        for column, text in enumerate((name, fork, f"{row.tokens:,}", row.ending)):
            if item.text(column) != text:
                item.setText(column, text)
        font = item.font(0)
        if font.bold() != current:
            font.setBold(current)
            item.setFont(0, font)
        words = [name, f"forked at token {fork}" if fork else "", f"{row.tokens:,} tokens", row.ending]
        words.append("shown now" if current else "")
        item.setData(0, Qt.ItemDataRole.AccessibleTextRole, ", ".join(word for word in words if word))
        item.setToolTip(0, "Click to show it, F2 to rename it, Delete to delete it with all that grew out of it")

    def _select(self, key: int | None) -> None:
        item = self._items.get(key) if key is not None else None
        if item is None:
            self.clearSelection()
            return
        self.setCurrentItem(
            item, 0, QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        )
        self.scrollToItem(item)

    # What the person did.

    def _on_clicked(self, item: QTreeWidgetItem) -> None:
        key = item.data(0, _KEY)
        if key is not None and len(self.selectedItems()) == 1:
            self.walked.emit(key)

    def _on_changed(self, item: QTreeWidgetItem, column: int) -> None:
        if self._filling or column != 0:
            return
        key, name = item.data(0, _KEY), item.text(0).strip()
        row = next((row for row in self._rows if row.key == key), None)
        if row is None:
            return
        if name and name != one_line(drawable(row.name)):
            self.renamed.emit(key, name)
        else:
            self._filling = True
            item.setText(0, one_line(drawable(row.name)))
            self._filling = False

    def _on_selection(self) -> None:
        self.selection_changed.emit()

    def compare(self) -> None:
        """Ask for the selected branches side by side."""
        if len(self.chosen) > 1:
            self.compare_requested.emit(self.chosen)

    def prune(self) -> None:
        """Ask to delete the selected branch."""
        item = self.currentItem()
        key = item.data(0, _KEY) if item is not None else None
        if key is not None:
            self.prune_requested.emit(key)

    # Qt.

    def edit(
        self,
        index: QModelIndex | QPersistentModelIndex,
        trigger: QAbstractItemView.EditTrigger | None = None,
        event: object = None,
    ) -> bool:
        """Edit names only, whichever column was double clicked."""
        name = index.sibling(index.row(), 0)
        if trigger is None:
            super().edit(name)
            return True
        return bool(super().edit(name, trigger, event))  # type: ignore[call-overload]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter walks, Delete prunes."""
        item = self.currentItem()
        key = item.data(0, _KEY) if item is not None else None
        if key is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.walked.emit(key)
        elif key is not None and event.matches(QKeySequence.StandardKey.Delete):
            self.prune_requested.emit(key)
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what the keys do."""
        item = self.currentItem()
        if item is None or item.data(0, _KEY) is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for text, slot, allowed in (
            ("Rename\tF2", self.rename, True),
            ("Compare", self.compare, len(self.chosen) > 1),
            ("Delete\tDel", self.prune, True),
        ):
            action = QAction(text, menu)
            action.setEnabled(allowed)
            action.triggered.connect(slot)
            menu.addAction(action)
        menu.popup(event.globalPos())

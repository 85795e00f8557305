"""A list of past runs that drops down, to tick those whose curves are drawn behind the live one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
    QWidgetAction,
)

from workbench.widgets.naming import named
from workbench.widgets.theme import CHANGES, px, set_role

_PLACE = Qt.ItemDataRole.UserRole
_ROWS = 10


class PastChooser(QToolButton):
    """A button with the list of runs on this machine.

    Signals:
        opened(): The list drops down and should be brought up to date by `set_runs`.
        chosen(tuple): The folders that are ticked now.
    """

    opened = Signal()
    chosen = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "trainer.past", "Past runs", "Draws the curves of past runs behind this one: tick those to compare")
        self.setText("Past runs")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._list = named(QListWidget(), "trainer.past_list", "Past runs", "The space bar ticks a run")
        self._list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self._none = QLabel("No run has left a curve on this machine yet.")
        set_role(self._none, "muted")
        box = QWidget()
        column = QVBoxLayout(box)
        column.addWidget(self._none)
        column.addWidget(self._list)
        menu = QMenu(self)
        action = QWidgetAction(menu)
        action.setDefaultWidget(box)
        menu.addAction(action)
        self._menu = menu
        self.setMenu(menu)
        self.set_runs(())
        menu.aboutToShow.connect(self.opened)
        self._list.itemChanged.connect(self._on_changed)

    @property
    def ticked(self) -> tuple[Path, ...]:
        """The folders of the runs that are ticked."""
        items = (self._list.item(row) for row in range(self._list.count()))
        return tuple(item.data(_PLACE) for item in items if item.checkState() == Qt.CheckState.Checked)

    def set_runs(self, runs: Sequence[tuple[str, Path]]) -> None:
        """Offer these runs, by name and folder; those that were ticked stay so."""
        ticked = self.ticked
        self._list.blockSignals(True)
        self._list.clear()
        for name, place in runs:
            item = QListWidgetItem(name, self._list)
            item.setData(_PLACE, place)
            item.setToolTip(str(place.name))
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if place in ticked else Qt.CheckState.Unchecked)
        self._list.blockSignals(False)
        self._none.setVisible(not runs)
        self._list.setVisible(bool(runs))
        self._fit()
        if self.ticked != ticked:
            self._on_changed()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_list"):
            self._fit()

    def _fit(self) -> None:
        rows = min(max(self._list.count(), 1), _ROWS)
        height = max(self._list.sizeHintForRow(0), px(self, 24)) * rows + px(self, 8)
        self._list.setFixedSize(QSize(px(self, 300), height))
        # A menu measures its widget once, when it is put in.
        self._menu.adjustSize()

    def _on_changed(self) -> None:
        number = len(self.ticked)
        self.setText(f"Past runs ({number})" if number else "Past runs")
        self.chosen.emit(self.ticked)

"""The controls over the table: what is listed, how it is drawn, and what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QMenu, QSizePolicy, QToolButton, QWidget

from workbench.widgets import icons, theme
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox

_TOPS = (10, 50, 200)
#: Pixels, at 100 %, that are enough for words to search for.
_FIND = 120


class Controls(QWidget):
    """Find, candidates, scale, cumulative, trace, as it was, branch, export; on up to three lines, as there is room.

    Attributes:
        find, count, scale, cumulative, trace, held, branch, export: The controls; the data of ``count`` is how many, 0
            for kept.
        csv, png, svg: What can be exported.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.find = named(
            QLineEdit(), "probabilities.find", "Find a token", "Lists every token that reads like this, or has this id"
        )
        self.find.setPlaceholderText("Find a token by text or id")
        self.find.setClearButtonEnabled(True)
        self.find.setMaxLength(200)
        self.count = named(
            QuietComboBox(), "probabilities.top", "Candidates", "Which candidates are listed; kept: all that are left"
        )
        for count in _TOPS:
            self.count.addItem(f"top {count}", count)
        self.count.addItem("kept", 0)
        self.count.setCurrentIndex(1)
        self.scale = named(
            QuietComboBox(),
            "probabilities.scale",
            "Scale",
            "Linear bars show what is likely; logarithmic ones also show what is rare",
        )
        self.scale.addItems(["linear", "logarithmic"])
        self.cumulative = self._button(
            "cumulative",
            "Cumulative",
            "A line over the bars, from 0 to 100 %: what a token and all that are at least as probable hold together",
        )
        self.cumulative.setCheckable(True)
        self.trace = self._button("trace", "Trace", "Show the score after each processor, in its true order")
        self.trace.setCheckable(True)
        self.held = self._button(
            "knobs_held", "As it was", "Show what the step's own knobs did, instead of the knobs as they stand now"
        )
        self.held.setCheckable(True)
        self.branch = self._button(
            "branch", "Branch here", "Continue the text with the selected candidate (double click and Enter do it too)"
        )
        icons.put(self.branch, "branch", size=16)
        self.branch.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.export = self._button("export", "Export", "Save the whole distribution, or a picture of what is listed")
        icons.put(self.export, "export", size=16)
        self.export.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.export)
        self.csv, self.png, self.svg = (
            QAction(words, menu) for words in ("The whole distribution as CSV…", "The bars as PNG…", "The bars as SVG…")
        )
        for name, action in (("csv", self.csv), ("png", self.png), ("svg", self.svg)):
            action.setObjectName(f"probabilities.export_{name}")
            menu.addAction(action)
        self.export.setMenu(menu)

        self._listing, self._doing = QWidget(), QWidget()
        for holder, widgets in (
            (self._listing, (self.find, self.count, self.scale, self.cumulative)),
            (self._doing, (self.trace, self.held, self.branch, self.export)),
        ):
            row = QHBoxLayout(holder)
            row.setContentsMargins(0, 0, 0, 0)
            for widget in widgets:
                row.addWidget(widget, 1 if widget is self.find else 0)
        self._doing.layout().addStretch(1)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._lines = 0
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self._arrange()

    def show_trace(self, shown: bool) -> None:
        """Show whether the trace is shown; nobody is told."""
        self.trace.blockSignals(True)
        self.trace.setChecked(shown)
        self.trace.blockSignals(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Choose how many lines they take."""
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_grid"):
            self._arrange()

    def _button(self, name: str, text: str, tip: str) -> QToolButton:
        button = named(QToolButton(), f"probabilities.{name}", text, tip)
        button.setText(text)
        return button

    def _arrange(self) -> None:
        gap = theme.px(self, 8)
        listing = sum(each.minimumSizeHint().width() + gap for each in (self.count, self.scale, self.cumulative))
        listing += theme.px(self, _FIND)
        # Where there is no room for words to search for, they stand above the choices.
        lines = 3 if listing > self.width() else 2 if listing + self._doing.sizeHint().width() > self.width() else 1
        for layout in (self._grid, self._listing.layout(), self._doing.layout()):
            layout.setSpacing(gap)
        if lines == self._lines:
            return
        self._lines = lines
        writing = self.find.hasFocus()
        if lines == 3:
            self._grid.addWidget(self.find, 0, 0)
        else:
            self._listing.layout().insertWidget(0, self.find, 1)
        self._listing.layout().setStretch(self._listing.layout().count() - 1, int(lines == 3))
        self._grid.addWidget(self._listing, int(lines == 3), 0)
        self._grid.addWidget(self._doing, lines - 1, int(lines == 1))
        self._grid.setColumnStretch(0, 1)
        QWidget.setTabOrder(self.find, self.count)
        if writing:
            self.find.setFocus(Qt.FocusReason.OtherFocusReason)

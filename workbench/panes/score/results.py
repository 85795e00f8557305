"""What came of it: totals, strip and table of the tokens, what was expected in place of one, and the plot."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.panes.score.plot import BitsPlot
from workbench.panes.score.reading import COLUMNS, Reading, View, bits, candidates, legend, signed
from workbench.panes.score.totals import Totals
from workbench.widgets import icons, theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.token_strip import TokenStrip
from workbench.widgets.turning_splitter import TurningSplitter
from workbench.widgets.visible_text import visible


class Results(QWidget):
    """The right side of the pane.

    Signals:
        view_changed(): Another view is shown, or another reading; no row is selected in it yet.
        row_clicked(object): The person chose a row of the view, an int, or none.
        csv_requested(): The table is to be saved.
        json_requested(): Everything is to be saved.
    """

    view_changed = Signal()
    row_clicked = Signal(object)
    csv_requested = Signal()
    json_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reading: Reading | None = None
        self._row: int | None = None

        self._totals = named(Totals(), "score.totals", "Totals", "")
        self._view = named(QuietComboBox(), "score.view", "View", "One model's tokens, the other's, or the difference")
        self._view.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._view.setMinimumContentsLength(14)
        self._legend = named(QLabel(), "score.legend", "Legend", "What colours and signs of the strip say")
        self._legend.setWordWrap(True)
        theme.set_role(self._legend, "muted")
        self._plot_shown = named(
            QCheckBox("Plot"), "score.plot_shown", "Plot", "Draw the surprise over the positions of the text"
        )
        self._plot_shown.setChecked(True)
        self._export = named(QToolButton(), "score.export", "Export", "Save the table as CSV, or everything as JSON")
        self._strip = named(
            TokenStrip(),
            "score.strip",
            "Tokens",
            "The text by tokens, tinted by surprise; click, or use the arrow keys",
        )
        self._strip.set_mode("strength")
        self._table = named(
            DataTable(monospace=True),
            "score.table",
            "Scores",
            "What each token was scored, surprise and entropy in bits; select a row",
        )
        self._heading = theme.set_role(QLabel(), "heading")
        self._heading.setTextFormat(Qt.TextFormat.PlainText)
        self._heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._others = named(
            DataTable(monospace=True),
            "score.alternatives",
            "Alternatives",
            "The most probable tokens at the selected position; ▶ marks the one in the text",
        )
        self._plot = BitsPlot()
        self._lay_out()

        self._view.currentIndexChanged.connect(self._show_view)
        self._plot_shown.toggled.connect(self._show_plot)
        self._strip.token_clicked.connect(self.row_clicked.emit)
        self._table.row_selected.connect(self.row_clicked.emit)
        self._show_measures()

    def _lay_out(self) -> None:
        menu = QMenu(self._export)
        menu.addAction("Save the table as CSV…").triggered.connect(self.csv_requested)
        menu.addAction("Save everything as JSON…").triggered.connect(self.json_requested)
        self._export.setMenu(menu)
        self._export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        icons.put(self._export, "save")
        bar = QHBoxLayout()
        bar.addWidget(self._view)
        bar.addWidget(self._legend, 1)
        bar.addWidget(self._plot_shown)
        bar.addWidget(self._export)
        expected = QWidget()
        beside = QVBoxLayout(expected)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self._heading)
        beside.addWidget(self._others, 1)
        tables = TurningSplitter()
        tables.addWidget(self._table)
        tables.addWidget(expected)
        tables.setStretchFactor(0, 3)
        tables.setStretchFactor(1, 2)
        tables.setSizes([540, 330])
        self._views = QSplitter(Qt.Orientation.Vertical)
        self._views.addWidget(self._strip)
        self._views.addWidget(tables)
        self._views.addWidget(self._plot)
        for number, share in enumerate((1, 2, 1)):
            self._views.setStretchFactor(number, share)
        self._views.setSizes([160, 300, 180])
        # It takes what room there is, and is scrolled only where that is less than it needs.
        self._views.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self._views.installEventFilter(self)
        for splitter in (tables, self._views):
            splitter.setChildrenCollapsible(False)
        seen = QVBoxLayout(self)
        seen.setContentsMargins(0, 0, 0, 0)
        seen.addWidget(self._totals)
        seen.addLayout(bar)
        seen.addWidget(self._views, 1)

    # Verbs.

    @property
    def reading(self) -> Reading | None:
        """What is shown."""
        return self._reading

    @property
    def number(self) -> int:
        """Which of the reading's views is shown, from 0; -1 where there is none."""
        return self._view.currentIndex()

    @property
    def view(self) -> View | None:
        """The view that is shown."""
        return self._reading.views[self.number] if self._reading is not None and self.number >= 0 else None

    @property
    def row(self) -> int | None:
        """The row of the view that is selected."""
        return self._row

    def show_reading(self, reading: Reading | None) -> None:
        """Show the last view of a reading, or that there is none."""
        self._reading = reading
        self._totals.show_reading(reading)
        self._view.blockSignals(True)
        self._view.clear()
        if reading is not None:
            self._view.addItems([view.title for view in reading.views])
            self._view.setCurrentIndex(len(reading.views) - 1)
        self._view.blockSignals(False)
        self._show_view()

    def select(self, row: int | None) -> None:
        """Select a row of the view in all its parts; one that it has not selects none."""
        view = self.view
        self._row = row if view is not None and row is not None and 0 <= row < len(view.chips) else None
        self._strip.set_selected(self._row)
        self._table.select_row(self._row)
        self._show_others()

    def export_csv(self, path: Path) -> None:
        """Write the table of the view as CSV."""
        self._table.export_csv(path)

    # The state changed.

    def _show_view(self) -> None:
        view, reading = self.view, self._reading
        several = reading is not None and len(reading.views) > 1
        self._view.setVisible(several)
        self._export.setEnabled(view is not None)
        columns = view.columns if view is not None else COLUMNS
        self._show_formats(columns)
        self._strip.set_selected(None)
        self._strip.set_tokens(view.chips if view is not None else ())
        self._table.set_rows(columns, len(view.chips) if view is not None else 0, view.row if view else None)
        self._table.fit_columns()
        _say(self._legend, legend(columns) if view is not None else "")
        self._show_plot()
        self.select(None)
        self.view_changed.emit()

    def _show_formats(self, columns: tuple[str, ...]) -> None:
        for number, name in enumerate(columns):
            words = str
            if name in ("token", "text"):
                words = visible
            elif name == "probability":
                words = format_percent
            elif name.startswith("A − B"):
                words = signed
            elif "bits" in name or name == "entropy":
                words = bits
            elif name in ("rank", "position"):
                words = _grouped
            self._table.set_format(number, words)

    def _show_others(self) -> None:
        heading, columns, rows = "", ("rank", "token", "id", "probability"), []
        if self._reading is not None and self._row is not None:
            heading, columns, rows = candidates(self._reading, self.number, self._row)
        for number, name in enumerate(columns):
            words = _grouped if name == "rank" else bits if name == "bits" else str
            if name in ("probability", "p", "A", "B"):
                words = format_percent
            self._others.set_format(number, words)
        self._heading.setText(heading or "Expected there")
        self._heading.setToolTip(heading)
        self._others.set_rows(columns, rows)
        self._others.fit_columns()

    def _show_plot(self) -> None:
        self._plot.show_view(self.view if self._plot_shown.isChecked() else None)

    def _show_measures(self) -> None:
        self._strip.setMinimumHeight(theme.px(self, 84))
        self._table.setMinimumHeight(theme.px(self, 130))
        self._others.setMinimumHeight(theme.px(self, 100))
        self._table.set_empty_text("Press Score: each token's probability, rank, surprise and entropy show here")
        self._strip.set_placeholder("not scored yet")
        self._others.set_empty_text("Select a token to see what was expected there")

    # Qt.

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep for the plot and what stands above it the height that they need."""
        if watched is self._views and event.type() == QEvent.Type.LayoutRequest:
            self._views.setMinimumHeight(self._views.minimumSizeHint().height())
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_views"):
            self._show_measures()


def _say(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setAccessibleName(text or label.objectName().rpartition(".")[2].capitalize())


def _grouped(value: int) -> str:
    return f"{value:,}"

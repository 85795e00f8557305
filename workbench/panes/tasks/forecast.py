"""A series with what is expected of the moments to come, as lines and as a table."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from workbench.engine.values import TaskResult
from workbench.widgets.data_table import DataTable
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.naming import named
from workbench.widgets.theme import px


class ForecastView(QSplitter):
    """The series that was given, how it goes on, and between which quantiles."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self._plot: LinePlot | None = None
        self._table = named(
            DataTable(), "tasks.forecast", "Forecast", "What is expected of each moment to come, with its quantiles"
        )
        self.addWidget(self._table)
        self.setChildrenCollapsible(False)

    def show_result(self, result: TaskResult) -> str:
        """Show a result, and say it in words."""
        past = result.stages[0].tensors[0].values[0].tolist()
        steps = [item.step for item in result.items]
        plot = self._plotted()
        plot.set_series("given", range(1 - len(past), 1), past)
        plot.set_series("forecast", [0, *steps], [past[-1], *(item.value for item in result.items)])
        for name, place in (("lowest quantile", 0), ("highest quantile", -1)):
            plot.set_series(name, steps, [item.quantiles[place][1] for item in result.items if item.quantiles])
        plot.show_all()
        shares = [f"{100 * share:g} %" for share, _ in result.items[0].quantiles] if result.items else []
        rows = [(item.step, item.value, *(value for _, value in item.quantiles)) for item in result.items]
        self._table.set_rows(("moment", "forecast", *shares), rows)
        self.setSizes([px(self, 240), px(self, 160)])
        return f"{len(rows)} moments to come, the first {rows[0][1]:.6g}, the last {rows[-1][1]:.6g}"

    def _plotted(self) -> LinePlot:
        # What draws it is heavy to import, and most windows never show a series.
        if self._plot is None:
            self._plot = LinePlot("tasks.forecast_plot", "Series", "moments from the last one given", "value")
            self._plot.add_series("given")
            self._plot.add_series("forecast")
            self._plot.add_series("lowest quantile", dashed=True)
            self._plot.add_series("highest quantile", dashed=True)
            self.insertWidget(0, self._plot)
        return self._plot

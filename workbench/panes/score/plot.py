"""The bits of a text over its positions, as a line."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from workbench.panes.score.reading import DIFFERENCE, SPAN_COLUMNS, View
from workbench.widgets.line_plot import LinePlot

_SURPRISE, _POSITION, _CHARACTER = "surprise", "position (tokens)", "character of the text"
#: Points from which their running mean is drawn over them.
_MANY = 300
_SMOOTHING = 0.9


class BitsPlot(QWidget):
    """A line plot; made anew when the axes are of something else."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        # Made ahead, with the pane: importing what plots takes half a second.
        self._shape = (_SURPRISE, _POSITION)
        self._plot = self._made()
        self.hide()

    def show_view(self, view: View | None) -> None:
        """Draw the bits of each row; None hides the plot."""
        self.setVisible(view is not None)
        if view is None:
            return
        by_span = view.columns == SPAN_COLUMNS
        name = DIFFERENCE if view.title == DIFFERENCE else _SURPRISE
        shape = (name, _CHARACTER if by_span else _POSITION)
        if shape != self._shape:
            self._shape = shape
            self._layout.removeWidget(self._plot)
            self._plot.setParent(None)
            self._plot.deleteLater()
            self._plot = self._made()
        xs = [float(place[0] if by_span and place else at) for at, place in enumerate(view.places)]
        self._plot.set_smoothing(_SMOOTHING if len(xs) > _MANY else 0.0)
        self._plot.set_series(name, xs, view.heights)

    def _made(self) -> LinePlot:
        name, x_title = self._shape
        plot = LinePlot("score.plot", name.capitalize() if name == _SURPRISE else "Difference", x_title, "bits")
        plot.add_series(name, smooth=True)
        self._layout.addWidget(plot)
        return plot

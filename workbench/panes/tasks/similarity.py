"""Lines of text compared: the cosine between each two, and a map of all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QWidget

from workbench.widgets.naming import named
from workbench.widgets.point_map import PointMap
from workbench.widgets.theme import px
from workbench.widgets.tinted_matrix import TintedMatrix

_CAPTIONS = {
    "pca": "PCA: the two directions in which the vectors differ most",
    "t-sne": "t-SNE: neighbours stay neighbours; distances between groups mean nothing",
}


class SimilarityView(QSplitter):
    """Lines against lines, and the same lines as points; 1.000 is the same direction, 0.000 a right angle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._matrix = named(
            TintedMatrix(),
            "tasks.similarity",
            "Similarity",
            "The cosine between each two lines; 1 is the same direction",
        )
        self._map = named(PointMap(), "tasks.map", "Map", "Each line as a point; arrow keys go through them")
        self.addWidget(self._matrix)
        self.addWidget(self._map)
        self.setStretchFactor(0, 3)
        self.setStretchFactor(1, 2)
        self.setChildrenCollapsible(False)
        self.splitterMoved.connect(self._fit)
        self._matrix.cell_chosen.connect(self._on_cell)
        self._map.point_chosen.connect(self._on_point)

    def set_values(self, lines: Sequence[str], cosines: np.ndarray, places: np.ndarray | None, projection: str) -> None:
        """Show a comparison.

        Args:
            lines: What was compared.
            cosines: Of shape ``(lines, lines)`` in ``[-1, 1]``.
            places: Of shape ``(lines, 2)``, or None without a map.
            projection: How the places were found: ``pca`` or ``t-sne``.
        """

        def words(row: int, column: int) -> str:
            return f"{float(cosines[row, column]):.3f}"

        def tip(row: int, column: int) -> str:
            return f"{float(cosines[row, column]):.6f}\n{row + 1}: {lines[row]}\n{column + 1}: {lines[column]}"

        rows = [f"{number}  {line}" for number, line in enumerate(lines, 1)]
        columns = [str(number) for number in range(1, len(lines) + 1)]
        self._matrix.set_cells(rows, columns, np.clip(cosines, 0.0, 1.0), words, tip)
        self._map.setVisible(places is not None)
        if places is not None:
            first = self._map.points.size == 0
            self._map.set_points(lines, places, _CAPTIONS[projection])
            if first:
                self.setSizes([px(self, 420), px(self, 320)])
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave most of the room to the numbers."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Give the lines what the numbers leave; where the numbers have to be scrolled, a third of the room."""
        matrix = self._matrix
        columns = matrix.model().columnCount() * matrix.horizontalHeader().defaultSectionSize()
        left = matrix.width() - columns - 2 * matrix.frameWidth()
        matrix.verticalHeader().setMaximumWidth(max(px(self, 60), matrix.width() // 3, left))

    def _on_cell(self, row: int, _column: int) -> None:
        self._map.choose(row)

    def _on_point(self, number: int) -> None:
        blocked = self._matrix.blockSignals(True)
        self._matrix.setCurrentIndex(self._matrix.model().index(number, number))
        self._matrix.blockSignals(blocked)

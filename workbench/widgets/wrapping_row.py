"""What is chosen and what is done in one row, or in two where there is no room for both."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from workbench.widgets.fitting import FittingWidget

#: Pixels between the widgets of a group: few, so that what just fits stands in one row.
_GAP = 4


class WrappingRow(FittingWidget):
    """One group at the left and one at the right; the right one goes below where they don't fit beside one another.

    Args:
        left, right: The widgets of each group, in their order.
    """

    def __init__(self, left: Sequence[QWidget], right: Sequence[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._groups = [_group(widgets) for widgets in (left, right)]
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(1, 1)
        self._grid.addWidget(self._groups[0], 0, 0)
        self._wrapped: bool | None = None
        self.fit()

    @property
    def wrapped(self) -> bool:
        """Whether they stand in two rows."""
        return bool(self._wrapped)

    def minimumSizeHint(self) -> QSize:
        """As narrow as the wider group."""
        widths = [group.minimumSizeHint().width() for group in self._groups]
        return QSize(max(widths), super().minimumSizeHint().height())

    def fit(self) -> None:
        """Wrap where the width asks for it."""
        beside = sum(group.sizeHint().width() for group in self._groups) + max(0, self._grid.horizontalSpacing())
        wrapped = beside > self.width()
        if wrapped == self._wrapped:
            return
        self._wrapped = wrapped
        place = (1, 0, 1, 2) if wrapped else (0, 2, 1, 1)
        self._grid.addWidget(self._groups[1], *place, Qt.AlignmentFlag.AlignLeft)
        self.updateGeometry()


def _group(widgets: Sequence[QWidget]) -> QWidget:
    group = QWidget()
    row = QHBoxLayout(group)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(_GAP)
    for widget in widgets:
        row.addWidget(widget)
    return group

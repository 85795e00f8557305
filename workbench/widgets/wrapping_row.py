"""What is chosen and what is done in one row, or in two where there is no room for both."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

#: Pixels between the widgets of a group: few, so that what just fits stands in one row.
_GAP = 4


class WrappingRow(QWidget):
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
        self._fit()

    @property
    def wrapped(self) -> bool:
        """Whether they stand in two rows."""
        return bool(self._wrapped)

    def minimumSizeHint(self) -> QSize:
        """As narrow as the wider group."""
        widths = [group.minimumSizeHint().width() for group in self._groups]
        return QSize(max(widths), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap where the width asks for it."""
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent) -> bool:
        """Look again when a group needs more or less room, as it does when the zoom changes."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return done

    def _fit(self) -> None:
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

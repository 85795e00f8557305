"""A splitter whose parts stand side by side where there is room, and one above the other where there is none."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QWidget


class TurningSplitter(QSplitter):
    """Turns by its width, and keeps for each way how the person shared out the room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setChildrenCollapsible(False)
        self._shares: dict[Qt.Orientation, list[int]] = {}

    @property
    def turned(self) -> bool:
        """Whether the parts stand one above the other."""
        return self.orientation() == Qt.Orientation.Vertical

    def minimumSizeHint(self) -> QSize:
        """As narrow as its widest part, since the parts can stand one above the other."""
        hint = super().minimumSizeHint()
        return QSize(max(map(_narrowest, self._parts()), default=0), hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Turn where the width asks for it."""
        # Before the parts are squeezed into the new width.
        held = self.sizes()
        super().resizeEvent(event)
        self._turn(held)

    def event(self, event: QEvent) -> bool:
        """Look again when a part needs more or less room, as it does when the zoom changes."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._turn(self.sizes())
        return done

    def _parts(self) -> list[QWidget]:
        parts = [self.widget(place) for place in range(self.count())]
        return [part for part in parts if part is not None and not part.isHidden()]

    def _turn(self, held: list[int]) -> None:
        parts = self._parts()
        beside = sum(map(_narrowest, parts)) + self.handleWidth() * (len(parts) - 1)
        wanted = Qt.Orientation.Vertical if beside > self.width() else Qt.Orientation.Horizontal
        if wanted == self.orientation():
            return
        self._shares[self.orientation()] = held
        self.setOrientation(wanted)
        if wanted in self._shares:
            self.setSizes(self._shares[wanted])
        self.updateGeometry()


def _narrowest(part: QWidget) -> int:
    return max(part.minimumWidth(), part.minimumSizeHint().width())

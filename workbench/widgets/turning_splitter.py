"""A splitter whose parts stand side by side where there is room, and one above the other where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QWidget


class TurningSplitter(QSplitter):
    """Turns by its width, and keeps for each way how the room is shared out.

    Shares are what the person made of them with the handle, before that what `setSizes` said, before that the stretch
    factors. Parts that need more for a while, as at a larger zoom, get it, and give it back.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setChildrenCollapsible(False)
        self._shares: dict[Qt.Orientation, list[int]] = {}
        self.splitterMoved.connect(self._on_moved)

    @property
    def turned(self) -> bool:
        """Whether the parts stand one above the other."""
        return self.orientation() == Qt.Orientation.Vertical

    def minimumSizeHint(self) -> QSize:
        """As narrow as its widest part, since the parts can stand one above the other."""
        hint = super().minimumSizeHint()
        return QSize(max(map(_narrowest, self._parts()), default=0), hint.height())

    def setSizes(self, sizes: Sequence[int]) -> None:  # noqa: N802 - Qt's name
        """Share the room out; the parts as they stand now keep these shares."""
        self._shares[self.orientation()] = list(sizes)
        super().setSizes(sizes)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Turn where the width asks for it."""
        super().resizeEvent(event)
        self._turn()

    def event(self, event: QEvent) -> bool:
        """Look again when a part needs more or less room, as it does when the zoom changes."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._turn()
        return done

    def _parts(self) -> list[QWidget]:
        parts = [self.widget(place) for place in range(self.count())]
        return [part for part in parts if part is not None and not part.isHidden()]

    def _on_moved(self) -> None:
        self._shares[self.orientation()] = self.sizes()

    def _turn(self) -> None:
        parts = self._parts()
        beside = sum(map(_narrowest, parts)) + self.handleWidth() * (len(parts) - 1)
        wanted = Qt.Orientation.Vertical if beside > self.width() else Qt.Orientation.Horizontal
        if wanted != self.orientation():
            self.setOrientation(wanted)
            self.updateGeometry()
        shares = self._shares.get(wanted) or [
            self.widget(place).sizePolicy().horizontalStretch() for place in range(self.count())
        ]
        if any(shares):
            # Qt compares them with what the parts need, so they have to be pixels.
            room = self.width() if wanted == Qt.Orientation.Horizontal else self.height()
            super().setSizes([share * room // sum(shares) for share in shares])


def _narrowest(part: QWidget) -> int:
    return max(part.minimumWidth(), part.minimumSizeHint().width())

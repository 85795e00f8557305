"""Controls with their labels in as many lines as they need, and a note in what room is left."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from workbench.widgets.theme import px

#: Pixels that a note takes at least beside controls; with less it stands below them.
_NOTE = 260


def labelled(words: str, control: QWidget) -> QWidget:
    """A control behind its label, as one part of a bar."""
    part = QWidget()
    line = QHBoxLayout(part)
    line.setContentsMargins(0, 0, 0, 0)
    label = QLabel(words)
    label.setBuddy(control)
    # Long choices are cut before they make a pane wider than its window.
    control.setMinimumWidth(1)
    line.addWidget(label)
    line.addWidget(control)
    return part


class ControlBar(QWidget):
    """Wraps its parts like words; hidden ones take no room.

    Args:
        parts: In their order.
        note: Wraps its own words.
    """

    def __init__(self, parts: Sequence[QWidget], note: QLabel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts, self._note = tuple(parts), note
        note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._lines: list[QHBoxLayout] = []
        self._placed: list[list[QWidget]] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._place([[*self._parts, note]])

    @property
    def lines(self) -> int:
        """How many lines it takes."""
        return len(self._placed)

    def minimumSizeHint(self) -> QSize:
        """As narrow as the widest part can be."""
        widths = [part.minimumSizeHint().width() for part in self._parts if not part.isHidden()]
        return QSize(max(widths, default=0), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap where the width asks for it."""
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent) -> bool:
        """Look again when a part needs more or less room, as it does when the zoom changes."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return done

    def _fit(self) -> None:
        lines: list[list[QWidget]] = [[]]
        gap = max(0, self._lines[0].spacing()) if self._lines else 0
        used = 0
        for part in (each for each in self._parts if not each.isHidden()):
            width = part.sizeHint().width() + gap
            if lines[-1] and used + width > self.width():
                lines.append([])
                used = 0
            lines[-1].append(part)
            used += width
        if lines[-1] and self.width() - used < px(self, _NOTE):
            lines.append([])
        lines[-1].append(self._note)
        if lines != self._placed:
            self._place(lines)

    def _place(self, lines: list[list[QWidget]]) -> None:
        for old in self._lines:
            while old.count():
                old.takeAt(0)
            self._column.removeItem(old)
        self._placed, self._lines = lines, []
        for parts in lines:
            line = QHBoxLayout()
            for part in parts:
                line.addWidget(part, int(part is self._note))
            if self._note not in parts:
                line.addStretch(1)
            self._lines.append(line)
            self._column.addLayout(line)
        self.updateGeometry()

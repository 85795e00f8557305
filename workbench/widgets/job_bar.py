"""The status bar's view of running work: what, how far, and a button to stop it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.naming import named

_SHOWN = 2


class JobBar(QWidget):
    """Up to two running jobs, each with Cancel, and how many more there are.

    Signals:
        clicked(): The text was clicked.
        cancel_requested(int): Cancel of the job at that place was pressed.
    """

    clicked = Signal()
    cancel_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._labels: list[QLabel] = []
        self._buttons: list[QToolButton] = []
        for number in range(_SHOWN):
            # How far it has come stands at the end, and stays.
            label = named(
                ElidedLabel(mode=Qt.TextElideMode.ElideMiddle),
                f"window.job_{number}",
                f"Job {number + 1}",
                "Click for the Jobs pane",
            )
            button = named(QToolButton(), f"window.cancel_{number}", "Cancel", "Stop this work")
            button.setText("Cancel")
            button.setAutoRaise(True)
            button.clicked.connect(self._on_cancel)
            layout.addWidget(label)
            layout.addWidget(button)
            self._labels.append(label)
            self._buttons.append(button)
        self._more = named(QLabel(), "window.more_jobs", "More jobs", "Click for the Jobs pane")
        layout.addWidget(self._more)
        layout.addStretch(1)
        self.set_jobs([])

    def set_jobs(self, jobs: Sequence[tuple[str, str, str]]) -> None:
        """Show ``(title, progress, when a Cancel takes effect)`` of each running job, oldest first."""
        for number, (label, button) in enumerate(zip(self._labels, self._buttons, strict=True)):
            shown = number < len(jobs)
            label.setVisible(shown)
            button.setVisible(shown)
            if shown:
                title, progress, stops = jobs[number]
                label.setText(f"{title} · {progress}" if progress else title)
                button.setToolTip(f"Stop this work ({stops})")
        self._more.setVisible(len(jobs) > _SHOWN)
        self._more.setText(f"and {len(jobs) - _SHOWN} more" if len(jobs) > _SHOWN else "")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Announce a click on the text."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()
        super().mouseReleaseEvent(event)

    def _on_cancel(self) -> None:
        button = self.sender()
        if isinstance(button, QToolButton):
            self.cancel_requested.emit(self._buttons.index(button))

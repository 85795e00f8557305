"""Which generated token is looked at: the controls that go from step to step."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QPushButton, QSizePolicy, QToolButton, QWidget

from workbench.runtime.session import Session
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietSpinBox


class StepWalk(QObject):
    """Selects a step of the session, and shows which one is selected.

    Args:
        session: Whose steps and selection it follows once it is told to `show`.

    Attributes:
        widgets: The controls, in their order.
    """

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._previous = named(
            QToolButton(), "probabilities.previous", "Previous step", "The step before (in the table: Alt+Left)"
        )
        self._next = named(
            QToolButton(), "probabilities.next", "Next step", "The step behind (in the table: Alt+Right)"
        )
        self._step = named(
            QuietSpinBox(), "probabilities.step", "Step", "Which generated token is looked at; 1 is the first"
        )
        self._latest = named(
            QPushButton("Latest"), "probabilities.latest", "Latest", "Follow the newest token while text comes"
        )
        icons.put(self._previous, "chevron-left")
        icons.put(self._next, "chevron-right")
        self._latest.setCheckable(True)
        sized: tuple[QWidget, ...] = (self._step, self._latest)
        for widget in sized:
            widget.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.widgets: tuple[QWidget, ...] = (self._previous, self._step, self._next, self._latest)
        self._previous.clicked.connect(self.go_back)
        self._next.clicked.connect(self.go_on)
        self._step.valueChanged.connect(self._on_step_chosen)
        self._latest.clicked.connect(self._on_latest)

    def go_back(self) -> None:
        """Look at the step before."""
        self._step.setValue(self._step.value() - 1)

    def go_on(self) -> None:
        """Look at the step behind."""
        self._step.setValue(self._step.value() + 1)

    def show(self) -> None:
        """Show which step is looked at, and where one can go from there."""
        count = len(self._session.steps)
        selected = self._session.selected_step
        number = selected.index + 1 if selected is not None else count
        self._step.blockSignals(True)
        self._step.setRange(min(1, count), count)
        self._step.setSuffix(f" of {count:,}")
        self._step.setValue(number)
        self._step.blockSignals(False)
        self._step.setEnabled(count > 0)
        self._previous.setEnabled(number > 1)
        self._next.setEnabled(number < count)
        self._latest.setEnabled(count > 0)
        self._latest.setChecked(count > 0 and self._session.selection is None)

    def _on_step_chosen(self, number: int) -> None:
        encoding = self._session.encoding
        if encoding is not None and number:
            self._session.set_selection(len(encoding.tokens) + number - 1)

    def _on_latest(self) -> None:
        self._session.set_selection(None)
        self.show()

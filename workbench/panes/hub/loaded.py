"""What is in memory: the model all panes use, the second one beside it, and the buttons that give memory back."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from workbench.engine.models import LoadedModel
from workbench.runtime.session import Session
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes
from workbench.widgets.theme import set_role


class Loaded(QWidget):
    """A line for each loaded model.

    Args:
        session: Whose models it shows.

    Signals:
        unload_requested(bool): Give back the memory of the model; True for the second one.
        swap_requested(): Make the second model the first.
    """

    unload_requested = Signal(bool)
    swap_requested = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._first, self._second = (QLabel() for _ in range(2))
        self._unload = named(
            QPushButton("Unload"), "hub.unload", "Unload", "Take the model out of memory; what it wrote stays"
        )
        self._unload_second = named(
            QPushButton("Unload"), "hub.unload_second", "Unload", "Take the second model out of memory"
        )
        self._swap = named(QToolButton(), "hub.swap", "Swap", "Let the two models change places")
        icons.put(self._swap, "refresh")
        set_role(self._swap, "quiet")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for line, (head, label, button) in enumerate(
            (("In memory", self._first, self._unload), ("Second", self._second, self._unload_second))
        ):
            title = set_role(QLabel(head), "muted")
            grid.addWidget(title, line, 0)
            # A long name may be cut on a narrow window; the tooltip has it whole.
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            grid.addWidget(label, line, 1)
            grid.addWidget(button, line, 3)
        grid.addWidget(self._swap, 1, 2)
        grid.setColumnStretch(1, 1)
        self._unload.clicked.connect(self._on_unload)
        self._unload_second.clicked.connect(self._on_unload_second)
        self._swap.clicked.connect(self.swap_requested)
        session.model_changed.connect(self._show_models)
        session.second_changed.connect(self._show_models)
        self._show_models()

    def _show_models(self) -> None:
        first, second = self._session.model, self._session.second
        for label, model, none in (
            (self._first, first, "no model"),
            (self._second, second, "none: Load as second puts one here"),
        ):
            words = none if model is None else _words(model)
            label.setText(words)
            label.setToolTip(words)
            set_role(label, "muted" if model is None else "")
        self._unload.setVisible(first is not None)
        self._unload_second.setVisible(second is not None)
        self._swap.setVisible(second is not None)
        self.setVisible(first is not None or second is not None)

    def _on_unload(self) -> None:
        self.unload_requested.emit(False)

    def _on_unload_second(self) -> None:
        self.unload_requested.emit(True)


def _words(model: LoadedModel) -> str:
    return f"{model.checkpoint.name} · {format_bytes(model.bytes)} · {model.dtype} · {model.device}"

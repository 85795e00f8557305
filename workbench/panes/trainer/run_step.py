"""Step 4: the name of the run, and the buttons that start it and ask things of it while it goes on."""

from __future__ import annotations

from PySide6.QtWidgets import QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from workbench.panes.trainer.outside_step import OutsideStep
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.theme import set_role

_PAUSE = "Wait after the step at work; the window, the model and the memory stay, and the time is not counted"
_CONTINUE = "Go on with the next step, as if there had been no pause"


class RunStep(QWidget):
    """A form; what its buttons do is the pane's.

    Attributes:
        name: The run's name.
        place: Where the run is made.
        start, pause, stop, evaluate, save, discard: The buttons.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = named(
            QLineEdit(), "trainer.run_name", "Run name", "The folder of the result, and the name it is listed under"
        )
        self.place = OutsideStep()
        self.start = _button("start", "Start", "Start the fine-tune (Ctrl+Enter)")
        self.stop = _button(
            "stop", "Stop and keep", "Finish the step at work, save the checkpoint and stop (Esc)", "stop"
        )
        self.pause = _button("pause", "Pause", _PAUSE, "pause")
        self.evaluate = _button(
            "eval_now",
            "Eval now",
            "Evaluate on the held-out rows after the step at work; the run itself stays as it would have been",
            "check",
        )
        self.save = _button(
            "save_now",
            "Save now",
            "Save a checkpoint beside the run after the step at work; the run goes on",
            "save",
        )
        self.discard = _button(
            "discard",
            "Stop and discard",
            "Stop after the step at work and delete what the run has written; asks first",
            "trash",
        )
        set_role(self.start, "primary")
        icons.put(self.start, "play", "accent_text")
        self._lay_out()

    def show_pausing(self, pausing: bool) -> None:
        """Let the button say what it does now."""
        text, tip, icon = ("Continue", _CONTINUE, "play") if pausing else ("Pause", _PAUSE, "pause")
        if text != self.pause.text():
            self.pause.setText(text)
            named(self.pause, "trainer.pause", text, tip)
            icons.put(self.pause, icon)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        label = QLabel("Run name")
        label.setBuddy(self.name)
        buttons = QGridLayout()
        rows_of_buttons = ((self.start, self.pause, self.stop), (self.evaluate, self.save, self.discard))
        for row, three in enumerate(rows_of_buttons):
            for number, button in enumerate(three):
                buttons.addWidget(button, row, number)
                buttons.setColumnStretch(number, 1)
        grid.addWidget(label, 0, 0)
        grid.addWidget(self.name, 0, 1)
        grid.addWidget(self.place, 1, 0, 1, 2)
        grid.addLayout(buttons, 2, 0, 1, 2)


def _button(name: str, label: str, tip: str, icon: str = "") -> QPushButton:
    button = named(QPushButton(label), f"trainer.{name}", label, tip)
    if icon:
        icons.put(button, icon)
    return button

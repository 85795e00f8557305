"""Step 4: the name of the run, and the buttons that start it and ask things of it while it goes on."""

from __future__ import annotations

from PySide6.QtWidgets import QGridLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from workbench.engine.train import HEADS
from workbench.engine.values import TrainSpec
from workbench.panes.trainer.outside_step import OutsideStep
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.theme import set_role

_PAUSE = "Wait after the step at work; the window, the model and the memory stay, and the time is not counted"
_NOTHING = "Choose data and a checkpoint in the steps before."
_CONTINUE = "Go on with the next step, as if there had been no pause"


class RunStep(QWidget):
    """A form; what its buttons do is the pane's.

    Attributes:
        name: The run's name.
        place: Where the run is made.
        buttons: Holds the buttons, to be shown whatever step is.
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
        self._summary = named(QLabel(_NOTHING), "trainer.run_summary", "What is run")
        self._summary.setWordWrap(True)
        set_role(self._summary, "muted")
        self.buttons = QWidget()
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

    def show_spec(self, spec: TrainSpec | None) -> None:
        """Say what would be run."""
        self._summary.setText(_NOTHING if spec is None else _told(spec))

    def put_first(self, button: QPushButton) -> None:
        """Put another button before Start."""
        self._grid.addWidget(button, 0, 0, 1, 3)
        self._grid.addWidget(self.start, 0, 3, 1, 3)
        # Qt knows "after" alone: the button comes behind Start, and then Start behind the button.
        QWidget.setTabOrder(self.start, button)
        QWidget.setTabOrder(button, self.start)

    def _lay_out(self) -> None:
        form = QGridLayout()
        form.setColumnStretch(1, 1)
        label = QLabel("Run name")
        label.setBuddy(self.name)
        form.addWidget(label, 0, 0)
        form.addWidget(self.name, 0, 1)
        form.addWidget(self.place, 1, 0, 1, 2)
        form.addWidget(self._summary, 2, 0, 1, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        self._grid = QGridLayout(self.buttons)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.addWidget(self.start, 0, 0, 1, 6)
        for row, buttons in enumerate(((self.pause, self.evaluate, self.save), (self.stop, self.discard)), 1):
            span = 6 // len(buttons)
            for number, button in enumerate(buttons):
                self._grid.addWidget(button, row, number * span, 1, span)
        for number in range(6):
            self._grid.setColumnStretch(number, 1)


def _told(spec: TrainSpec) -> str:
    ends = f"{spec.max_steps:,} steps" if spec.max_steps > 0 else f"{spec.epochs:g} epoch{'s' * (spec.epochs != 1)}"
    rows = "all rows" if spec.rows is None else f"at most {spec.rows:,} rows"
    return (
        f"{HEADS[spec.task].title} · {spec.checkpoint.name} · {spec.data.name} · {rows}, {ends} in batches of "
        f"{spec.batch_size:,}"
    )


def _button(name: str, label: str, tip: str, icon: str = "") -> QPushButton:
    button = named(QPushButton(label), f"trainer.{name}", label, tip)
    if icon:
        icons.put(button, icon)
    return button

"""What is asked: the text, or what Playground wrote, how many positions of it, and whether the pane follows."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.engine import inside
from workbench.engine.models import LoadedModel
from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.wrapping_row import WrappingRow

#: The two things that can be looked at, as `Form.source` lists them.
TEXT, RUN = 0, 1


class Form(QWidget):
    """The top of the pane.

    Attributes:
        text: The text, which is the prompt of all panes.
        source: The text, or what Playground wrote.
        positions: The most that are looked at.
        live: Whether the pane looks again as they change.
        run, stop, state: The main action, and what is being done.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = named(
            ExactTextEdit(), "inside.text", "Text", "What the model reads; the prompt of all panes (Ctrl+Enter looks)"
        )
        self.text.setPlaceholderText("Type or paste a text")
        self.source = named(
            QuietComboBox(),
            "inside.source",
            "What to look at",
            "The text alone, or the prompt of Playground with what was generated after it",
        )
        self.source.addItems(["the text", "Playground's run"])
        # Cut before it makes the pane wider than its window.
        self.source.setMinimumWidth(1)
        self.positions = named(
            QuietSpinBox(),
            "inside.positions",
            "positions",
            f"The most tokens that are looked at, from 1 to {inside.MOST:,}; usually {inside.POSITIONS}. Attention "
            "maps grow with their square",
        )
        self.positions.setRange(1, inside.MOST)
        self.positions.setValue(inside.POSITIONS)
        self.live = named(
            QCheckBox("Live"),
            "inside.live",
            "Live",
            "Look again as the text or the run changes; usually for short ones",
        )
        self.run = named(
            QPushButton("Look inside"),
            "inside.run",
            "Look inside",
            "Run the model once and keep all states (Ctrl+Enter)",
        )
        theme.set_role(self.run, "primary")
        self.stop = named(QPushButton("Stop"), "inside.stop", "Stop", "Stop at the next layer (Esc)")
        self.state = named(QLabel(), "inside.state", "State", "What is being done, or what was looked at")
        self.state.setWordWrap(True)
        theme.set_role(self.state, "muted")
        buddy = QLabel("positions")
        buddy.setBuddy(self.positions)
        row = WrappingRow((self.source, buddy, self.positions, self.live), (self.run, self.stop))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.text)
        column.addWidget(row)
        below = QHBoxLayout()
        below.addWidget(self.state, 1)
        column.addLayout(below)
        self.source.currentIndexChanged.connect(self._show_source)
        self._show_measures()

    @property
    def of_run(self) -> bool:
        """Whether what Playground wrote is looked at."""
        return self.source.currentIndex() == RUN

    def offer_run(self, there: bool) -> None:
        """Say whether there is a run to be looked at."""
        self.source.model().item(RUN).setEnabled(there)
        if not there:
            self.source.setCurrentIndex(TEXT)

    def show_needs(self, model: LoadedModel) -> None:
        """Say what a look takes at most, while there is nothing else to say."""
        most = self.positions.value()
        needs = inside.estimate(model, most)
        words = f"at most {most:,} positions"
        if needs.states:
            words += f": {format_bytes(needs.states)} of hidden states, {format_bytes(needs.attention)} of attention"
        self.say(words)

    def say(self, words: str) -> None:
        """Say what is being done."""
        self.state.setText(words)
        self.state.setAccessibleName(words or "State")

    def _show_source(self) -> None:
        self.text.setVisible(not self.of_run)

    def _show_measures(self) -> None:
        height = round(2.1 * self.fontMetrics().lineSpacing()) + theme.px(self, 12)
        self.text.setFixedHeight(height)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "state"):
            self._show_measures()

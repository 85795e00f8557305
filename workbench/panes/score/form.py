"""What is asked: the text, how it is cut into windows, and whether a second model reads it too."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.engine import generate, score
from workbench.engine.models import LoadedModel
from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietSpinBox

_MOST = 10_000_000


class Form(LeastHeight):
    """The left side of the pane.

    Attributes:
        text, take: The text, and the button that takes Playground's.
        special, length, overlap: How the text is read.
        both, second, hub: Whether the second model reads it too, which one that is, and where to get one.
        run, stop, state: The main action, and what is being done.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = named(ExactTextEdit(), "score.text", "Text", "The text to score, of any kind (Ctrl+Enter)")
        self.text.setPlaceholderText("Type or paste a text")
        self.take = named(
            QPushButton("From Playground"),
            "score.take",
            "From Playground",
            "Take the prompt of Playground with what was generated after it",
        )
        self.special = named(
            QCheckBox("add_special_tokens"),
            "score.add_special_tokens",
            "add_special_tokens",
            "Add what the tokenizer puts around a text, such as a bos token; usually on, off for rendered chats",
        )
        self.special.setChecked(True)
        self.length = named(
            QuietSpinBox(),
            "score.window",
            "window",
            "Tokens in one pass of the model; a longer text is read in several. Usually the model's context",
        )
        self.overlap = named(
            QuietSpinBox(),
            "score.overlap",
            "overlap",
            "Tokens of context, at least, for what later windows score; usually half a window. More is slower",
        )
        for spin in (self.length, self.overlap):
            spin.setRange(0, _MOST)
        self.overlap.setSpecialValueText("half a window")
        self.both = named(
            QCheckBox("Compare with the second model"),
            "score.both",
            "Compare with the second model",
            "Score the text with both models in memory and show where they differ",
        )
        self.second = named(QLabel(), "score.second", "Second model")
        self.second.setWordWrap(True)
        theme.set_role(self.second, "muted")
        self.hub = named(QPushButton("Open Hub"), "score.open_hub", "Open Hub", "Load a second checkpoint in Hub")
        self.run = named(QPushButton("Score"), "score.run", "Score", "Read the text and score each token (Ctrl+Enter)")
        theme.set_role(self.run, "primary")
        self.stop = named(QPushButton("Stop"), "score.stop", "Stop", "Stop after the window that is read (Esc)")
        self.state = named(QLabel(), "score.state", "State", "What is being done, or how long it took")
        self.state.setWordWrap(True)
        theme.set_role(self.state, "muted")

        top = QHBoxLayout()
        top.addWidget(theme.set_role(QLabel("Text"), "heading"))
        top.addStretch(1)
        top.addWidget(self.take)
        self._options = QGridLayout()
        self._buddies = (QLabel("window"), QLabel("overlap"))
        for buddy, spin in zip(self._buddies, (self.length, self.overlap), strict=True):
            buddy.setBuddy(spin)
        self.place(in_line=False)
        second = QHBoxLayout()
        second.addWidget(self.second, 1)
        second.addWidget(self.hub, 0, Qt.AlignmentFlag.AlignTop)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run)
        buttons.addWidget(self.stop)
        buttons.addWidget(self.state, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.text, 1)
        column.addLayout(self._options)
        column.addWidget(self.both)
        column.addLayout(second)
        column.addLayout(buttons)
        self._show_measures()

    @property
    def compares(self) -> bool:
        """Whether the second model is to read the text too."""
        return not self.both.isHidden() and self.both.isEnabled() and self.both.isChecked()

    def show_model(self, model: LoadedModel) -> None:
        """Offer the windows that a model can read."""
        self.length.setSpecialValueText(f"own ({score.usual_window(model):,})")
        self.length.setMaximum(generate.context_of(model) or _MOST)

    def show_second(self, second: LoadedModel | None) -> None:
        """Offer to compare with a second model, or say why not."""
        refusal = score.supports(second) if second is not None else ""
        self.both.setVisible(second is not None)
        self.both.setEnabled(not refusal)
        self.both.setChecked(second is not None and not refusal)
        words = "To see where two checkpoints differ on a text, load another one in Hub as second."
        if second is not None:
            words = refusal or f"A is the loaded checkpoint, B is {second.checkpoint.name}."
        self.second.setText(words)
        self.second.setAccessibleName(words)
        self.hub.setVisible(second is None)

    def say(self, words: str) -> None:
        """Say what is being done."""
        self.state.setText(words)
        self.state.setAccessibleName(words or "State")

    def place(self, *, in_line: bool) -> None:
        """One below the other, or all in a line where the text stands above the results and there is room."""
        self._options.addWidget(self.special, 0, 0, 1, 1 if in_line else 2)
        for number, (buddy, spin) in enumerate(zip(self._buddies, (self.length, self.overlap), strict=True)):
            row, column = (0, 1 + 2 * number) if in_line else (1 + number, 0)
            self._options.addWidget(buddy, row, column)
            self._options.addWidget(spin, row, column + 1)
        for column in range(5):
            self._options.setColumnStretch(column, int(column in ((2, 4) if in_line else (1,))))

    def _show_measures(self) -> None:
        self.text.setMinimumHeight(theme.px(self, 90))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "state"):
            self._show_measures()

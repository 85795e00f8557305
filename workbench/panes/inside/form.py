"""What is asked: text, picture or sound, or what Playground wrote, how much of it, and whether the pane follows."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.engine import inside
from workbench.engine.models import LoadedModel
from workbench.engine.tasks import videos
from workbench.engine.values import TaskInput
from workbench.widgets import theme
from workbench.widgets.control_bar import labelled
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.file_well import FileWell
from workbench.widgets.naming import named
from workbench.widgets.picture_well import PictureWell
from workbench.widgets.quantities import format_bytes
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.sound_well import SoundWell
from workbench.widgets.wrapping_row import WrappingRow

#: What stands in an empty text.
_PLAIN = "Type or paste a text"
#: The two things that can be looked at, as `Form.source` lists them.
TEXT, RUN = 0, 1


class Form(QWidget):
    """The top of the pane.

    Attributes:
        text: The text, which is the prompt of all panes.
        picture, sound, film, other, file: What is given besides, or instead; who owns the form reads them and hands
            copies over.
        example: Fills in something to try.
        source: What is given, or what Playground wrote.
        submodel: The whole model, or one that it is made of.
        positions: The most that are looked at.
        live: Whether the pane looks again as they change.
        run, stop, state: The main action, and what is being done.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = named(
            ExactTextEdit(), "inside.text", "Text", "What the model reads; the prompt of all panes (Ctrl+Enter looks)"
        )
        self.picture = named(PictureWell("inside.image"), "inside.image", "Picture", "Drop one here, or press Ctrl+V")
        self.sound = named(SoundWell("inside.audio"), "inside.audio", "Sound", "Drop one here, or choose one")
        self.film = named(
            FileWell("inside.video", "video", (*videos.FILMS, *videos.ANIMATED), folders=True, pictured=True),
            "inside.video", "Video", "Drop one here, or choose one or a folder of pictures",
        )  # fmt: skip
        self.other = named(
            PictureWell("inside.other"), "inside.other", "Picture to learn from", "Drop one here, or press Ctrl+V"
        )
        self.file = named(
            FileWell("inside.file", "mask or file of numbers", (".npy", ".npz", ".png"), pictured=True),
            "inside.file", "File",
            "Numbers as NumPy saves them: regions of a picture, usually 36, or what another part of the model writes; "
            "or the mask of the picture to learn from",
        )  # fmt: skip
        self.example = named(
            QPushButton("Try an example"),
            "inside.example",
            "Try an example",
            "Fill in a picture, a sound or a film to try",
        )
        self.other.view.set_hint("Drop the picture to learn from here, or choose one.")
        self._reads: tuple[str, ...] = ("text",)
        self._wells = (("text", self.text), ("image", self.picture), ("audio", self.sound), ("video", self.film),
                       ("other", self.other), ("beside", self.file))  # fmt: skip
        self.source = named(
            QuietComboBox(),
            "inside.source",
            "What to look at",
            "What is given here, or the prompt of Playground with what was generated after it",
        )
        self.source.addItems(["the text", "Playground's run"])
        # Cut before it makes the pane wider than its window.
        self.source.setMinimumWidth(1)
        self.submodel = named(
            QuietComboBox(),
            "inside.submodel",
            "Submodel",
            "The whole model, or one that it is made of by its name in the library, such as the one that sees",
        )
        self.submodel.setMinimumWidth(1)
        self._which = labelled("Submodel", self.submodel)
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
        row = WrappingRow(
            (self.source, self._which, buddy, self.positions, self.live), (self.example, self.run, self.stop)
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._given = QGridLayout()
        column.addLayout(self._given)
        for well in (self.picture, self.sound, self.film, self.text, self.other, self.file):
            self._given.addWidget(well, 0, 0)
        column.addWidget(row)
        below = QHBoxLayout()
        below.addWidget(self.state, 1)
        column.addLayout(below)
        self.source.currentIndexChanged.connect(self._show_source)
        self.show_for(("text",), _PLAIN)

    @property
    def asked(self) -> TaskInput:
        """What is given, as far as the model reads it."""
        return TaskInput(
            self.text.text() if "text" in self._reads else "",
            image=self.picture.path if "image" in self._reads else None,
            audio=self.sound.path if "audio" in self._reads else None,
            video=self.film.path if "video" in self._reads else None,
            other=self.other.path if "other" in self._reads else None,
            beside=self.file.path if "beside" in self._reads else None,
        )

    def set_asked(self, asked: TaskInput) -> None:
        """Fill in what is given; a text that is there stays."""
        for name, well in self._wells[1:]:
            path = getattr(asked, name)
            if path is not None:
                well.set_path(path)
        if asked.text and not self.text.text():
            self.text.set_text(asked.text)

    def show_for(self, reads: tuple[str, ...], words: str) -> None:
        """Show the wells of what a model reads, by `inside.reads`, and say what text it wants."""
        self._reads = reads
        senses = [name for name in reads if name != "text"]
        self.example.setVisible(bool(senses) or words != _PLAIN)
        self.text.setPlaceholderText(words)
        names = {
            "image": "the picture", "audio": "the sound", "video": "the film", "text": "the text", "beside": "the file",
        }  # fmt: skip
        self.source.setItemText(TEXT, names[reads[0]] if len(reads) == 1 else "what is given")
        # How long a picture or a sound is can't be chosen.
        self.positions.setEnabled("text" in reads)
        if senses:
            self.live.setChecked(False)
        self._show_source()
        self._show_measures()

    @property
    def path(self) -> str:
        """Where the model keeps what is looked into; empty for the whole."""
        return str(self.submodel.currentData() or "")

    def offer_submodels(self, model: LoadedModel) -> None:
        """Show what a model is made of, where it is made of several."""
        paths = inside.submodels(model)
        self.submodel.blockSignals(True)
        self.submodel.clear()
        if not inside.composed(model):
            self.submodel.addItem("the whole model", "")
        for path in paths:
            self.submodel.addItem(path.removeprefix("model."), path)
        self.submodel.blockSignals(False)
        self._which.setVisible(self.submodel.count() > 1)

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
        if "text" not in self._reads:
            self.say("looked at whole, as the checkpoint's own processor prepares it")
            return
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
        for name, well in self._wells:
            well.setVisible(name in self._reads and not self.of_run)
        self._place()

    def _place(self) -> None:
        """What is given side by side; a text below where it would be squeezed by several others."""
        wells = (self.picture, self.sound, self.film, self.other, self.file)
        senses = [well for well in wells if not well.isHidden()]
        for column, well in enumerate(senses):
            self._given.addWidget(well, 0, column)
            self._given.setColumnStretch(column, 1)
        below = len(senses) > 1
        place = (1, 0, 1, len(senses)) if below else (0, len(senses), 1, 1)
        self._given.addWidget(self.text, *place)
        for column in range(1, len(wells) + 1):
            there = column < len(senses) + (0 if below or self.text.isHidden() else 1)
            self._given.setColumnStretch(column, int(there))

    def _show_measures(self) -> None:
        height = round(2.1 * self.fontMetrics().lineSpacing()) + theme.px(self, 12)
        tall = theme.px(self, 132)
        alone = self._reads == ("text",) or len(self._reads) > 2
        self.text.setFixedHeight(height if alone else tall)
        for well in (self.picture, self.sound, self.film, self.other, self.file):
            well.setFixedHeight(tall)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "state"):
            self._show_measures()

"""What a task is done on: only the fields that it reads are shown, each under its own name."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from workbench.engine.tasks import Spec, videos
from workbench.engine.values import TaskInput
from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.file_well import FileWell
from workbench.widgets.naming import named
from workbench.widgets.picture_well import PictureWell
from workbench.widgets.sound_well import SoundWell
from workbench.widgets.theme import px

#: What frames can be read of; a picture that does not move is one.
_FRAMES = tuple(dict.fromkeys((*videos.FILMS, *videos.ANIMATED, *videos.STILLS)))
#: How the room is shared: a context is longer than its question, labels are short.
_ROOM = {"text": 2, "second": 3, "labels": 2, "image": 5, "other": 5, "audio": 3, "video": 5, "beside": 0}


class GivenForm(QWidget):
    """The input of a task.

    Attributes:
        picture: Where a picture is taken; who owns the form reads it and hands a copy over.
        other: Likewise for a second picture.
        sound: Likewise for a sound, and its samples.
        film: Likewise for a video, and a strip of its frames.

    Signals:
        changed(): The person changed something.
        refused(str): Words for a file that can't be used.
    """

    changed = Signal()
    refused = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._takes: tuple[str, ...] = ()
        self._text = named(ExactTextEdit(), "tasks.text", "Text", "What the task is done on; Ctrl+Enter runs")
        self._second = named(ExactTextEdit(), "tasks.second", "Second text", "What goes with the first text")
        self._labels = named(ExactTextEdit(), "tasks.labels", "Labels", "One a line; usually 2 to 10")
        self.picture = named(PictureWell("tasks.image"), "tasks.image", "Picture", "Drop one here, or press Ctrl+V")
        self.sound = named(SoundWell("tasks.audio"), "tasks.audio", "Sound", "Drop one here, or choose one")
        self.other = named(
            PictureWell("tasks.other"), "tasks.other", "Second picture", "Drop one here, or press Ctrl+V"
        )
        self.film = named(
            FileWell("tasks.video", "video", _FRAMES, folders=True, pictured=True),
            "tasks.video", "Video", "Drop one here, or choose one or a folder of pictures",
        )  # fmt: skip
        self._beside = named(
            FileWell("tasks.beside", "file", (".npy", ".npz", ".png")), "tasks.beside", "File",
            "Of a speaker: an x-vector, usually of 512 numbers, or a preset of Bark, as NumPy saves it; of a picture: "
            "its regions, usually 36, as NumPy saves them, or its mask as a picture",
        )  # fmt: skip
        self._fields: dict[str, QWidget] = {
            "text": self._text,
            "second": self._second,
            "labels": self._labels,
            "image": self.picture,
            "other": self.other,
            "audio": self.sound,
            "video": self.film,
            "beside": self._beside,
        }
        self._names: dict[str, QLabel] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        for name, field in self._fields.items():
            label = QLabel(field.accessibleName())
            label.setBuddy(field)
            self._names[name] = label
            self._column.addWidget(label)
            self._column.addWidget(field, _ROOM[name])
        for edit in (self._text, self._second, self._labels):
            # Of what room there is, and never so much that the settings below have to be scrolled to.
            edit.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
            edit.textChanged.connect(self.changed)
        self.picture.changed.connect(self.changed)
        self.picture.refused.connect(self.refused)
        self.other.changed.connect(self.changed)
        self.other.refused.connect(self.refused)
        self.sound.changed.connect(self.changed)
        self.film.changed.connect(self.changed)
        self._beside.changed.connect(self.changed)

    @property
    def given(self) -> TaskInput:
        """The input as it stands; what the task does not read is left out."""
        return TaskInput(
            text=self._text.text() if "text" in self._takes else "",
            second=self._second.text() if "second" in self._takes else "",
            labels=_lines(self._labels.text()) if "labels" in self._takes else (),
            image=self.picture.path if "image" in self._takes else None,
            audio=self.sound.path if "audio" in self._takes else None,
            other=self.other.path if "other" in self._takes else None,
            video=self.film.path if "video" in self._takes else None,
            beside=self._beside.path if "beside" in self._takes else None,
        )

    def set_given(self, given: TaskInput) -> None:
        """Fill in an input; a field that the task does not read stays as it is."""
        if "text" in self._takes:
            self._text.set_text(given.text)
        if "second" in self._takes:
            self._second.set_text(given.second)
        if "labels" in self._takes:
            self._labels.set_text("\n".join(given.labels))
        if "image" in self._takes:
            self.picture.set_path(given.image)
        if "audio" in self._takes:
            self.sound.set_path(given.audio)
        if "other" in self._takes:
            self.other.set_path(given.other)
        if "video" in self._takes:
            self.film.set_path(given.video)
        if "beside" in self._takes and given.beside is not None:
            self._beside.set_path(given.beside)

    def show_for(self, spec: Spec) -> None:
        """Show the fields of a task under the names it has for them."""
        names = dict(spec.inputs)
        self._takes = spec.takes
        for name, field in self._fields.items():
            shown = name in names
            field.setVisible(shown)
            # A file alone does not show what it is to hold.
            self._names[name].setVisible(shown and (len(names) > 1 or name == "beside"))
            if shown:
                self._names[name].setText(names[name])
                field.setAccessibleName(names[name])
        self._text.setPlaceholderText(f"{names.get('text', 'Text')} …")
        self._second.setPlaceholderText(f"{names.get('second', 'Second text')} …")
        self._labels.setPlaceholderText(f"{names.get('labels', 'Labels')} …")
        self._measure()

    def focus_first(self) -> None:
        """Put the keyboard into the first field."""
        for name, field in self._fields.items():
            if name in self._takes:
                field.setFocus()
                return

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_column"):
            self._measure()

    def _measure(self) -> None:
        # A question is one line; where it stands above a context, it needs no more room than a few.
        several = {"second", "labels", "image"} & set(self._takes)
        for edit in (self._text, self._second, self._labels):
            edit.setMinimumHeight(px(self, 56))
        self._text.setMaximumHeight(px(self, 90) if several & {"second", "image"} else 16_777_215)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())

"""Files that go in with the prompt: pictures and sounds, dropped on it, pasted or chosen, taken out with a click."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QMimeData, QObject, QSize, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QGuiApplication,
    QIcon,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPixmap,
)
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QToolButton, QWidget

from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.generate import hearing, sounds
from workbench.engine.generate.hearing import Look
from workbench.engine.models import LoadedModel
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import icons, pictures
from workbench.widgets.naming import named
from workbench.widgets.theme import CHANGES, px, set_role
from workbench.widgets.visible_text import drawable

_SIDE = 44
#: Characters of a sound's name that are shown.
_NAME = 18
#: Files up to which it is.
_SPELLED = 2
_SOUNDS = f"Sounds ({' '.join(f'*{ending}' for ending in sounds.KINDS)})"
_FILMS = (".mp4", ".webm", ".mkv", ".avi", ".mov")
_HINTS = {
    (True, False): "Drop images on the prompt, or choose them.",
    (False, True): "Drop sounds on the prompt, or choose them.",
    (True, True): "Drop images and sounds on the prompt, or choose them.",
}


@dataclass(eq=False, slots=True)
class _File:
    """A file in the row; of a sound with the ``wave`` that is drawn of it."""

    path: Path
    button: QToolButton
    wave: np.ndarray | None = None


class Attached(QWidget):
    """A row of thumbnails; hidden until the checkpoint takes pictures or sounds.

    Args:
        runner: Reads sounds on the IO lane.

    Signals:
        files_changed(): One was added or taken out.
        refused(WorkbenchError): A file can't be taken.
    """

    files_changed = Signal()
    refused = Signal(object)

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._model: LoadedModel | None = None
        self._files: list[_File] = []
        self._sent: list[_File] = []
        self._offers = (False, False)
        self._apart = ""
        self._hint = QLabel()
        self._hint.setWordWrap(True)
        set_role(self._hint, "muted")
        self._add_images = named(
            QPushButton("Add images"), "playground.add_images", "Add images", "Choose pictures to show the model"
        )
        self._add_sounds = named(
            QPushButton("Add sounds"),
            "playground.add_sounds",
            "Add sounds",
            "Choose sounds for the model to hear; they are resampled to the rate that it was trained on, often 16,000",
        )
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.addWidget(self._hint, 1)
        self._row.addStretch()
        for button in (self._add_images, self._add_sounds):
            icons.put(button, "plus")
            self._row.addWidget(button)
        self._add_images.clicked.connect(self._on_add_images)
        self._add_sounds.clicked.connect(self._on_add_sounds)

    @property
    def images(self) -> tuple[Path, ...]:
        """The pictures, in their order; none where the checkpoint takes none."""
        return tuple(file.path for file in self._files if file.wave is None) if self._offers[0] else ()

    @property
    def sounds(self) -> tuple[Path, ...]:
        """The sounds, in their order; none where the checkpoint takes none."""
        return tuple(file.path for file in self._files if file.wave is not None) if self._offers[1] else ()

    @property
    def files(self) -> dict[str, tuple[Path, ...]]:
        """``images`` and ``sounds``."""
        return {"images": self.images, "sounds": self.sounds}

    def show_model(self, model: LoadedModel | None) -> None:
        """Offer what a checkpoint takes; what it does not stays for one that does."""
        self._model = model
        self._offers = (model is not None and model.takes_images, model is not None and hearing.hears(model))
        why = hearing.why_not(model) if model is not None else ""
        self._apart = f"Sounds are for Tasks with this checkpoint. {why}" if why else ""
        self.setVisible(any(self._offers) or bool(why))
        for offered, button in zip(self._offers, (self._add_images, self._add_sounds), strict=True):
            button.setVisible(offered)
        self._show()

    def add(self, paths: Iterable[Path]) -> None:
        """Take files; what can't be read is refused."""
        for path in paths:
            if path.suffix.lower() in sounds.KINDS:
                self._listen(path)
            else:
                self._see(path)

    def clear(self) -> None:
        """Take all out."""
        for file in (*self._files, *self._sent):
            file.button.deleteLater()
        self._sent.clear()
        if self._files:
            self._files.clear()
            self._changed()

    def send(self) -> None:
        """Let the files go with a message: they are its own from now on."""
        for file in self._sent:
            file.button.deleteLater()
        self._sent, self._files = self._files, []
        for file in self._sent:
            file.button.hide()
            self._row.removeWidget(file.button)
        self._changed()

    def take_back(self) -> None:
        """Have those again that went last, since their message was not answered."""
        for file in self._sent:
            self._put(file)
        self._sent = []

    def accept_on(self, editor: QPlainTextEdit) -> None:
        """Take files that are dropped on an editor or pasted into it, while this row is shown."""
        editor.viewport().setAcceptDrops(True)
        editor.viewport().installEventFilter(self)
        editor.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Catch files that are dropped or pasted; all else goes its usual way."""
        if self.isHidden():
            return super().eventFilter(watched, event)
        if isinstance(event, QDragEnterEvent | QDragMoveEvent | QDropEvent):
            paths = _taken(event.mimeData())
            if paths:
                event.acceptProposedAction()
                if event.type() == QEvent.Type.Drop:
                    self.add(paths)
                return True
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            paths = (
                _taken(QGuiApplication.clipboard().mimeData()) if event.matches(QKeySequence.StandardKey.Paste) else []
            )
            if paths:
                self.add(paths)
                return True
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow theme and zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_row"):
            for file in self._files:
                self._draw(file)

    # The work.

    def _see(self, path: Path) -> None:
        what = "This file was not taken."
        if path.suffix.lower() in _FILMS:
            why = f"{path.name} is a film, and the Playground takes pictures and sounds only."
            self.refused.emit(InputError(what, why=why, remedy="Show films in Tasks, or add pictures of it here."))
            return
        picture, why = pictures.preview(path, 2 * px(self, _SIDE))
        if not why and not self._offers[0] and self._offers[1]:
            why = f"The loaded checkpoint hears, and {path.name} is a picture."
        if why:
            remedy = f"Choose a {'PNG, JPEG or WebP picture' if self._offers[0] else 'WAV, FLAC, OGG or MP3 sound'}."
            self.refused.emit(InputError(what, why=why, remedy=remedy))
            return
        button = self._thumbnail(path, f"{drawable(path.name)}: click to take it out again")
        button.setIcon(QIcon(QPixmap.fromImage(picture)))
        self._put(_File(path, button))

    def _listen(self, path: Path) -> None:
        if self._model is None:
            return
        job = Job(f"Listen to {path.name}", hearing.look, self._model, path, pane="playground")
        job.succeeded.connect(self._on_heard)
        job.failed.connect(self._on_unheard)
        self._runner.start(job, Lane.IO)

    def _on_heard(self, look: Look) -> None:
        name = drawable(look.path.name)
        button = self._thumbnail(look.path, f"{name}, {look.seconds:.1f} seconds: click to take it out again")
        short = name if len(name) <= _NAME else f"{name[:_NAME]}…"
        button.setText(f"{short} · {look.seconds:.1f} s")
        self._put(_File(look.path, button, look.wave))

    def _on_unheard(self, error: WorkbenchError) -> None:
        self.refused.emit(error)

    def _thumbnail(self, path: Path, tip: str) -> QToolButton:
        button = named(QToolButton(), "playground.file", f"Remove {drawable(path.name)}", tip)
        set_role(button, "quiet")
        button.clicked.connect(self._on_thumbnail)
        return button

    def _put(self, file: _File) -> None:
        self._row.insertWidget(len(self._files), file.button)
        self._files.append(file)
        file.button.show()
        self._draw(file)
        self._changed()

    def _draw(self, file: _File) -> None:
        side = px(self, _SIDE)
        file.button.setIconSize(QSize(side if file.wave is None else 2 * side, side))
        if file.wave is not None:
            file.button.setIcon(QIcon(self._wave(file.wave, 2 * side, side)))

    def _wave(self, wave: np.ndarray, width: int, height: int) -> QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(round(width * ratio), round(height * ratio))
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setPen(self.palette().highlight().color())
        parts = np.array_split(wave / max(float(wave.max(initial=0.0)), 1e-9), min(width, len(wave)))
        # The name beside it stands apart.
        step = (width - height / 8) / len(parts)
        for number, part in enumerate(parts):
            half = max(0.5, float(part.max()) * height / 2)
            place = (number + 0.5) * step
            painter.drawLine(QLineF(place, height / 2 - half, place, height / 2 + half))
        painter.end()
        return picture

    # What the person did.

    def _on_thumbnail(self) -> None:
        number = next(number for number, file in enumerate(self._files) if file.button is self.sender())
        self._files.pop(number).button.deleteLater()
        self._changed()

    def _on_add_images(self) -> None:
        self._choose("Choose pictures", pictures.FILTER)

    def _on_add_sounds(self) -> None:
        self._choose("Choose sounds", _SOUNDS)

    def _choose(self, what: str, kinds: str) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, what, "", kinds)
        self.add(Path(path) for path in chosen)

    # What is shown.

    def _changed(self) -> None:
        for number, file in enumerate(self._files, 1):
            file.button.setObjectName(f"playground.file_{number}")
        self._show()
        self.files_changed.emit()

    def _show(self) -> None:
        self._hint.setText(_HINTS.get(self._offers, self._apart))
        self._hint.setVisible(not (self.images or self.sounds))
        styles = Qt.ToolButtonStyle
        # Of many the waves alone have room; what each is called is in its tooltip.
        style = styles.ToolButtonTextBesideIcon if len(self._files) <= _SPELLED else styles.ToolButtonIconOnly
        for file in self._files:
            file.button.setVisible(self._offers[file.wave is not None])
            file.button.setToolButtonStyle(style if file.wave is not None else styles.ToolButtonIconOnly)


def _taken(data: QMimeData | None) -> Sequence[Path]:
    """The files in what was dropped or copied that are pictures, sounds or films."""
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data is not None else []
    return [path for path in paths if path.suffix.lower() in (*pictures.KINDS, *sounds.KINDS, *_FILMS)]

"""A place for one sound: chosen or dropped on it, drawn as a wave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable
from workbench.widgets.waveform import Waveform

#: Endings of files that are taken.
KINDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64")
_FILTER = f"Sounds ({' '.join(f'*{ending}' for ending in KINDS)})"


class SoundWell(QFrame):
    """One sound, with its name and length under it. Who owns it reads the file and hands the samples over.

    Args:
        name: First part of the object names: ``name_choose``, ``name_view``.

    Signals:
        sound_changed(): Another one was taken, or it was taken out.
        record_toggled(bool): The person wants to record, or to end it.
    """

    sound_changed = Signal()
    record_toggled = Signal(bool)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "card")
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._path: Path | None = None
        self.view = named(Waveform(), f"{name}_view", "Wave", "The sound over its seconds")
        self.view.set_hint("Drop a sound here, or choose one.")
        self._about = set_role(QLabel(), "muted")
        self._choose = named(QPushButton("Choose"), f"{name}_choose", "Choose", "Choose a sound's file")
        icons.put(self._choose, "folder")
        self._record = named(
            QPushButton("Record"), f"{name}_record", "Record", "Record from the microphone; press again to end it"
        )
        self._record.setCheckable(True)
        self._record.hide()
        row = QHBoxLayout()
        row.addWidget(self._choose)
        row.addWidget(self._record)
        row.addWidget(self._about, 1)
        column = QVBoxLayout(self)
        column.addWidget(self.view, 1)
        column.addLayout(row)
        self._choose.clicked.connect(self._on_choose)
        self._record.toggled.connect(self.record_toggled)

    @property
    def path(self) -> Path | None:
        """The sound's file."""
        return self._path

    def set_path(self, path: Path | None) -> None:
        """Take a sound; it is drawn when its samples come."""
        if path == self._path:
            return
        self._path = path
        self.view.set_samples(np.zeros(0, np.float32), 1)
        self._about.setText(drawable(path.name) if path is not None else "")
        self._about.setToolTip(drawable(str(path)) if path is not None else "")
        self.sound_changed.emit()

    def offer_recording(self, on: bool) -> None:
        """Whether there is a button to record with."""
        self._record.setVisible(on)

    def end_recording(self) -> None:
        """Show that nothing is recorded any more."""
        self._record.setChecked(False)

    def show_recorded(self, seconds: float) -> None:
        """Say how long has been recorded."""
        self._about.setText(f"recording, {seconds:.0f} s")

    def show_samples(self, samples: np.ndarray, rate: int) -> None:
        """Draw samples of shape ``(samples,)``, so many a second."""
        self.view.set_samples(samples, rate)
        if self._path is not None:
            length = f"{len(samples) / rate:.2f} s at {rate:,} a second"
            self._about.setText(f"{drawable(self._path.name)}  {length}")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take sound files."""
        if _dropped(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the first of the sounds that are dropped."""
        found = _dropped(event.mimeData())
        if found:
            event.acceptProposedAction()
            self.set_path(found[0])

    def _on_choose(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a sound", "", _FILTER)
        if chosen:
            self.set_path(Path(chosen))


def _dropped(data: QMimeData) -> list[Path]:
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    return [path for path in paths if path.suffix.lower() in KINDS]

"""A place for one sound: chosen, dropped on it or recorded, drawn as a wave."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from workbench.widgets.naming import named
from workbench.widgets.waveform import Waveform
from workbench.widgets.well import Well

#: Endings of files that are taken.
KINDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64")


class SoundWell(Well):
    """One sound, with its name and length under it. Who owns it reads the file and hands the samples over.

    Args:
        name: First part of the object names: ``name_choose``, ``name_record``, ``name_view``.

    Signals:
        record_toggled(bool): The person wants to record, or to end it.
    """

    record_toggled = Signal(bool)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        view = named(Waveform(), f"{name}_view", "Wave", "The sound over its seconds")
        view.set_hint("Drop a sound here, or choose one.")
        self._record = named(
            QPushButton("Record"), f"{name}_record", "Record", "Record from the microphone; press again to end it"
        )
        self._record.setCheckable(True)
        super().__init__(name, "sound", KINDS, view, (self._record,), parent)
        self._record.hide()
        self._record.toggled.connect(self.record_toggled)

    def empty_view(self) -> None:
        """Show nothing."""
        self.view.set_samples(np.zeros(0, np.float32), 1)

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
        self._say(f"  {len(samples) / rate:.2f} s at {rate:,} a second")

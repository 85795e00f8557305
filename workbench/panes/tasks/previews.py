"""What pictures, sounds and videos that were given look like, and what the microphone hears, off the UI thread."""

from __future__ import annotations

import threading
from pathlib import Path

from PySide6.QtCore import QObject, QTemporaryDir, Signal
from PySide6.QtGui import QImage

from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress
from workbench.engine.tasks import microphone, sounds
from workbench.engine.values import Sound
from workbench.panes.tasks.given import GivenForm
from workbench.panes.tasks.pictures import preview, strip
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.reading import read
from workbench.widgets.pane_frame import PaneFrame


class Previews(QObject):
    """Reads small copies and records for a form; what can't be read or heard is a notice of the pane.

    Args:
        given: The form.
        runner: Reads on the lane for disks.
        pane: Whose notices say what went wrong.

    Signals:
        picture_shown(QImage): The form shows this copy of the picture now.
    """

    picture_shown = Signal(QImage)

    def __init__(self, given: GivenForm, runner: Runner, pane: PaneFrame) -> None:
        super().__init__(pane)
        self._given = given
        self._runner = runner
        self._pane = pane
        for well in (given.picture, given.sound, given.other, given.film):
            well.changed.connect(self._on_given)
        given.picture.changed.connect(self._on_picture_changed)
        given.sound.changed.connect(self._on_sound_changed)
        given.other.changed.connect(self._on_other_changed)
        given.film.changed.connect(self._on_film_changed)
        self._folder: QTemporaryDir | None = None
        self._recorded = 0
        self._enough = threading.Event()
        given.sound.offer_recording(microphone.installed())
        given.sound.record_toggled.connect(self._on_record_toggled)

    def _on_given(self) -> None:
        # What was wrong was wrong with the file before.
        self._pane.clear_notices("error")

    def _on_picture_changed(self) -> None:
        well = self._given.picture
        if well.path is not None and well.view.picture.isNull():
            show, stops = self._show_picture, "when it is read"
            read(self._runner, well.path, preview, show, place="tasks.picture", stops=stops)

    def _show_picture(self, found: tuple[QImage, str]) -> None:
        self._given.picture.show_read(found)
        if not found[1]:
            self.picture_shown.emit(found[0])

    def _on_sound_changed(self) -> None:
        path = self._given.sound.path
        if path is not None:
            show, stops = self._show_sound, "at the next block"
            read(self._runner, path, sounds.read, show, place="tasks.sound", stops=stops, failed=self._on_failed)

    def _show_sound(self, sound: Sound) -> None:
        self._given.sound.show_samples(sound.samples, sound.rate)

    def _on_other_changed(self) -> None:
        well = self._given.other
        if well.path is not None and well.view.picture.isNull():
            read(self._runner, well.path, preview, well.show_read, place="tasks.other", stops="when it is read")

    def _on_film_changed(self) -> None:
        well = self._given.film
        if well.path is not None:
            show, stops = well.show_picture, "at the next frame"
            read(self._runner, well.path, strip, show, place="tasks.film", stops=stops, failed=self._on_failed)

    def _on_record_toggled(self, on: bool) -> None:
        if not on:
            self._enough.set()
            return
        self._folder = self._folder or QTemporaryDir()
        self._recorded += 1
        self._enough = threading.Event()
        path = Path(self._folder.filePath(f"recorded {self._recorded}.wav"))
        job = Job("Recording", microphone.record, path, self._enough, pane="tasks", stops="at once, keeping nothing")
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._given.sound.set_path)
        job.failed.connect(self._on_failed)
        job.finished.connect(self._given.sound.end_recording)
        self._runner.start(job, Lane.IO, slot="tasks.microphone")

    def _on_progress(self, progress: Progress) -> None:
        self._given.sound.show_recorded(progress.done)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._pane.show_notice(error.what, error.why, error.remedy)

"""What the picture and the sound look like that are given, read off the UI thread."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QImage

from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Task
from workbench.engine.tasks import sounds, videos
from workbench.engine.values import Sound
from workbench.panes.inside.form import Form
from workbench.runtime.jobs import Runner
from workbench.runtime.reading import read
from workbench.widgets import pictures
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.picture_view import to_image
from workbench.widgets.picture_well import PictureWell

#: Pixels of the longer side of the copy that is shown.
_SIDE = 480


class Wells(QObject):
    """Hands small copies over to the wells of a form; what can't be read is a notice of the pane.

    Args:
        form: Whose wells.
        runner: Reads on the lane for disks.
        pane: Whose notices say what went wrong.
    """

    def __init__(self, form: Form, runner: Runner, pane: PaneFrame) -> None:
        super().__init__(pane)
        self._form = form
        self._runner = runner
        self._pane = pane
        for well in (form.picture, form.other):
            well.changed.connect(partial(self._on_picture, well))
            well.refused.connect(self._on_refused)
        form.sound.changed.connect(self._on_sound)
        form.film.changed.connect(self._on_film)

    def _on_picture(self, well: PictureWell) -> None:
        if well.path is not None and well.view.picture.isNull():
            place = "inside.picture" if well is self._form.picture else "inside.other"
            read(self._runner, well.path, _preview, well.show_read, place=place, stops="when it is read")

    def _on_refused(self, words: str) -> None:
        self._pane.show_notice(words, "", "Take another picture.")

    def _on_sound(self) -> None:
        path, stops = self._form.sound.path, "at the next block"
        if path is not None:
            read(
                self._runner, path, sounds.read, self._on_heard, place="inside.sound", stops=stops,
                failed=self._on_failed,
            )  # fmt: skip

    def _on_heard(self, sound: Sound) -> None:
        self._form.sound.show_samples(sound.samples, sound.rate)

    def _on_film(self) -> None:
        path, show = self._form.film.path, self._form.film.show_picture
        if path is not None:
            stops = "at the next frame"
            read(self._runner, path, _strip, show, place="inside.film", stops=stops, failed=self._on_failed)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._pane.show_notice(error.what, error.why, error.remedy)


def _preview(path: Path, *, task: Task) -> tuple[QImage, str]:
    task.check()
    return pictures.preview(path, _SIDE)


def _strip(path: Path, *, task: Task) -> QImage:
    return to_image(videos.strip(path, task=task))

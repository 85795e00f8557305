"""A place for one picture: chosen, dropped on it or pasted into it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QTemporaryDir, Signal
from PySide6.QtGui import QDragEnterEvent, QImage, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QPushButton, QWidget

from workbench.widgets import icons, pictures
from workbench.widgets.naming import named, with_keys
from workbench.widgets.picture_view import PictureView
from workbench.widgets.well import Well


class PictureWell(Well):
    """One picture, with its name under it. Who owns it reads the file, and hands a small copy or a refusal over.

    Args:
        name: First part of the object names: ``name_choose``, ``name_paste``, ``name_view``.

    Signals:
        refused(str): Words for what is no picture.
    """

    refused = Signal(str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        view = named(PictureView(), f"{name}_view", "Picture shown", "The picture as it will be read")
        view.set_hint(with_keys("Drop a picture here, choose one, or paste one with Ctrl+V."))
        paste = named(QPushButton("Paste"), f"{name}_paste", "Paste", "Take the picture in the clipboard (Ctrl+V)")
        icons.put(paste, "copy")
        super().__init__(name, "picture", pictures.KINDS, view, (paste,), parent)
        self._before: tuple[Path | None, QImage] = (None, QImage())
        self._folder: QTemporaryDir | None = None
        paste.clicked.connect(self.paste)

    def set_path(self, path: Path | None) -> None:
        """Take a picture; it is shown when its copy comes."""
        if path != self._path:
            self._before = self._path, self.view.picture
        super().set_path(path)

    def show_picture(self, picture: QImage) -> None:
        """Show a copy of the picture that was taken."""
        self.view.set_picture(picture)

    def show_read(self, read: tuple[QImage, str]) -> None:
        """Show a copy as `pictures.preview` gives it, or go back to the picture before, with words for why."""
        picture, why = read
        if why:
            self.refuse(why)
        else:
            self.show_picture(picture)

    def empty_view(self) -> None:
        """Show nothing."""
        self.view.set_picture(None)

    def refuse(self, words: str) -> None:
        """Go back to the picture before: this one can't be read."""
        self._path, picture = self._before
        self.view.set_picture(picture)
        self._say()
        self.refused.emit(words)
        self.changed.emit()

    def paste(self) -> None:
        """Take the picture in the clipboard."""
        found = pictures.pasted(self._kept())
        if found:
            self.set_path(found[0])
        else:
            self.refused.emit("There is no picture in the clipboard.")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take pictures that have no file too, as browsers drag them."""
        if pictures.dropped(event.mimeData()) or event.mimeData().hasImage():
            event.acceptProposedAction()

    def _dropped(self, data: QMimeData) -> list[Path]:
        return pictures.taken(data, self._kept())

    def _kept(self) -> Path:
        if self._folder is None:
            self._folder = QTemporaryDir()
        return Path(self._folder.path())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+V pastes."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self.paste()
        else:
            super().keyPressEvent(event)

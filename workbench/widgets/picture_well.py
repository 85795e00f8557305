"""A place for one picture: chosen, dropped on it or pasted into it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTemporaryDir, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.widgets import icons, pictures
from workbench.widgets.naming import named
from workbench.widgets.picture_view import PictureView
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable


class PictureWell(QFrame):
    """One picture, with its name under it. Who owns it reads the file, and hands a small copy or a refusal over.

    Args:
        name: First part of the object names: ``name_choose``, ``name_paste``, ``name_view``.

    Signals:
        picture_changed(): Another one was taken, or it was taken out.
        refused(str): Words for what is no picture.
    """

    picture_changed = Signal()
    refused = Signal(str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "card")
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._path: Path | None = None
        self._before: tuple[Path | None, QImage] = (None, QImage())
        self._folder: QTemporaryDir | None = None
        self.view = named(PictureView(), f"{name}_view", "Picture shown", "The picture as it will be read")
        self.view.set_hint("Drop a picture here, choose one, or paste one with Ctrl+V.")
        self._about = set_role(QLabel(), "muted")
        self._choose = named(QPushButton("Choose"), f"{name}_choose", "Choose", "Choose a picture's file")
        icons.put(self._choose, "folder")
        self._paste = named(
            QPushButton("Paste"), f"{name}_paste", "Paste", "Take the picture in the clipboard (Ctrl+V)"
        )
        icons.put(self._paste, "copy")
        row = QHBoxLayout()
        row.addWidget(self._choose)
        row.addWidget(self._paste)
        row.addWidget(self._about, 1)
        column = QVBoxLayout(self)
        column.addWidget(self.view, 1)
        column.addLayout(row)
        self._choose.clicked.connect(self._on_choose)
        self._paste.clicked.connect(self.paste)

    @property
    def path(self) -> Path | None:
        """The picture's file."""
        return self._path

    def set_path(self, path: Path | None) -> None:
        """Take a picture; it is shown when its copy comes."""
        if path == self._path:
            return
        self._before, self._path = (self._path, self.view.picture), path
        self.view.set_picture(None)
        self._say()
        self.picture_changed.emit()

    def show_picture(self, picture: QImage) -> None:
        """Show a copy of the picture that was taken."""
        self.view.set_picture(picture)

    def refuse(self, words: str) -> None:
        """Go back to the picture before: this one can't be read."""
        self._path, picture = self._before
        self.view.set_picture(picture)
        self._say()
        self.refused.emit(words)
        self.picture_changed.emit()

    def paste(self) -> None:
        """Take the picture in the clipboard."""
        if self._folder is None:
            self._folder = QTemporaryDir()
        found = pictures.pasted(Path(self._folder.path()))
        if found:
            self.set_path(found[0])
        else:
            self.refused.emit("There is no picture in the clipboard.")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+V pastes."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self.paste()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take picture files."""
        if pictures.dropped(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the first of the pictures that are dropped."""
        found = pictures.dropped(event.mimeData())
        if found:
            event.acceptProposedAction()
            self.set_path(found[0])

    def _say(self) -> None:
        self._about.setText(drawable(self._path.name) if self._path is not None else "")
        self._about.setToolTip(drawable(str(self._path)) if self._path is not None else "")

    def _on_choose(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a picture", "", pictures.FILTER)
        if chosen:
            self.set_path(Path(chosen))

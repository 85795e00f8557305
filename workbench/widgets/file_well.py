"""A place for one file: chosen or dropped on it, with a strip of pictures of it where its owner has one."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.picture_view import PictureView
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable


class FileWell(QFrame):
    """One file of some kinds, with its name; who owns it reads it.

    Args:
        name: First part of the object names: ``name_choose``, ``name_folder``, ``name_view``.
        what: What the file is, such as ``video``.
        kinds: Endings that are taken, with the dot.
        folders: Whether a folder is taken as well.
        pictured: Whether there is room for a strip of pictures of it.

    Signals:
        file_changed(): Another one was taken, or it was taken out.
    """

    file_changed = Signal()

    def __init__(
        self,
        name: str,
        what: str,
        kinds: tuple[str, ...],
        *,
        folders: bool = False,
        pictured: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        set_role(self, "card")
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._path: Path | None = None
        self._what, self._kinds, self._folders = what, kinds, folders
        self.view = named(PictureView(), f"{name}_view", "Shown", f"The beginning of the {what}")
        self.view.set_hint(f"Drop a {what} here, or choose one.")
        self.view.setVisible(pictured)
        self._about = set_role(QLabel(), "muted")
        self._choose = named(QPushButton("Choose"), f"{name}_choose", "Choose", f"Choose a file of a {what}")
        icons.put(self._choose, "folder")
        self._folder = named(
            QPushButton("Folder"), f"{name}_folder", "Folder", "Choose a folder of pictures, one a frame"
        )
        self._folder.setVisible(folders)
        row = QHBoxLayout()
        row.addWidget(self._choose)
        row.addWidget(self._folder)
        row.addWidget(self._about, 1)
        column = QVBoxLayout(self)
        column.addWidget(self.view, 1)
        column.addLayout(row)
        self._choose.clicked.connect(self._on_choose)
        self._folder.clicked.connect(self._on_folder)

    @property
    def path(self) -> Path | None:
        """The file."""
        return self._path

    def set_path(self, path: Path | None) -> None:
        """Take a file."""
        if path == self._path:
            return
        self._path = path
        self.view.set_picture(None)
        self._about.setText(drawable(path.name) if path is not None else "")
        self._about.setToolTip(drawable(str(path)) if path is not None else "")
        self.file_changed.emit()

    def show_picture(self, picture: QImage) -> None:
        """Show what the file looks like."""
        self.view.set_picture(picture)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files of these kinds."""
        if self._dropped(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the first of the files that are dropped."""
        found = self._dropped(event.mimeData())
        if found:
            event.acceptProposedAction()
            self.set_path(found[0])

    def _dropped(self, data: QMimeData) -> list[Path]:
        paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
        return [path for path in paths if path.suffix.lower() in self._kinds or (self._folders and path.is_dir())]

    def _on_choose(self) -> None:
        kinds = f"{self._what.capitalize()} ({' '.join(f'*{ending}' for ending in self._kinds)})"
        chosen, _ = QFileDialog.getOpenFileName(self, f"Choose a {self._what}", "", kinds)
        if chosen:
            self.set_path(Path(chosen))

    def _on_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose a folder of pictures")
        if chosen:
            self.set_path(Path(chosen))

"""A place for one file, with a strip of pictures of it where its owner has one."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QPushButton, QWidget

from workbench.widgets.naming import named
from workbench.widgets.picture_view import PictureView
from workbench.widgets.well import Well


class FileWell(Well):
    """One file of some kinds, or a folder.

    Args:
        name: First part of the object names: ``name_choose``, ``name_folder``, ``name_view``.
        what: What the file is, such as ``video``.
        kinds: Endings that are taken, with the dot.
        folders: Whether a folder is taken as well.
        pictured: Whether there is room for a strip of pictures of it.
    """

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
        view = named(PictureView(), f"{name}_view", "Shown", f"The beginning of the {what}")
        view.set_hint(f"Drop a {what} here, or choose one.")
        folder = named(QPushButton("Folder"), f"{name}_folder", "Folder", "Choose a folder of pictures, one a frame")
        super().__init__(name, what, kinds, view, (folder,), parent)
        self._folders = folders
        view.setVisible(pictured)
        folder.setVisible(folders)
        folder.clicked.connect(self._on_folder)

    def show_picture(self, picture: QImage) -> None:
        """Show what the file looks like."""
        self.view.set_picture(picture)

    def empty_view(self) -> None:
        """Show nothing."""
        self.view.set_picture(None)

    def takes(self, path: Path) -> bool:
        """Whether a file or folder that is dropped is of these kinds."""
        return super().takes(path) or (self._folders and path.is_dir())

    def _on_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose a folder of pictures")
        if chosen:
            self.set_path(Path(chosen))

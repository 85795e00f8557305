"""A place for one file: chosen or dropped on it, with a view of it above its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import drawable


class Well(QFrame):
    """One file of some kinds. Who owns it reads the file, and hands what the view shows over.

    Args:
        name: First part of the object names, such as ``name_choose``.
        what: What the file is, such as ``video``.
        kinds: Endings that are taken, with the dot.
        view: Shows what the file is like.
        buttons: Further ways to bring one.

    Attributes:
        view: As it was given.

    Signals:
        changed(): Another one was taken, or it was taken out.
    """

    changed = Signal()

    def __init__(
        self,
        name: str,
        what: str,
        kinds: tuple[str, ...],
        view: QWidget,
        buttons: Sequence[QPushButton] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        set_role(self, "card")
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._path: Path | None = None
        self._what, self._kinds = what, kinds
        self.view = view
        self._about = set_role(QLabel(), "muted")
        self._choose = named(QPushButton("Choose"), f"{name}_choose", "Choose", f"Choose the file of a {what}")
        icons.put(self._choose, "folder")
        row = QHBoxLayout()
        for button in (self._choose, *buttons):
            row.addWidget(button)
        row.addWidget(self._about, 1)
        column = QVBoxLayout(self)
        column.addWidget(view, 1)
        column.addLayout(row)
        self._choose.clicked.connect(self._on_choose)

    @property
    def path(self) -> Path | None:
        """The file."""
        return self._path

    def set_path(self, path: Path | None) -> None:
        """Take a file; the view is empty until its owner has read it."""
        if path == self._path:
            return
        self._path = path
        self.empty_view()
        self._say()
        self.changed.emit()

    def empty_view(self) -> None:
        """Show nothing."""
        raise NotImplementedError

    def takes(self, path: Path) -> bool:
        """Whether a file that is dropped is of these kinds."""
        return path.suffix.lower() in self._kinds

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

    def _say(self, more: str = "") -> None:
        self._about.setText(f"{drawable(self._path.name)}{more}" if self._path is not None else "")
        self._about.setToolTip(drawable(str(self._path)) if self._path is not None else "")

    def _dropped(self, data: QMimeData) -> list[Path]:
        paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
        return [path for path in paths if self.takes(path)]

    def _on_choose(self) -> None:
        kinds = f"{self._what.capitalize()} ({' '.join(f'*{ending}' for ending in self._kinds)})"
        chosen, _ = QFileDialog.getOpenFileName(self, f"Choose a {self._what}", "", kinds)
        if chosen:
            self.set_path(Path(chosen))

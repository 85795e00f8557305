"""Pictures that go in with the prompt: dropped on it or chosen, shown small, taken out again with a click."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QSize, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QIcon, QPixmap
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from workbench.widgets import icons, pictures
from workbench.widgets.naming import named
from workbench.widgets.theme import px, set_role
from workbench.widgets.visible_text import drawable

_SIDE = 44


class Images(QWidget):
    """A row of thumbnails; hidden until the checkpoint takes pictures.

    Signals:
        images_changed(): One was added or taken out.
        refused(str): Words for a file that is no picture.
    """

    images_changed = Signal()
    refused = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._paths: list[Path] = []
        self._thumbnails: list[QToolButton] = []
        self._hint = set_role(QLabel("Drop images on the prompt, or choose them."), "muted")
        self._add = named(
            QPushButton("Add images"), "playground.add_images", "Add images", "Choose pictures to show the model"
        )
        icons.put(self._add, "plus")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.addWidget(self._hint)
        self._row.addStretch(1)
        self._row.addWidget(self._add)
        self._add.clicked.connect(self._on_add)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The pictures, in their order; none while hidden."""
        return tuple(self._paths) if not self.isHidden() else ()

    def add(self, paths: Iterable[Path]) -> None:
        """Take pictures; what can't be read is refused."""
        added = False
        for path in paths:
            picture, why = pictures.preview(path, 2 * px(self, _SIDE))
            if why:
                self.refused.emit(why)
                continue
            self._paths.append(path)
            self._show_thumbnail(path, QPixmap.fromImage(picture))
            added = True
        if added:
            self._changed()

    def clear(self) -> None:
        """Take all out."""
        if self._paths:
            self._paths.clear()
            for thumbnail in self._thumbnails:
                thumbnail.deleteLater()
            self._thumbnails.clear()
            self._changed()

    def accept_drops_on(self, widget: QWidget) -> None:
        """Take pictures that are dropped on a widget, while this row is shown."""
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Catch drops of picture files; all else goes its usual way."""
        if isinstance(event, QDragEnterEvent | QDragMoveEvent | QDropEvent) and not self.isHidden():
            paths = pictures.dropped(event.mimeData())
            if paths:
                event.acceptProposedAction()
                if event.type() == QEvent.Type.Drop:
                    self.add(paths)
                return True
        return super().eventFilter(watched, event)

    def _show_thumbnail(self, path: Path, picture: QPixmap) -> None:
        number = len(self._thumbnails) + 1
        name = drawable(path.name)
        button = named(
            QToolButton(), f"playground.image_{number}", f"Remove {name}", f"{name}: click to take it out again"
        )
        button.setIcon(QIcon(picture))
        side = px(self, _SIDE)
        button.setIconSize(QSize(side, side))
        set_role(button, "quiet")
        button.clicked.connect(self._on_thumbnail)
        self._row.insertWidget(len(self._thumbnails), button)
        self._thumbnails.append(button)

    def _on_thumbnail(self) -> None:
        number = next(number for number, button in enumerate(self._thumbnails) if button is self.sender())
        self._thumbnails.pop(number).deleteLater()
        del self._paths[number]
        self._changed()

    def _on_add(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Choose pictures", "", pictures.FILTER)
        self.add(Path(path) for path in chosen)

    def _changed(self) -> None:
        self._hint.setVisible(not self._paths)
        self.images_changed.emit()

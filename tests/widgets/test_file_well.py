"""A place for a file takes those of its kinds, by dialog or by drop, and folders where they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFileDialog, QLabel
from pytestqt.qtbot import QtBot

from workbench.widgets.file_well import FileWell


def dropped(well: FileWell, path: Path) -> bool:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    keys = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, *keys)
    enter.ignore()
    well.dragEnterEvent(enter)
    well.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, *keys))
    return enter.isAccepted()


@pytest.mark.parametrize(("name", "folders", "taken"), [
    ("film.GIF", False, True), ("film.txt", False, False), ("frames", False, False), ("frames", True, True),
])  # fmt: skip
def test_only_what_it_takes_can_be_dropped(qtbot: QtBot, tmp_path: Path, name: str, folders: bool, taken: bool) -> None:
    well = FileWell("test.video", "video", (".gif",), folders=folders)
    qtbot.addWidget(well)
    path = tmp_path / name
    path.mkdir() if not path.suffix else path.write_text("x")
    changes: list[Path | None] = []
    well.changed.connect(lambda: changes.append(well.path))
    assert dropped(well, path) is taken
    assert changes == ([path] if taken else [])


def test_it_is_chosen_and_named(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    well = FileWell("test.video", "video", (".gif", ".mp4"), folders=True, pictured=True)
    qtbot.addWidget(well)
    asked: list[str] = []
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *given: (asked.append(given[-1]), (str(tmp_path / "a.gif"), ""))[1]
    )
    well.findChild(QLabel)
    well.findChildren(type(well._choose))[0].click()
    assert asked == ["Video (*.gif *.mp4)"]
    assert well.path == tmp_path / "a.gif"
    assert "a.gif" in " ".join(label.text() for label in well.findChildren(QLabel))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    well.findChildren(type(well._choose))[1].click()
    assert well.path == tmp_path
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    well.findChildren(type(well._choose))[1].click()
    assert well.path == tmp_path

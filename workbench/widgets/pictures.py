"""Picture files as a person brings them: chosen, dropped or from the clipboard."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QSize, Qt
from PySide6.QtGui import QGuiApplication, QImage, QImageReader

#: Endings of files that are taken.
KINDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")

FILTER = f"Pictures ({' '.join(f'*{ending}' for ending in KINDS)})"
"""What a file dialog offers."""


def dropped(data: QMimeData) -> list[Path]:
    """The picture files in what was dropped or copied."""
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    return [path for path in paths if path.suffix.lower() in KINDS]


def taken(data: QMimeData, folder: Path) -> list[Path]:
    """The pictures in what was dropped or copied: its files, or a picture itself, saved as PNG.

    Args:
        data: As Qt hands it over; browsers drag the picture itself.
        folder: Where a picture without a file is saved; made when missing.
    """
    if files := dropped(data):
        return files
    image = QImage(data.imageData()) if data.hasImage() else QImage()
    if image.isNull():
        return []
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pasted {len(list(folder.glob('pasted *.png'))) + 1}.png"
    return [path] if image.save(str(path)) else []


def pasted(folder: Path) -> list[Path]:
    """The pictures in the clipboard; as for `taken`."""
    data = QGuiApplication.clipboard().mimeData()
    return taken(data, folder) if data is not None else []


def preview(path: Path, side: int) -> tuple[QImage, str]:
    """A picture turned upright and scaled down.

    Args:
        path: Its file.
        side: Pixels of its longer side at most.

    Returns:
        The picture, or an empty one with words for why it can't be read.
    """
    reader = QImageReader(str(path))
    reader.setAutoTransform(True)
    size = reader.size()
    if size.isValid() and max(size.width(), size.height()) > side:
        # What is thousands of times as long as it is wide would be scaled to no width at all.
        reader.setScaledSize(size.scaled(QSize(side, side), Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1)))
    picture = reader.read()
    if picture.isNull():
        return QImage(), f"{path.name} can't be read as a picture: {reader.errorString().rstrip('.')}."
    return picture, ""

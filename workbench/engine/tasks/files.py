"""A folder of pictures, sounds or videos as rows: one file each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.engine.errors import DataError
from workbench.engine.tasks import sounds, videos

COLUMN = "file"
"""The one column of such rows."""

ENDINGS = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    "audio": sounds.KINDS,
    "video": (*videos.FILMS, ".gif"),
}
"""What files end in, by the field of `TaskInput` that they are."""


def field(takes: Sequence[str]) -> str:
    """Which of a task's inputs a file of a folder is; empty where none of them is a file."""
    return next((name for name in takes if name in ENDINGS), "")


def listed(folder: Path, name: str) -> list[str]:
    """The files of a folder and of those in it, relative to it, in the order of their names, without hidden ones.

    Args:
        folder: Where to look.
        name: The field of `TaskInput` that each of them is.

    Raises:
        DataError: There is none.
    """
    found = sorted(file for file in folder.glob("**/[!.]*") if file.suffix.lower() in ENDINGS[name])
    if not found:
        raise DataError(
            f"There is nothing to do in {folder.name}.",
            why=f"None of its files ends in {', '.join(ENDINGS[name])}.",
            remedy="Choose another folder.",
        )
    return [file.relative_to(folder).as_posix() for file in found]

"""A pack's container: a folder or a zip archive, read with distrust and written in streams."""

from __future__ import annotations

import contextlib
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from workbench.engine.errors import CheckpointError

#: The file that says what a pack holds.
LIST = "pack.json"
#: What desktops leave in a folder that was looked at; macOS leaves a "._name" beside each name too, on foreign disks.
_LEFT = (".DS_Store", "desktop.ini", "Thumbs.db")


class Reader(Protocol):
    """A pack that is read."""

    def names(self) -> dict[str, int]:
        """Its files with their sizes; a link, an encrypted or a double name raises ValueError."""

    def open(self, name: str) -> IO[bytes]:
        """One of them."""


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> dict[str, int]:
        found = {}
        for path in self._root.rglob("*"):
            if path.is_symlink():
                raise ValueError(f"{path.name} is a link")
            if path.is_file() and path.name not in _LEFT and not path.name.startswith("._"):
                found[path.relative_to(self._root).as_posix()] = path.stat().st_size
        return found

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")


class _Archive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def names(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in self._archive.infolist():
            mode = entry.external_attr >> 16
            if entry.orig_filename in found or entry.filename in found:
                raise ValueError(f"{entry.filename} is there twice")
            if entry.flag_bits & 1 or (mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode)):
                raise ValueError(f"{entry.filename} is no plain file")
            # zipfile cuts a name at its first NUL; what the archive really says is looked at.
            found[entry.orig_filename] = entry.file_size
        return found

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


@contextlib.contextmanager
def reader(path: Path, what: str) -> Iterator[Reader]:
    """Open a pack.

    Raises:
        CheckpointError: It is no archive, or one that is cut off.
    """
    remedy = "Choose a folder with pack.json or a .zip that the workbench has exported."
    path = path.parent if path.name == LIST else path
    try:
        if path.is_dir():
            yield _Folder(path)
        else:
            with zipfile.ZipFile(path) as archive:
                yield _Archive(archive)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise CheckpointError(what, why=f"It is no whole archive: {error}.", remedy=remedy) from error
    except FileNotFoundError as error:
        raise CheckpointError(what, why=f"There is no {error.filename}.", remedy=remedy) from error


class Writer(Protocol):
    """A pack that is written."""

    def create(self, name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """A file of it."""


class _NewFolder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        (self._root / name).parent.mkdir(parents=True, exist_ok=True)
        return (self._root / name).open("wb")


class _NewArchive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def create(self, name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        return self._archive.open(name, "w", force_zip64=True)


@contextlib.contextmanager
def writer(partial: Path, *, archive: bool) -> Iterator[Writer]:
    """Begin a pack: an archive without compression, since weights don't shrink, or a folder."""
    if not archive:
        yield _NewFolder(partial)
        return
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as opened:
        yield _NewArchive(opened)

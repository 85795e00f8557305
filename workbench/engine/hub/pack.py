"""Model packs: checkpoints and data in one folder or archive, for a machine without a network; verified on both sides.

A pack is a zip archive without compression, or a folder, that holds ``pack.json`` (what there is, with the SHA-256 of
every file), ``models/`` and ``data/``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.engine import paths
from workbench.engine.errors import CheckpointError, OutOfSpace, UnsafeRefused, WorkbenchError
from workbench.engine.hub import container
from workbench.engine.hub.choice import Wanted, is_hash, is_safe
from workbench.engine.hub.container import LIST, Reader, Writer
from workbench.engine.hub.fetch import Digest
from workbench.engine.hub.local import HASHES, imported_dir, imported_place, plain_checkpoint, refs
from workbench.engine.hub.unpack import into_cache
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import Checkpoint

KIND = "transformers-workbench model pack"

_LIST_LIMIT = 16 * 2**20
_BLOCK = 2**20
_REPO = re.compile(r"(?!.*(\.\.|--))[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class PackFile:
    """A file of a pack.

    Attributes:
        name: Inside its checkpoint.
        place: Inside the pack.
        size: Bytes.
        sha256: What proves it.
        blob: Its name among the blobs of the Hub cache, empty when it had none.
    """

    name: str
    place: str
    size: int
    sha256: str
    blob: str = ""


@dataclass(frozen=True, slots=True)
class PackModel:
    """A checkpoint, or a cached data set, of a pack; the fields are those of `Checkpoint`."""

    name: str
    source: str
    revision: str | None
    refs: tuple[str, ...]
    folder: str
    files: tuple[PackFile, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Pack:
    """What a pack says it holds."""

    path: Path
    models: tuple[PackModel, ...]
    data: tuple[PackFile, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(model.size for model in self.models) + sum(file.size for file in self.data)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came out of a pack."""

    checkpoints: tuple[Checkpoint, ...]
    data: tuple[Path, ...]


def export(
    checkpoints: Sequence[Checkpoint], data: Sequence[Path], target: Path, *, task: Task | None = None
) -> Pack:  # fmt: skip
    """Copy checkpoints and data files into a pack, and read the copy back.

    Args:
        checkpoints: Whole ones of this machine.
        data: Data files of one's own.
        target: A name that ends in ``.zip`` makes an archive, any other a folder; it must not be there yet.
        task: Progress in bytes; a stop leaves nothing behind.

    Raises:
        CheckpointError: There is nothing to pack, one is not whole, or a file can't be read.
        OutOfSpace: The target's disk has too little room, or takes no file that large.
        WorkbenchError: The target is there already.
    """
    task = task or Silent()
    what = f"Could not write the pack {target.name}."
    if target.exists():
        raise WorkbenchError(what, why="There is something of that name.", remedy="Choose another name.")
    if not checkpoints and not data:
        raise CheckpointError(what, why="Nothing was chosen.", remedy="Select checkpoints in the list first.")
    for each in checkpoints:
        if not each.complete:
            raise CheckpointError(what, why=f"{each.name} is not whole.", remedy="Finish its download first.")
    models, sources = _list(checkpoints, data)
    loose = tuple(PackFile(place.removeprefix("data/"), place, 0, "") for place in sources if place.startswith("data/"))
    total = sum(path.stat().st_size for path in sources.values())
    free = shutil.disk_usage(target.parent).free
    if total + _LIST_LIMIT > free:
        raise OutOfSpace(
            what,
            why=f"It takes {total / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free there.",
            remedy="Choose fewer checkpoints or another disk.",
        )
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with container.writer(partial, archive=target.suffix == ".zip") as writer:
            proved = _copy(sources, writer, total, task)
            models = tuple(
                _replace_files(model, tuple(_prove(file, proved) for file in model.files)) for model in models
            )
            made = Pack(target, models, tuple(_prove(file, proved) for file in loose))
            with writer.create(LIST) as stream:
                stream.write(_as_json(made))
        task.check()
        os.replace(partial, target)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise OutOfSpace(
                what,
                why="The disk takes no file that large; FAT, as on many USB sticks, ends at 4 GB.",
                remedy="Export to a folder, or format the stick as exFAT.",
            ) from error
        raise
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        partial.unlink(missing_ok=True)
    return made


def look_into(path: Path) -> Pack:
    """What a pack holds by its own list, every name and number checked; no file of it is opened but the list.

    Raises:
        CheckpointError: It is no pack, or its list is damaged.
        UnsafeRefused: A name in it leads out of the pack, or is none of its list.
    """
    what = f"Could not open the pack {path.name}."
    with container.reader(path, what) as reader:
        return _checked(reader, path, what)


def bring_in(path: Path, *, task: Task | None = None) -> Imported:
    """Copy what a pack holds to where it belongs, each file proved by its SHA-256 before it can be used.

    Checkpoints from the Hub go into the native cache under their commit, so that every program finds them; others get
    a folder of their own. What is here already is not written again.

    Args:
        path: An archive, a folder with ``pack.json``, or that file.
        task: Progress in bytes; a stop leaves no half checkpoint behind.

    Raises:
        CheckpointError: It is no pack, it is damaged, or a file is not what its hash says.
        UnsafeRefused: A name in it leads out of the pack, or is none of its list.
        OutOfSpace: The disk has too little room.
    """
    task = task or Silent()
    what = f"Could not bring in the pack {path.name}."
    home = imported_dir()
    home.mkdir(parents=True, exist_ok=True)
    with container.reader(path, what) as reader:
        pack = _checked(reader, path, what)
        free = shutil.disk_usage(home).free
        if pack.size + _LIST_LIMIT > free:
            raise OutOfSpace(
                what,
                why=f"It holds {pack.size / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free.",
                remedy="Free some space and try again.",
            )
        with tempfile.TemporaryDirectory(prefix=".pack-", dir=home, ignore_cleanup_errors=True) as scratch:
            everything = [file for model in pack.models for file in model.files] + list(pack.data)
            counter = _Counter(task, pack.size)
            for number, file in enumerate(everything):
                _draw(reader, file, Path(scratch, str(number)), counter, task, what)
            drawn = {file.place: Path(scratch, str(number)) for number, file in enumerate(everything)}
            task.check()
            checkpoints = tuple(_settle(model, drawn) for model in pack.models)
            data = tuple(_settle_data(file, drawn[file.place]) for file in pack.data)
    return Imported(checkpoints, data)


def _list(
    checkpoints: Sequence[Checkpoint], data: Sequence[Path]
) -> tuple[tuple[PackModel, ...], dict[str, Path]]:  # fmt: skip
    models: list[PackModel] = []
    sources: dict[str, Path] = {}
    for number, each in enumerate(checkpoints):
        top = f"models/{number}-" + (re.sub(r"[^\w.-]+", "-", each.name).strip("-.") or "checkpoint")
        files = []
        for path in sorted(each.path.rglob("*")):
            name = path.relative_to(each.path).as_posix()
            if path.is_file() and name != HASHES and is_safe(name):
                blob = path.readlink().name if path.is_symlink() else ""
                files.append(PackFile(name, f"{top}/{name}", 0, "", blob if is_hash(blob) else ""))
                sources[f"{top}/{name}"] = path
        models.append(PackModel(each.name, each.source, each.revision, refs(each), each.path.name, tuple(files)))
    for path in data:
        plain = re.sub(r"[^\w.+ -]+", "-", path.name).strip("-. ") or "data"
        number = 1
        while (place := f"data/{plain}" if number == 1 else f"data/{number}-{plain}") in sources:
            number += 1
        sources[place] = path
    return tuple(models), sources


def _copy(sources: dict[str, Path], writer: Writer, total: int, task: Task) -> dict[str, tuple[int, str]]:
    counter, proved = _Counter(task, total), {}
    for place, path in sources.items():
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as source, writer.create(place) as copy:
            while block := source.read(_BLOCK):
                task.check()
                copy.write(block)
                digest.update(block)
                size += len(block)
                counter.add(len(block), place)
        proved[place] = (size, digest.hexdigest())
    return proved


def _prove(file: PackFile, proved: dict[str, tuple[int, str]]) -> PackFile:
    size, digest = proved[file.place]
    return PackFile(file.name, file.place, size, digest, file.blob)


def _replace_files(model: PackModel, files: tuple[PackFile, ...]) -> PackModel:
    return PackModel(model.name, model.source, model.revision, model.refs, model.folder, files)


def _as_json(pack: Pack) -> bytes:
    def row(file: PackFile) -> dict[str, object]:
        return {"name": file.name, "place": file.place, "size": file.size, "sha256": file.sha256, "blob": file.blob}

    document = {
        "kind": KIND,
        "version": 1,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "models": [
            {
                "name": model.name,
                "source": model.source,
                "revision": model.revision,
                "refs": list(model.refs),
                "folder": model.folder,
                "files": [row(file) for file in model.files],
            }
            for model in pack.models
        ],
        "data": [row(file) for file in pack.data],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _checked(reader: Reader, path: Path, what: str) -> Pack:
    try:
        there = reader.names()
    except ValueError as error:
        raise _unsafe(what, str(error)) from error
    for name in there:
        if not is_safe(name):
            raise _unsafe(what, f"the name {name[:80]!r}")
    remedy = "Choose a folder with pack.json or a .zip that the workbench has exported."
    if LIST not in there or there[LIST] > _LIST_LIMIT:
        raise CheckpointError(what, why="It has no list of what it holds (pack.json).", remedy=remedy)
    try:
        with reader.open(LIST) as stream:
            document = json.loads(stream.read(_LIST_LIMIT + 1))
        if document["kind"] != KIND or document["version"] != 1:
            raise ValueError("it is of another kind or a later version")
        models = tuple(_model(row) for row in document["models"])
        data = tuple(_file(row, "data/") for row in document["data"])
    except UnsafeRefused:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(what, why=f"Its list can't be read: {error}.", remedy="Export it anew.") from error
    listed = {file.place: file for model in models for file in model.files} | {file.place: file for file in data}
    if len(listed) != sum(len(model.files) for model in models) + len(data):
        raise _unsafe(what, "a file that is listed twice")
    for name in there:
        if name not in listed and name != LIST:
            raise _unsafe(what, f"{name!r}, which its list does not name")
    for file in listed.values():
        if there.get(file.place) != file.size:
            raise CheckpointError(
                what, why=f"{file.place} is missing or has another length.", remedy="Copy the pack again."
            )
    return Pack(path, models, data)


def _model(row: dict[str, Any]) -> PackModel:
    name, source, revision, folder = _text(row, "name"), _text(row, "source"), row["revision"], _text(row, "folder")
    files = tuple(_file(each, "models/") for each in row["files"])
    branches = tuple(str(each) for each in row["refs"])
    if source not in ("hub", "dataset", "starter", "run", "folder", "imported"):
        raise ValueError(f"{source[:40]!r} is no source")
    if source in ("hub", "dataset") and (
        not _REPO.fullmatch(name) or not isinstance(revision, str) or not re.fullmatch("[0-9a-f]{40}", revision)
    ):
        raise ValueError(f"{name[:80]!r} is no repository with a commit")
    if not is_safe(folder) or "/" in folder or not all(map(is_safe, branches)):
        raise ValueError(f"{folder[:80]!r} is no name of a folder")
    if len({file.name for file in files}) != len(files):
        raise ValueError("a file is named twice")
    return PackModel(name, source, revision if source in ("hub", "dataset") else None, branches, folder, files)


def _file(row: dict[str, Any], top: str) -> PackFile:
    file = PackFile(_text(row, "name"), _text(row, "place"), row["size"], _text(row, "sha256"), _text(row, "blob"))
    if not is_safe(file.name) or not is_safe(file.place) or not file.place.startswith(top):
        raise ValueError(f"{file.place[:80]!r} is no name of a file")
    if not isinstance(file.size, int) or file.size < 0 or not re.fullmatch("[0-9a-f]{64}", file.sha256):
        raise ValueError(f"{file.place[:80]!r} has no size or hash")
    if file.blob and not is_hash(file.blob):
        raise ValueError(f"{file.blob[:80]!r} is no hash")
    return file


def _text(row: dict[str, Any], key: str) -> str:
    if not isinstance(row[key], str):
        raise ValueError(f"its {key} is no text")
    return str(row[key])


def _unsafe(what: str, why: str) -> UnsafeRefused:
    return UnsafeRefused(
        what,
        why=f"It holds {why}; a pack that was tampered with could write anywhere.",
        remedy="Do not use it; ask for a pack that the workbench has exported. Nothing was written.",
    )


def _draw(reader: Reader, file: PackFile, target: Path, counter: _Counter, task: Task, what: str) -> None:
    sha256 = Digest(Wanted(file.name, file.size, file.sha256))
    blob = Digest(Wanted(file.name, file.size, file.blob or file.sha256))
    with reader.open(file.place) as source, target.open("wb") as copy:
        while block := source.read(_BLOCK):
            task.check()
            copy.write(block)
            sha256.add(block)
            if len(file.blob) == 40:
                blob.add(block)
            counter.add(len(block), file.name)
            if sha256.count > file.size:
                break
    right = sha256.text == file.sha256 and file.blob in ("", file.sha256, blob.text)
    if not right:
        raise CheckpointError(
            what,
            why=f"{file.place} is not what its hash says: it was damaged on the way. Nothing was brought in.",
            remedy="Copy the pack again, or export it anew.",
        )


def _settle(model: PackModel, drawn: dict[str, Path]) -> Checkpoint:
    if model.source in ("hub", "dataset"):
        files = [(Wanted(file.name, file.size, file.blob or file.sha256), drawn[file.place]) for file in model.files]
        return into_cache(model.name, model.source, str(model.revision), model.refs, files)
    place = paths.starters_dir() / model.folder if model.source == "starter" else imported_place(model.folder)
    if place.exists():
        place = imported_place(model.folder)
    made = next(iter(drawn.values())).parent / f"made-{model.files[0].place.split('/')[1]}"
    for file in model.files:
        (made / file.name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(drawn[file.place], made / file.name)
    (made / HASHES).write_text(json.dumps({file.name: file.sha256 for file in model.files}, indent=1) + "\n", "utf-8")
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(made, place)
    source = "starter" if place.parent == paths.starters_dir() else "imported"
    return plain_checkpoint(place, model.name if source == "starter" else place.name, source)


def _settle_data(file: PackFile, drawn: Path) -> Path:
    folder = paths.data_dir() / "data"
    folder.mkdir(parents=True, exist_ok=True)
    plain, number = file.name, 1
    while (place := folder / (plain if number == 1 else f"{number}-{plain}")).exists():
        number += 1
    os.replace(drawn, place)
    return place


class _Counter:
    """Bytes of the whole, reported as they are copied."""

    def __init__(self, task: Task, total: int) -> None:
        self._task, self._total, self._done = task, total, 0

    def add(self, count: int, name: str) -> None:
        self._done += count
        self._task.report(Progress(self._done, self._total, "bytes", name))

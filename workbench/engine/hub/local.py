"""What lies on this machine: the native Hub cache, starters, runs and folders that were opened."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.engine import paths
from workbench.engine.errors import CheckpointError, WorkbenchError
from workbench.engine.facts import describe, weight_files
from workbench.engine.hub.head import languages_of, licence_of, of_card
from workbench.engine.hub.remote import CARD_LIMIT, RepoFile, kind_of, without_head
from workbench.engine.task import Silent, Task
from workbench.engine.values import Checkpoint, Facts

#: What a file that is still coming is called after its hash; the client's own tools take it for an orphan to clean.
PARTIAL = ".workbench.incomplete"

#: The list of hashes that a checkpoint from a model pack carries with it.
HASHES = ".workbench-hashes.json"

#: What makes a folder a checkpoint, or an adapter to one.
SETTINGS = ("config.json", "adapter_config.json")

_PREFIX = "models--"
_DATA_PREFIX = "datasets--"


@dataclass(frozen=True, slots=True)
class Local:
    """A checkpoint of this machine as it is looked at.

    Attributes:
        checkpoint: The folder.
        facts: What it says of itself, None when that can't be read.
        error: Why it can't, None when it can.
        card: Its README without the head.
        files: Its files, weights first.
        licence: As the head of its README spells it, or the mark of a starter; empty when neither names one.
        languages: Codes, as the head of its README has them.
    """

    checkpoint: Checkpoint
    facts: Facts | None
    error: WorkbenchError | None
    card: str
    files: tuple[RepoFile, ...]
    licence: str = ""
    languages: tuple[str, ...] = ()


def cache_dir() -> Path:
    """The native cache: ``HF_HUB_CACHE``, else what the client says."""
    named = os.environ.get("HF_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def repo_folder(repo_id: str) -> Path:
    """The folder of a repository in the native cache.

    Raises:
        CheckpointError: The name is none the Hub would give.
    """
    return _folder_of(_PREFIX, repo_id)


def data_folder(repo_id: str) -> Path:
    """The folder of a data set in the native cache; see `repo_folder`."""
    return _folder_of(_DATA_PREFIX, repo_id)


def _folder_of(prefix: str, repo_id: str) -> Path:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo_id) or ".." in repo_id or "--" in repo_id:
        raise CheckpointError(
            f"Could not use {repo_id!r}.", why="It is no name of a repository.", remedy="Names read author/name."
        )
    return cache_dir() / (prefix + repo_id.replace("/", "--"))


def cached(repo_id: str) -> Checkpoint | None:
    """The newest whole snapshot of a repository in the cache, its ``main`` first, or None."""
    whole = [checkpoint for checkpoint in _snapshots(repo_folder(repo_id)) if checkpoint.complete]
    return whole[0] if whole else None


def local_checkpoints() -> tuple[Checkpoint, ...]:
    """Everything that can be loaded here, and unfinished downloads: starters, runs, imports, cache, folders."""
    return tuple(each_local())


def each_local() -> Iterator[Checkpoint]:
    """`local_checkpoints` one by one, so that the first can be shown while the others are looked for."""
    for folder in _folders(paths.starters_dir()):
        starter = starter_folder(folder)
        if starter is not None:
            yield starter
    for source, home in (("run", paths.runs_dir()), ("imported", imported_dir())):
        for folder in _folders(home):
            if is_settled(folder):
                yield plain_checkpoint(folder, folder.name, source)
    for folder in _folders(cache_dir()):
        if folder.name.startswith(_PREFIX):
            yield from _snapshots(folder)
    for folder in _opened():
        if is_settled(folder):
            yield plain_checkpoint(folder, folder.name, "folder")


def cached_data() -> tuple[Checkpoint, ...]:
    """Data sets in the native cache, a row a revision; they are kept, packed and deleted like checkpoints."""
    found: list[Checkpoint] = []
    for root in _folders(cache_dir()):
        if root.name.startswith(_DATA_PREFIX):
            name = root.name.removeprefix(_DATA_PREFIX).replace("--", "/", 1)
            for folder in _folders(root / "snapshots"):
                whole = plain_checkpoint(folder, name, "dataset")
                links = all(path.exists() for path in folder.rglob("*"))
                found.append(replace(whole, revision=folder.name, complete=links))
    return tuple(found)


def refs(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Branches and tags that stand for a cached revision."""
    if checkpoint.revision is None:
        return ()
    root = checkpoint.path.parents[1] / "refs"
    names = []
    for ref in sorted(root.rglob("*")) if root.is_dir() else []:
        with contextlib.suppress(OSError):
            if ref.is_file() and ref.read_bytes()[:41].strip() == checkpoint.revision.encode():
                names.append(ref.relative_to(root).as_posix())
    return tuple(names)


def imported_dir() -> Path:
    """The folder of checkpoints brought in from a GGUF file or a model pack."""
    return paths.data_dir() / "models"


def imported_place(name: str) -> Path:
    """A folder for a checkpoint brought in that does not exist yet: the name made safe, numbered when taken."""
    return paths.free_place(imported_dir(), name, "checkpoint")


def open_folder(path: Path) -> Checkpoint:
    """Take any folder as a checkpoint and remember it for the list.

    Raises:
        CheckpointError: It is missing or no checkpoint.
    """
    path = path.expanduser().resolve()
    describe(Checkpoint(name=path.name or str(path), path=path))
    for known in local_checkpoints():
        if known.path.resolve() == path:
            return known
    # Where nothing may be written, it opens all the same, and is not in the list the next time.
    with contextlib.suppress(OSError):
        _remember([*_opened(), path])
    return plain_checkpoint(path, path.name, "folder")


def freed(*checkpoints: Checkpoint) -> int:
    """Bytes that `delete` would free, what other revisions share left out."""
    revisions = [each.revision for each in checkpoints if _is_revision(each)]
    size = 0
    if revisions:
        from huggingface_hub import scan_cache_dir

        size = int(scan_cache_dir(cache_dir()).delete_revisions(*filter(None, revisions)).expected_freed_size)
    for each in checkpoints:
        if not _is_revision(each) and each.source != "folder":
            size += sum(path.lstat().st_size for path in _loose(each))
    return size


def delete(*checkpoints: Checkpoint) -> int:
    """Delete cached revisions, starters, runs or unfinished downloads; a folder of one's own is only forgotten.

    Returns:
        Bytes freed.

    Raises:
        WorkbenchError: One is pinned, is being trained, or lies somewhere else than it says; nothing is deleted then.
    """
    kept = pinned()
    for each in checkpoints:
        what = f"Could not delete {each.name}."
        if str(each.path) in kept:
            raise WorkbenchError(what, why="It is pinned.", remedy="Unpin it first, then delete it.")
        if each.source == "run" and paths.is_claimed(each.path):
            raise WorkbenchError(what, why="It is being trained at this moment.", remedy="Stop the run first.")
        if not _is_revision(each) and each.source != "folder" and _home(each) is None:
            raise WorkbenchError(
                what, why=f"It does not lie in {_homes()[each.source]}.", remedy="Delete the folder by hand."
            )
    size = freed(*checkpoints)
    revisions = [each.revision for each in checkpoints if _is_revision(each)]
    if revisions:
        from huggingface_hub import scan_cache_dir

        scan_cache_dir(cache_dir()).delete_revisions(*filter(None, revisions)).execute()
        # The library tells of a refusal in its log alone.
        left = [each.name for each in checkpoints if _is_revision(each) and each.path.exists()]
        if left:
            raise WorkbenchError(
                f"Could not delete {left[0]}.",
                why="Its files are in use, or they may not be deleted.",
                remedy="Load another checkpoint, close other programs that use this one, and try again.",
            )
    for each in checkpoints:
        if each.source == "folder":
            _remember([folder for folder in _opened() if folder != each.path])
        elif not _is_revision(each):
            home = _home(each)
            if each.source == "hub" and home is not None and _snapshots(home, parts=False):
                for path in _loose(each):
                    path.unlink()
            elif home is not None:
                _remove(home)
    return size


def _remove(folder: Path) -> None:
    # Renamed first: what Windows refuses, since the weights are in use, or what breaks off leaves no half in the list.
    gone = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(gone, ignore_errors=True)
    os.replace(folder, gone)
    shutil.rmtree(gone)


def pinned() -> frozenset[str]:
    """Folders that are not to be deleted."""
    return frozenset(_listed("pins.json"))


def pin(checkpoint: Checkpoint, on: bool = True) -> None:
    """Protect a checkpoint from `delete`, or no longer."""
    others = [path for path in _listed("pins.json") if path != str(checkpoint.path)]
    _keep_list("pins.json", [*others, str(checkpoint.path)] if on else others)


def _is_revision(checkpoint: Checkpoint) -> bool:
    inside = checkpoint.path.resolve().is_relative_to(cache_dir().resolve())
    return checkpoint.source in ("hub", "dataset") and checkpoint.revision is not None and inside


def _homes() -> dict[str, Path]:
    return {
        "starter": paths.starters_dir(), "run": paths.runs_dir(), "imported": imported_dir(),
        "hub": cache_dir(), "dataset": cache_dir(),
    }  # fmt: skip


def _home(checkpoint: Checkpoint) -> Path | None:
    """The folder that goes with it, None when it lies elsewhere."""
    folder = checkpoint.path
    while checkpoint.source == "hub" and folder.parent != folder and not folder.name.startswith(_PREFIX):
        folder = folder.parent
    return folder if folder.resolve().parent == _homes()[checkpoint.source].resolve() else None


def _loose(checkpoint: Checkpoint) -> list[Path]:
    """Files that go when something else than a revision is deleted."""
    home = _home(checkpoint)
    if home is None:
        return []
    if checkpoint.source == "hub" and _snapshots(home, parts=False):
        return list((home / "blobs").glob("*" + PARTIAL))
    return [path for path in home.rglob("*") if path.is_symlink() or path.is_file()]


def card_of(checkpoint: Checkpoint) -> str:
    """The README of a checkpoint's folder as Markdown without its head; empty when there is none."""
    return without_head(_readme(checkpoint))


def _readme(checkpoint: Checkpoint) -> str:
    with contextlib.suppress(OSError), (checkpoint.path / "README.md").open("rb") as file:
        return file.read(CARD_LIMIT).decode("utf-8", "replace")
    return ""


def look_local(checkpoint: Checkpoint, *, task: Task | None = None) -> Local:
    """Facts, card and files of a checkpoint of this machine; nothing is raised, what is wrong is part of it."""
    task = task or Silent()
    facts, error = None, None
    try:
        facts = describe(checkpoint)
    except WorkbenchError as raised:
        error = raised
    rows: list[RepoFile] = []
    for path in sorted(checkpoint.path.rglob("*")) if checkpoint.path.is_dir() else []:
        task.check()
        if len(rows) < 1000 and path.is_file():
            name = path.relative_to(checkpoint.path).as_posix()
            rows.append(RepoFile(name, path.stat().st_size, kind_of(name)))
    rows.sort(key=lambda file: (file.kind != "weights", file.name))
    readme = _readme(checkpoint)
    about = of_card(readme)
    # The package that a starter came in says its licence where its card doesn't.
    licence = licence_of(about) or str(_mark(checkpoint.path).get("licence", "")).lower()
    return Local(checkpoint, facts, error, without_head(readme), tuple(rows), licence, languages_of(about))


def _mark(folder: Path) -> dict[str, Any]:
    try:
        mark = json.loads((folder / "starter.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return mark if isinstance(mark, dict) else {}


def starter_folder(folder: Path) -> Checkpoint | None:
    """The starter a folder holds, or None when it holds none that is whole."""
    name = str(_mark(folder).get("name", ""))
    if not name:
        return None
    checkpoint = plain_checkpoint(folder, name, "starter")
    return checkpoint if checkpoint.complete else None


def snapshot(root: Path, commit: str) -> Checkpoint:
    """One revision in the cache as a checkpoint."""
    folder = root / "snapshots" / commit
    name = root.name.removeprefix(_PREFIX).replace("--", "/", 1)
    size, last_used = _measure(folder)
    return Checkpoint(
        name=name,
        path=folder,
        source="hub",
        revision=commit,
        size=size,
        last_used=last_used,
        complete=_complete(folder),
    )


def _snapshots(root: Path, *, parts: bool = True) -> list[Checkpoint]:
    """Revisions of a repository, its whole ``main`` first, then a row for parts of files still to come."""
    if not root.is_dir():
        return []
    found = [
        snapshot(root, folder.name)
        for folder in _folders(root / "snapshots")
        if any(map(Path.exists, folder.iterdir()))
    ]
    main = _main(root)
    found.sort(key=lambda each: (each.complete, each.revision == main, each.last_used), reverse=True)
    begun = _begun(root / "blobs") if parts else []
    if begun:
        name = root.name.removeprefix(_PREFIX).replace("--", "/", 1)
        size = sum(begun) if found else _measure(root)[0]
        found.append(Checkpoint(name=name, path=root, source="hub", size=size, complete=False))
    return found


def _begun(blobs: Path) -> list[int]:
    """Bytes of each file that has not come whole."""
    sizes = []
    for path in blobs.glob("*" + PARTIAL):
        # One that comes whole meanwhile is called otherwise from then on.
        with contextlib.suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sizes


def _main(root: Path) -> str:
    try:
        return (root / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return ""


def plain_checkpoint(folder: Path, name: str, source: str) -> Checkpoint:
    """A folder as a checkpoint, measured."""
    size, last_used = _measure(folder)
    return Checkpoint(
        name=name,
        path=folder,
        source=source,
        size=size,
        last_used=last_used,
        complete=_complete(folder),
    )


def _complete(folder: Path) -> bool:
    kind, files = weight_files(folder)
    return is_settled(folder) and kind != "none" and all(file.is_file() for file in files)


def is_settled(folder: Path) -> bool:
    """Whether the file is there that makes a folder a checkpoint, or an adapter to one."""
    return any((folder / name).is_file() for name in SETTINGS)


def _folders(root: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files(folder: Path) -> Iterator[os.stat_result]:
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.stat(os.path.join(parent, name))


def _measure(folder: Path) -> tuple[int, float]:
    """Bytes, and seconds since the epoch when it was last read."""
    stats = list(_files(folder))
    # Links into one blob count once, as they lie on the disk once.
    size = sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in stats}.values())
    return size, max((stat.st_atime for stat in stats), default=0.0)


def _opened() -> list[Path]:
    return [Path(each) for each in _listed("folders.json")]


def _remember(folders: list[Path]) -> None:
    _keep_list("folders.json", [str(folder) for folder in folders])


def _listed(name: str) -> list[str]:
    try:
        listed = json.loads((paths.data_dir() / name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def _keep_list(name: str, lines: list[str]) -> None:
    file = paths.data_dir() / name
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(lines, indent=2) + "\n", "utf-8")
    os.replace(partial, file)

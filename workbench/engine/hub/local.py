"""What lies on this machine: the native Hub cache, starters, runs and folders that were opened."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.engine import paths
from workbench.engine.errors import CheckpointError, WorkbenchError
from workbench.engine.facts import describe, weight_files
from workbench.engine.hub.remote import CARD_LIMIT, RepoFile, kind_of, without_head
from workbench.engine.task import Silent, Task
from workbench.engine.values import Checkpoint, Facts

#: What a file that is still coming is called after its hash; the client's own tools take it for an orphan to clean.
PARTIAL = ".workbench.incomplete"

_PREFIX = "models--"


@dataclass(frozen=True, slots=True)
class Local:
    """A checkpoint of this machine as it is looked at.

    Attributes:
        checkpoint: The folder.
        facts: What it says of itself, None when that can't be read.
        error: Why it can't, None when it can.
        card: Its README without the head.
        files: Its files, weights first.
    """

    checkpoint: Checkpoint
    facts: Facts | None
    error: WorkbenchError | None
    card: str
    files: tuple[RepoFile, ...]


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
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo_id) or ".." in repo_id or "--" in repo_id:
        raise CheckpointError(
            f"Could not use {repo_id!r}.", why="It is no name of a repository.", remedy="Names read author/name."
        )
    return cache_dir() / (_PREFIX + repo_id.replace("/", "--"))


def cached(repo_id: str) -> Checkpoint | None:
    """The newest whole snapshot of a repository in the cache, its ``main`` first, or None."""
    whole = [checkpoint for checkpoint in _snapshots(repo_folder(repo_id)) if checkpoint.complete]
    return whole[0] if whole else None


def local_checkpoints() -> tuple[Checkpoint, ...]:
    """Everything that can be loaded here, and downloads that were not finished: starters, runs, the cache, folders."""
    found: list[Checkpoint] = []
    for folder in _folders(paths.starters_dir()):
        starter = starter_folder(folder)
        if starter is not None:
            found.append(starter)
    for folder in _folders(paths.runs_dir()):
        if (folder / "config.json").is_file():
            found.append(_plain(folder, folder.name, "run"))
    for folder in _folders(cache_dir()):
        if folder.name.startswith(_PREFIX):
            found.extend(_snapshots(folder))
    for folder in _opened():
        if (folder / "config.json").is_file():
            found.append(_plain(folder, folder.name, "folder"))
    return tuple(found)


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
    _remember([*_opened(), path])
    return _plain(path, path.name, "folder")


def delete(checkpoint: Checkpoint) -> int:
    """Delete a cached revision, a starter, a run or an unfinished download; a folder of one's own is only forgotten.

    Returns:
        Bytes freed.

    Raises:
        WorkbenchError: It lies somewhere else than it says.
    """
    what = f"Could not delete {checkpoint.name}."
    if checkpoint.source == "folder":
        _remember([folder for folder in _opened() if folder != checkpoint.path])
        return 0
    if checkpoint.source == "hub" and checkpoint.complete and checkpoint.revision:
        from huggingface_hub import scan_cache_dir

        strategy = scan_cache_dir(cache_dir()).delete_revisions(checkpoint.revision)
        freed = int(strategy.expected_freed_size)
        strategy.execute()
        return freed
    home = {"starter": paths.starters_dir(), "run": paths.runs_dir(), "hub": cache_dir()}[checkpoint.source]
    folder = checkpoint.path
    while checkpoint.source == "hub" and folder.parent != folder and not folder.name.startswith(_PREFIX):
        folder = folder.parent
    if folder.resolve().parent != home.resolve():
        raise WorkbenchError(what, why=f"It does not lie in {home}.", remedy="Delete the folder by hand.")
    size = _size(folder)
    if checkpoint.source == "hub" and any(each.complete for each in _snapshots(folder)):
        size = 0
        for partial in (folder / "blobs").glob("*" + PARTIAL):
            size += partial.stat().st_size
            partial.unlink()
        return size
    shutil.rmtree(folder)
    return size


def card_of(checkpoint: Checkpoint) -> str:
    """The README of a checkpoint's folder as Markdown without its head; empty when there is none."""
    with contextlib.suppress(OSError), (checkpoint.path / "README.md").open("rb") as file:
        return without_head(file.read(CARD_LIMIT).decode("utf-8", "replace"))
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
    return Local(checkpoint, facts, error, card_of(checkpoint), tuple(rows))


def starter_folder(folder: Path) -> Checkpoint | None:
    """The starter a folder holds, or None when it holds none that is whole."""
    try:
        mark = json.loads((folder / "starter.json").read_bytes())
        name = str(mark["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    checkpoint = _plain(folder, name, "starter")
    return checkpoint if checkpoint.complete else None


def snapshot(root: Path, commit: str) -> Checkpoint:
    """One revision in the cache as a checkpoint."""
    folder = root / "snapshots" / commit
    name = root.name.removeprefix(_PREFIX).replace("--", "/", 1)
    return Checkpoint(
        name=name,
        path=folder,
        source="hub",
        revision=commit,
        size=_size(folder),
        last_used=_last_used(folder),
        complete=_complete(folder),
    )


def _snapshots(root: Path) -> list[Checkpoint]:
    if not root.is_dir():
        return []
    found = [
        snapshot(root, folder.name) for folder in _folders(root / "snapshots") if (folder / "config.json").exists()
    ]
    main = _main(root)
    found.sort(key=lambda each: (each.complete, each.revision == main, each.last_used), reverse=True)
    if not found and any((root / "blobs").glob("*" + PARTIAL)):
        name = root.name.removeprefix(_PREFIX).replace("--", "/", 1)
        return [Checkpoint(name=name, path=root, source="hub", size=_size(root), complete=False)]
    return found


def _main(root: Path) -> str:
    try:
        return (root / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return ""


def _plain(folder: Path, name: str, source: str) -> Checkpoint:
    return Checkpoint(
        name=name,
        path=folder,
        source=source,
        size=_size(folder),
        last_used=_last_used(folder),
        complete=_complete(folder),
    )


def _complete(folder: Path) -> bool:
    kind, files = weight_files(folder)
    return (folder / "config.json").is_file() and kind != "none" and all(file.is_file() for file in files)


def _folders(root: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files(folder: Path) -> Iterator[os.stat_result]:
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.stat(os.path.join(parent, name))


def _size(folder: Path) -> int:
    # Links into one blob count once, as they lie on the disk once.
    return sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in _files(folder)}.values())


def _last_used(folder: Path) -> float:
    return max((stat.st_atime for stat in _files(folder)), default=0.0)


def _opened() -> list[Path]:
    try:
        listed = json.loads((paths.data_dir() / "folders.json").read_bytes())
    except (OSError, ValueError):
        return []
    return [Path(each) for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def _remember(folders: list[Path]) -> None:
    file = paths.data_dir() / "folders.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps([str(folder) for folder in folders], indent=2) + "\n", "utf-8")
    os.replace(partial, file)

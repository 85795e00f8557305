"""Whether what lies here is still what came: every file against its hash, its header or its list."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from workbench.engine.errors import CheckpointError, WorkbenchError
from workbench.engine.facts import weight_files
from workbench.engine.hub import network
from workbench.engine.hub.choice import Wanted, is_hash, is_safe, resolve
from workbench.engine.hub.fetch import Digest
from workbench.engine.hub.local import HASHES
from workbench.engine.hub.queue import Order
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import Checkpoint


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at every byte found; names are paths inside the checkpoint.

    Attributes:
        checkpoint: What was looked at.
        proved: Files whose hash is the right one.
        sound: Files without a known hash whose safetensors header fits their length.
        unproved: Files there is nothing to compare with.
        damaged: Files that are not what they were.
        missing: Files that should be there.
        bytes: Bytes read.
    """

    checkpoint: Checkpoint
    proved: tuple[str, ...]
    sound: tuple[str, ...]
    unproved: tuple[str, ...]
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    bytes: int

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged and nothing is missing."""
        return not self.damaged and not self.missing


def verify(checkpoint: Checkpoint, *, task: Task | None = None) -> Verified:
    """Read every file of a checkpoint and compare it with its hash.

    The hash is the name of the blob in the Hub cache, the list that came with a model pack, or what the Hub says of
    that commit when there is neither and the network is on; without any, safetensors are at least looked into.

    Args:
        checkpoint: One of this machine.
        task: Progress in bytes.

    Raises:
        CheckpointError: The folder is gone.
    """
    task = task or Silent()
    root = checkpoint.path
    if not root.is_dir():
        raise CheckpointError(
            f"Could not verify {checkpoint.name}.", why=f"There is no folder {root}.", remedy="Look at the list again."
        )
    names = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if not path.is_dir()}
    names.pop(HASHES, None)
    hashes = _hashes(checkpoint, names, task)
    total = sum(path.stat().st_size for path in names.values() if path.exists())
    found: dict[str, list[str]] = {"proved": [], "sound": [], "unproved": [], "damaged": [], "missing": []}
    done = 0
    for name, path in names.items():
        task.report(Progress(done, total, "bytes", name))
        found[_look(path, Wanted(name, 0, hashes.get(name, "")), task)].append(name)
        done += path.stat().st_size if path.exists() else 0
    expected = {file.relative_to(root).as_posix() for file in weight_files(root)[1]} | set(hashes)
    found["missing"] += sorted(name for name in expected if name not in names)
    task.report(Progress(done, total, "bytes"))
    return Verified(checkpoint, **{key: tuple(value) for key, value in found.items()}, bytes=done)


def mend(verified: Verified) -> Order:
    """Take what is damaged out of the cache, so that an order fetches exactly that again.

    Args:
        verified: Of a revision from the Hub.

    Returns:
        The order that makes the revision whole.

    Raises:
        CheckpointError: It did not come from the Hub, so there is nowhere to fetch it from.
    """
    checkpoint = verified.checkpoint
    if checkpoint.source != "hub" or not checkpoint.revision:
        raise CheckpointError(
            f"Could not mend {checkpoint.name}.",
            why="It did not come from the Hub, so it can't be fetched again.",
            remedy="Copy it anew from where you have it.",
        )
    for name in (*verified.damaged, *verified.missing):
        link = checkpoint.path / name
        if link.is_symlink():
            link.resolve().unlink(missing_ok=True)
        link.unlink(missing_ok=True)
    names = sorted({*verified.proved, *verified.sound, *verified.unproved, *verified.damaged, *verified.missing})
    return Order(checkpoint.name, checkpoint.revision, tuple(names))


def _look(path: Path, file: Wanted, task: Task) -> str:
    if not path.exists():
        return "missing"
    if file.hash:
        digest = Digest(Wanted(file.name, path.stat().st_size, file.hash))
        digest.follow(path, None, task)
        return "proved" if digest.text == file.hash else "damaged"
    if path.suffix != ".safetensors":
        return "unproved"
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as tensors:
            tensors.keys()
    except (SafetensorError, OSError):
        return "damaged"
    return "sound"


def _hashes(checkpoint: Checkpoint, names: dict[str, Path], task: Task) -> dict[str, str]:
    listed = _listed(checkpoint.path)
    for name, path in names.items():
        if path.is_symlink() and is_hash(blob := path.readlink().name):
            listed[name] = blob
    unknown = [name for name in names if name not in listed and is_safe(name)]
    if checkpoint.source == "hub" and checkpoint.revision and unknown and not network.offline():
        try:
            plan = resolve(checkpoint.name, checkpoint.revision, unknown, task=task)
            listed.update((file.name, file.hash) for file in plan.files)
        except WorkbenchError as error:
            task.log(f"The Hub could not be asked for the hashes of {len(unknown)} files: {error}")
    return listed


def _listed(root: Path) -> dict[str, str]:
    try:
        rows = json.loads((root / HASHES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    rows = rows if isinstance(rows, dict) else {}
    return {name: digest for name, digest in rows.items() if is_safe(name) and is_hash(str(digest))}

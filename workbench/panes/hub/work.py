"""The pane's calls on worker threads, where two engine calls make one job or one takes no task."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.engine import hub, machine, starters, trust
from workbench.engine.hub import FileState, Offered, Order, Remote, Search, Transfer, pack
from workbench.engine.hub.choice import Plan
from workbench.engine.hub.fetch import came
from workbench.engine.task import Task
from workbench.engine.trust import Request
from workbench.engine.values import Checkpoint, Listing

#: Rows that are shown while the others are still looked for.
_FIRST = 24


@dataclass(frozen=True, slots=True)
class Around:
    """What is on this machine.

    Attributes:
        rows: Checkpoints, then cached data sets.
        installed: Starters by key.
        pinned: Folders that are not to be deleted.
        refs: Branches and tags of cached revisions, by folder.
        whole: Whether these are all.
    """

    rows: tuple[Checkpoint, ...]
    installed: Mapping[str, Checkpoint] = field(default_factory=dict)
    pinned: frozenset[str] = frozenset()
    refs: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)
    whole: bool = True


def look_around(*, task: Task) -> Around:
    """What is on this machine, and which starters by key; the first rows are sent ahead."""
    rows: list[Checkpoint] = []
    pinned = hub.pinned()
    for row in hub.each_local():
        rows.append(row)
        if len(rows) == _FIRST:
            task.send(Around(tuple(rows), pinned=pinned, whole=False))
        task.check()
    rows += hub.cached_data()
    installed = {starter.key: starters.installed(starter.key) for starter in starters.STARTERS}
    return Around(
        tuple(rows),
        {key: checkpoint for key, checkpoint in installed.items() if checkpoint is not None},
        pinned,
        {row.path: hub.refs(row) for row in rows if row.revision},
    )


def look_remote(listing: Listing, revision: str, *, task: Task) -> tuple[Remote, Checkpoint | None]:
    """What the Hub says of a repository, and its whole snapshot here: of that commit, or the newest of ``main``."""
    remote = hub.look(listing.repo_id, revision=revision, kind=listing.kind, task=task)
    if listing.kind != "model":
        return remote, None
    newest = hub.cached(listing.repo_id)
    same = newest is not None and newest.revision == remote.commit
    return remote, newest if same or revision == "main" else None


def next_page(search: Search, *, task: Task) -> tuple[Search, tuple[Listing, ...]]:
    """The search and its next page."""
    return search, search.more(task=task)


def last_results(why: str, *, task: Task) -> tuple[tuple[Listing, ...], float, str]:
    """What the last search gave, when that was, and why no new one can be made."""
    task.check()
    return (*hub.last_results(), why)


def unfinished(*, task: Task) -> tuple[tuple[Order, Transfer], ...]:
    """Downloads that an earlier start did not finish, with what of them is on the disk."""
    found = []
    for order in hub.remembered():
        task.check()
        plan = Plan(order.repo_id, order.revision, order.commit, order.files)
        files = []
        for file in order.files:
            done = came(plan, file)
            files.append(FileState(file.name, file.size, done, "there" if done == file.size else "waiting"))
        done = sum(file.done for file in files)
        found.append((order, Transfer(done, order.size, "bytes", files=tuple(files))))
    return tuple(found)


def remember(order: Order, *, task: Task) -> None:
    """Keep an order for the next start."""
    task.check()
    hub.remember(order)


def forget(order: Order, *, task: Task) -> None:
    """Drop an order."""
    task.check()
    hub.forget(order)


def offered(repo_id: str, *, task: Task) -> tuple[str, tuple[Offered, ...]]:
    """The repository and its files to choose from."""
    return repo_id, hub.offered(repo_id, task=task)


def with_code(repo_id: str, revision: str, *, task: Task) -> Order:
    """What fetches a repository with the Python files that its architecture is made of."""
    return Order(repo_id, revision, hub.with_code(repo_id, revision, task=task))


def open_path(path: Path, *, task: Task) -> Checkpoint | pack.Pack:
    """A folder as a checkpoint, a GGUF file widened to one, or what a model pack says it holds."""
    task.check()
    if path.suffix.lower() == ".gguf" and not path.is_dir():
        return hub.bring_in_gguf(path, task=task)
    if path.suffix.lower() == ".zip" or path.name == pack.LIST or (path / pack.LIST).is_file():
        return pack.look_into(path)
    return hub.open_folder(path)


def weigh(checkpoints: tuple[Checkpoint, ...], *, task: Task) -> tuple[tuple[Checkpoint, ...], int]:
    """The checkpoints, and the bytes that deleting them would free."""
    task.check()
    return checkpoints, hub.freed(*checkpoints)


def delete(checkpoints: tuple[Checkpoint, ...], *, task: Task) -> tuple[tuple[Checkpoint, ...], int]:
    """The checkpoints that are gone, and the bytes freed."""
    task.check()
    return checkpoints, hub.delete(*checkpoints)


def pin(checkpoints: tuple[Checkpoint, ...], on: bool, *, task: Task) -> None:
    """Protect checkpoints from being deleted, or no longer."""
    task.check()
    for each in checkpoints:
        hub.pin(each, on)


def mend(verified: hub.Verified, *, task: Task) -> Order:
    """Take what is damaged out of the cache."""
    task.check()
    return hub.mend(verified)


def agree(request: Request, *, task: Task) -> None:
    """Keep a consent."""
    task.check()
    trust.give(request)


def card_pictures(remote: Remote, addresses: tuple[str, ...], *, task: Task) -> tuple[Remote, dict[str, bytes]]:
    """The repository, and the pictures of its card that can be had."""
    return remote, hub.card_pictures(remote, addresses, task=task)


def find_devices(*, task: Task) -> tuple[str, ...]:
    """Devices a model can be loaded on; imports torch."""
    task.check()
    return machine.devices()


def free_memory(before: int, model: weakref.ref[object], *, task: Task) -> int:
    """Give back what a model took that nobody holds any more, cycles included.

    Args:
        before: Resident bytes of this process while it was there.
        model: Dead where it has gone already, as it mostly has: then nothing is looked through, which would hold the
            window up for some 50 ms.
        task: Asked whether to stop.

    Returns:
        Resident bytes freed, at least 0.
    """
    task.check()
    if model() is not None:
        gc.collect(2)
    machine.empty_caches()
    return max(0, before - machine.memory().process)

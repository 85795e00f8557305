"""The pane's calls on worker threads, where two engine calls make one job or one takes no task."""

from __future__ import annotations

import gc
from pathlib import Path

from workbench.engine import hub, models, starters
from workbench.engine.hub import Remote, Search
from workbench.engine.task import Task
from workbench.engine.values import Checkpoint, Listing


def look_around(*, task: Task) -> tuple[tuple[Checkpoint, ...], dict[str, Checkpoint]]:
    """What is on this machine, and which starters by key."""
    rows = hub.local_checkpoints()
    task.check()
    installed = {starter.key: starters.installed(starter.key) for starter in starters.STARTERS}
    return rows, {key: checkpoint for key, checkpoint in installed.items() if checkpoint is not None}


def look_remote(repo_id: str, *, task: Task) -> tuple[Remote, Checkpoint | None]:
    """Card and files of a repository, and its newest whole snapshot here."""
    return hub.look(repo_id, task=task), hub.cached(repo_id)


def next_page(search: Search, *, task: Task) -> tuple[Search, tuple[Listing, ...]]:
    """The search and its next page."""
    return search, search.more(task=task)


def open_folder(path: Path, *, task: Task) -> Checkpoint:
    """A folder as a checkpoint; CheckpointError when it is none."""
    task.check()
    return hub.open_folder(path)


def delete_checkpoint(checkpoint: Checkpoint, *, task: Task) -> tuple[Checkpoint, int]:
    """The checkpoint that is gone, and the bytes freed."""
    task.check()
    return checkpoint, hub.delete(checkpoint)


def find_devices(*, task: Task) -> tuple[str, ...]:
    """Devices a model can be loaded on; imports torch."""
    task.check()
    return models.devices()


def free_memory(before: int, *, task: Task) -> int:
    """Give back what a model took that nobody holds any more, cycles included.

    Args:
        before: Resident bytes of this process while it was there.
        task: Asked whether to stop.

    Returns:
        Resident bytes freed, at least 0.
    """
    task.check()
    gc.collect()
    models.empty_caches()
    return max(0, before - models.memory().process)

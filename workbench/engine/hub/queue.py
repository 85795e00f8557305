"""Downloads that were asked for, remembered on the disk until they are done, a small file each.

A killed program leaves its orders behind, and the next one offers them again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workbench.engine import paths
from workbench.engine.errors import WorkbenchError
from workbench.engine.hub import fetch
from workbench.engine.hub.choice import Plan, Wanted, is_hash, is_safe, resolve
from workbench.engine.hub.local import repo_folder
from workbench.engine.task import Task
from workbench.engine.values import Checkpoint

#: A longer file is none of ours.
_LIMIT = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Order:
    """A download that was asked for.

    Attributes:
        repo_id: ``author/name``.
        revision: A branch, a tag or a commit.
        names: The files that were chosen; none means what transformers needs.
        asked: When, in seconds since the epoch.
        commit: What the revision stood for when the Hub was last asked; empty before.
        files: What it came to then; empty before.
    """

    repo_id: str
    revision: str = "main"
    names: tuple[str, ...] = ()
    asked: float = 0.0
    commit: str = ""
    files: tuple[Wanted, ...] = ()

    @property
    def key(self) -> str:
        """What tells orders apart: the same repository and revision is the same order."""
        return f"{self.repo_id}@{self.revision}"

    @property
    def size(self) -> int | None:
        """Bytes in all, None until the Hub was asked."""
        return sum(file.size for file in self.files) if self.files else None

    @property
    def came(self) -> int:
        """Bytes of it that are on this disk now."""
        plan = Plan(self.repo_id, self.revision, self.commit, self.files)
        return sum(fetch.came(plan, file) for file in self.files)


def fulfil(order: Order, *, task: Task) -> Checkpoint:
    """Fetch what was ordered; it is remembered until all of it is there.

    Raises:
        WorkbenchError: As `fetch.download`; the order stays remembered.
    """
    remember(order)
    plan = resolve(order.repo_id, order.revision, order.names, task=task)
    remember(replace(order, commit=plan.commit, files=plan.files))
    made = fetch.bring(plan, task=task)
    forget(order)
    return made


def remember(order: Order) -> None:
    """Keep an order for the next start.

    Raises:
        OSError: The data folder can't be written.
    """
    file = _file(order)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.partial")
    stamped = order if order.asked else replace(order, asked=time.time())
    partial.write_text(json.dumps(asdict(stamped)) + "\n", "utf-8")
    os.replace(partial, file)


def forget(order: Order) -> None:
    """Drop an order; what has come stays on the disk."""
    _file(order).unlink(missing_ok=True)


def remembered() -> tuple[Order, ...]:
    """Orders that were not fulfilled, oldest first; files that hold something else are passed over."""
    found = []
    for file in sorted(_folder().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError, WorkbenchError):
            if file.stat().st_size <= _LIMIT:
                found.append(_read(json.loads(file.read_bytes())))
    return tuple(sorted(found, key=lambda order: order.asked))


def _read(kept: dict[str, Any]) -> Order:
    files = tuple(Wanted(str(row["name"]), int(row["size"]), str(row["hash"])) for row in kept["files"])
    order = Order(
        str(kept["repo_id"]), str(kept["revision"]), tuple(map(str, kept["names"])), float(kept["asked"]),
        str(kept["commit"]), files,
    )  # fmt: skip
    # Names become paths when one looks at what has come, so they are trusted as little as a server's.
    repo_folder(order.repo_id)
    names = (*order.names, *(file.name for file in files))
    if not all(map(is_safe, names)) or not all(is_hash(file.hash) and file.size >= 0 for file in files):
        raise ValueError("no order of ours")
    if not re.fullmatch(r"|[0-9a-f]{40}", order.commit):
        raise ValueError("no commit")
    return order


def _folder() -> Path:
    return paths.data_dir() / "downloads"


def _file(order: Order) -> Path:
    return _folder() / f"{hashlib.sha256(order.key.encode()).hexdigest()[:24]}.json"

"""Proved files of a revision put into the native cache as the Hub's client would have put them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from workbench.engine.hub.choice import Plan, Wanted
from workbench.engine.hub.fetch import link
from workbench.engine.hub.local import data_folder, plain_checkpoint, repo_folder, snapshot
from workbench.engine.values import Checkpoint


def into_cache(
    name: str, source: str, commit: str, refs: Sequence[str], files: Sequence[tuple[Wanted, Path]]
) -> Checkpoint:  # fmt: skip
    """Move files among the blobs and link them under their commit.

    Args:
        name: Of the repository.
        source: ``hub`` for a model, ``dataset`` for a data set.
        commit: Their revision.
        refs: Branches and tags that stand for it, as long as none of that name is here.
        files: Each with where it lies now; on the same disk as the cache it is only renamed.
    """
    root = repo_folder(name) if source == "hub" else data_folder(name)
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    for wanted, drawn in files:
        blob = root / "blobs" / wanted.hash
        if not blob.exists():
            # The cache may be on another disk: what stands under the blob's name is always whole.
            partial = blob.with_name(f"{wanted.hash}.{os.getpid()}.incomplete")
            shutil.move(drawn, partial)
            os.replace(partial, blob)
    wanted_files = tuple(wanted for wanted, _ in files)
    for ref in [ref for ref in refs if not (root / "refs" / ref).exists()] or [commit]:
        link(root, Plan(name, ref, commit, wanted_files))
    if source == "hub":
        return snapshot(root, commit)
    return plain_checkpoint(root / "snapshots" / commit, name, source)

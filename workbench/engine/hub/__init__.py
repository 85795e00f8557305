"""Checkpoints on the Hub and on this machine: search, read, fetch with resume and proof, list, open, delete.

The real huggingface_hub client is used for names, login, sessions and the cache's layout. Its downloads are not: they
resume nothing after a stop, compare no content and can't be stopped while a connection stalls, so the bytes are fetched
here, into the same cache.
"""

from __future__ import annotations

from workbench.engine.hub.fetch import download
from workbench.engine.hub.local import (
    Local,
    cached,
    card_of,
    delete,
    local_checkpoints,
    look_local,
    open_folder,
    starter_folder,
)
from workbench.engine.hub.network import offline, set_offline
from workbench.engine.hub.remote import SORTS, Remote, RepoFile, Search, card, files, look, reachable, search

__all__ = [
    "SORTS",
    "Local",
    "Remote",
    "RepoFile",
    "Search",
    "cached",
    "card",
    "card_of",
    "delete",
    "download",
    "files",
    "local_checkpoints",
    "look",
    "look_local",
    "offline",
    "open_folder",
    "reachable",
    "search",
    "set_offline",
    "starter_folder",
]

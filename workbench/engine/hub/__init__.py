"""Checkpoints on the Hub and on this machine: search, read, fetch with resume and proof, list, open, delete.

The real huggingface_hub client is used for names, login, sessions and the cache's layout. Its downloads are not: they
resume nothing after a stop, compare no content and can't be stopped while a connection stalls, so the bytes are fetched
here, into the same cache.
"""

from __future__ import annotations

from workbench.engine.hub import endpoints
from workbench.engine.hub.account import Account, has_token, log_in, log_out, token_variable, who
from workbench.engine.hub.bring_in import bring_in_gguf
from workbench.engine.hub.choice import Offered, offered, with_code
from workbench.engine.hub.fetch import download
from workbench.engine.hub.guard import refused
from workbench.engine.hub.local import (
    Local,
    cached,
    cached_data,
    card_of,
    delete,
    each_local,
    freed,
    local_checkpoints,
    look_local,
    open_folder,
    pin,
    pinned,
    refs,
    starter_folder,
)
from workbench.engine.hub.network import endpoint, offline, set_offline
from workbench.engine.hub.pictures import card_pictures
from workbench.engine.hub.proof import Verified, mend, verify
from workbench.engine.hub.push import Ready, look_ready, make_ready, push, save_copy, waiting
from workbench.engine.hub.queue import Order, forget, fulfil, remember, remembered
from workbench.engine.hub.remote import Remote, RepoFile, card, files, look, reachable
from workbench.engine.hub.search import SORTS, Filters, Search, search
from workbench.engine.hub.seen import last_results
from workbench.engine.hub.transfer import FileState, Transfer

__all__ = [
    "SORTS",
    "Account",
    "FileState",
    "Filters",
    "Local",
    "Offered",
    "Order",
    "Ready",
    "Remote",
    "RepoFile",
    "Search",
    "Transfer",
    "Verified",
    "bring_in_gguf",
    "cached",
    "cached_data",
    "card",
    "card_of",
    "card_pictures",
    "delete",
    "download",
    "each_local",
    "endpoint",
    "endpoints",
    "files",
    "forget",
    "freed",
    "fulfil",
    "has_token",
    "last_results",
    "local_checkpoints",
    "log_in",
    "log_out",
    "look",
    "look_local",
    "look_ready",
    "make_ready",
    "mend",
    "offered",
    "offline",
    "open_folder",
    "pin",
    "pinned",
    "push",
    "reachable",
    "refs",
    "refused",
    "remember",
    "remembered",
    "save_copy",
    "search",
    "set_offline",
    "starter_folder",
    "token_variable",
    "verify",
    "waiting",
    "who",
    "with_code",
]

"""Bytes from the Hub into the native cache: resumed after a stop, a crash or a cut, proved before they are used.

Every file grows as ``blobs/<hash>.workbench.incomplete``, is compared with its hash (SHA-256 of big files, git's SHA-1
of small ones) and only then becomes ``blobs/<hash>``. The snapshot with its links appears when all files are there, so
what other programs find in the cache is always whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import CheckpointError, NetworkError, OutOfSpace, UnsafeRefused
from workbench.engine.hub import network
from workbench.engine.hub.local import PARTIAL, cache_dir, repo_folder, snapshot
from workbench.engine.hub.remote import model_info
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import Checkpoint

if TYPE_CHECKING:
    import httpx2

#: Tries without a single new byte before giving up.
TRIES = 5

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)*")
_NAME = re.compile(r"[\w.+ -]{1,150}")
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_PICKLE = re.compile(r"(pytorch_model.*\.bin|.*\.(pt|pth|ckpt|pkl))")
_SMALL = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".md")
_LEGAL = re.compile(r"(LICEN[CS]E|NOTICE|USE_POLICY)(\.\w+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch: its name in the repository, size in bytes and the hash that proves it."""

    name: str
    size: int
    hash: str


def download(repo_id: str, revision: str = "main", *, task: Task | None = None) -> Checkpoint:
    """Fetch what transformers needs of a repository: config, safetensors, tokenizer, card.

    What a stopped, crashed or cut download left is taken up where it ended, also by another process.

    Args:
        repo_id: ``author/name``.
        revision: A branch, a tag or a commit.
        task: Progress in bytes of the whole; a stop takes effect within 0.2 seconds, also while nothing comes.

    Raises:
        NetworkError: The Hub could not be reached or refused; what has come is kept.
        CheckpointError: It is no transformers checkpoint, or what came is not what its hash says.
        UnsafeRefused: It has pickled weights only.
        OutOfSpace: The disk has too little room.
    """
    task = task or Silent()
    what = f"Could not download {repo_id}."
    if not _REVISION.fullmatch(revision):
        raise NetworkError(what, why=f"“{revision}” is no name of a revision.", remedy="Use main or a commit.")
    with network.watched(task, what, repo_id):
        task.report(Progress(0, None, "bytes", "asking for the list of files"))
        info = model_info(repo_id, revision)
        commit = str(info.sha)
        if not _COMMIT.fullmatch(commit):
            raise NetworkError(what, why="The Hub named no commit.", remedy="Try again.")
        wanted = _choose(repo_id, commit, info.siblings or [], what)
        root = repo_folder(repo_id)
        blobs = root / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        _check_space(blobs, wanted, what)
        total = sum(file.size for file in wanted)
        done = 0
        for file in wanted:
            if not _is_there(root, commit, file):
                with _alone(root, file.hash, task):
                    if not _is_there(root, commit, file):
                        _fetch(repo_id, commit, file, blobs, (done, total), task, what)
            done += file.size
            task.report(Progress(done, total, "bytes", file.name))
        _link(root, commit, revision, wanted)
    task.log(f"{repo_id} at {commit[:8]}: {len(wanted)} files, {total:,} bytes, every one proved by its hash.")
    return snapshot(root, commit)


def _choose(repo_id: str, commit: str, siblings: list[Any], what: str) -> tuple[Wanted, ...]:
    names = {str(sibling.rfilename) for sibling in siblings}
    needed = {name for name in names if _needed(name)}
    if "model.safetensors" in needed:
        needed = {name for name in needed if not _SHARD.fullmatch(name) and name != "model.safetensors.index.json"}
    has_weights = any(name.endswith(".safetensors") for name in needed)
    if not has_weights and any(_PICKLE.fullmatch(name) for name in names):
        raise UnsafeRefused(
            what,
            why=f"{repo_id} has its weights only as pickles (.bin, .pt), which can run any program when opened.",
            remedy="Choose a checkpoint with safetensors; many have been converted by their authors.",
        )
    if "config.json" not in needed or not has_weights:
        lacks = "config.json" if "config.json" not in needed else "model.safetensors"
        kind = " It holds GGUF files, the format of llama.cpp." if any(n.endswith(".gguf") for n in names) else ""
        kind = " It holds an adapter for another checkpoint." if "adapter_config.json" in names else kind
        raise CheckpointError(
            what,
            why=f"{repo_id} has no {lacks}, so transformers can't load it.{kind}",
            remedy="Choose a repository with safetensors for transformers.",
        )
    chosen = [_proof(repo_id, commit, sibling, what) for sibling in siblings if sibling.rfilename in needed]
    # Small files first: what they say can be looked at while the weights come.
    return tuple(sorted(chosen, key=lambda file: (file.name.endswith(".safetensors"), file.name)))


def _needed(name: str) -> bool:
    folder, _, plain = name.rpartition("/")
    if folder not in ("", "additional_chat_templates", "1_Pooling") or not _is_safe(plain):
        return False
    if plain.endswith(".safetensors"):
        return not folder and (plain == "model.safetensors" or _SHARD.fullmatch(plain) is not None)
    if plain.endswith(".index.json"):
        return plain == "model.safetensors.index.json"
    return plain.endswith(_SMALL) or _LEGAL.fullmatch(plain) is not None


def _is_safe(plain: str) -> bool:
    # Names come from the server and become paths; "con" and a dot at the end are other files on Windows.
    stem = plain.split(".")[0].upper()
    reserved = stem in ("CON", "PRN", "AUX", "NUL") or re.fullmatch(r"(COM|LPT)\d", stem) is not None
    return _NAME.fullmatch(plain) is not None and not reserved and plain.strip(". ") == plain


def _proof(repo_id: str, commit: str, sibling: Any, what: str) -> Wanted:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    name = str(sibling.rfilename)
    big = getattr(sibling, "lfs", None)
    digest, size = (big.sha256, big.size) if big is not None else (sibling.blob_id, sibling.size)
    if digest is None or size is None:
        # Mirrors that keep no blobs answer at least for the file itself.
        url = hf_hub_url(repo_id, name, revision=commit, endpoint=network.endpoint())
        metadata = get_hf_file_metadata(url, endpoint=network.endpoint(), headers=network.headers())
        digest, size = metadata.etag, metadata.size
    if not isinstance(digest, str) or not _HASH.fullmatch(digest) or not isinstance(size, int) or size < 0:
        raise CheckpointError(
            what,
            why=f"The server gives no hash for {name} that what comes could be compared with.",
            remedy="Use the Hub itself or a mirror that passes its hashes on.",
        )
    return Wanted(name, size, digest)


def _check_space(blobs: Path, wanted: tuple[Wanted, ...], what: str) -> None:
    missing = 0
    for file in wanted:
        if not (blobs / file.hash).exists():
            partial = blobs / (file.hash + PARTIAL)
            missing += max(0, file.size - (partial.stat().st_size if partial.exists() else 0))
    free = shutil.disk_usage(blobs).free
    if missing + 16 * 2**20 > free:
        raise OutOfSpace(
            what,
            why=f"{missing / 1e6:,.0f} MB are still to come and {free / 1e6:,.0f} MB are free.",
            remedy="Delete checkpoints you no longer need, or free some space; what has come so far is kept.",
        )


def _is_there(root: Path, commit: str, file: Wanted) -> bool:
    return any(
        path.is_file() and path.stat().st_size == file.size
        for path in (root / "blobs" / file.hash, root / "snapshots" / commit / file.name)
    )


@contextlib.contextmanager
def _alone(root: Path, digest: str, task: Task) -> Iterator[None]:
    from filelock import FileLock, Timeout

    # The library's own lock for this blob, so that its downloads and ours never write one file at once.
    folder = cache_dir() / ".locks" / root.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{digest}.lock")
    while True:
        task.check()
        try:
            lock.acquire(timeout=network.SLICE)
            break
        except Timeout:
            continue
    try:
        yield
    finally:
        lock.release()


def _fetch(
    repo_id: str, commit: str, file: Wanted, blobs: Path, before: tuple[int, int], task: Task, what: str
) -> None:
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repo_id, file.name, revision=commit, endpoint=network.endpoint())
    partial = blobs / (file.hash + PARTIAL)
    done, total = before
    with partial.open("ab") as stream:
        if stream.tell() > file.size:
            stream.truncate(0)
    tries = 0
    while (start := partial.stat().st_size) < file.size:
        task.check()
        try:
            _stream(
                url, partial, start, file, lambda came: task.report(Progress(done + came, total, "bytes", file.name))
            )
        except Exception as error:
            tries = tries + 1 if partial.stat().st_size == start else 1
            wait = _worth_waiting(error, tries)
            if wait is None or tries >= TRIES:
                raise
            task.log(f"{file.name}: the connection broke off at {partial.stat().st_size:,} bytes; trying again.")
            network.pause(task, wait)
    if _digest(partial, file, task) != file.hash:
        partial.unlink()
        raise CheckpointError(
            what,
            why=f"{file.name} came damaged or changed: its hash is not the one the Hub names. It was thrown away.",
            remedy="Try again; if it stays so, do not use this source.",
        )
    os.replace(partial, blobs / file.hash)


def _stream(url: str, partial: Path, start: int, file: Wanted, came: Any) -> None:
    from huggingface_hub.utils import hf_raise_for_status

    # identity: a compressed answer could not be resumed at a byte of the file.
    asked = {**network.headers(), "Accept-Encoding": "identity"}
    if start:
        asked["Range"] = f"bytes={start}-"
    with network.session().stream("GET", url, headers=asked) as answer:
        if answer.status_code >= 400:
            answer.read()
        hf_raise_for_status(answer)
        if start and not _continues(answer, start):
            start = 0
        with partial.open("r+b") as stream:
            stream.truncate(start)
            stream.seek(start)
            for block in answer.iter_raw():
                start += len(block)
                if start > file.size:
                    stream.truncate(0)
                    raise ValueError(f"{file.name} is longer than the Hub says")
                stream.write(block)
                came(start)


def _continues(answer: httpx2.Response, start: int) -> bool:
    return answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _worth_waiting(error: Exception, tries: int) -> float | None:
    """Seconds to wait before another try, or None when none helps."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError) and error.response is not None:
        status = error.response.status_code
        if status == 429:
            after = error.response.headers.get("Retry-After", "")
            return min(60.0, float(after)) + 0.5 if after.isdigit() else 5.0 * tries
        return 1.0 * tries if status in (500, 502, 503, 504) else None
    if isinstance(error, httpx2.ConnectError) and tries > 1:
        return None
    return 0.25 * 2**tries if isinstance(error, httpx2.TransportError) else None


def _digest(path: Path, file: Wanted, task: Task) -> str:
    if len(file.hash) == 64:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            task.check()
            digest.update(block)
    return digest.hexdigest()


def _link(root: Path, commit: str, revision: str, wanted: tuple[Wanted, ...]) -> None:
    folder = root / "snapshots" / commit
    # config.json makes a folder a checkpoint to whoever looks, so it comes last.
    for file in sorted(wanted, key=lambda each: each.name == "config.json"):
        place = folder / file.name
        if place.is_file() and place.stat().st_size == file.size:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        blob = root / "blobs" / file.hash
        try:
            if os.environ.get("HF_HUB_DISABLE_SYMLINKS", "").upper() in ("1", "TRUE", "YES", "ON"):
                raise OSError("links are switched off")
            place.symlink_to(os.path.relpath(blob, place.parent))
        except OSError:
            # As the library does it where links can't be made: the file itself lies in the snapshot.
            shutil.move(blob, place)
    if revision != commit:
        ref = root / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit, "utf-8")

"""Bytes from the Hub into the native cache: resumed after a stop, a crash or a cut, proved before they are used.

Every file grows as ``blobs/<hash>.workbench.incomplete``, is compared with its hash (SHA-256 of big files, git's SHA-1
of small ones) and only then becomes ``blobs/<hash>``. The snapshot with its links appears when all files are there, so
what other programs find in the cache is always whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.errors import CheckpointError, OutOfSpace
from workbench.engine.hub import network
from workbench.engine.hub.choice import Plan, Wanted, resolve
from workbench.engine.hub.local import PARTIAL, SETTINGS, cache_dir, repo_folder, snapshot
from workbench.engine.hub.transfer import Meter, Shared
from workbench.engine.task import Silent, Task
from workbench.engine.values import Checkpoint

if TYPE_CHECKING:
    import httpx2

#: Tries without a single new byte before giving up.
TRIES = 5

#: Files of one download that come at once.
AT_ONCE = 4

#: Bytes that stay free.
_RESERVE = 16 * 2**20

_promised: set[Meter] = set()
_promising = threading.Lock()


def download(
    repo_id: str, revision: str = "main", *, names: Collection[str] = (), task: Task | None = None
) -> Checkpoint:
    """Fetch what transformers needs of a repository: config, safetensors, tokenizer, card; or the files named.

    What a stopped, crashed or cut download left is taken up where it ended, also by another process.

    Args:
        repo_id: ``author/name``.
        revision: A branch, a tag or a commit.
        names: Files that were chosen; none means what transformers needs.
        task: Told each `Transfer`; a stop takes effect within 0.2 seconds, also while nothing comes.

    Raises:
        NetworkError: The Hub could not be reached or refused; what has come is kept.
        CheckpointError: It is no transformers checkpoint, or what came is not what its hash says.
        InputError: A chosen file is not there.
        UnsafeRefused: It has pickled weights only.
        OutOfSpace: The disk has too little room.
    """
    return bring(resolve(repo_id, revision, names, task=task), task=task)


def bring(plan: Plan, *, task: Task | None = None) -> Checkpoint:
    """Fetch what a plan says and what is not here yet; see `download`."""
    task = task or Silent()
    what = f"Could not download {plan.repo_id}."
    root = repo_folder(plan.repo_id)
    blobs = root / "blobs"
    with network.watched(task, what, plan.repo_id):
        blobs.mkdir(parents=True, exist_ok=True)
        meter = Meter(task, plan.files, {file.name: came(plan, file) for file in plan.files})
        with _room(blobs, meter, what):
            _fetch_all(plan, root, meter, task, what)
        link(root, plan)
    total = sum(file.size for file in plan.files)
    task.log(f"{plan.repo_id} at {plan.commit[:8]}: {len(plan.files)} files, {total:,} bytes, each proved by its hash.")
    return snapshot(root, plan.commit)


def came(plan: Plan, file: Wanted) -> int:
    """Bytes of a file that are on this disk, whole or in part."""
    root = repo_folder(plan.repo_id)
    if _is_there(root, plan.commit, file):
        return file.size
    with contextlib.suppress(OSError):
        size = (root / "blobs" / (file.hash + PARTIAL)).stat().st_size
        return size if size <= file.size else 0
    return 0


@contextlib.contextmanager
def _room(blobs: Path, meter: Meter, what: str) -> Iterator[None]:
    # What other downloads are about to write is spoken for.
    with _promising:
        missing = meter.missing
        others = sum(each.missing for each in _promised)
        free = shutil.disk_usage(blobs).free - others
        if missing + _RESERVE > free:
            also = f", with {others / 1e6:,.0f} MB that other downloads wait for" if others else ""
            raise OutOfSpace(
                what,
                why=f"{missing / 1e6:,.0f} MB are still to come and {max(0, free) / 1e6:,.0f} MB are free{also}.",
                remedy="Delete checkpoints you no longer need, or free some space; what has come so far is kept.",
            )
        _promised.add(meter)
    try:
        yield
    finally:
        with _promising:
            _promised.discard(meter)


def _fetch_all(plan: Plan, root: Path, meter: Meter, task: Task, what: str) -> None:
    missing = [file for file in plan.files if not _is_there(root, plan.commit, file)]
    shared = Shared(task, meter)

    def fetch(file: Wanted) -> None:
        with network.watched(shared, what, plan.repo_id), _alone(root, file.hash, shared):
            if not _is_there(root, plan.commit, file):
                _fetch(plan, file, root / "blobs", meter, shared, what)
        meter.settle(file.name)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
        coming = [pool.submit(fetch, file) for file in missing]
        try:
            for each in as_completed(coming):
                each.result()
        except BaseException:
            shared.break_off()
            for each in coming:
                each.cancel()
            raise


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


def _fetch(plan: Plan, file: Wanted, blobs: Path, meter: Meter, task: Task, what: str) -> None:
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(plan.repo_id, file.name, revision=plan.commit, endpoint=network.endpoint())
    partial = blobs / (file.hash + PARTIAL)
    with partial.open("ab") as stream:
        if stream.tell() > file.size:
            stream.truncate(0)
    digest = Digest(file)
    tries = 0
    while True:
        # What an earlier try left on the disk is read again; what came since was hashed as it came.
        digest.follow(partial, meter, task)
        start = digest.count
        if start >= file.size:
            break
        task.check()
        try:
            _stream(url, partial, file, digest, meter)
            if digest.count <= start:
                raise CheckpointError(
                    what,
                    why=f"{file.name} has {digest.count:,} bytes where the Hub names {file.size:,}.",
                    remedy="Try again; if it stays so, do not use this source.",
                )
        except CheckpointError:
            raise
        except Exception as error:
            tries = tries + 1 if partial.stat().st_size == start else 1
            wait = _worth_waiting(error, tries)
            if wait is None or tries >= TRIES:
                raise
            task.log(f"{file.name}: the connection broke off at {partial.stat().st_size:,} bytes; trying again.")
            network.pause(task, wait)
    if digest.text != file.hash:
        partial.unlink()
        meter.came(file.name, 0, "waiting")
        raise CheckpointError(
            what,
            why=f"{file.name} came damaged or changed: its hash is not the one the Hub names. It was thrown away.",
            remedy="Try again; if it stays so, do not use this source.",
        )
    os.replace(partial, blobs / file.hash)


def _stream(url: str, partial: Path, file: Wanted, digest: Digest, meter: Meter) -> None:
    from huggingface_hub.utils import hf_raise_for_status

    start = digest.count
    # identity: a compressed answer could not be resumed at a byte of the file.
    asked = {**network.headers(), "Accept-Encoding": "identity"}
    if start:
        asked["Range"] = f"bytes={start}-"
    with network.session().stream("GET", url, headers=asked) as answer:
        if answer.status_code >= 400:
            answer.read()
        hf_raise_for_status(answer)
        if start and not _continues(answer, start):
            digest.restart()
        with partial.open("r+b") as stream:
            stream.truncate(digest.count)
            stream.seek(digest.count)
            for block in answer.iter_raw():
                if digest.count + len(block) > file.size:
                    stream.truncate(0)
                    raise ValueError(f"{file.name} is longer than the Hub says")
                stream.write(block)
                digest.add(block)
                meter.came(file.name, digest.count)


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


class Digest:
    """The hash of a file that grows.

    Attributes:
        count: Bytes in it.
    """

    def __init__(self, file: Wanted) -> None:
        self._file = file
        self.restart()

    @property
    def text(self) -> str:
        """The hash of what was added, as the Hub writes it."""
        return self._hash.hexdigest()

    def restart(self) -> None:
        """Begin at the first byte."""
        self.count = 0
        if len(self._file.hash) == 64:
            self._hash = hashlib.sha256()
        else:
            self._hash = hashlib.sha1(b"blob %d\0" % self._file.size, usedforsecurity=False)

    def add(self, block: bytes) -> None:
        """Take in the next bytes."""
        self._hash.update(block)
        self.count += len(block)

    def follow(self, path: Path, meter: Meter | None, task: Task) -> None:
        """Make it the hash of what is on the disk."""
        if self.count == path.stat().st_size:
            return
        self.restart()
        with path.open("rb") as stream:
            while block := stream.read(2**20):
                task.check()
                self.add(block)
        if meter is not None:
            meter.came(self._file.name, self.count, "checking")


def link(root: Path, plan: Plan) -> None:
    """Let a snapshot with its links appear, and let the revision stand for it."""
    folder = root / "snapshots" / plan.commit
    # These make a folder a checkpoint to whoever looks, so they come last.
    ordered = sorted(plan.files, key=lambda each: each.name in SETTINGS)
    for number, file in enumerate(ordered):
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
            # As the library does it where links can't be made: the file itself lies in the snapshot. Another file with
            # the same content wants it too.
            again = any(each.hash == file.hash for each in ordered[number + 1 :])
            (shutil.copyfile if again else shutil.move)(blob, place)
    if plan.revision != plan.commit:
        ref = root / "refs" / plan.revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        # A full disk would leave an empty one, by which nothing is found any more.
        partial = root / f".{os.getpid()}-{threading.get_ident()}.ref"
        partial.write_text(plan.commit, "utf-8")
        os.replace(partial, ref)

"""Which files of a repository are fetched: what transformers needs, or what a person chose; each with its proof."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.engine import paths
from workbench.engine.errors import CheckpointError, InputError, NetworkError, UnsafeRefused
from workbench.engine.hub import network
from workbench.engine.hub.remote import kind_of, repository, siblings
from workbench.engine.task import Progress, Silent, Task

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)*")
_NAME = re.compile(r"[\w.+ -]{1,150}")
#: What an adapter is made of: one to another checkpoint, or one that is a part of this.
_ADAPTER = {"adapter_config.json", "adapter_model.safetensors"}
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_PICKLE = re.compile(r"(pytorch_model.*\.bin|.*\.(pt|pth|ckpt|pkl))")
_SMALL = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".md")
_LEGAL = re.compile(r"(LICEN[CS]E|NOTICE|USE_POLICY)(\.\w+)?", re.IGNORECASE)
_DEEPEST = 8

#: Longer files are no code that a person could look through.
_CODE_LIMIT = 2**20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch: its name in the repository, size in bytes and the hash that proves it."""

    name: str
    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Offered:
    """A file that can be chosen.

    Attributes:
        name: Path inside the repository.
        size: Bytes, None when the Hub does not say.
        kind: As `RepoFile.kind`.
        needed: Whether transformers needs it, so that it is fetched when nobody chooses.
    """

    name: str
    size: int | None
    kind: str
    needed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a download comes to.

    Attributes:
        repo_id: ``author/name``.
        revision: As it was asked for.
        commit: What it stands for now.
        files: Small ones first: what they say can be looked at while the weights come.
    """

    repo_id: str
    revision: str
    commit: str
    files: tuple[Wanted, ...]


def offered(repo_id: str, revision: str = "main", *, task: Task | None = None) -> tuple[Offered, ...]:
    """Every file of a revision whose name is fit for a disk, what transformers needs first.

    Raises:
        NetworkError: The Hub could not be asked.
    """
    what = f"Could not list the files of {repo_id}."
    with network.watched(task or Silent(), what, repo_id):
        found = siblings(_ask(repo_id, revision, what))
    needed = _needed_of({row["rfilename"] for row in found})
    rows = [
        Offered(name, row["size"] if isinstance(row.get("size"), int) else None, kind_of(name), name in needed)
        for row in found
        if is_safe(name := row["rfilename"])
    ]
    return tuple(sorted(rows, key=lambda file: (not file.needed, file.name)))


def with_code(repo_id: str, revision: str = "main", *, task: Task | None = None) -> tuple[str, ...]:
    """What transformers needs and the Python files beside it, for an architecture that is code of its own.

    Fetching runs nothing; loading shows the code and asks.

    Raises:
        NetworkError: The Hub could not be asked.
        CheckpointError: It is no transformers checkpoint.
        UnsafeRefused: It has pickled weights only.
    """
    rows = offered(repo_id, revision, task=task)
    _for_transformers(repo_id, {row.name for row in rows}, f"Could not download {repo_id}.")
    return tuple(
        row.name for row in rows if row.needed or (row.kind == "code" and (row.size or 0) <= _CODE_LIMIT)
    )  # fmt: skip


def resolve(
    repo_id: str, revision: str = "main", names: Collection[str] = (), *, task: Task | None = None
) -> Plan:  # fmt: skip
    """Turn a wish into commit, sizes and hashes.

    Args:
        repo_id: ``author/name``.
        revision: A branch, a tag or a commit.
        names: The files that were chosen; none means what transformers needs.
        task: Its stop ends the questions within 0.2 seconds.

    Raises:
        NetworkError: The Hub could not be reached or refused.
        CheckpointError: It is no transformers checkpoint, or the server proves nothing.
        InputError: A chosen file is not there.
        UnsafeRefused: It has pickled weights only, and nothing was chosen.
    """
    task = task or Silent()
    what = f"Could not download {repo_id}."
    with network.watched(task, what, repo_id):
        task.report(Progress(0, None, "bytes", "asking for the list of files"))
        info = _ask(repo_id, revision, what)
        commit, rows = str(info["sha"]), siblings(info)
        there = {row["rfilename"] for row in rows}
        if names:
            lost = sorted(name for name in names if name not in there or not is_safe(name))
            if lost:
                raise InputError(
                    what,
                    why=f"{repo_id} has no file {lost[0]!r} that can be fetched.",
                    remedy="Choose again: the repository may have changed since.",
                )
            chosen = set(names)
        else:
            chosen = _for_transformers(repo_id, there, what)
        files = [_proof(repo_id, commit, row, what) for row in rows if row["rfilename"] in chosen]
    files.sort(key=lambda file: (kind_of(file.name) in ("weights", "pickle"), file.name))
    return Plan(repo_id, revision, commit, tuple(files))


def is_safe(name: str) -> bool:
    """Whether a name from a server may become a path: no way out, nothing that another system reads as a device."""
    parts = name.split("/")
    return len(parts) <= _DEEPEST and all(map(_is_plain, parts))


def _is_plain(part: str) -> bool:
    # A dot at the end is another file on Windows.
    plain = part.strip(". ") == part.rstrip(". ") == part
    return plain and _NAME.fullmatch(part) is not None and not paths.is_device(part)


def _ask(repo_id: str, revision: str, what: str) -> dict[str, Any]:
    if not _REVISION.fullmatch(revision):
        raise NetworkError(what, why=f"“{revision}” is no name of a revision.", remedy="Use main or a commit.")
    info = repository(repo_id, revision)
    if not _COMMIT.fullmatch(str(info.get("sha"))):
        raise NetworkError(what, why="The Hub named no commit.", remedy="Try again.")
    return info


def _for_transformers(repo_id: str, names: set[str], what: str) -> set[str]:
    needed = _needed_of(names)
    has_weights = any(name.endswith(".safetensors") for name in needed)
    if not has_weights and any(_PICKLE.fullmatch(name) for name in names):
        raise UnsafeRefused(
            what,
            why=f"{repo_id} has its weights only as pickles (.bin, .pt), which can run any program when opened.",
            remedy="Choose a checkpoint with safetensors; many have been converted by their authors.",
        )
    if not (needed >= _ADAPTER or ("config.json" in needed and has_weights)):
        lacks = "config.json" if "config.json" not in needed else "model.safetensors"
        kind = " It holds GGUF files, the format of llama.cpp." if any(n.endswith(".gguf") for n in names) else ""
        kind = " It holds an adapter for another checkpoint." if "adapter_config.json" in names else kind
        raise CheckpointError(
            what,
            why=f"{repo_id} has no {lacks}, so transformers can't load it.{kind}",
            remedy="Choose a repository with safetensors for transformers, or choose its files one by one.",
        )
    return needed


def _needed_of(names: set[str]) -> set[str]:
    needed = {name for name in names if _needed(name)} | _ADAPTER & names
    if "model.safetensors" in needed:
        needed = {name for name in needed if not _SHARD.fullmatch(name) and name != "model.safetensors.index.json"}
    return needed


def _needed(name: str) -> bool:
    folder, _, plain = name.rpartition("/")
    if folder not in ("", "additional_chat_templates", "1_Pooling") or not _is_plain(plain):
        return False
    if plain.endswith(".safetensors"):
        return not folder and (plain == "model.safetensors" or _SHARD.fullmatch(plain) is not None)
    if plain.endswith(".index.json"):
        return plain == "model.safetensors.index.json"
    return plain.endswith(_SMALL) or _LEGAL.fullmatch(plain) is not None


def _proof(repo_id: str, commit: str, row: Mapping[str, Any], what: str) -> Wanted:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    name, big = row["rfilename"], row.get("lfs")
    digest, size = (
        (big.get("sha256"), big.get("size")) if isinstance(big, dict) else (row.get("blobId"), row.get("size"))
    )
    if digest is None or size is None:
        # Mirrors that keep no blobs answer at least for the file itself.
        url = hf_hub_url(repo_id, name, revision=commit, endpoint=network.endpoint())
        metadata = get_hf_file_metadata(url, endpoint=network.endpoint(), headers=network.headers())
        digest, size = metadata.etag, metadata.size
    if not isinstance(digest, str) or not is_hash(digest) or not isinstance(size, int) or size < 0:
        raise CheckpointError(
            what,
            why=f"The server gives no hash for {name} that what comes could be compared with.",
            remedy="Use the Hub itself or a mirror that passes its hashes on.",
        )
    return Wanted(name, size, digest)


def is_hash(text: str) -> bool:
    """Whether it reads like a SHA-256 (of a big file) or git's SHA-1 (of a small one)."""
    return _HASH.fullmatch(text) is not None

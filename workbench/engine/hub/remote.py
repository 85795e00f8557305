"""What the Hub says of one repository: its card, its files, its revisions and its config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from workbench.engine.errors import CheckpointError, NetworkError
from workbench.engine.facts import CONFIG_LIMIT, of_config, parse_config
from workbench.engine.fits import WIDTH
from workbench.engine.hub import bounded, network, seen
from workbench.engine.hub.head import languages_of, licence_of
from workbench.engine.task import Silent, Task
from workbench.engine.values import Facts, Shape

#: Longer cards are cut; the longest real ones have some hundred kilobytes.
CARD_LIMIT = 2**20

#: Files and revisions that are listed; no real repository is looked through further.
_FILES, _REFS = 20_000, 500
_PLAIN = ("card", "revision", "commit", "gated", "licence", "page", "wrong")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class RepoFile:
    """A file of a repository.

    Attributes:
        name: Path inside the repository.
        size: Bytes, or None when the Hub does not say.
        kind: ``weights``, ``pickle``, ``code``, ``tokenizer``, ``config`` or ``other``.
    """

    name: str
    size: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository as it is looked at.

    Attributes:
        repo_id: ``author/name``.
        card: Its README without the head, as Markdown; empty when there is none.
        files: Weights first.
        kind: ``model`` or ``dataset``.
        revision: The branch, tag or commit that was looked at.
        commit: What it stands for, 40 hexadecimal digits; empty when the Hub does not say.
        branches, tags: Its other revisions, ``main`` first.
        gated: Empty when it is open, else ``auto`` (granted at once to who agrees) or ``manual`` (its authors decide).
        licence: As the Hub spells it.
        languages: ISO codes.
        page: The address of its page, where access to a gated repository is asked for.
        facts: What its config.json says; None without one.
        wrong: Why its config.json can't be used, empty when it can.
        when: Seconds since the epoch when it was seen, when this comes from memory; else 0.0.
    """

    repo_id: str
    card: str
    files: tuple[RepoFile, ...]
    kind: str = "model"
    revision: str = "main"
    commit: str = ""
    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    gated: str = ""
    licence: str = ""
    languages: tuple[str, ...] = ()
    page: str = ""
    facts: Facts | None = None
    wrong: str = ""
    when: float = 0.0


def card(repo_id: str, *, revision: str = "main", kind: str = "model", task: Task | None = None) -> str:
    """The card as Markdown without its YAML head, at most 1 MB of it; empty when there is none.

    Raises:
        NetworkError: The Hub could not be asked.
    """
    text = _file(repo_id, "README.md", revision, kind, CARD_LIMIT, f"Could not read the card of {repo_id}.", task)
    return without_head(text[0].decode("utf-8", "replace")) if text is not None else ""


def without_head(text: str) -> str:
    """A card without the YAML between its first two ``---`` lines."""
    return re.sub(r"\A\ufeff?---[ \t]*\r?\n.*?^---[ \t]*$\r?\n?", "", text, count=1, flags=re.DOTALL | re.MULTILINE)


def files(repo_id: str, *, task: Task | None = None) -> tuple[RepoFile, ...]:
    """Every file of the main revision, weights first.

    Raises:
        NetworkError: The Hub could not be asked.
    """
    return _files(_info(repo_id, "main", "model", task))


def look(repo_id: str, *, revision: str = "main", kind: str = "model", task: Task | None = None) -> Remote:
    """Card, files, revisions and config of a repository; kept on this machine for when there is no network.

    Raises:
        NetworkError: The Hub could not be asked, and it was not seen before.
    """
    try:
        info = _info(repo_id, revision, kind, task)
    except NetworkError:
        remembered = _remembered(repo_id, kind) if revision == "main" else None
        if remembered is None:
            raise
        return remembered
    gated = info.get("gated")
    commit = str(info.get("sha") or "")
    at = commit if _COMMIT.fullmatch(commit) else revision
    try:
        text = card(repo_id, revision=at, kind=kind, task=task)
    except NetworkError as error:
        # The card of a gated repository is closed while its list of files is not.
        text = f"*{error.why}*"
    listed = _files(info)
    facts, wrong = _config(repo_id, at, listed, info, task) if kind == "model" else (None, "")
    branches, tags = _refs(repo_id, kind, task)
    about = info.get("cardData")
    about = about if isinstance(about, dict) else {}
    remote = Remote(
        repo_id=repo_id,
        card=text,
        files=listed,
        kind=kind,
        revision=revision,
        commit=at if at == commit else "",
        branches=branches,
        tags=tags,
        gated=gated if gated in ("auto", "manual") else "manual" * bool(gated),
        licence=licence_of(about, info.get("tags")),
        languages=languages_of(about),
        page=f"{network.endpoint()}/{'datasets/' if kind == 'dataset' else ''}{repo_id}",
        facts=facts,
        wrong=wrong,
    )
    if revision == "main":
        _remember(remote)
    return remote


def repository(repo_id: str, revision: str, kind: str = "model") -> dict[str, Any]:
    """What the Hub says of a revision, sizes and hashes of the files included; for use inside `network.watched`.

    Raises:
        ValueError: The answer is none of a Hub.
    """
    url = f"{network.endpoint()}/api/{kind}s/{repo_id}/revision/{quote(revision, safe='')}"
    info, _ = bounded.read_json(url, params={"blobs": "true"})
    if not isinstance(info, dict):
        raise ValueError("the answer is no repository")
    return info


def siblings(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The files of what the Hub says, as far as they have a name, each name once."""
    rows = info.get("siblings")
    found = (row for row in rows[:_FILES] if isinstance(row, dict)) if isinstance(rows, list) else ()
    named = [row for row in found if isinstance(row.get("rfilename"), str) and row["rfilename"]]
    return list({row["rfilename"]: row for row in named}.values())


def reachable(repo_id: str, *, task: Task | None = None) -> bool:
    """Whether the Hub itself answers for a repository within 3 seconds."""
    task = task or Silent()
    if network.offline():
        return False

    def ask() -> bool:
        import httpx2

        try:
            answer = network.session().get(
                f"{network.endpoint()}/api/models/{repo_id}", headers=network.headers(), timeout=httpx2.Timeout(2.5)
            )
            return answer.status_code == 200 and answer.json().get("id") == repo_id
        except Exception:
            # Whatever it is, the next source is asked.
            return False

    return network.bounded(ask, 3.0, task)


def kind_of(name: str) -> str:
    """What a file is by its name; see `RepoFile.kind`."""
    if name.endswith((".safetensors", ".gguf")):
        return "weights"
    if name.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt", ".h5", ".msgpack", ".joblib")):
        return "pickle"
    if name.endswith(".py"):
        return "code"
    if re.search(r"(^|/)(tokenizer|vocab|merges|special_tokens|spiece|sentencepiece|chat_template)", name):
        return "tokenizer"
    return "config" if name.endswith(".json") else "other"


def _info(repo_id: str, revision: str, kind: str, task: Task | None) -> dict[str, Any]:
    with network.watched(task or Silent(), f"Could not read what the Hub says of {repo_id}.", repo_id):
        return repository(repo_id, revision, kind)


def _files(info: Mapping[str, Any]) -> tuple[RepoFile, ...]:
    rows = []
    for sibling in siblings(info):
        name, size = sibling["rfilename"], sibling.get("size")
        rows.append(
            RepoFile(bounded.words(name, 500), bounded.count(size) if size is not None else None, kind_of(name))
        )
    order = ("weights", "pickle", "code", "tokenizer", "config", "other")
    return tuple(sorted(rows, key=lambda file: (order.index(file.kind), file.name)))


def _file(
    repo_id: str, name: str, revision: str, kind: str, limit: int, what: str, task: Task | None
) -> tuple[bytes, bool] | None:
    """The first bytes of a file and whether there are more; None when there is no such file."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    with network.watched(task or Silent(), what, repo_id):
        url = hf_hub_url(repo_id, name, revision=revision, repo_type=kind, endpoint=network.endpoint())
        try:
            text, more, _ = bounded.read(url, limit)
        except EntryNotFoundError:
            return None
        return text, more


def _config(
    repo_id: str, revision: str, listed: tuple[RepoFile, ...], info: Mapping[str, Any], task: Task | None
) -> tuple[Facts | None, str]:
    sizes = {file.name: file.size for file in listed}
    if "config.json" not in sizes:
        return None, ""
    what = f"Could not read the config of {repo_id}."
    try:
        if (sizes["config.json"] or 0) > CONFIG_LIMIT:
            raise CheckpointError(what, why="Its config.json is too large to be one.")
        found = _file(repo_id, "config.json", revision, "model", CONFIG_LIMIT, what, task)
        if found is None or found[1]:
            raise CheckpointError(what, why="Its config.json is too large to be one." if found else "It is gone.")
        config = parse_config(found[0], what, "")
    except (CheckpointError, NetworkError) as error:
        return None, error.why
    kinds = {file.kind for file in listed}
    stored = _stored(info)
    held = [file for file in listed if file.kind == "weights" and "/" not in file.name]
    size = sum(number * WIDTH.get(name, 1) for name, number in stored) or sum(file.size or 0 for file in held)
    whole = any(file.name.endswith(".safetensors") for file in held)
    weights = "safetensors" if whole else "pickle" if "pickle" in kinds else "gguf" if held else "none"
    templated = "chat_template.jinja" in sizes or "chat_template.json" in sizes
    facts = of_config(
        config,
        sizes.__contains__,
        weights=weights,
        weight_bytes=size,
        stored=stored,
        has_chat_template=templated,
    )
    return facts, ""


def _stored(info: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    tensors = info.get("safetensors")
    counts = tensors.get("parameters") if isinstance(tensors, dict) else None
    pairs = list(counts.items())[:20] if isinstance(counts, dict) else []
    return tuple((bounded.words(name, 20), bounded.count(value)) for name, value in pairs if bounded.count(value))


def _refs(repo_id: str, kind: str, task: Task | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        with network.watched(task or Silent(), f"Could not list the revisions of {repo_id}.", repo_id):
            refs, _ = bounded.read_json(f"{network.endpoint()}/api/{kind}s/{repo_id}/refs")
    except NetworkError:
        # A mirror may not know them; main is always there.
        return ("main",), ()
    found = []
    for group in ("branches", "tags"):
        rows = refs.get(group) if isinstance(refs, dict) else None
        names = [row.get("name") for row in rows[:_REFS] if isinstance(row, dict)] if isinstance(rows, list) else []
        found.append([bounded.words(name) for name in names if isinstance(name, str) and name])
    branches = tuple(sorted({"main", *found[0]}, key=lambda name: (name != "main", name)))
    return branches, tuple(sorted(set(found[1])))


def _remember(remote: Remote) -> None:
    about = asdict(remote)
    about["files"] = about["files"][:1000]
    seen.keep_card(remote.kind, remote.repo_id, about)


def _remembered(repo_id: str, kind: str) -> Remote | None:
    kept = seen.card(kind, repo_id)
    if kept is None:
        return None
    about, when = kept
    try:
        listed = tuple(RepoFile(str(row["name"]), row["size"], kind_of(str(row["name"]))) for row in about["files"])
        names: Any = {name: tuple(map(str, about[name])) for name in ("branches", "tags", "languages")}
        plain: Any = {
            name: str(about[name]) for name in ("card", "revision", "commit", "gated", "licence", "page", "wrong")
        }
    except (KeyError, TypeError):
        return None
    facts = _known(about.get("facts"))
    return Remote(repo_id=repo_id, files=listed, kind=kind, when=when, facts=facts, **names, **plain)


def _known(kept: Any) -> Facts | None:
    if not isinstance(kept, dict):
        return None
    try:
        shape = kept.get("shape")
        shape = Shape(**{**shape, "windows": tuple(shape["windows"])}) if isinstance(shape, dict) else None
        lists = {name: tuple(kept[name]) for name in ("architectures", "heads", "labels")}
        stored = tuple((str(name), int(number)) for name, number in kept["stored"])
        return Facts(**{**kept, **lists, "stored": stored, "shape": shape})
    except (KeyError, TypeError, ValueError):
        return None

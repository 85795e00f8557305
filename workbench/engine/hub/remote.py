"""What the Hub says: search, cards, files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from workbench.engine.errors import NetworkError
from workbench.engine.hub import network
from workbench.engine.task import Silent, Task
from workbench.engine.values import Listing

#: What a search may be sorted by, with the Hub's own spelling.
SORTS = {
    "downloads": "downloads",
    "likes": "likes",
    "trending_score": "trendingScore",
    "last_modified": "lastModified",
}

#: Longer cards are cut; the longest real ones have some hundred kilobytes.
CARD_LIMIT = 2**20

_WIDTH = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2}
_EXPAND = (
    "downloads",
    "gated",
    "lastModified",
    "library_name",
    "likes",
    "pipeline_tag",
    "safetensors",
    "tags",
)


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
    """A repository as it is looked at: its card and its files."""

    repo_id: str
    card: str
    files: tuple[RepoFile, ...]


class Search:
    """A search whose pages are asked for one at a time, as a table is scrolled.

    Args:
        query: Words of the name; empty for everything.
        task_filter: A ``pipeline_tag`` such as ``text-generation``; empty for every task.
        sort: One of `SORTS`.
        page: Rows a page.
    """

    def __init__(self, query: str = "", *, task_filter: str = "", sort: str = "downloads", page: int = 50) -> None:
        self._next: str | None = ""
        self._params: dict[str, Any] = {
            "sort": SORTS[sort],
            "direction": "-1",
            "limit": str(page),
            "expand": list(_EXPAND),
        }
        if query.strip():
            self._params["search"] = query.strip()
        if task_filter:
            self._params["pipeline_tag"] = task_filter

    @property
    def finished(self) -> bool:
        """Whether the last page has come."""
        return self._next is None

    def more(self, *, task: Task | None = None) -> tuple[Listing, ...]:
        """The next page, empty after the last one.

        Raises:
            NetworkError: The Hub could not be asked.
        """
        from huggingface_hub.utils import hf_raise_for_status

        if self._next is None:
            return ()
        with network.watched(task or Silent(), "Could not search the Hub."):
            base = network.endpoint()
            url = self._next or f"{base}/api/models"
            answer = network.session().get(url, params=None if self._next else self._params, headers=network.headers())
            hf_raise_for_status(answer)
            rows = answer.json()
            if not isinstance(rows, list):
                raise ValueError("the answer is no list of models")
            following = answer.links.get("next", {}).get("url")
            # A page elsewhere would be sent the person's token.
            self._next = following if following and following.startswith(base + "/") else None
            return tuple(_listing(row) for row in rows if isinstance(row, dict))


def search(
    query: str = "",
    *,
    task_filter: str = "",
    sort: str = "downloads",
    limit: int = 100,
    task: Task | None = None,
) -> tuple[Listing, ...]:
    """The first ``limit`` checkpoints that match; see `Search` for its arguments and for page by page.

    Raises:
        NetworkError: The Hub could not be asked.

    References:
        huggingface_hub, HfApi.list_models
    """
    pages = Search(query, task_filter=task_filter, sort=sort, page=min(limit, 100))
    rows: list[Listing] = []
    while len(rows) < limit and not pages.finished:
        rows.extend(pages.more(task=task))
    return tuple(rows[:limit])


def card(repo_id: str, *, task: Task | None = None) -> str:
    """The model card as Markdown without its YAML head, at most 1 MB of it; empty when there is none.

    Raises:
        NetworkError: The Hub could not be asked.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.utils import hf_raise_for_status

    with network.watched(task or Silent(), f"Could not read the card of {repo_id}.", repo_id):
        url = hf_hub_url(repo_id, "README.md", endpoint=network.endpoint())
        with network.session().stream("GET", url, headers=network.headers()) as answer:
            try:
                if answer.status_code >= 400:
                    answer.read()
                hf_raise_for_status(answer)
            except EntryNotFoundError:
                return ""
            text = b""
            for block in answer.iter_bytes(64 * 1024):
                text += block
                if len(text) >= CARD_LIMIT:
                    break
    return without_head(text[:CARD_LIMIT].decode("utf-8", "replace"))


def without_head(text: str) -> str:
    """A card without the YAML between its first two ``---`` lines."""
    return re.sub(r"\A\ufeff?---[ \t]*\r?\n.*?^---[ \t]*$\r?\n?", "", text, count=1, flags=re.DOTALL | re.MULTILINE)


def files(repo_id: str, *, task: Task | None = None) -> tuple[RepoFile, ...]:
    """Every file of the main revision, weights first.

    Raises:
        NetworkError: The Hub could not be asked.
    """
    with network.watched(task or Silent(), f"Could not list the files of {repo_id}.", repo_id):
        info = model_info(repo_id, "main")
    rows = [RepoFile(sibling.rfilename, sibling.size, kind_of(sibling.rfilename)) for sibling in info.siblings or []]
    order = ("weights", "pickle", "code", "tokenizer", "config", "other")
    return tuple(sorted(rows, key=lambda file: (order.index(file.kind), file.name)))


def look(repo_id: str, *, task: Task | None = None) -> Remote:
    """Card and files of a repository.

    Raises:
        NetworkError: The Hub could not be asked.
    """
    listed = files(repo_id, task=task)
    try:
        text = card(repo_id, task=task)
    except NetworkError as error:
        # The card of a gated repository is closed while its list of files is not.
        text = f"*{error.why}*"
    return Remote(repo_id, text, listed)


def model_info(repo_id: str, revision: str) -> Any:
    """``HfApi.model_info`` with sizes and hashes of the files; for use inside `network.watched`."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=network.endpoint(), library_name="transformers-workbench")
    return api.model_info(repo_id, revision=revision, files_metadata=True, timeout=network.PATIENCE)


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


def _listing(row: dict[str, Any]) -> Listing:
    tags = [str(tag) for tag in row.get("tags") or [] if isinstance(tag, str)]
    tensors = row.get("safetensors")
    tensors = tensors if isinstance(tensors, dict) else {}
    counts = tensors.get("parameters")
    counts = {str(key): value for key, value in counts.items() if _count(value)} if isinstance(counts, dict) else {}
    total = tensors.get("total")
    return Listing(
        repo_id=str(row.get("id") or row.get("modelId") or ""),
        task=str(row.get("pipeline_tag") or ""),
        parameters=total if _count(total) else (sum(counts.values()) or None),
        size=sum(value * _WIDTH.get(kind, 1) for kind, value in counts.items()) or None,
        downloads=_count(row.get("downloads")),
        likes=_count(row.get("likes")),
        updated=str(row.get("lastModified") or "")[:10],
        gated=bool(row.get("gated")),
        library=str(row.get("library_name") or ""),
        licence=next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), ""),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


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

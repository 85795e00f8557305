"""Searching the Hub: a question, and its answer a page at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.engine.facts import known_model_type
from workbench.engine.fits import WIDTH, estimate
from workbench.engine.hub import bounded, network, seen
from workbench.engine.task import Silent, Task
from workbench.engine.values import Listing

#: What a search may be sorted by, with the Hub's own spelling.
SORTS = {
    "downloads": "downloads",
    "likes": "likes",
    "trending_score": "trendingScore",
    "last_modified": "lastModified",
}

#: Pages asked for in one go when hardly a row of them passes a filter that the Hub itself does not have.
_IN_A_ROW = 5

_EXPAND = {
    "model": (
        "config", "downloads", "gated", "lastModified", "library_name", "likes", "pipeline_tag", "safetensors", "tags",
    ),
    "dataset": ("downloads", "gated", "lastModified", "likes", "tags"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filters:
    """What a row has to be, beside its name.

    Attributes:
        kind: ``model`` or ``dataset``.
        task: ``pipeline_tag`` of a model or ``task_categories`` of a data set; empty for every one.
        author: Person or organisation, empty for everyone.
        language: ISO code such as ``en``, empty for every one.
        licence: As the Hub spells it, such as ``apache-2.0``, empty for every one.
        library: Such as ``transformers``, empty for every one; models alone.
        most: Weights at most, 0 for any number; models alone.
        loads: Only what the installed transformers loads from safetensors by itself; models alone.
        fits: Only what takes at most so many bytes as weights, 0 for anything; models alone.
    """

    kind: str = "model"
    task: str = ""
    author: str = ""
    language: str = ""
    licence: str = ""
    library: str = ""
    most: int = 0
    loads: bool = False
    fits: int = 0

    def passes(self, row: Listing) -> bool:
        """Whether a row passes what the Hub can't be asked for."""
        if self.kind != "model":
            return True
        if self.loads and not (row.stored and known_model_type(row.model_type)):
            return False
        if self.most and not 0 < (row.parameters or 0) <= self.most:
            return False
        return not self.fits or (estimate(row.stored, None, free=self.fits).fits is True and bool(row.stored))


class Search:
    """A search whose pages are asked for one at a time, as a table is scrolled.

    Args:
        query: Words of the name; empty for everything.
        task_filter: A ``pipeline_tag`` such as ``text-generation``; empty for every task.
        sort: One of `SORTS`.
        page: Rows a page.
        filters: What else the rows have to be; ``task_filter`` stands in for its task.
    """

    def __init__(
        self,
        query: str = "",
        *,
        task_filter: str = "",
        sort: str = "downloads",
        page: int = 50,
        filters: Filters | None = None,
    ) -> None:
        self.filters = filters or Filters(task=task_filter)
        self.query, self.sort = query.strip(), sort
        self._next: str | None = ""
        self._shown: list[Listing] = []
        self._params: dict[str, Any] = {
            "sort": SORTS[sort],
            "direction": "-1",
            "limit": str(page),
            "expand": list(_EXPAND[self.filters.kind]),
            **_asked(self.filters),
        }
        if self.query:
            self._params["search"] = self.query

    @property
    def finished(self) -> bool:
        """Whether the last page has come."""
        return self._next is None

    def more(self, *, task: Task | None = None) -> tuple[Listing, ...]:
        """The next rows, none after the last page; kept on this machine for when there is no network.

        Raises:
            NetworkError: The Hub could not be asked.
        """
        task = task or Silent()
        rows: list[Listing] = []
        for _ in range(_IN_A_ROW):
            if self._next is None or len(rows) >= int(self._params["limit"]) // 2:
                break
            task.check()
            rows += [row for row in self._page(task) if self.filters.passes(row)]
        if len(self._shown) < seen.ROWS:
            self._shown += rows
            seen.keep_results(self._shown)
        return tuple(rows)

    def _page(self, task: Task) -> list[Listing]:
        kind = self.filters.kind
        with network.watched(task, "Could not search the Hub."):
            base = network.endpoint()
            url = self._next or f"{base}/api/{kind}s"
            rows, answer = bounded.read_json(url, params=None if self._next else self._params)
            if not isinstance(rows, list):
                raise ValueError("the answer is no list of repositories")
            following = answer.links.get("next", {}).get("url")
            # A page elsewhere would be sent the person's token.
            self._next = following if following and following.startswith(base + "/") else None
            return [listing(row, kind) for row in rows[:1000] if isinstance(row, dict)]


def search(
    query: str = "",
    *,
    task_filter: str = "",
    sort: str = "downloads",
    limit: int = 100,
    filters: Filters | None = None,
    task: Task | None = None,
) -> tuple[Listing, ...]:
    """The first ``limit`` repositories that match; see `Search` for its arguments and for page by page.

    Raises:
        NetworkError: The Hub could not be asked.

    References:
        huggingface_hub, HfApi.list_models, HfApi.list_datasets
    """
    pages = Search(query, task_filter=task_filter, sort=sort, page=min(limit, 100), filters=filters)
    rows: list[Listing] = []
    while len(rows) < limit and not pages.finished:
        rows.extend(pages.more(task=task))
    return tuple(rows[:limit])


def listing(row: Mapping[str, Any], kind: str = "model") -> Listing:
    """One row of an answer, as far as it can be believed."""
    tags = [tag for tag in row.get("tags") or [] if isinstance(tag, str)] if isinstance(row.get("tags"), list) else []
    tensors = row.get("safetensors")
    tensors = tensors if isinstance(tensors, dict) else {}
    counts = tensors.get("parameters")
    pairs = list(counts.items())[:20] if isinstance(counts, dict) else []
    stored = tuple((bounded.words(name, 20), bounded.count(value)) for name, value in pairs if bounded.count(value))
    config = row.get("config")
    model_type = config.get("model_type") if isinstance(config, dict) else ""
    about = next((tag.removeprefix("task_categories:") for tag in tags if tag.startswith("task_categories:")), "")
    return Listing(
        repo_id=bounded.words(row.get("id") or row.get("modelId")),
        task=bounded.words(row.get("pipeline_tag") or about, 60),
        parameters=bounded.count(tensors.get("total")) or sum(value for _, value in stored) or None,
        size=sum(value * WIDTH.get(name, 1) for name, value in stored) or None,
        downloads=bounded.count(row.get("downloads")),
        likes=bounded.count(row.get("likes")),
        updated=bounded.words(row.get("lastModified"))[:10],
        gated=bool(row.get("gated")),
        library=bounded.words(row.get("library_name"), 60),
        licence=next((bounded.words(tag[8:], 60) for tag in tags if tag.startswith("license:")), ""),
        kind=kind,
        model_type=bounded.words(model_type, 60),
        stored=stored,
    )


def _asked(filters: Filters) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    tags = []
    of_data = filters.kind == "dataset"
    if filters.task and of_data:
        tags.append(f"task_categories:{filters.task}")
    elif filters.task:
        asked["pipeline_tag"] = filters.task
    if filters.author.strip():
        asked["author"] = filters.author.strip()
    language = re.sub(r"[^a-z-]", "", filters.language.lower())
    if language:
        tags.append(f"language:{language}" if of_data else language)
    if filters.licence.strip():
        tags.append(f"license:{filters.licence.strip().lower()}")
    library = "" if of_data else filters.library or "transformers" * filters.loads
    if library:
        tags.append(library)
    if filters.loads and not of_data:
        tags.append("safetensors")
    if filters.most and not of_data:
        asked["num_parameters"] = f"min:1,max:{filters.most}"
    return asked | ({"filter": tags} if tags else {})

"""What was seen of the Hub, kept on this machine: the last results and every card stay readable without a network."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.engine import paths
from workbench.engine.values import Listing

#: Bytes of all that is kept; what was looked at longest ago goes first.
LIMIT = 64 * 2**20

#: Rows of the last search.
ROWS = 500

_RESULTS = "results.json"


def folder() -> Path:
    """Where it lies."""
    return paths.data_dir() / "seen"


def keep_results(rows: Sequence[Listing]) -> None:
    """Keep the rows of a search in place of the last one's; a disk that refuses is no failure."""
    kept = [dataclasses.asdict(row) for row in rows[:ROWS]]
    _write(folder() / _RESULTS, {"when": time.time(), "rows": kept})


def last_results() -> tuple[tuple[Listing, ...], float]:
    """The rows of the last search, and when it was, in seconds since the epoch; none and 0.0 when there was none."""
    kept = _read(folder() / _RESULTS)
    rows = tuple(row for row in map(_row, _listed(kept)) if row is not None)
    when = kept.get("when") if isinstance(kept, dict) else 0.0
    return rows, float(when) if isinstance(when, int | float) and rows else 0.0


def keep_card(kind: str, repo_id: str, about: dict[str, Any]) -> None:
    """Keep what a card says; the oldest others go when there are too many."""
    _write(_place(kind, repo_id), {"repo_id": repo_id, "when": time.time(), "about": about})
    _make_room()


def card(kind: str, repo_id: str) -> tuple[dict[str, Any], float] | None:
    """What was kept of a card, and when; None when it was never seen."""
    kept = _read(_place(kind, repo_id))
    if not isinstance(kept, dict) or kept.get("repo_id") != repo_id or not isinstance(kept.get("about"), dict):
        return None
    when = kept.get("when")
    return kept["about"], float(when) if isinstance(when, int | float) else 0.0


def _place(kind: str, repo_id: str) -> Path:
    # A name from a server becomes no path: its hash does.
    return folder() / f"{kind}-{hashlib.sha256(repo_id.encode('utf-8', 'replace')).hexdigest()}.json"


def _read(file: Path) -> Any:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if file.stat().st_size <= LIMIT:
            return json.loads(file.read_bytes())
    return None


def _listed(kept: Any) -> list[Any]:
    rows = kept.get("rows") if isinstance(kept, dict) else None
    return rows if isinstance(rows, list) else []


def _row(kept: Any) -> Listing | None:
    try:
        row = Listing(**{**kept, "stored": tuple((str(name), int(number)) for name, number in kept["stored"])})
        numbers = [row.downloads, row.likes, row.parameters or 0, row.size or 0]
        return row if all(isinstance(number, int) for number in numbers) and isinstance(row.repo_id, str) else None
    except (TypeError, ValueError, KeyError):
        return None


def _write(file: Path, value: Any) -> None:
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(value), "utf-8")
        os.replace(partial, file)


def _make_room() -> None:
    with contextlib.suppress(OSError):
        kept = sorted(folder().glob("*-*.json"), key=lambda file: file.stat().st_mtime)
        size = sum(file.stat().st_size for file in kept)
        for file in kept[:-1]:
            if size <= LIMIT:
                break
            size -= file.stat().st_size
            file.unlink()

"""Columns that hold objects, such as ``{"en": …, "fr": …}``: what is inside them, as columns of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: An object with more different keys than this is a dictionary of its own, and its keys are no columns.
MOST_KEYS = 24

#: How deep columns of columns are looked for.
_DEEPEST = 3


def inner(row: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The value of a column, or of one inside it, as ``translation.en``; ``default`` where there is none."""
    if name in row:
        return row[name]
    for place, mark in enumerate(name):
        if mark == "." and isinstance(within := row.get(name[:place]), dict):
            return inner(within, name[place + 1 :], default)
    return default


def inner_columns(name: str, value: Any, depth: int = 1) -> Iterator[tuple[str, Any]]:
    """The columns inside one that holds an object, in order, with their values in this row; none in any other.

    The bytes and path of a picture or a sound are one value.
    """
    if not isinstance(value, dict) or "bytes" in value:
        return
    for key, within in value.items():
        yield f"{name}.{key}", within
        if depth < _DEEPEST:
            yield from inner_columns(f"{name}.{key}", within, depth + 1)

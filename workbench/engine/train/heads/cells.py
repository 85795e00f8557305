"""Cells that hold a list."""

from __future__ import annotations

import ast
import json
from typing import Any


def as_list(value: Any) -> list[Any] | None:
    """The list that a value is, or that a text spells as JSON or as Python does; else None."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            value = json.loads(value)
        except ValueError:
            try:
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                return None
    return value if isinstance(value, list) else None

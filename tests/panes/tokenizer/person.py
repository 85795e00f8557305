"""What a person types, and what they read in a table."""

from __future__ import annotations

from typing import Any

FOX = "The quick brown 🦊 jumps"


def column(table: Any, name: str) -> list[Any]:
    """The cells of a column."""
    index = table.columns.index(name)
    return [table.row(number)[index] for number in range(table.model().rowCount())]

"""What a person reads in the Tasks pane."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QLabel

from workbench.panes.tasks import TasksPane


def rows(table: Any) -> list[tuple[Any, ...]]:
    """The cells of a table, row by row."""
    model = table.model()
    return [
        tuple(model.index(row, column).data() for column in range(model.columnCount()))
        for row in range(model.rowCount())
    ]


def notice(pane: TasksPane) -> str:
    """All that the notices of the pane say."""
    return " ".join(label.text() for card in pane.notices for label in card.findChildren(QLabel))

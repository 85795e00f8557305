"""Sentences as vectors."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from workbench.tour.guide import Step, Tour

POSITIVE = "A warm, funny and beautifully acted film."
NEGATIVE = "A dull, lifeless mess that wastes its cast."


def embed(tour: Tour) -> None:
    """Load MiniLM and embed three sentences."""
    tour.window.show_pane("hub")
    tour.load_starter("minilm")
    tour.window.show_pane("tasks")
    tour.choose("tasks.task", "feature-extraction")
    tour.find(QWidget, "tasks.text").setPlainText(f"{POSITIVE}\n{NEGATIVE}\nWhere is the station?")
    tour.run_task()
    tour.picture("tasks-embeddings")


STEPS: tuple[tuple[str, Step], ...] = (("embed with MiniLM", embed),)

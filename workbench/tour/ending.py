"""All work listed, the dark theme, and Present."""

from __future__ import annotations

from PySide6.QtWidgets import QTableView

from workbench.runtime.jobs import State
from workbench.tour.guide import Step, Tour


def see_jobs(tour: Tour) -> None:
    """All work is listed and none of it failed."""
    tour.window.show_pane("jobs")
    table = tour.find(QTableView, "jobs.table")
    tour.wait(lambda: table.model().rowCount() >= 5, 10, "the work of this tour")
    failed = [job.title for job in tour.workbench.runner.jobs if job.state is State.FAILED]
    tour.require(not failed, f"no job failed: {failed}")
    tour.picture("jobs")


def see_looks(tour: Tour) -> None:
    """The dark theme, and Present."""
    tour.window.settings.theme = "dark"
    tour.window.apply_theme()
    tour.window.show_pane("trainer")
    tour.picture("dark")
    tour.window.settings.theme = "light"
    tour.window.show_pane("tokenizer")
    tour.window.set_presenting(True)
    tour.picture("present")
    tour.window.set_presenting(False)


STEPS: tuple[tuple[str, Step], ...] = (
    ("see all jobs", see_jobs),
    ("look at the dark theme and Present", see_looks),
)

"""The window opens, the starters come, a model is loaded, and the disk is looked over."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QTableView

from workbench.engine import hub, starters
from workbench.tour.guide import Step, Tour
from workbench.widgets.quantities import format_bytes


def open_window(tour: Tour) -> None:
    """Show the window and wait for the warm-up."""
    tour.open_window()


def get_starters(tour: Tour) -> None:
    """Fetch what is missing, through the shelf."""
    tour.window.show_pane("hub")
    for starter in starters.STARTERS:
        if not starters.installed(starter.key):
            tour.click(f"hub.starter_{starter.key}")
            tour.wait(lambda key=starter.key: starters.installed(key) is not None, 900, f"{starter.name} fetched")
    tour.wait_idle()


def load_chat_model(tour: Tour) -> None:
    """Load SmolLM2 from the shelf."""
    tour.load_starter("smollm2")
    tour.require(tour.model.head == "AutoModelForCausalLM", "a causal LM")


def see_the_disk(tour: Tour) -> None:
    """See what is on this machine; the sizes are those of the files."""
    tour.choose_tab("hub.places", "On this machine")
    table = tour.find(QTableView, "hub.local")
    for starter in starters.STARTERS:
        checkpoint = starters.installed(starter.key)
        assert checkpoint is not None
        tour.wait(lambda name=checkpoint.name: name in tour.column(table, "name"), 30, f"{checkpoint.name} in the list")
        row = tour.column(table, "name").index(checkpoint.name)
        size = sum(file.stat().st_size for file in checkpoint.path.rglob("*") if file.is_file())
        shown = tour.column(table, "size")[row]
        tour.require(shown == format_bytes(size), f"{checkpoint.name} takes {format_bytes(size)}: {shown}")
    tour.picture("hub")


def see_the_queue(tour: Tour) -> None:
    """Downloads lists what was ordered and has not come, which is nothing on most days."""
    tour.choose_tab("hub.places", "Downloads")
    waiting = hub.remembered()
    rows = tour.find(QTableView, "hub.queue").model().rowCount()
    tour.require(rows == len(waiting), f"{len(waiting)} downloads wait: {rows}")
    if not waiting:
        said = tour.find(QLabel, "hub.queue_total").text()
        tour.require(said == "Nothing is being fetched", f"it says so: {said}")
    tour.picture("hub-downloads")
    tour.choose_tab("hub.places", "On this machine")


STEPS: tuple[tuple[str, Step], ...] = (
    ("open the window", open_window),
    ("get the starters", get_starters),
    ("load SmolLM2", load_chat_model),
    ("look over the disk", see_the_disk),
    ("look at the downloads", see_the_queue),
)

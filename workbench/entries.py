"""The panes of the rail: what each is called, and how it is had.

A pane's modules are imported when it is first wanted: all of them together take longer than the window takes to paint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from workbench.widgets.pane_frame import PaneFrame


class Entry(NamedTuple):
    """A pane of the rail.

    Attributes:
        name: Its object name.
        title: As it is shown.
        tip: What it is for.
        load: Imports its class, which takes a `Session` and a `Runner`.
        keys: That open it; empty for Ctrl and its place, of which there are nine.
    """

    name: str
    title: str
    tip: str
    load: Callable[[], Callable[..., PaneFrame]]
    keys: str = ""


def _hub() -> Callable[..., PaneFrame]:
    from workbench.panes.hub import HubPane

    return HubPane


def _tokenizer() -> Callable[..., PaneFrame]:
    from workbench.panes.tokenizer import TokenizerPane

    return TokenizerPane


def _playground() -> Callable[..., PaneFrame]:
    from workbench.panes.playground import PlaygroundPane

    return PlaygroundPane


def _probabilities() -> Callable[..., PaneFrame]:
    from workbench.panes.probabilities import ProbabilitiesPane

    return ProbabilitiesPane


def _score() -> Callable[..., PaneFrame]:
    from workbench.panes.score import ScorePane

    return ScorePane


def _compare() -> Callable[..., PaneFrame]:
    from workbench.panes.compare import ComparePane

    return ComparePane


def _tasks() -> Callable[..., PaneFrame]:
    from workbench.panes.tasks import TasksPane

    return TasksPane


def _inside() -> Callable[..., PaneFrame]:
    from workbench.panes.inside import InsidePane

    return InsidePane


def _trainer() -> Callable[..., PaneFrame]:
    from workbench.panes.trainer import TrainerPane

    return TrainerPane


def _jobs() -> Callable[..., PaneFrame]:
    from workbench.panes.jobs import JobsPane

    return JobsPane


ENTRIES = (
    Entry("hub", "Hub", "Find a checkpoint, fetch it, load it", _hub),
    Entry("tokenizer", "Tokenizer", "See how text becomes input_ids and attention_mask", _tokenizer),
    Entry("playground", "Playground", "Generate text with live knobs", _playground),
    Entry("probabilities", "Probabilities", "The next-token distribution of any step", _probabilities),
    Entry("score", "Score", "Read a text as the model reads it: probability, rank and surprise of every token", _score),
    Entry("compare", "Compare", "Two checkpoints or two settings on one prompt", _compare),
    Entry("tasks", "Tasks", "Run a task with each of its three steps open", _tasks),
    Entry("inside", "Inside", "Look between the layers: logit lens, attention, hidden states, embeddings", _inside),
    Entry("trainer", "Trainer", "Fine-tune with a live loss curve", _trainer),
    Entry("jobs", "Jobs", "All work, now and before", _jobs, "Ctrl+J"),
)

#: Columns of panes, top to bottom; the three layouts that come with the program.
LAYOUTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "Explore": (("playground", "tokenizer"), ("probabilities",)),
    "Teach": (("tokenizer",), ("playground",), ("probabilities",)),
    "Train": (("trainer",), ("tasks",)),
}

#: What a click on the rail opens: the pane, with the one it is read together with.
OPENS: dict[str, tuple[tuple[str, ...], ...]] = {"playground": (("playground",), ("probabilities",))}

"""What the pane has done on the model's lane, and how what comes of it is named for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.engine import inside
from workbench.engine.errors import WorkbenchError
from workbench.engine.inside import Inside, Neighbour, Part
from workbench.engine.models import LoadedModel
from workbench.engine.task import Task
from workbench.engine.tasks.projection import project
from workbench.engine.values import Start

#: Neighbours that are listed.
NEIGHBOURS = 20


@dataclass(frozen=True, eq=False, slots=True)
class Near:
    """A map of the tokens, and what is near one of them in the vocabulary.

    Attributes:
        places: Of shape ``(seq, 2)``, or None where there are too few for a map.
        neighbours: Nearest first; empty where none could be looked for.
        why_none: The reason, as a sentence.
    """

    places: np.ndarray | None
    neighbours: tuple[Neighbour, ...]
    why_none: str = ""


def look_at_text(model: LoadedModel, text: str, most: int, *, task: Task) -> Inside:
    """Encode a text and look into the model with it."""
    return inside.look(model, inside.read(model, text, most=most, task=task), task=task)


def look_at_run(model: LoadedModel, start: Start, written: Sequence[int], most: int, *, task: Task) -> Inside:
    """Look into the model with what it wrote."""
    return inside.look(model, inside.follow(model, start, written, most=most), task=task)


def near(model: LoadedModel, part: Part, row: int, position: int | None, projection: str, *, task: Task) -> Near:
    """Draw the tokens' vectors as a map, and look up the neighbours of one of them.

    Args:
        model: The part's model.
        part: Whose tokens.
        row: A hidden state by its place, or `inside.EMBEDDING`.
        position: Whose neighbours, or None for nobody's.
        projection: One of `projection.PROJECTIONS`.
        task: Asked now and then whether to stop.
    """
    vectors = inside.vectors(model, part, row)
    places = project(vectors, projection)
    if position is None:
        return Near(places, ())
    try:
        return Near(places, inside.neighbours(model, vectors[position], count=NEIGHBOURS, task=task))
    except WorkbenchError as error:
        return Near(places, (), f"{error.what} {error.why}")

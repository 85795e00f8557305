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
from workbench.engine.values import Start, TaskInput

#: Neighbours that are listed.
NEIGHBOURS = 20


@dataclass(frozen=True, eq=False, slots=True)
class Near:
    """A map of the positions, and what is near one of them: in the vocabulary, or among the others.

    Attributes:
        places: Of shape ``(seq, 2)``, or None where there are too few for a map.
        neighbours: Nearest first; empty where none could be looked for.
        why_none: The reason, as a sentence.
        similar: Cosine of each position to the one that was asked about, of shape ``(seq,)``, where a picture can
            show it.
    """

    places: np.ndarray | None
    neighbours: tuple[Neighbour, ...]
    why_none: str = ""
    similar: np.ndarray | None = None


def look_at(model: LoadedModel, asked: TaskInput, most: int, submodel: str, *, task: Task) -> Inside:
    """Prepare a text, a picture or a sound, and look into the model with it."""
    return inside.look(model, inside.take(model, asked, most=most, submodel=submodel, task=task), task=task)


def look_at_run(
    model: LoadedModel, start: Start, written: Sequence[int], most: int, submodel: str, *, task: Task
) -> Inside:
    """Look into the model with what it wrote."""
    given = inside.follow(model, start, written, most=most, submodel=submodel, task=task)
    return inside.look(model, given, task=task)


def near(model: LoadedModel, part: Part, row: int, position: int | None, projection: str, *, task: Task) -> Near:
    """Draw the vectors of a part as a map, and look up the neighbours of one of them.

    Args:
        model: The part's model.
        part: Whose vectors.
        row: A hidden state by its place, or `inside.EMBEDDING`.
        position: Whose neighbours, or None for nobody's.
        projection: One of `projection.PROJECTIONS`.
        task: Asked now and then whether to stop.
    """
    vectors = inside.vectors(model, part, row)
    places = project(vectors, projection)
    if position is None:
        return Near(places, ())
    similar = inside.similarities(vectors, position) if part.grid is not None and row != inside.EMBEDDING else None
    if min(part.ids) < 0:
        return Near(places, inside.alike(part, vectors, position, count=NEIGHBOURS), similar=similar)
    try:
        found = inside.neighbours(model, vectors[position], count=NEIGHBOURS, task=task)
    except WorkbenchError as error:
        return Near(places, (), f"{error.what} {error.why}", similar)
    return Near(places, found, similar=similar)

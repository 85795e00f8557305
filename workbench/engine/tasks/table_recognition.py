"""Table recognition: the shape of a table in a picture, as HTML without the words in its cells.

References:
    transformers, Auto Classes: AutoModelForTableRecognition; SLANet; SLANeXt
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.tasks import samples
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.vision import PICTURE, Outputs, finisher, passed, pixels
from workbench.engine.values import Layout, LayoutCell, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SAMPLES", "SPEC", "cells", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="table-recognition",
    heads=("AutoModelForTableRecognition",),
    does="Tells the rows, columns and joined cells of a table in a picture",
    inputs=PICTURE,
    options=(),
    shows="layout",
    example=TaskInput(),
)

SAMPLES: dict[str, Any] = {"image": samples.table}
"""What the example's files are made by, where it is another than for most tasks."""

preprocess = pixels
forward = passed


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's HTML, with the place of each cell.

    Returns:
        ``ids`` and ``probabilities``, each of shape ``(steps,)``: the piece of HTML written at each step.

    Raises:
        InputError: There is no table in the picture.
        NotSupported: The processor can't write tables.
    """
    finish = finisher(request, ("post_process_table_recognition",))
    probabilities, ids = outputs["last_hidden_state"][0].max(dim=-1)
    try:
        found = finish(Outputs(outputs))
    except RuntimeError as error:
        # The library takes the mean over the pieces, and there are none.
        raise InputError(
            "No table was found in the picture.",
            why="The model ended before it had written any part of one.",
            remedy="Cut the picture so that the table fills it, or take another.",
        ) from error
    html = "".join(found["structure"])
    layout = Layout(html, found["structure_score"], cells(html))
    return Outcome({"ids": ids, "probabilities": probabilities}, (layout,))


def cells(html: str) -> tuple[LayoutCell, ...]:
    """The cells of a table with the rows and columns that each takes, as a browser would place them."""
    placed = _Cells()
    placed.feed(html)
    placed.close()
    return tuple(placed.cells)


class _Cells(HTMLParser):
    """Places cells: each goes to the first column of its row that none from above reaches into."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[LayoutCell] = []
        self._taken: set[tuple[int, int]] = set()
        self._row = -1
        self._header = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "thead":
            self._header = True
        elif tag == "tr":
            self._row += 1
        elif tag == "td":
            spans = dict(attrs)
            self._place(int(spans.get("rowspan") or 1), int(spans.get("colspan") or 1))

    def handle_endtag(self, tag: str) -> None:
        self._header = self._header and tag != "thead"

    def _place(self, rows: int, columns: int) -> None:
        row, column = max(self._row, 0), 0
        while (row, column) in self._taken:
            column += 1
        self._taken |= {(row + down, column + right) for down in range(rows) for right in range(columns)}
        self.cells.append(LayoutCell(row, column, rows, columns, self._header))

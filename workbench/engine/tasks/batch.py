"""Many inputs: one task on each row, several rows a pass where it can be, and a row that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine import tasks
from workbench.engine.errors import InputError, NotSupported, OutOfMemory, WorkbenchError, explain
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tasks.inputs import Inputs, Request, broken, pads
from workbench.engine.tasks.listing import KINDS, BatchRow, Listing, save
from workbench.engine.tokens import padding_token
from workbench.engine.values import Place, Sound, TaskInput, TaskOptions

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


__all__ = ["KINDS", "BatchRow", "Listing", "can", "run", "save"]


def can(name: str) -> bool:
    """Whether a task can be done on many rows; what it makes must fit a table."""
    return tasks.spec(name).shows in _LINES


def run(
    model: LoadedModel,
    name: str,
    rows: Sequence[TaskInput],
    options: TaskOptions | None = None,
    *,
    batch_size: int = 8,
    places: Sequence[str] = (),
    task: Task | None = None,
) -> tuple[BatchRow, ...]:
    """Do a task on each row.

    Args:
        model: Loaded with a head that can do the task.
        name: One that `can` be done on many rows.
        rows: The inputs.
        options: As for `tasks.run`.
        batch_size: Rows that go through the model together, for tasks that are one pass; 1 or more.
        places: Where each row is written, for people.
        task: Hears of rows; is sent a tuple of `BatchRow` after each pass, so that a stop loses none of them.

    Returns:
        A `BatchRow` for each row, in order.

    Raises:
        NotSupported: The model can't do the task, or what it makes fits no table, such as a picture that is drawn.
        InputError: There are no rows.
        OutOfMemory: There was too little for a pass.
    """
    import torch

    task = task or Silent()
    fits = can(name) and not (options is not None and options.paints)
    if not fits or not tasks.supports(model, name):
        raise NotSupported(
            f"{model.checkpoint.name} can't do {name} on many rows.",
            why=f"It was loaded as {model.head}." if fits else "What this task makes does not fit a table.",
            remedy="Choose another task or setting, or load the checkpoint with the head it needs.",
        )
    if not rows:
        raise InputError("There are no rows.", why="The file has none.", remedy="Choose another file.")
    options = options or tasks.defaults(name, model)
    done: list[BatchRow] = []
    with torch.inference_mode():
        for first in range(0, len(rows), max(1, batch_size)):
            task.check()
            task.report(Progress(first, len(rows), "rows"))
            part = [Request(model, given, options, _Quiet(task)) for given in rows[first : first + max(1, batch_size)]]
            numbers = range(first + 1, first + 1 + len(part))
            found = tuple(
                BatchRow(number, places[number - 1] if places else "", request.given, *became)
                for number, request, became in zip(numbers, part, _passed(name, part), strict=True)
            )
            task.send(found)
            done += found
    task.report(Progress(len(rows), len(rows), "rows"))
    return tuple(done)


class _Quiet:
    """A task that may stop the steps of a row, and tells nobody how far one has come."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @property
    def cancelled(self) -> bool:
        return self._task.cancelled

    def report(self, progress: Progress) -> None:
        """The rows are what counts."""

    def send(self, part: object) -> None:
        """Parts of one row are nobody's."""

    def log(self, line: str) -> None:
        self._task.log(line)

    def check(self) -> None:
        self._task.check()


def _passed(name: str, part: Sequence[Request]) -> list[tuple[tuple[dict[str, Any], ...], str, int]]:
    """The lines of each row's result, or words for why there are none; and how many tokens of it were cut off."""
    module = tasks.module(name)
    show = _LINES[module.SPEC.shows]
    prepared: list[Inputs | WorkbenchError] = [_tried(module.preprocess, request) for request in part]
    good = [index for index, inputs in enumerate(prepared) if isinstance(inputs, Inputs)]
    outputs = _together(module, [part[index] for index in good], [prepared[index] for index in good])
    found: list[tuple[tuple[dict[str, Any], ...], str, int]] = []
    for index, request in enumerate(part):
        inputs = prepared[index]
        if isinstance(inputs, WorkbenchError):
            found.append(((), _said(inputs), 0))
            continue
        mine = outputs[good.index(index)] if outputs is not None else _tried(module.forward, request, inputs)
        if not isinstance(mine, WorkbenchError) and (names := broken(mine)):
            found.append(((), f"What the model gave is no number: there is NaN in {', '.join(names)}.", 0))
            continue
        outcome = mine if isinstance(mine, WorkbenchError) else _tried(module.postprocess, request, inputs, mine)
        if isinstance(outcome, WorkbenchError):
            found.append(((), _said(outcome), 0))
        else:
            found.append((tuple(show(outcome.items)), "", inputs.truncated))
    return found


def _said(error: WorkbenchError) -> str:
    """Why a row failed; what to do with a single input is no use to it."""
    return f"{error.what} {error.why}" if "take the example" in error.remedy else str(error)


def _tried(step: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return step(*arguments)
    except Exception as error:
        plain = explain(error, "This row could not be done.")
        if isinstance(plain, OutOfMemory):
            raise plain from error
        return plain


def _together(module: Any, part: Sequence[Request], prepared: Sequence[Any]) -> list[dict[str, Tensor]] | None:
    """The outputs of each row from one pass over all, or None where each must go alone."""
    import torch

    how = module.SPEC.batches
    if not how or len(part) < 2:
        return None
    request = part[0]
    if any("input_ids" in inputs.tensors and len(inputs.tensors["input_ids"]) > 1 for inputs in prepared):
        return None  # several rows of tensors an input
    widths = [_width(inputs) for inputs in prepared]
    padded = len(set(widths)) > 1
    if padded and not pads(request.model):
        return None
    names = list(prepared[0].tensors)
    try:
        filler = {"input_ids": _pad_id(request)} if padded else {}
        stacked = {
            name: torch.cat([_filled(inputs.tensors[name], max(widths), filler.get(name, 0)) for inputs in prepared])
            for name in names
        }
    except (KeyError, RuntimeError):
        return None  # pictures of different sizes
    made = _tried(module.forward, request, Inputs(stacked))
    if isinstance(made, WorkbenchError):
        return None
    return [
        {name: _cut(tensor[index : index + 1], widths[index], how) for name, tensor in made.items()}
        for index in range(len(part))
    ]


def _width(inputs: Inputs) -> int:
    ids = inputs.tensors.get("input_ids")
    return int(ids.shape[1]) if ids is not None else 0


def _pad_id(request: Request) -> int:
    tokenizer = request.tokenizer
    return int(tokenizer.convert_tokens_to_ids(padding_token(tokenizer)[0]))


def _filled(tensor: Tensor, width: int, value: int) -> Tensor:
    from torch.nn.functional import pad

    missing = width - tensor.shape[-1] if tensor.dim() == 2 and width else 0
    return pad(tensor, (0, missing), value=value) if missing > 0 else tensor


def _cut(tensor: Tensor, width: int, how: str) -> Tensor:
    return tensor[:, :width] if how == "tokens" else tensor


def _labels(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"label": item.label, "score": item.score} for item in items]


def _entities(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"entity": item.text, "label": item.label, "score": item.score, "start": item.start, "end": item.end}
        for item in items
    ]


def _answers(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"answer": item.text, "score": item.score, "start": item.start, "end": item.end} for item in items]


def _cells(items: Sequence[Any]) -> list[dict[str, Any]]:
    several = len(items) > 1
    return [
        ({"question": item.question} if several else {})
        | {"answer": item.text, "cells": [list(cell) for cell in item.cells]}
        for item in items
    ]


def _fillings(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"mask": item.mask_index + 1, "token": item.token, "score": item.score, "sequence": item.sequence}
        for item in items
    ]


def _texts(items: Sequence[Any]) -> list[dict[str, Any]]:
    text, *places = items
    corners = ("xmin", "ymin", "xmax", "ymax")
    told = [
        {"label": each.label} | {name: getattr(each, name) for name in corners if isinstance(each, Place)}
        for each in places
        if not isinstance(each, Sound)
    ]
    return [{"generated": text} | place for place in told or [{}]]


def _vectors(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"vector": list(row)} for row in items]


def _boxes(items: Sequence[Any]) -> list[dict[str, Any]]:
    names = ("label", "score", "xmin", "ymin", "xmax", "ymax")
    return [{name: getattr(item, name) for name in names} for item in items]


def _masks(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"label": item.label, "score": item.score, "share": float(item.mask.mean())} for item in items]


def _points(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"label": item.label, "score": item.score, "x": item.x, "y": item.y} for item in items]


def _matches(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"score": item.score, "x": item.first[0], "y": item.first[1], "other_x": item.second[0],
         "other_y": item.second[1]}
        for item in items
    ]  # fmt: skip


def _depths(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"least": float(each.min()), "mean": float(each.mean()), "most": float(each.max())} for each in items]


def _fields(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{name: float(each[..., place].mean()) for place, name in enumerate("xyz")} for each in items]


def _readings(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"text read": item.text, "score": item.score} for item in items]


def _pages(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"question": item.question, "page": item.page, "score": item.score} for item in items]


def _layouts(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"html": item.html, "score": item.score} for item in items]


def _transcripts(items: Sequence[Any]) -> list[dict[str, Any]]:
    text, *chunks = items
    parts = [
        {"part": chunk.text, "from": chunk.start, "to": chunk.end}
        | ({"language": chunk.language} if chunk.language else {})
        for chunk in chunks
    ]
    return [{"transcript": text} | part for part in parts or [{}]]


def _forecasts(items: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"step": item.step, "forecast": item.value} | {f"quantile {share:g}": value for share, value in item.quantiles}
        for item in items
    ]


_LINES: dict[str, Callable[[Sequence[Any]], list[dict[str, Any]]]] = {
    "labels": _labels,
    "entities": _entities,
    "answer": _answers,
    "cells": _cells,
    "filled": _fillings,
    "text": _texts,
    "vectors": _vectors,
    "boxes": _boxes,
    "masks": _masks,
    "points": _points,
    "matches": _matches,
    "depth": _depths,
    "alpha": _depths,
    "field": _fields,
    "reading": _readings,
    "layout": _layouts,
    "pages": _pages,
    "transcript": _transcripts,
    "series": _forecasts,
}

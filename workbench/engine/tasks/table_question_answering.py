"""Table question answering: the cells of a table that answer a question, and what to do with them.

References:
    transformers, Pipelines: TableQuestionAnsweringPipeline; Herzig et al. 2020, TAPAS
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.tasks.feature_extraction import lines
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.values import TableAnswer, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


#: What the tokenizer says of a token: whether it is one of the table, its column and its row, and whether it was one of
#: the answer before.
_SEGMENT, _COLUMN, _ROW, _BEFORE = 0, 1, 2, 3

TABLE = ("second", "Table, a row a line, cells between commas")
"""The input that holds a table, and its label."""

TABULAR = ("tapas",)
"""Architectures that read a text beside a table."""

SPEC = Spec(
    name="table-question-answering",
    heads=("AutoModelForTableQuestionAnswering",),
    does="Finds the cells of a table that answer a question, or each of some",
    inputs=(("text", "Questions, one a line"), TABLE),
    options=("sequential",),
    shows="cells",
    example=TaskInput(
        "What is the capital of France?", "country,capital,people\nFrance,Paris,68\nItaly,Rome,59\nGermany,Berlin,84"
    ),
)


def rows(text: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a table that is written as CSV, or pasted with tabs; its header first, short rows filled up."""
    lines = text.strip().splitlines(keepends=True)
    tabs = bool(lines) and "\t" in lines[0] and "," not in lines[0]
    read = [row for row in csv.reader(lines, delimiter="\t" if tabs else ",", skipinitialspace=True) if row]
    width = max((len(row) for row in read), default=0)
    return tuple((*row, *[""] * (width - len(row))) for row in read)


def preprocess(request: Request) -> Inputs:
    """Each question and the table as a row of ids, each with the column and row it stands in; rows that don't fit drop.

    Raises:
        InputError: There is no question, or no row below the header; or no row fits.
        NotSupported: The model is no TAPAS.
    """
    if not hasattr(request.model.model.config, "num_aggregation_labels"):
        raise NotSupported(
            f"{request.model.checkpoint.name} can't look into tables.",
            why="Only TAPAS has a place for the columns and rows of a table.",
            remedy="Load a TAPAS checkpoint.",
        )
    check_text(request.text, "question")
    questions = list(lines(request.text))
    return beside_table(request, questions if len(questions) > 1 else request.text)


def beside_table(request: Request, asked: str | list[str], limit: int | None = None) -> Inputs:
    """Texts beside the table of ``second``; rows that don't fit drop.

    Args:
        request: Of a model of `TABULAR`.
        asked: One text, or several that are a row of ids each.
        limit: Tokens at most; None takes as many as the tokenizer says.

    Returns:
        ``input_ids`` of shape ``(texts, seq)``, ``token_type_ids`` of shape ``(texts, seq, 7)``.

    Raises:
        InputError: There is no row below the header, or none fits.
    """
    check_text(request.given.second, "table")
    if len(rows(request.given.second)) < 2:
        raise InputError(
            "The table has no rows.",
            why="Its first line names the columns, and there is none below it.",
            remedy="Write a row a line, its cells between commas.",
        )
    frame = _frame(request)
    made = _encoded(request, frame, asked, limit)
    kept = int(made["token_type_ids"][:, :, _ROW].amax(dim=1).min())
    if kept == 0:
        raise _no_room("No row of the table fits beside the question.")
    sizes = request.model.model.config.type_vocab_sizes
    if any(most >= size for most, size in zip(made["token_type_ids"].amax(dim=(0, 1)).tolist(), sizes, strict=True)):
        # Among the numbers of a column, those of dropped rows are counted too: more than there are vectors for.
        made = _encoded(request, frame[:kept], asked, limit)
    cells = [*frame.columns, *frame.to_numpy().flatten()]
    whole = sum(len(request.tokenizer.tokenize(cell)) for cell in cells)
    return Inputs(made, truncated=whole - int((made["token_type_ids"][:, :, _SEGMENT] == 1).sum(dim=1).min()))


def _encoded(request: Request, frame: Any, asked: str | list[str], limit: int | None) -> dict[str, Tensor]:
    fitted: dict[str, Any] = {"truncation": "drop_rows_to_fit", "padding": True, "max_length": limit}
    try:
        return dict(request.tokenizer(frame, asked, **fitted, return_tensors="pt"))
    except ValueError as error:
        raise _no_room(f"The tokenizer says: {first_line(error)}.") from error


def _no_room(why: str) -> InputError:
    return InputError(
        "The question and the table don't fit.",
        why=why,
        remedy="Shorten the question, or give the table fewer columns.",
    )


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass, or one a question where each is asked after the one before.

    Returns:
        ``logits`` of shape ``(questions, seq)``, and ``logits_aggregation`` where the model aggregates.
    """
    import torch

    if not request.options.sequential:
        return _passed(request, inputs.tensors)
    found: list[dict[str, Tensor]] = []
    chosen: set[tuple[int, int]] = set()
    for index in range(len(inputs.tensors["input_ids"])):
        request.task.check()
        part = {name: tensor[index : index + 1].clone() for name, tensor in inputs.tensors.items()}
        _mark(part["token_type_ids"][0], chosen)
        found.append(_passed(request, part))
        chosen = _chosen(part["token_type_ids"][0], found[-1]["logits"][0].sigmoid())
    return {name: torch.cat([each[name] for each in found]) for name in found[0]}


def _passed(request: Request, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    output = request.model.model(**request.on_device(tensors))
    names = ("logits", "logits_aggregation")
    return {name: output[name].float().cpu() for name in names if output.get(name) is not None}


def _chosen(types: Tensor, probabilities: Tensor) -> set[tuple[int, int]]:
    """The cells, as the tokenizer counts them, whose tokens have a mean probability above one half."""
    found: dict[tuple[int, int], list[float]] = {}
    for kind, probability in zip(types.tolist(), probabilities.tolist(), strict=True):
        if _is_cell(kind):
            found.setdefault((kind[_COLUMN], kind[_ROW]), []).append(probability)
    return {cell for cell, each in found.items() if sum(each) / len(each) > 0.5}


def _mark(types: Tensor, chosen: set[tuple[int, int]]) -> None:
    """Tell of the tokens of shape ``(seq, 7)`` which ones were the answer before."""
    for kind in types:
        kind[_BEFORE] = int(_is_cell(kind.tolist()) and (int(kind[_COLUMN]), int(kind[_ROW])) in chosen)


def _is_cell(kind: list[int]) -> bool:
    return kind[_SEGMENT] == 1 and kind[_COLUMN] > 0 and kind[_ROW] > 0


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The cells whose tokens have a mean probability above one half, and the aggregation with the largest logit."""
    config = request.model.model.config
    predicted = request.tokenizer.convert_logits_to_predictions(dict(inputs.tensors), *outputs.values())
    names = getattr(config, "aggregation_labels", None)
    frame, items = _frame(request), []
    for number, question in enumerate(lines(request.text)):
        cells = tuple((int(row), int(column)) for row, column in predicted[0][number])
        aggregation = ""
        if "logits_aggregation" in outputs and names:
            index = predicted[1][number]
            aggregation = "" if index == config.no_aggregation_label_index else str(names[index])
        words = ", ".join(str(frame.iat[cell]) for cell in cells)
        text = f"{aggregation} > {words}" if aggregation else words
        items.append(TableAnswer(text, cells, aggregation, question.strip()))
    return Outcome({"probabilities": outputs["logits"].sigmoid()}, tuple(items))


def _frame(request: Request) -> Any:
    import pandas

    header, *body = rows(request.given.second)
    return pandas.DataFrame(list(body), columns=list(header), dtype=str)

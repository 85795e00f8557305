"""Table question answering: the cells of a table that answer a question, and what to do with them.

References:
    transformers, Pipelines: TableQuestionAnsweringPipeline; Herzig et al. 2020, TAPAS
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.values import TableAnswer, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


#: What the tokenizer says of a token: whether it is one of the table, and its row.
_SEGMENT, _ROW = 0, 2

SPEC = Spec(
    name="table-question-answering",
    heads=("AutoModelForTableQuestionAnswering",),
    does="Finds the cells of a table that answer a question",
    inputs=(("text", "Question"), ("second", "Table, a row a line, cells between commas")),
    options=(),
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
    """Question and table as one row of ids, each with the column and row it stands in; rows that don't fit are dropped.

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
    check_text(request.given.second, "table")
    if len(rows(request.given.second)) < 2:
        raise InputError(
            "The table has no rows.",
            why="Its first line names the columns, and there is none below it.",
            remedy="Write a row a line, its cells between commas.",
        )
    frame = _frame(request)
    made = _encoded(request, frame)
    kept = int(made["token_type_ids"][0, :, _ROW].max())
    if kept == 0:
        raise _no_room("No row of the table fits beside the question.")
    sizes = request.model.model.config.type_vocab_sizes
    if any(most >= size for most, size in zip(made["token_type_ids"].amax(dim=(0, 1)).tolist(), sizes, strict=True)):
        # Among the numbers of a column, those of dropped rows are counted too: more than there are vectors for.
        made = _encoded(request, frame[:kept])
    cells = [*frame.columns, *frame.to_numpy().flatten()]
    whole = sum(len(request.tokenizer.tokenize(cell)) for cell in cells)
    return Inputs(made, truncated=whole - int((made["token_type_ids"][0, :, _SEGMENT] == 1).sum()))


def _encoded(request: Request, frame: Any) -> dict[str, Tensor]:
    try:
        return dict(
            request.tokenizer(frame, request.text, truncation="drop_rows_to_fit", padding=True, return_tensors="pt")
        )
    except ValueError as error:
        raise _no_room(f"The tokenizer says: {first_line(error)}.") from error


def _no_room(why: str) -> InputError:
    return InputError(
        "The question and the table don't fit.",
        why=why,
        remedy="Shorten the question, or give the table fewer columns.",
    )


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, seq)``, and ``logits_aggregation`` where the model aggregates."""
    output = request.model.model(**request.on_device(inputs.tensors))
    found = {"logits": output.logits.float().cpu()}
    if output.get("logits_aggregation") is not None:
        found["logits_aggregation"] = output.logits_aggregation.float().cpu()
    return found


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The cells whose tokens have a mean probability above one half, and the aggregation with the largest logit."""
    config = request.model.model.config
    predicted = request.tokenizer.convert_logits_to_predictions(dict(inputs.tensors), *outputs.values())
    cells = tuple((int(row), int(column)) for row, column in predicted[0][0])
    names = getattr(config, "aggregation_labels", None)
    aggregation = ""
    if "logits_aggregation" in outputs and names:
        index = predicted[1][0]
        aggregation = "" if index == config.no_aggregation_label_index else str(names[index])
    frame = _frame(request)
    words = ", ".join(str(frame.iat[cell]) for cell in cells)
    text = f"{aggregation} > {words}" if aggregation else words
    return Outcome({"probabilities": outputs["logits"].sigmoid()}, (TableAnswer(text, cells, aggregation),))


def _frame(request: Request) -> Any:
    import pandas

    header, *body = rows(request.given.second)
    return pandas.DataFrame(list(body), columns=list(header), dtype=str)

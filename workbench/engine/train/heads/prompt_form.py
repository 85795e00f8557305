"""The words around an instruction and what it is about, as Alpaca was taught with."""

from __future__ import annotations

import re

from workbench.engine.train.heads.head import Option

INSTRUCTION, INPUT = "{instruction}", "{input}"

WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)

#: Both are Alpaca's, as its data set has them in its text column.
FORMS = (
    Option(
        "with_input",
        "Prompt with an input",
        f"How a prompt is written whose row has something in the input column: {INSTRUCTION} and {INPUT} stand for the "
        "cells. Alpaca's own form unless it is changed; for a chat checkpoint the two cells with a blank line between "
        "them are usual",
        WITH_INPUT,
        long=True,
        holds=(INSTRUCTION, INPUT),
        needs="input",
    ),
    Option(
        "without_input",
        "Prompt without an input",
        f"How a prompt is written whose row has nothing in the input column: {INSTRUCTION} stands for the cell. "
        f"Alpaca's own form unless it is changed; for a chat checkpoint {INSTRUCTION} alone is usual",
        WITHOUT_INPUT,
        long=True,
        holds=(INSTRUCTION,),
        needs="input",
    ),
)


def written_prompt(instruction: str, about: str, with_input: str, without_input: str) -> str:
    """A prompt in the form that a row with, or without, an input has.

    Args:
        instruction: What is to be done.
        about: What it is to be done with; blank for nothing.
        with_input: A form with ``{instruction}`` and ``{input}``.
        without_input: A form with ``{instruction}``.
    """
    cells = {"{instruction}": instruction, "{input}": about}
    # In one go: a cell may spell a name of the other one.
    return re.sub(
        r"\{instruction\}|\{input\}", lambda place: cells[place[0]], with_input if about.strip() else without_input
    )

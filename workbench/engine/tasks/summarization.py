"""Summarization: a shorter text that says the same.

References:
    transformers, Task guides: Summarization; Auto Classes: AutoModelForSeq2SeqLM
"""

from __future__ import annotations

from workbench.engine.tasks.inputs import Inputs, Request, Spec, encoded
from workbench.engine.tasks.text2text_generation import forward, postprocess, prefixed
from workbench.engine.tasks.writing import WRITES
from workbench.engine.values import TaskInput

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="summarization",
    heads=("AutoModelForSeq2SeqLM",),
    does="Says the same in fewer words",
    inputs=(("text", "Text"),),
    options=(*WRITES, "stops"),
    shows="text",
    example=TaskInput(
        "The quick brown fox jumps over the lazy dog. Angela Merkel met Barack Obama in Berlin, Germany. "
        "She was reading a good book about the history of the city."
    ),
)


def preprocess(request: Request) -> Inputs:
    """Put the checkpoint's own prefix for summaries in front, tokenize, and cut at the context."""
    return encoded(prefixed(request, "summarization"))

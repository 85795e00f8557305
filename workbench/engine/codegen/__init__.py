"""Show code: for each thing a pane does, a complete Python script that does it without the workbench.

A script is plain transformers, runs as it stands, prints its result, and gives the ids, texts, scores and losses that
the pane gives on the same machine. Each function takes values and returns the text of a script.
"""

from __future__ import annotations

from workbench.engine.codegen.compare import compare
from workbench.engine.codegen.generate import generate
from workbench.engine.codegen.hub import download
from workbench.engine.codegen.inspector import add_token, batch, chat_template, stages, tokenizers, vocabulary
from workbench.engine.codegen.load import load
from workbench.engine.codegen.probabilities import probabilities
from workbench.engine.codegen.score import score
from workbench.engine.codegen.task import task, task_rows
from workbench.engine.codegen.tokenizer import tokenizer
from workbench.engine.codegen.train import train

__all__ = [
    "add_token",
    "batch",
    "chat_template",
    "compare",
    "download",
    "generate",
    "load",
    "probabilities",
    "score",
    "stages",
    "task",
    "task_rows",
    "tokenizer",
    "tokenizers",
    "train",
    "vocabulary",
]

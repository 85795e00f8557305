"""The usual tables of each task: their columns are recognised, and none is given two roles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.engine.data import guess_roles, read
from workbench.engine.train import HEADS
from workbench.engine.values import DataSource

TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


@pytest.mark.parametrize(
    ("task", "row", "expected"),
    [
        ("question-answering",
         {"id": "1", "title": "T", "context": "A long passage about printing", "question": "What?",
          "answers": {"text": ["x"], "answer_start": [2]}},
         {"question": "question", "context": "context", "answers": "answers"}),
        ("token-classification", {"id": "1", "tokens": ["A", "b"], "pos_tags": [1, 2], "ner_tags": ["O", "B-X"]},
         {"tokens": "tokens", "tags": "ner_tags"}),
        ("token-classification", {"what": ["O", "B-X", "O"], "name": ["A", "b", "c"]},
         {"tokens": "name", "tags": "what"}),
        ("chat", {"id": 1, "messages": TURNS}, {"messages": "messages"}),
        ("chat", {"instruction": "Add one and two", "input": "", "output": "three"},
         {"prompt": "instruction", "completion": "output"}),
        ("text2text-generation", {"id": 7, "article": "a long text to be told", "highlights": "a text"},
         {"source": "article", "target": "highlights"}),
        ("text-classification", {"premise": "A man eats", "hypothesis": "He is hungry", "label": 1, "idx": 3},
         {"text": "premise", "pair": "hypothesis", "label": "label"}),
        ("text-regression", {"sentence1": "A man eats", "sentence2": "He is hungry", "score": 0.5},
         {"text": "sentence1", "pair": "sentence2", "label": "score"}),
        ("multi-label-classification", {"text": "So happy today", "labels": ["joy"]},
         {"text": "text", "label": "labels"}),
        ("text-generation", {"id": 123456789, "story": "Once"}, {"text": "story"}),
        ("image-classification", {"file_name": "cats/1.png", "label": "cat"}, {"image": "file_name", "label": "label"}),
    ],
)  # fmt: skip
def test_usual_columns_are_recognised(tmp_path: Path, task: str, row: dict[str, Any], expected: dict[str, str]) -> None:
    path = tmp_path / "rows.jsonl"
    # Labels differ from row to row, as they do.
    rows = [{**row, **({"label": number % 2} if "label" in row else {})} for number in range(8)]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    guessed = guess_roles(read(DataSource(path)), HEADS[task].roles)
    assert guessed == expected
    assert len(set(guessed.values())) == len(guessed)

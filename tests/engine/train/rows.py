"""Rows for every head that can be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.engine.values import Checkpoint, DataSource, TrainSpec

WORDS = ("a wonderful film", "the worst film in years", "a good book about the city", "the lazy dog and the quick fox")
PHRASES = ("the quick brown fox", "jumps over the lazy dog", "how vexingly quick")
TAGGED = (
    (["Angela", "Merkel", "met", "Barack", "Obama", "in", "Berlin"],
     ["B-PER", "I-PER", "O", "B-PER", "I-PER", "O", "B-LOC"]),
    (["The", "capital", "of", "France", "is", "Paris"], ["O", "O", "O", "B-LOC", "O", "B-LOC"]),
    (["She", "was", "reading", "a", "book"], ["O", "O", "O", "O", "O"]),
)  # fmt: skip


def three_kinds(checkpoint: Checkpoint, folder: Path, rows: int = 60, **changes: Any) -> TrainSpec:
    """A run that tells three kinds of phrases apart, in a folder with their file."""
    path = folder / "rows.csv"
    lines = [f'"{PHRASES[n % 3]} {n}",{"abc"[n % 3]}' for n in range(rows)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    told = {"output_dir": folder / "runs" / "tiny", "eval_fraction": 0.3, "max_length": 24, "learning_rate": 1e-3}
    return TrainSpec(
        task="text-classification",
        checkpoint=checkpoint,
        data=DataSource(path),
        columns={"text": "text", "label": "label"},
        threads=1,
        **(told | changes),
    )


def talk(n: int) -> list[dict[str, str]]:
    """Five turns."""
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"What is the capital of France? {n}"},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "And of Italy?"},
        {"role": "assistant", "content": f"It is Rome {n}."},
    ]


DATA: dict[str, list[dict[str, Any]]] = {
    "text-classification": [{"text": f"{WORDS[n % 4]} {n}", "label": "ab"[n % 2]} for n in range(24)],
    "pair": [{"text": WORDS[n % 4], "pair": WORDS[n % 3], "label": "ab"[n % 2]} for n in range(24)],
    "multi-label-classification": [
        {"text": f"{WORDS[n % 4]} {n}", "label": [["x"], ["x", "y"], [], ["z"]][n % 4]} for n in range(24)
    ],
    "text-regression": [{"text": f"{WORDS[n % 4]} {n}", "label": n / 7} for n in range(24)],
    "token-classification": [{"tokens": TAGGED[n % 3][0], "tags": TAGGED[n % 3][1]} for n in range(24)],
    "chat": [{"messages": talk(n)} for n in range(24)],
    "prompts": [{"prompt": f"What is {n}?", "completion": f" It is {WORDS[n % 4]}."} for n in range(24)],
    "text-generation": [{"text": f"{WORDS[n % 4]} {n}"} for n in range(60)],
    "fill-mask": [{"text": f"{WORDS[n % 4]} {n}"} for n in range(24)],
    "question-answering": [
        {
            "question": "What is the capital?",
            "context": f"Row {n}. The capital of France is Paris, and so on. " * 3,
            "answers": {"text": ["Paris"], "answer_start": [f"Row {n}. The capital of France is ".__len__()]},
        }
        for n in range(16)
    ],
    "text2text-generation": [{"source": f"the lazy dog {n}", "target": f"the quick fox {n}"} for n in range(24)],
}
TASKS = {"pair": "text-classification", "prompts": "chat"}

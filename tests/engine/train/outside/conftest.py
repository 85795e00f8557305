"""The run that processes of their own make, each on one thread and with its runs in a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.engine.values import Checkpoint, DataSource, TrainSpec

_WORDS = ("the quick brown fox", "jumps over the lazy dog", "how vexingly quick")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    """Without dropout, which every process draws for itself."""
    still = tmp_path / "still"
    still.mkdir()
    for file in tiny_bert.path.iterdir():
        (still / file.name).write_bytes(file.read_bytes())
    config = json.loads((still / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (still / "config.json").write_text(json.dumps(config))
    path = tmp_path / "rows.csv"
    lines = [f'"{_WORDS[n % 3]} {n}",{"abc"[n % 3]}' for n in range(80)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return TrainSpec(
        task="text-classification",
        checkpoint=Checkpoint("still", still),
        data=DataSource(path),
        columns={"text": "text", "label": "label"},
        output_dir=tmp_path / "data" / "runs" / "outside",
        eval_fraction=0.2,
        max_length=24,
        batch_size=8,
        learning_rate=1e-3,
        max_steps=6,
        threads=1,
    )

"""The run that processes of their own make, each on one thread and with its runs in a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.train.rows import three_kinds
from workbench.engine.values import Checkpoint, TrainSpec


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
    folder = tmp_path / "data" / "runs" / "outside"
    return three_kinds(
        Checkpoint("still", still), tmp_path, 80, output_dir=folder, eval_fraction=0.2, batch_size=8, max_steps=6
    )

"""What runs start from: a small file of reviews, the run on it from its first step to its last, and no monitors."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
import tqdm

from tests.engine.train.rows import DATA, TASKS
from tests.tiny_seq2seq import build_tiny_t5
from workbench.engine.train import fine_tune
from workbench.engine.values import Checkpoint, DataSource, TrainResult, TrainSpec

_REVIEWS = "".join(f"a {('terrible', 'wonderful')[n % 2]} film {n},{('bad', 'good')[n % 2]}\n" for n in range(60))


@pytest.fixture(autouse=True)
def _no_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    # Scripts that run in this process would leave tqdm's thread behind.
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)
    datasets.disable_progress_bars()


@pytest.fixture(scope="session")
def plain(tiny_bert: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> TrainSpec:
    """60 rows of different length, 48 of them trained on: 6 steps of 8 rows an epoch, with dropout."""
    folder = tmp_path_factory.mktemp("plain")
    data = folder / "reviews.csv"
    data.write_text(
        "text,label\n"
        + "".join(f"a {'very ' * (n % 7)}{('terrible', 'wonderful')[n % 2]} film {n},{n % 2}\n" for n in range(60)),
        encoding="utf-8",
    )
    return TrainSpec(
        task="text-classification",
        checkpoint=tiny_bert,
        data=DataSource(data),
        columns={"text": "text", "label": "label"},
        output_dir=folder / "runs" / "tiny",
        eval_fraction=0.2,
        batch_size=8,
        max_length=24,
        learning_rate=1e-3,
        epochs=3.0,
        threads=1,
    )


@pytest.fixture(scope="session")
def whole(plain: TrainSpec) -> TrainResult:
    """The run of `plain`, which no test changes."""
    return fine_tune(plain)


@pytest.fixture
def spec(plain: TrainSpec, tmp_path: Path) -> TrainSpec:
    """The run of `plain` with a file and a folder of its own."""
    assert plain.data.path is not None
    data = shutil.copy(plain.data.path, tmp_path)
    return replace(plain, data=DataSource(Path(data)), output_dir=tmp_path / "runs" / "tiny")


@pytest.fixture
def classify(spec: TrainSpec) -> TrainSpec:
    """12 steps with two probes."""
    assert spec.data.path is not None
    spec.data.path.write_text("text,label\n" + _REVIEWS, encoding="utf-8")
    return replace(
        spec, learning_rate=5e-3, epochs=2.0, probes=("a wonderful film", "a terrible film"), probe_steps=4
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """An encoder and a decoder."""
    return build_tiny_t5(tmp_path_factory.mktemp("checkpoints") / "tiny-t5")


@pytest.fixture
def spec_for(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Makes the spec of a run of 3 steps on the data called ``kind``."""

    def make(kind: str, rows: list[dict[str, Any]] | None = None, **changes: Any) -> TrainSpec:
        rows = DATA[kind] if rows is None else rows
        path = tmp_path / f"{kind}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        llama = kind in ("chat", "prompts", "text-generation")
        name = "tiny_t5" if kind == "text2text-generation" else "tiny_llama" if llama else "tiny_bert"
        spec = TrainSpec(
            task=TASKS.get(kind, kind),
            checkpoint=request.getfixturevalue(name),
            data=DataSource(path),
            columns={column: column for column in rows[0]},
            output_dir=tmp_path / "runs" / "ours",
            eval_fraction=0.25,
            batch_size=4,
            max_length={"text-generation": 32, "text2text-generation": 24}.get(kind, 96),
            max_steps=3,
            learning_rate=1e-3,
            threads=1,
            seed=5,
        )
        return replace(spec, **changes)

    return make

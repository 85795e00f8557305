"""The learning rate that is drawn before a run is the one that the run logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.engine.errors import InputError
from workbench.engine.train import fine_tune
from workbench.engine.train.schedule import UNFORESEEN, learning_rates, optimizer_steps, schedules
from workbench.engine.values import Checkpoint, DataSource, TrainSpec


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    """40 rows, 32 of them trained on."""
    path = tmp_path / "reviews.csv"
    rows = [f"a {w} film {n},{label}" for n in range(20) for w, label in (("wonderful", "good"), ("terrible", "bad"))]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return TrainSpec(
        "text-classification", tiny_bert, DataSource(path), {"text": "text", "label": "label"}, tmp_path / "run",
        eval_fraction=0.2, batch_size=8, max_length=16, learning_rate=3e-4, threads=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"lr_scheduler_type": "linear", "epochs": 2.0},
        {"lr_scheduler_type": "cosine", "warmup_steps": 2.0, "epochs": 1.5},
        {"lr_scheduler_type": "constant_with_warmup", "max_steps": 5, "warmup_steps": 0.5},
        {"lr_scheduler_type": "polynomial", "gradient_accumulation_steps": 3, "epochs": 3.0},
        {"lr_scheduler_type": "cosine_with_min_lr", "arguments": {"lr_scheduler_kwargs": {"min_lr_rate": 0.1}}},
        {"lr_scheduler_type": "inverse_sqrt", "batch_size": 5, "arguments": {"dataloader_drop_last": True}},
    ],
    ids=lambda changes: str(changes["lr_scheduler_type"]),
)
def test_what_is_drawn_is_what_is_used(spec: TrainSpec, changes: dict[str, Any]) -> None:
    spec = replace(spec, **changes)
    result = fine_tune(spec)
    logged = [point.learning_rate for point in result.points if point.loss is not None]
    steps = optimizer_steps(spec, result.train_rows)
    assert steps == len(logged) == result.points[-1].total
    assert list(learning_rates(spec, steps)) == logged


def test_every_schedule_of_the_library_is_drawn_or_says_what_it_needs(spec: TrainSpec) -> None:
    needs: dict[str, dict[str, Any]] = {
        "cosine_with_min_lr": {"min_lr": 1e-6},
        "cosine_warmup_with_min_lr": {"min_lr": 1e-6},
        "warmup_stable_decay": {"num_decay_steps": 10},
    }
    drawn = []
    for name in schedules():
        if name in UNFORESEEN:
            assert learning_rates(replace(spec, lr_scheduler_type=name), 50) == ()
            continue
        if name in needs:
            with pytest.raises(InputError, match="lr_scheduler_kwargs"):
                learning_rates(replace(spec, lr_scheduler_type=name), 50)
        rates = learning_rates(
            replace(spec, lr_scheduler_type=name, arguments={"lr_scheduler_kwargs": needs.get(name, {})}), 50
        )
        assert len(rates) == 50
        assert max(rates) == pytest.approx(spec.learning_rate)
        drawn.append(name)
    assert {"linear", "cosine", "polynomial"} <= set(drawn)


def test_a_long_run_is_drawn_from_as_many_points_as_can_be_seen(spec: TrainSpec) -> None:
    rates = learning_rates(spec, 1_000_000)
    assert len(rates) == 2000
    assert rates[0] == 0.0
    assert max(rates) == pytest.approx(3e-4, rel=1e-2)
    assert rates[-1] == pytest.approx(3e-4 / 900_000)

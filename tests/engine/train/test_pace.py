"""How long a run will take is told from what its parts have taken, and what was not measured is not told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from transformers import AutoTokenizer

from tests.engine.train.test_probes import Listener
from workbench.engine.task import Silent
from workbench.engine.train import fine_tune, pace
from workbench.engine.train.pace import Memory, Pace
from workbench.engine.train.rows import split_rows
from workbench.engine.values import TrainSpec


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.waited = 0.0
        monkeypatch.setattr(pace.time, "perf_counter", lambda: self.now)

    def step(self, made: Pace, seconds: float, loading: float = 0.0) -> float:
        self.now += loading
        made.begin_step()
        self.now += seconds
        return made.end_step()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def _args(**changes: Any) -> Any:
    return SimpleNamespace(**{"eval_strategy": "no", "eval_steps": None} | changes)


def _state(step: int, total: int, epoch: float = 0.0, epochs: int = 1) -> Any:
    return SimpleNamespace(global_step=step, max_steps=total, epoch=epoch, num_train_epochs=epochs)


def test_nothing_is_told_before_the_first_step(clock: Clock) -> None:
    made = Pace(lambda: clock.waited)
    made.begin()
    assert made.left(_args(), _state(0, 10)) is None


def test_steps_are_averaged_with_the_loading_and_without_pauses(clock: Clock) -> None:
    made = Pace(lambda: clock.waited)
    made.begin()
    assert clock.step(made, 2.0, loading=1.0) == pytest.approx(3.0)
    clock.now += 60.0
    clock.waited += 60.0
    assert clock.step(made, 1.0) == pytest.approx(1.0)
    assert made.left(_args(), _state(2, 10)) == pytest.approx(8 * 2.0)


def test_evaluations_saves_and_probes_still_to_come_are_added_once_they_were_measured(clock: Clock) -> None:
    made = Pace(lambda: clock.waited)
    made.begin()
    for _ in range(4):
        clock.step(made, 1.0)
    by_steps = _args(eval_strategy="steps", eval_steps=4)
    assert made.left(by_steps, _state(4, 10), 4) == pytest.approx(6.0)
    clock.now += 5.0
    made.evaluated(5.0)
    clock.now += 3.0
    made.saved()
    clock.now += 2.0
    made.probed(2.0)
    # 6 steps, 1 more evaluation (at 8), a save for every 4 steps, probes at 8 and after the last.
    assert made.left(by_steps, _state(4, 10), 4) == pytest.approx(6.0 + 5.0 + 6 / 4 * 3.0 + 2 * 2.0)
    by_epoch = _args(eval_strategy="epoch")
    assert made.left(by_epoch, _state(4, 12, epoch=1.0, epochs=3)) == pytest.approx(8.0 + 2 * 5.0 + 8 / 4 * 3.0)
    assert clock.step(made, 1.0) == pytest.approx(1.0), "none of it was part of a step"


def test_memory_is_looked_up_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    memory = Memory()
    first, device = memory.look()
    assert first is not None and abs(first - psutil.Process().memory_info().rss) < 200e6
    assert device is None, "there is no GPU here"
    now[0] += 0.5
    assert memory.look() == (None, None)
    now[0] += 0.6
    assert memory.look()[0] is not None


def test_points_say_how_fast_and_how_long(classify: TrainSpec, tmp_path: Path) -> None:
    heard = Listener()
    fine_tune(replace(classify, eval_steps=6), task=heard)
    steps = [point for point in heard.points if point.loss is not None]
    rows = split_rows(classify, Silent()).train
    tokenizer = AutoTokenizer.from_pretrained(classify.checkpoint.path, trust_remote_code=False)
    tokens = sum(len(ids) for ids in tokenizer(list(rows["text"]))["input_ids"])
    # Over all steps so far, rows by tokens don't depend on the clock; a short last batch does not stand alone.
    assert steps[-1].tokens_per_second / steps[-1].samples_per_second == pytest.approx(tokens / len(rows))
    assert all(point.seconds_left is not None and point.seconds_left >= 0 for point in steps)
    assert steps[-1].seconds_left == 0.0
    assert heard.points[0].memory is not None
    assert all(point.tokens_per_second is None for point in heard.points if point.loss is None)
    assert all(point.device_memory is None for point in heard.points)

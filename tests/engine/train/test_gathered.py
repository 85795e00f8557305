"""Rows in files: the same rows, none of them in memory, and nothing of them left behind."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from datasets import Dataset

from tests.engine.train.test_run import Recorder
from workbench.engine import paths
from workbench.engine.train import fine_tune
from workbench.engine.train.heads import gathered
from workbench.engine.train.heads.gathered import Gathered, on_disk
from workbench.engine.values import TrainPoint, TrainSpec


def _gather(rows: int) -> Dataset:
    made = Gathered()
    for number in range(rows):
        made.add({"input_ids": [[number, 2]], "text": [f"row {number}"], "labels": [[0.5] * (number % 3)]})
    return made.dataset()


def test_many_rows_lie_in_a_file_and_are_the_same_and_the_file_goes(tmp_path: Path) -> None:
    here = _gather(2500)
    with on_disk(tmp_path / "runs"):
        there = _gather(2500)
        few = _gather(10)
        assert [Path(file["filename"]).parent.parent for file in there.cache_files] == [tmp_path / "runs"]
        assert not few.cache_files and not here.cache_files
        assert there.features == here.features
        assert there[:] == here[:]
        parts, same = (rows.shuffle(seed=1).train_test_split(0.1, seed=2) for rows in (there, here))
        assert parts["test"][:] == same["test"][:]
    assert list((tmp_path / "runs").iterdir()) == []


def test_no_file_of_rows_stays_open(tmp_path: Path) -> None:
    def handles() -> int:
        return process.num_handles() if psutil.WINDOWS else process.num_fds()

    process = psutil.Process()
    with on_disk(tmp_path):
        first = _gather(1500)
        before = handles()
        others = [_gather(1500) for _ in range(5)]
        assert handles() - before < 5
        assert len({rows.cache_files[0]["filename"] for rows in (first, *others)}) == 6


def test_files_of_a_killed_process_go_with_the_next_run_and_those_in_use_stay(tmp_path: Path) -> None:
    left, used = tmp_path / ".rows-left", tmp_path / ".rows-used"
    for folder in (left, used):
        folder.mkdir()
        (folder / "rows.arrow").write_bytes(b"rows")
        (folder / paths.RUN_LOCK).touch()
        os.utime(folder, (time.time() - 3600,) * 2)
    with paths.claim(used), on_disk(tmp_path):
        assert [folder.name for folder in tmp_path.iterdir()] == [".rows-used"]


def test_where_nothing_can_be_written_rows_stay_in_memory(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("no folder", encoding="utf-8")
    with on_disk(taken):
        assert len(_gather(1500)) == 1500


def test_losses_do_not_tell_where_the_rows_lie_nor_that_a_run_was_stopped(
    spec: TrainSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = replace(spec, max_steps=6, group_by_length=True)
    here = fine_tune(replace(spec, output_dir=tmp_path / "here"))
    monkeypatch.setattr(gathered, "_WAITING", 5)
    there = fine_tune(replace(spec, output_dir=tmp_path / "there"))

    def until(part: Any) -> bool:
        if not isinstance(part, TrainPoint):
            return False
        assert list(tmp_path.glob(".rows-*/*.arrow")), "or they were not in files"
        return part.step == 3

    folder = tmp_path / "stopped"
    assert fine_tune(replace(spec, output_dir=folder), task=Recorder(until)).stopped
    again = fine_tune(spec, resume=folder)
    for other in (there, again):
        assert [(p.step, p.loss, p.eval_loss) for p in other.points] == [
            (p.step, p.loss, p.eval_loss) for p in here.points
        ]
    assert not list(tmp_path.glob(".rows-*"))

"""Rows to evaluate on that come from elsewhere, and labels that only they have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from tests import forked
from workbench.engine.codegen.train import train as train_script
from workbench.engine.errors import DataError
from workbench.engine.task import Silent
from workbench.engine.train import fine_tune
from workbench.engine.train.rows import split_rows
from workbench.engine.values import Checkpoint, DataSource, TrainSpec


class Lines(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, line: str) -> None:
        self.lines.append(line)


def _write(path: Path, rows: list[tuple[str, str]]) -> DataSource:
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    return DataSource(path)


def _losses(folder: Path) -> list[dict[str, Any]]:
    keys = ("step", "loss", "eval_loss", "eval_accuracy")
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [{key: entry[key] for key in keys if key in entry} for entry in history]


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    rows = [(f"a {word} film {number}", label) for number in range(12) for word, label in (("fine", "a"), ("bad", "b"))]
    return TrainSpec(
        task="text-classification",
        checkpoint=tiny_bert,
        data=_write(tmp_path / "train.csv", rows),
        columns={"text": "text", "label": "label"},
        output_dir=tmp_path / "out",
        evaluation=_write(tmp_path / "test.csv", [("a film", "a"), ("so so", "neutral"), ("", "b"), ("bad", "b")]),
        batch_size=8,
        max_length=16,
        threads=1,
    )


def test_rows_of_another_file_are_evaluated_on_and_no_others(spec: TrainSpec) -> None:
    assert spec.evaluation is not None and spec.evaluation.path is not None
    spec.evaluation.path.write_text("text,label\na fine film 3,a\n,b\nbad,b\n", encoding="utf-8")
    task = Lines()
    split = split_rows(spec, task)
    assert (len(split.train), split.evaluation["text"][:]) == (24, ["a fine film 3", "bad"])
    assert [(one.place, one.why) for one in split.unused] == [("test.csv, line 3", "the text is empty")]
    assert any("1 different texts of the evaluation are also trained on" in line for line in task.lines)
    assert len(split_rows(replace(spec, rows=10), task).train) == 10
    assert len(split_rows(replace(spec, rows=10), task).evaluation) == 2


def test_a_label_never_trained_on_is_told_and_counts_as_wrong(spec: TrainSpec) -> None:
    assert spec.evaluation is not None and spec.evaluation.path is not None
    spec.evaluation.path.write_text("text,label\na fine film,a\nso so,neutral\nbad,b\n", encoding="utf-8")
    task = Lines()
    split = split_rows(spec, task)
    assert split.labels == ("a", "b", "neutral")
    assert len(split.evaluation) == 3
    assert any("No training row has the label “neutral”, which 1 evaluation row has" in line for line in task.lines)


def test_training_rows_of_one_label_are_refused_whatever_the_evaluation_has(spec: TrainSpec, tmp_path: Path) -> None:
    only = _write(tmp_path / "only.csv", [(f"text {number}", "a") for number in range(9)])
    with pytest.raises(DataError, match="All 9 rows have the label “a”"):
        split_rows(replace(spec, data=only), Silent())


def test_no_usable_row_on_either_side_is_refused(spec: TrainSpec, tmp_path: Path) -> None:
    empty = _write(tmp_path / "empty.csv", [("", "a"), ("", "b"), ("", "a")])
    with pytest.raises(DataError, match=r"empty\.csv.*0 usable rows"):
        split_rows(replace(spec, evaluation=empty), Silent())
    with pytest.raises(DataError, match=r"empty\.csv.*0 usable rows"):
        split_rows(replace(spec, data=empty), Silent())
    with pytest.raises(DataError, match="0 usable rows leave 0 to train on"):
        split_rows(replace(spec, data=empty, evaluation=None), Silent())
    other = tmp_path / "other.csv"
    other.write_text("text,stars\nx,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column “label”"):
        split_rows(replace(spec, evaluation=DataSource(other)), Silent())


def test_the_script_evaluates_on_the_same_rows(spec: TrainSpec, tmp_path: Path) -> None:
    rows = [{"text": f"{word} film {n}", "label": word} for n in range(8) for word in ("good", "bad")]
    sets = {
        "train": Dataset.from_list(rows),
        "validation": Dataset.from_list([*rows[:4], {"text": "x", "label": "odd"}]),
    }
    DatasetDict(sets).save_to_disk(tmp_path / "saved")
    source = DataSource(tmp_path / "saved")
    spec = replace(spec, data=source, evaluation=replace(source, split="validation"), rows=14)
    result = fine_tune(spec)
    (tmp_path / "script.py").write_text(train_script(replace(spec, output_dir=tmp_path / "theirs")), encoding="utf-8")
    done = forked.run("script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ours, theirs = (_losses(folder) for folder in (result.checkpoint.path, tmp_path / "theirs"))
    assert result.eval_rows == 5
    assert any("eval_loss" in one for one in ours)
    assert ours == theirs

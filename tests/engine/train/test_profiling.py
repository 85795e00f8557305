"""What is found in the rows before a run: each finding with its place, each number the tokenizer's own."""

from __future__ import annotations

import json
import random
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.tokens import load_tokenizer
from workbench.engine.train import profile
from workbench.engine.train.profiling import MEASURED, TOLD
from workbench.engine.values import Checkpoint, DataSource, TrainSpec

BOTH = {"text": "text", "label": "label"}


@pytest.fixture
def spec(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    return TrainSpec("text-classification", tiny_bert, DataSource(tmp_path / "rows.csv"), BOTH, tmp_path / "out")


def _write(spec: TrainSpec, rows: list[tuple[str, str]]) -> TrainSpec:
    assert spec.data.path is not None
    lines = (f'"{text}",{label}\n' for text, label in rows)
    spec.data.path.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    return spec


def test_each_finding_has_its_place(spec: TrainSpec) -> None:
    rows = [("one film", "a"), ("", "a"), ("one film", "a"), ("one film", "b"), ("two", ""), ("three", "b"), ("", "")]
    found = profile(_write(spec, rows))
    assert (found.total, found.usable, found.empty) == (7, 4, 3)
    assert found.labels == {"a": 2, "b": 2}
    assert [(one.place, one.why) for one in found.unused] == [
        ("rows.csv, line 3", "the text is empty"),
        ("rows.csv, line 6", "the label is empty"),
        ("rows.csv, line 8", "the text is empty"),
    ]
    assert (found.repeated, found.contradicting) == (1, 1)
    assert [one.place for one in found.repeats] == ["rows.csv, line 4", "rows.csv, line 5"]
    assert "something else" in found.repeats[1].why
    assert not found.problem


def test_a_text_beside_another_second_text_contradicts_nothing(spec: TrainSpec, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("a,b,label\none,x,1\none,y,0\none,x,0\n", encoding="utf-8")
    columns = {"text": "a", "pair": "b", "label": "label"}
    found = profile(replace(spec, data=DataSource(path), columns=columns))
    assert (found.repeated, found.contradicting, [one.place for one in found.repeats]) == (0, 1, ["pairs.csv, line 4"])


def test_lengths_are_the_tokenizers(spec: TrainSpec) -> None:
    draw = random.Random(1)
    words = ["the", "film", "was", "good", "bad", "slow", "and", "dark"]
    texts = [" ".join(draw.choices(words, k=draw.randint(1, 90))) for _ in range(400)]
    found = profile(_write(spec, [(text, "ab"[number % 2]) for number, text in enumerate(texts)])).lengths
    tokenizer = load_tokenizer(spec.checkpoint)
    lengths = sorted(len(tokenizer(text)["input_ids"]) for text in texts)
    assert found is not None
    assert list(found.tokens) == lengths
    assert found.median == statistics.median_high(lengths)
    for max_length in (8, 48, 500):
        assert found.cut(max_length) == sum(length > max_length for length in lengths)
        edges, counts = found.histogram(max_length)
        assert sum(counts) == len(texts)
        assert edges[-1] > max_length
        for low, high, count in list(zip(edges, edges[1:], counts, strict=False))[:-1]:
            assert count == sum(low <= length < high for length in lengths)


def test_of_many_rows_some_are_drawn_and_all_are_counted(spec: TrainSpec) -> None:
    rows = [(f"film {number}", "ab"[number % 2]) for number in range(MEASURED + 1500)]
    found = profile(_write(spec, [*rows, *rows[:700]]))
    assert (found.total, found.repeated, len(found.repeats)) == (MEASURED + 2200, 700, TOLD)
    assert found.repeats[0].place == f"rows.csv, line {MEASURED + 1502}"
    assert found.lengths is not None
    assert found.lengths.measured == MEASURED
    assert profile(spec) == found


def test_of_long_rows_fewer_are_drawn(spec: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.engine.train.profiling._HELD", 20_000)
    rows = [("word " * 100 + str(number), "ab"[number % 2]) for number in range(300)]
    found = profile(_write(spec, rows))
    assert found.usable == 300
    assert found.lengths is not None
    assert 20 <= found.lengths.measured <= 40
    tokenizer = load_tokenizer(spec.checkpoint)
    assert set(found.lengths.tokens) <= {len(tokenizer(text)["input_ids"]) for text, _ in rows}


def test_text_for_blocks_is_never_cut(spec: TrainSpec, tiny_llama: Checkpoint) -> None:
    _write(spec, [("some text", "a"), ("more text", "b")])
    found = profile(replace(spec, task="text-generation", checkpoint=tiny_llama, columns={"text": "text"}))
    assert (found.usable, found.lengths, found.labels) == (2, None, {})


def test_labels_missing_or_all_the_same_are_told_before_a_run(spec: TrainSpec) -> None:
    assert "All 3 usable rows have the label “a”" in profile(_write(spec, [("x", "a"), ("y", "a"), ("z", "a")])).problem
    problem = profile(_write(spec, [("x", ""), ("y", "")])).problem
    assert "None of the 2 rows can be used" in problem
    assert "rows.csv, line 2: the label is empty" in problem


def test_a_label_only_the_evaluation_has_is_told(spec: TrainSpec, tmp_path: Path) -> None:
    other = tmp_path / "test.csv"
    other.write_text("text,label\nx,a\ny,neutral\nz,neutral\n,a\n", encoding="utf-8")
    found = profile(replace(_write(spec, [("x", "a"), ("y", "b")]), evaluation=DataSource(other)))
    assert (found.unseen, found.evaluation) == ({"neutral": 2}, 3)
    assert [one.place for one in found.unused] == ["test.csv, line 5"]


def test_a_column_of_mixed_types_is_told(spec: TrainSpec, tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    labels = [1, 0, "1", 0, None]
    path.write_text("".join(json.dumps({"text": f"t{n}", "label": one}) + "\n" for n, one in enumerate(labels)))
    found = profile(replace(spec, data=DataSource(path)))
    assert found.mixed == {"label": {"number": 3, "text": 1}}
    assert Counter(found.labels) == {"1": 2, "0": 2}


def test_ragged_tags_are_told_by_line(spec: TrainSpec, tmp_path: Path) -> None:
    path = tmp_path / "tags.jsonl"
    rows = [(["a", "b"], ["O", "B-X"]), (["a", "b"], ["O"]), (["c"], ["B-X"])]
    path.write_text("".join(json.dumps({"tokens": words, "tags": tags}) + "\n" for words, tags in rows))
    columns = {"tokens": "tokens", "tags": "tags"}
    found = profile(replace(spec, task="token-classification", data=DataSource(path), columns=columns))
    (bad,) = found.unused
    assert bad.place == "tags.jsonl, line 2"
    assert "2" in bad.why and "1" in bad.why
    assert found.labels == {"B-X": 2, "O": 1}


def test_it_can_be_stopped(spec: TrainSpec) -> None:
    class Stopping(Silent):
        def report(self, progress: Progress) -> None:
            self.cancelled = progress.done >= 2000

        def check(self) -> None:
            if self.cancelled:
                raise Cancelled

    with pytest.raises(Cancelled):
        profile(_write(spec, [("x", "a")] * 5000), task=Stopping())

"""Many rows give what each gives alone; a row that fails is named and stops no other; results are read back alike."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import tiny, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported, WorkbenchError
from workbench.engine.models import LoadedModel, load
from workbench.engine.task import Cancelled, Silent
from workbench.engine.tasks import batch, files
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

TEXTS = ("The film", *tiny.SENTENCES, "Paris", "a")


@pytest.fixture(scope="module")
def models(tiny_llama: Checkpoint, tiny_bert, tiny_bert_classifier, tiny_bert_tagger, tmp_path_factory):
    """A model for each task on a text."""
    answerer = tiny_tasks.build_tiny_head(tmp_path_factory.mktemp("c") / "qa", "AutoModelForQuestionAnswering")
    return {
        "text-classification": load(tiny_bert_classifier, device="cpu"),
        "sentence-pair-classification": load(tiny_bert_classifier, device="cpu"),
        "token-classification": load(tiny_bert_tagger, device="cpu"),
        "fill-mask": load(tiny_bert, device="cpu"),
        "feature-extraction": load(tiny_bert, device="cpu"),
        "question-answering": load(answerer, device="cpu"),
        "text-generation": load(tiny_llama, device="cpu"),
    }


def given(name: str) -> list[TaskInput]:
    mask = " [MASK]" if name == "fill-mask" else ""
    return [TaskInput(text + mask, "What a film, the worst I have seen.") for text in TEXTS]


def close(lines: tuple[dict, ...]) -> list[dict]:
    def near(value):
        if isinstance(value, float):
            return pytest.approx(value, abs=1e-5)
        return pytest.approx(value, abs=1e-5) if isinstance(value, list) else value

    return [{key: near(value) for key, value in line.items()} for line in lines]


@pytest.mark.parametrize("size", [1, 4, 64])
@pytest.mark.parametrize("name", [
    "text-classification", "sentence-pair-classification", "token-classification", "fill-mask", "feature-extraction",
    "question-answering",
])  # fmt: skip
def test_a_batch_gives_what_each_row_gives_alone(models, name, size) -> None:
    rows = batch.run(models[name], name, given(name), batch_size=size)
    assert [row.number for row in rows] == list(range(1, len(TEXTS) + 1))
    assert not any(row.error for row in rows)
    for row in rows:
        (alone,) = batch.run(models[name], name, [row.given], batch_size=1)
        assert list(row.lines) == close(alone.lines)
    assert sum(len(row.lines) for row in rows) >= len(rows) - 3


def test_lines_hold_what_the_task_gives(models) -> None:
    (row,) = batch.run(models["text-classification"], "text-classification", [TaskInput("The film")])
    items = tasks.run(models["text-classification"], "text-classification", "The film").items
    assert [(line["label"], line["score"]) for line in row.lines] == [(item.label, item.score) for item in items]


def test_a_batch_is_the_pipelines(models) -> None:
    from transformers import pipeline

    model = models["text-classification"]
    made = pipeline("text-classification", model=model.model, tokenizer=model.tokenizer, device="cpu")
    expected = made(list(TEXTS), batch_size=4)
    rows = batch.run(model, "text-classification", given("text-classification"), TaskOptions(top_k=1), batch_size=4)
    assert [(row.lines[0]["label"], pytest.approx(row.lines[0]["score"], abs=1e-5)) for row in rows] == [
        (entry["label"], entry["score"]) for entry in expected
    ]


def test_pictures_of_one_size_go_together_and_others_alone(tmp_path: Path) -> None:
    model = load(tiny_tasks.build_tiny_vision(tmp_path / "vit", "image-classification"), device="cpu")
    paths = [tiny_seq2seq.picture(tmp_path, f"{n}.png", (20 + n, 30)) for n in range(5)]
    rows = batch.run(model, "image-classification", [TaskInput(image=path) for path in paths], batch_size=3)
    for path, row in zip(paths, rows, strict=True):
        items = tasks.run(model, "image-classification", TaskInput(image=path)).items
        assert [(line["label"], line["score"]) for line in row.lines] == [
            (item.label, pytest.approx(item.score, abs=1e-6)) for item in items
        ]


@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_row_that_fails_is_named_and_stops_no_other(models, size) -> None:
    rows = [TaskInput("a [MASK]"), TaskInput(""), TaskInput("no mask"), TaskInput("[MASK] b"), TaskInput("\ud800")]
    places = [f"masks.csv, line {number}" for number in range(2, 7)]
    found = batch.run(models["fill-mask"], "fill-mask", rows, batch_size=size, places=places)
    assert [bool(row.error) for row in found] == [False, True, True, False, True]
    assert "empty" in found[1].error and "[MASK]" in found[2].error and "surrogate" in found[4].error
    assert found[2].where == "masks.csv, line 4"
    assert all(row.lines for row in found if not row.error)


def test_a_stop_between_two_passes_loses_none_of_the_rows_that_are_done(models) -> None:
    class Stops(Silent):
        def __init__(self) -> None:
            self.rows: list[batch.BatchRow] = []

        def send(self, part) -> None:
            self.rows += part

        def check(self) -> None:
            if len(self.rows) >= 4:
                raise Cancelled

    stops = Stops()
    with pytest.raises(Cancelled):
        batch.run(models["text-classification"], "text-classification", given(""), batch_size=2, task=stops)
    assert [row.number for row in stops.rows] == [1, 2, 3, 4]


def test_progress_is_told_in_rows(models) -> None:
    class Heard(Silent):
        def __init__(self) -> None:
            self.heard: list[tuple[float, float | None, str]] = []

        def report(self, progress) -> None:
            self.heard.append((progress.done, progress.total, progress.unit))

    heard = Heard()
    batch.run(models["text-classification"], "text-classification", given("")[:5], batch_size=2, task=heard)
    assert heard.heard == [(0, 5, "rows"), (2, 5, "rows"), (4, 5, "rows"), (5, 5, "rows")]


@pytest.mark.parametrize("name", ["token-classification", "feature-extraction", "fill-mask"])
def test_results_are_read_back_as_they_were_written(models, name, tmp_path) -> None:
    rows = batch.run(models[name], name, [*given(name)[:3], TaskInput("")])
    table = list(batch.Listing(rows))
    for ending in batch.KINDS:
        batch.save(rows, tmp_path / f"results{ending}")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"results{ending}" for ending in batch.KINDS)
    read = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text("utf-8").splitlines()]
    assert read == table
    with (tmp_path / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = list(csv.DictReader(file))
    assert [cell["row"] for cell in cells] == [str(line["row"]) for line in table]
    assert [cell["error"] for cell in cells] == [line["error"] for line in table]
    import pyarrow.parquet

    stored = pyarrow.parquet.read_table(tmp_path / "results.parquet").to_pylist()
    key = next(key for key in ("score", "vector") if key in table[0])
    for line, back in zip(table, stored, strict=True):
        if line[key] is not None:
            np.testing.assert_allclose(back[key], line[key])
        assert back["text"] == line.get("text")


def test_a_file_that_can_not_be_written_leaves_nothing_behind(models, tmp_path) -> None:
    rows = batch.run(models["text-classification"], "text-classification", given("")[:1])
    with pytest.raises(WorkbenchError, match="Could not save") as caught:
        batch.save(rows, tmp_path / "gone" / "results.csv")
    assert "No such file" in caught.value.why
    with pytest.raises(ValueError, match="ends in none"):
        batch.save(rows, tmp_path / "results.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_done_on_many_rows_is_refused(models) -> None:
    with pytest.raises(InputError, match="no rows"):
        batch.run(models["text-classification"], "text-classification", [])
    with pytest.raises(NotSupported, match="AutoModelForMaskedLM"):
        batch.run(models["fill-mask"], "text-classification", given(""))
    assert not batch.can("text-to-audio")
    assert batch.can("image-segmentation")


def test_scripts_for_rows_are_laid_out_as_ruff_does(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,c\n1,2,3\n")
    every = TaskOptions(
        top_k=None, threshold=0.3, aggregation="none", pooling="cls", normalize=False, do_sample=True, max_length=64,
        multi_label=True, no_answer=True, num_beams=3, function="none", targets=("a", "b"), ignore_labels=(), stride=16,
        chunk_length=None,
    )  # fmt: skip
    folder = tmp_path / "scripts"
    folder.mkdir()
    for spec in tasks.SPECS:
        columns = dict(zip(spec.takes, "abc", strict=False))
        if not batch.can(spec.name) or spec.shows == "cells":
            continue
        inputs = [(tmp_path / "rows.csv", columns)]
        if kind := files.field(spec.takes):
            inputs.append((tmp_path, {kind: files.COLUMN}))
        written = [(path, named, options) for path, named in inputs for options in (TaskOptions(), every)]
        for number, (path, named, options) in enumerate(written):
            source = codegen.task_rows(
                Checkpoint("x", Path("/x")), spec.name, path, named, TaskInput(), options, "auto", "cpu"
            )
            (folder / f"{spec.name.replace('-', '_')}_{number}.py").write_text(source)
    ruff = [sys.executable, "-m", "ruff"]
    plain = ["--isolated", "--line-length=120", str(folder)]
    done = subprocess.run([*ruff, "format", "--diff", *plain], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    done = subprocess.run([*ruff, "check", "--select=E,F,I,W", *plain], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_script_for_rows_answers_each_question_and_goes_on_after_a_failure(models, tmp_path, capsys) -> None:
    model = models["question-answering"]
    context = "Angela Merkel met Barack Obama in Berlin, Germany."
    path = tmp_path / "questions.jsonl"
    asked = [("Where?", context), ("Who?", ""), ("Who met?", context)]
    path.write_text("\n".join(json.dumps({"q": question, "c": text}) for question, text in asked))
    options = tasks.defaults("question-answering")
    names: dict = {}
    columns = {"text": "q", "second": "c"}
    source = codegen.task_rows(
        model.checkpoint, "question-answering", path, columns, TaskInput(), options, model.dtype, "cpu"
    )
    exec(source, names)
    assert "row 3" in capsys.readouterr().out
    rows = batch.run(model, "question-answering", [TaskInput(*each) for each in asked], options)
    for found, row in zip(names["results"], rows, strict=True):
        if row.lines:
            assert [(entry[0], entry[2]) for entry in found] == [(line["answer"], line["start"]) for line in row.lines]
    assert rows[1].error


def test_a_script_for_rows_is_refused_where_a_row_is_no_input(tmp_path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    about = (Checkpoint("x", tmp_path), "text-to-audio", tmp_path / "rows.csv", {"text": "a"}, TaskInput())
    with pytest.raises(NotSupported, match="on rows"):
        codegen.task_rows(*about, TaskOptions(), "auto", "cpu")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_head_that_reads_the_last_place_is_given_no_padding_there(tmp_path, side) -> None:
    import transformers as t

    tokenizer = tiny.byte_level_tokenizer()
    tokenizer.padding_side = side
    tokenizer.save_pretrained(tmp_path)
    labels = dict(enumerate(tiny_tasks.NLI))
    config = t.XLNetConfig(
        vocab_size=len(tokenizer), d_model=16, n_layer=1, n_head=2, d_inner=16, pad_token_id=0, id2label=labels,
        label2id={label: index for index, label in labels.items()},
    )  # fmt: skip
    t.XLNetForSequenceClassification(config).save_pretrained(tmp_path)
    model = load(Checkpoint("tiny-xlnet", tmp_path), device="cpu")
    for row in batch.run(model, "text-classification", given("")[:4], batch_size=4):
        alone = tasks.run(model, "text-classification", row.given).items
        assert row.lines[0]["score"] == pytest.approx(alone[0].score, abs=1e-6)
    labels_given = TaskInput("A film", labels=("a", "politics and more", "travel"))
    result = tasks.run(model, "zero-shot-classification", labels_given)
    made = t.pipeline("zero-shot-classification", model=model.model, tokenizer=model.tokenizer, device="cpu")
    expected = made(labels_given.text, list(labels_given.labels))
    assert [item.score for item in result.items] == pytest.approx(expected["scores"], abs=1e-6)


def test_a_decoder_without_a_pad_token_goes_row_by_row(tiny_llama: Checkpoint) -> None:
    model: LoadedModel = load(tiny_llama, head="AutoModelForSequenceClassification", device="cpu")
    model.model.config.pad_token_id = None
    rows = batch.run(model, "text-classification", given("")[:4], batch_size=4)
    assert not any(row.error for row in rows)
    for row in rows:
        alone = tasks.run(model, "text-classification", row.given).items
        assert row.lines[0]["score"] == pytest.approx(alone[0].score, abs=1e-6)


def test_a_row_of_which_the_model_makes_no_numbers_says_so(tiny_bert) -> None:
    model = load(tiny_bert, head="AutoModel", device="cpu")
    with torch.no_grad():
        model.model.embeddings.word_embeddings.weight[model.tokenizer("film")["input_ids"][1]] = float("nan")
    good, bad = batch.run(model, "feature-extraction", [TaskInput("The fox"), TaskInput("The film")])
    assert good.lines and not good.error
    assert not bad.lines and "NaN in last_hidden_state" in bad.error

"""Every kind of source gives the same rows: a file, a folder, a saved data set, pictures, and a data set of the Hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import tqdm
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from PIL import Image as Pictures

from tests.dataset_server import COMMIT, dataset_server
from workbench.engine import hub
from workbench.engine.codegen.train.reading import reading
from workbench.engine.data import PAGE, ConfigNeeded, guess_roles, load, page, read
from workbench.engine.data.sources import source_files
from workbench.engine.errors import DataError, NetworkError
from workbench.engine.task import Silent
from workbench.engine.train import HEADS, fitting_task
from workbench.engine.values import DataSource, Table

TEXTS = ("good café", "bad", "fine; so so", "dull | grey", "“quoted”", "the last")
LABELS = ("pos", "neg", "pos", "neg", "pos", "neg")
FEATURES = Features(
    {"text": Value("string"), "label": ClassLabel(names=["neg", "pos"]), "tags": List(ClassLabel(names=["O", "B"]))}
)


@pytest.fixture(autouse=True)
def no_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries are called here as well, and tqdm would leave its thread behind."""
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)


@pytest.fixture
def dataset() -> Dataset:
    labels = [["neg", "pos"].index(label) for label in LABELS]
    return Dataset.from_dict({"text": list(TEXTS), "label": labels, "tags": [[0, 1]] * 5 + [[-1]]}, features=FEATURES)


def _write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows), encoding="utf-8")
    elif path.suffix == ".jsonl":
        lines = (json.dumps({"label": label, "text": text}) + "\n" for text, label in rows)
        path.write_text("".join(lines), encoding="utf-8")
    elif path.suffix == ".parquet":
        Dataset.from_list([{"text": text, "label": label} for text, label in rows]).to_parquet(path)
    return path


def _by_script(source: DataSource, columns: dict[str, str]) -> dict[str, list[Any]]:
    """What the lines of a script read."""
    import csv
    import inspect
    import re
    from collections.abc import Mapping

    told = reading(source, columns)
    body = "from __future__ import annotations\n"
    body += "\n\n".join(inspect.getsource(function) for function in told.functions) + "\n\n" + "\n".join(told.lines)
    space: dict[str, Any] = {
        "data": told.data, "json": json, "csv": csv, "re": re, "Any": Any, "Mapping": Mapping, "Iterator": Iterator,
        "Dataset": Dataset,
        **{name: getattr(datasets, name) for name in told.names},
    }  # fmt: skip
    exec(body, space)
    cells = {role: compile(told.cells[name], name, "eval") for role, name in columns.items()}
    return {
        role: [eval(cell, {**space, "record": record}) for record in space["records"]] for role, cell in cells.items()
    }


def _same(source: DataSource, texts: tuple[str, ...] = TEXTS, labels: tuple[str, ...] = LABELS) -> Table:
    """Reading, loading, paging and the script give these rows."""
    table = read(source)
    assert table.total == len(texts)
    at = [table.columns.index(name) for name in ("text", "label")]
    assert [tuple(row[place] for place in at) for row in table.rows] == list(zip(texts, labels, strict=True))
    assert [row[1:] for row in page(table, 0)] == list(table.rows)
    columns = {"text": "text", "label": "label"}
    loaded = load(table.source, columns)
    assert loaded.columns == {"text": list(texts), "label": list(labels)}
    assert len(loaded.places) == len(texts)
    assert _by_script(table.source, columns) == loaded.columns
    return table


def test_parquet_is_read_with_names_of_label_ids(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    dataset.to_parquet(path, batch_size=2)
    table = _same(DataSource(path))
    assert table.columns == ("text", "label", "tags")
    assert table.labels["label"] == {"pos": 3, "neg": 3}
    loaded = load(DataSource(path), {"tags": "tags"})
    assert loaded.columns["tags"] == [["O", "B"]] * 5 + [[None]]
    assert loaded.places[1] == "rows.parquet, row 2"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="damaged Parquet"):
        read(DataSource(path))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet", "saved", "folder"])
def test_columns_inside_objects_are_columns_in_every_format(name: str, tmp_path: Path) -> None:
    rows = [
        {"id": n, "translation": {"en": f"dog {n}", "fr": f"chien {n}"}, "meta": {"by": {"name": "ab"[n % 2]}}}
        for n in range(6)
    ]
    path = tmp_path / name
    if name == "saved":
        Dataset.from_list(rows).save_to_disk(path)
    elif name == "rows.parquet":
        Dataset.from_list(rows).to_parquet(path)
    elif name == "rows.json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path = path / "rows.jsonl" if name == "folder" else path
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    source = DataSource(tmp_path / name)
    table = read(source)
    inside = ("translation.en", "translation.fr")
    assert table.columns == ("id", "translation", *inside, "meta", "meta.by", "meta.by.name")
    assert table.rows[1][2:4] == ("dog 1", "chien 1")
    assert page(table, 0)[1][3:5] == ("dog 1", "chien 1")
    assert table.labels["meta.by.name"] == {"a": 3, "b": 3}
    columns = {"source": "translation.en", "target": "translation.fr", "label": "meta.by.name"}
    loaded = load(source, columns)
    assert loaded.columns["target"] == [f"chien {n}" for n in range(6)]
    assert _by_script(source, columns) == loaded.columns
    with pytest.raises(DataError, match=r"no column “translation\.de”"):
        load(source, {"source": "translation.de"})


def test_squad_as_it_is_published_has_a_row_for_each_question(tmp_path: Path) -> None:
    path = tmp_path / "train-v2.0.json"
    asked = [
        {"id": "a", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}], "is_impossible": False},
        {"id": "b", "question": "When?", "answers": [], "is_impossible": True},
    ]
    articles = [
        {"title": f"T {n}", "paragraphs": [{"context": f"Ada wrote {n}.", "qas": asked}] * 2} for n in range(60)
    ]
    path.write_text(json.dumps({"version": "v2.0", "data": articles}), encoding="utf-8")
    source = DataSource(path)
    table = read(source)
    assert table.total == 240
    assert table.columns[:5] == ("id", "title", "context", "question", "answers")
    assert page(table, 1)[0] == ("row 101", *table.rows[100])
    columns = {"question": "question", "context": "context", "answers": "answers"}
    assert fitting_task(table, HEADS) == "question-answering"
    assert guess_roles(table, HEADS["question-answering"].roles) == columns
    loaded = load(source, columns)
    assert loaded.columns["answers"][:2] == [{"text": ["Ada"], "answer_start": [0]}, {"text": [], "answer_start": []}]
    assert _by_script(source, columns) == loaded.columns


def test_a_dictionary_of_its_own_is_no_set_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "counts.jsonl"
    rows = ({"text": f"t {n}", "counts": {f"word {n} {m}": m for m in range(9)}, "a.b": n} for n in range(9))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    table = read(DataSource(path))
    assert table.columns == ("text", "counts", "a.b")
    assert load(DataSource(path), {"text": "a.b"}).columns == {"text": list(range(9))}


def test_pages_begin_anywhere_in_any_kind_of_file(tmp_path: Path) -> None:
    rows = [(f"text {number}\nof “two” lines" if number % 7 == 0 else f"text {number}", "x") for number in range(450)]
    objects = [{"text": text, "label": label} for text, label in rows]
    paths = {name: tmp_path / name for name in ("a.csv", "a.jsonl", "a.json", "in.json", "a.parquet", "wide.csv")}
    _write(paths["a.csv"], rows)
    _write(paths["a.jsonl"], rows)
    paths["wide.csv"].write_text(paths["a.csv"].read_text(encoding="utf-8"), encoding="utf-16", newline="\r\n")
    paths["a.json"].write_text(json.dumps(objects, indent=1, ensure_ascii=False), encoding="utf-8")
    paths["in.json"].write_text(json.dumps({"a": [1, "é"], "data": objects, "z": {}}), encoding="utf-8")
    Dataset.from_list(objects).to_parquet(paths["a.parquet"], batch_size=64)
    for name, path in paths.items():
        table = read(DataSource(path))
        found = [row for number in range(-(-table.total // PAGE)) for row in page(table, number)]
        place = [table.columns.index(column) + 1 for column in ("text", "label")]
        cells = [tuple(row[at] for at in place) for row in found]
        expected = [(text.replace("\n", "\r\n"), label) for text, label in rows] if name == "wide.csv" else rows
        assert cells == expected, name
        loaded = load(DataSource(path), {"text": "text"})
        assert [f"{name}, {row[0]}" for row in found] == loaded.places, name


def test_the_files_of_a_folder_follow_one_another(tmp_path: Path) -> None:
    pairs = list(zip(TEXTS, LABELS, strict=True))
    _write(tmp_path / "set" / "a.csv", pairs[:2])
    _write(tmp_path / "set" / "b.jsonl", pairs[2:3])
    _write(tmp_path / "set" / "c.parquet", pairs[3:5])
    _write(tmp_path / "set" / "deep" / "d.csv", pairs[5:])
    (tmp_path / "set" / "README.txt").write_text("about", encoding="utf-8")
    (tmp_path / "set" / ".hidden.csv").write_text("text,label\nno,no\n", encoding="utf-8")
    _same(DataSource(tmp_path / "set"))
    places = load(DataSource(tmp_path / "set"), {"text": "text"}).places
    told = ("a.csv, line 2", "a.csv, line 3", "b.jsonl, line 1", "c.parquet, row 1", "c.parquet, row 2")
    assert places == [*told, "deep/d.csv, line 2"]


def test_the_test_file_of_a_folder_is_a_split_and_never_trained_on(tmp_path: Path) -> None:
    pairs = list(zip(TEXTS, LABELS, strict=True))
    _write(tmp_path / "train.csv", pairs[:4])
    _write(tmp_path / "my-test.csv", pairs[4:])
    table = _same(DataSource(tmp_path), TEXTS[:4], LABELS[:4])
    assert (table.source.split, table.splits) == ("train", ("train", "test"))
    _same(DataSource(tmp_path, split="test"), TEXTS[4:], LABELS[4:])
    with pytest.raises(DataError, match="no split “dev”"):
        read(DataSource(tmp_path, split="dev"))


def test_a_saved_data_set_is_read_with_its_splits(dataset: Dataset, tmp_path: Path) -> None:
    dataset.save_to_disk(tmp_path / "one")
    DatasetDict({"train": dataset.select(range(4)), "test": dataset.select([5, 4])}).save_to_disk(tmp_path / "two")
    assert _same(DataSource(tmp_path / "one")).splits == ()
    assert _same(DataSource(tmp_path / "two"), TEXTS[:4], LABELS[:4]).splits == ("train", "test")
    _same(DataSource(tmp_path / "two", split="test"), TEXTS[:3:-1], LABELS[:3:-1])
    assert load(DataSource(tmp_path / "two"), {"text": "text"}).places[0] == "two (train), row 1"
    (tmp_path / "one" / "state.json").write_text("{}")
    with pytest.raises(DataError, match="damaged"):
        read(DataSource(tmp_path / "one"))


def test_pictures_in_class_folders_have_paths_and_labels(tmp_path: Path) -> None:
    for label, colour in (("cat", "red"), ("dog", "blue")):
        for number in range(2):
            (tmp_path / label).mkdir(exist_ok=True)
            Pictures.new("RGB", (4, 4), colour).save(tmp_path / label / f"{number}.png")
    table = read(DataSource(tmp_path))
    assert table.columns == ("image", "label")
    assert table.labels["label"] == {"cat": 2, "dog": 2}
    columns = {"image": "image", "label": "label"}
    loaded = load(table.source, columns).columns
    assert [Path(path).relative_to(tmp_path).as_posix() for path in loaded["image"]] == [
        "cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png",
    ]  # fmt: skip
    assert loaded["label"] == ["cat", "cat", "dog", "dog"]
    assert _by_script(table.source, columns) == loaded


def test_the_files_that_rows_come_from_are_known(dataset: Dataset, tmp_path: Path) -> None:
    saved, mixed, seen = tmp_path / "saved", tmp_path / "mixed", tmp_path / "seen"
    dataset.save_to_disk(saved)
    (saved / "cache-0123.arrow").write_bytes(b"what a map left")
    names = {file.name for file in source_files(DataSource(saved))}
    assert any(name.endswith(".arrow") for name in names)
    assert "cache-0123.arrow" not in names
    mixed.mkdir()
    for name in ("b.csv", "a.csv", "test.csv", "README.md", "notes.md"):
        (mixed / name).write_text("text\na\n", encoding="utf-8")
    assert [file.name for file in source_files(DataSource(mixed))] == ["a.csv", "b.csv"]
    assert [file.name for file in source_files(DataSource(mixed, split="test"))] == ["test.csv"]
    (seen / "cats").mkdir(parents=True)
    (seen / "cats" / "1.png").write_bytes(b"a picture")
    assert [file.name for file in source_files(DataSource(seen))] == ["1.png"]
    assert source_files(DataSource(mixed / "a.csv")) == ()


def test_a_folder_without_data_says_so(tmp_path: Path) -> None:
    (tmp_path / "photo.heic").write_bytes(b"x")
    with pytest.raises(DataError, match="no data file, no picture"):
        read(DataSource(tmp_path))


# The Hub.

README = b"""---
configs:
- config_name: small
  data_files:
  - {split: train, path: small/train.jsonl}
  - {split: test, path: small/test.jsonl}
- config_name: other
  data_files: other.csv
---
"""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """Starts a server with these files and points the libraries to it."""
    import contextlib

    import huggingface_hub.constants as constants

    with contextlib.ExitStack() as stack:

        def serve(**files: bytes) -> list[str]:
            address, asked = stack.enter_context(dataset_server("someone/reviews", files))
            for module in (constants, datasets.config):
                name = "ENDPOINT" if module is constants else "HF_ENDPOINT"
                monkeypatch.setattr(module, name, address)
            monkeypatch.setattr(
                constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
            )
            monkeypatch.setattr(
                datasets.config, "HUB_DATASETS_URL", address + "/datasets/{repo_id}/resolve/{revision}/{path}"
            )
            monkeypatch.setenv("HF_ENDPOINT", address)
            monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
            monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
            return asked

        yield serve
    hub.set_offline(False)


def _hub_files() -> dict[str, bytes]:
    rows = [json.dumps({"text": text, "label": label}) for text, label in zip(TEXTS, LABELS, strict=True)]
    return {
        "README.md": README,
        "small/train.jsonl": "\n".join(rows[:4]).encode(),
        "small/test.jsonl": "\n".join(rows[4:]).encode(),
        "other.csv": b"text,label\nq,1\n",
    }


def test_a_data_set_of_the_hub_is_fetched_once(serve: Callable[..., list[str]]) -> None:
    asked = serve(**_hub_files())
    table = _same(DataSource(repo="someone/reviews", config="small"), TEXTS[:4], LABELS[:4])
    assert (table.source.revision, table.splits) == (COMMIT, ("train", "test"))
    asked.clear()
    assert load(table.source, {"text": "text"}).columns["text"] == list(TEXTS[:4])
    assert asked == []
    _same(DataSource(repo="someone/reviews", config="small", split="test"), TEXTS[4:], LABELS[4:])
    hub.set_offline(True)
    assert read(DataSource(repo="someone/reviews", config="small")).source.revision == COMMIT


def test_what_the_hub_refuses_is_worded(serve: Callable[..., list[str]]) -> None:
    serve(**_hub_files())
    with pytest.raises(ConfigNeeded, match="“small”, “other”") as needed:
        read(DataSource(repo="someone/reviews"))
    assert needed.value.configs == ("small", "other")
    for source, told in {
        DataSource(repo="someone/nothing"): "no public repository called someone/nothing",
        DataSource(repo="someone/reviews", config="small", revision="nowhere"): "no such revision",
    }.items():
        with pytest.raises(NetworkError, match=told):
            read(source)
    with pytest.raises(DataError, match="no split “dev”"):
        read(DataSource(repo="someone/reviews", config="small", split="dev"))
    with pytest.raises(DataError, match="no name of a data set"):
        read(DataSource(repo="../reviews"))


def test_a_program_of_a_repository_is_refused(serve: Callable[..., list[str]], tmp_path: Path) -> None:
    made = tmp_path / "made"
    serve(**{"reviews.py": f"open({str(made)!r}, 'w')\n".encode()})
    with pytest.raises(DataError, match="never run"):
        read(DataSource(repo="someone/reviews"))
    assert not made.exists()


def test_without_network_it_says_so() -> None:
    with pytest.raises(NetworkError, match="could not be reached"):
        read(DataSource(repo="someone/reviews"))
    hub.set_offline(True)
    try:
        with pytest.raises(NetworkError, match="never fetched"):
            read(DataSource(repo="someone/never"), task=Silent())
    finally:
        hub.set_offline(False)

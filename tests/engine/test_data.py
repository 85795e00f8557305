"""Reading data files: every dialect gives the same table, and every fault is told with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.engine import paths
from workbench.engine.data import PREVIEW_ROWS, guess_roles, load, read, sniff
from workbench.engine.errors import DataError
from workbench.engine.task import Cancelled, Silent
from workbench.engine.train import HEADS
from workbench.engine.values import DataSource, Table

ROWS = [("good café, really", "1"), ("bad “one”", "0"), ("fine; so so", "1"), ("dull | grey", "0")] * 3


def _csv(path: Path, delimiter: str = ",", encoding: str = "utf-8", header: str = "text,label") -> Path:
    lines = [header.replace(",", delimiter)] if header else []
    lines += [f'"{text}"{delimiter}{label}' for text, label in ROWS]
    path.write_text("\r\n".join(lines) + "\r\n", encoding=encoding, newline="")
    return path


def _guess(table: Table) -> tuple[str | None, str | None]:
    guessed = guess_roles(table, HEADS["text-classification"].roles)
    assert set(guessed) <= {"text", "label"}
    return guessed.get("text"), guessed.get("label")


def _is_rows(path: Path) -> None:
    table = read(DataSource(path))
    assert table.columns == ("text", "label")
    assert table.rows == tuple(ROWS)
    assert table.total == len(ROWS)
    assert table.labels["label"] == {"1": 6, "0": 6}


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_delimiter_and_encoding_are_found_out(tmp_path: Path, delimiter: str, encoding: str) -> None:
    _is_rows(_csv(tmp_path / "rows.csv", delimiter, encoding))


def test_tsv_json_and_jsonl_give_the_same_table(tmp_path: Path) -> None:
    objects = [{"text": text, "label": int(label)} for text, label in ROWS]
    _is_rows(_csv(tmp_path / "rows.tsv", "\t"))
    for name, content in {
        "rows.jsonl": "\n".join(json.dumps(row) for row in objects) + "\n\n",
        "rows.ndjson": "\n".join(json.dumps(row, ensure_ascii=False) for row in objects),
        "rows.json": json.dumps(objects, indent=1),
        "nested.json": json.dumps({"version": "1", "data": objects}),
        "lines.json": "\n".join(json.dumps(row) for row in objects),
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        _is_rows(tmp_path / name)


def test_a_file_without_header_keeps_its_first_row(tmp_path: Path) -> None:
    table = read(DataSource(_csv(tmp_path / "rows.csv", header="")))
    assert table.columns == ("column_1", "column_2")
    assert table.rows == tuple(ROWS)
    assert _guess(table) == ("column_1", "column_2")


def test_plain_text_is_a_text_a_line(tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("Roses are red,\n\nviolets are blue.\n", encoding="utf-8")
    table = read(DataSource(tmp_path / "poem.txt"))
    assert table.columns == ("text",)
    assert table.rows == (("Roses are red,",), ("violets are blue.",))
    assert _guess(table) == ("text", None)


def test_cells_may_hold_line_breaks_quotes_and_the_delimiter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"one, ""two""\nthree",x\n,y\n', encoding="utf-8")
    assert read(DataSource(tmp_path / "a.csv")).rows == (('one, "two"\nthree', "x"), ("", "y"))


def test_odd_column_names_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,,text\na,b,c\n", encoding="utf-8")
    assert read(DataSource(tmp_path / "a.csv")).columns == ("text", "column_2", "text_2")


def test_json_values_become_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "é", "y": true, "z": null}\n{"y": [1], "w": 0.5}\n', encoding="utf-8")
    table = read(DataSource(tmp_path / "a.jsonl"))
    assert table.columns == ("text", "y", "z", "w")
    assert table.rows == (("é", "true", "", ""), ("", "[1]", "", "0.5"))


def test_the_preview_is_bounded_and_the_counts_are_not(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("text,label\n" + "".join(f"row {n},{n % 3}\n" for n in range(5000)), encoding="utf-8")
    table = read(DataSource(path))
    assert (len(table.rows), table.total) == (PREVIEW_ROWS, 5000)
    assert table.labels == {"label": {"0": 1667, "1": 1667, "2": 1666}}


def test_reading_can_be_stopped(tmp_path: Path) -> None:
    class Stopping(Silent):
        def check(self) -> None:
            raise Cancelled

    path = tmp_path / "long.csv"
    path.write_text("text,label\n" + "a,b\n" * 5000, encoding="utf-8")
    with pytest.raises(Cancelled):
        read(DataSource(path), task=Stopping())


def test_the_sample_is_whole_and_clean() -> None:
    table = read(DataSource(paths.asset("samples/movie_reviews.csv")))
    assert table.columns == ("id", "rating", "text", "label")
    assert table.total == 10_605
    assert table.labels == {"label": {"negative": 5363, "positive": 5242}}
    assert _guess(table) == ("text", "label")
    columns = load(table.source, {name: name for name in ("rating", "text", "label")}).columns
    assert all(
        (float(r) > 0) == (name == "positive") for r, name in zip(columns["rating"], columns["label"], strict=True)
    )
    joined = " ".join(columns["text"])
    assert not [mark for mark in ("Ã", "â€", "�", "&amp;", "&#", "\x00", "\xa0") if mark in joined]
    assert paths.asset("samples/movie_reviews.LICENSE.txt").read_text(encoding="utf-8").count("MIT License") == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.csv", b"", "empty"),
        ("blank.csv", b"\n \n\n", "blank lines"),
        ("header.csv", b"text,label\n", "no rows"),
        ("ragged.csv", b"text,label\na,b\nc,d,e\n" + b"f,g\n" * 9, "line 3 has 3 cells"),
        ("broken.csv", b'text,label\n"a\nb",c\nd\ne,f\n', "line 4 has 1 cell"),
        ("quote.csv", b'text,label\na,b\n"c,d\ne,f\n', "begins on line 3"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        ("sheet.csv", b"PK\x03\x04rest", "zip"),
        ("table.csv", b"PAR1rest", "Parquet"),
        ("a.jsonl", b'{"text": "a"}\n{"text": }\n', "line 2 is not valid JSON"),
        ("b.jsonl", b'{"text": "a"}\n\n["b"]\n', "line 3 is no object"),
        ("a.json", b'[{"text": "a"},\n {"text" "b"}]', "line 2 is not valid JSON"),
        ("b.json", b'[{"text": "a"}, 7]', "element 2"),
        ("c.json", b'{"text": "a"}', "no list"),
        ("d.json", b"[]", "no rows"),
    ],
)
def test_a_bad_file_is_worded(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as failure:
        read(DataSource(tmp_path / name))
    assert told in str(failure.value)
    assert failure.value.remedy


def test_a_missing_file_and_a_missing_column_are_worded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        sniff(tmp_path / "nowhere.csv")
    path = _csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match=r"no column “stars”.*“text”, “label”"):
        load(DataSource(path), {"text": "text", "label": "stars"})
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="no column “label”"):
        load(DataSource(tmp_path / "a.jsonl"), {"text": "text", "label": "label"})


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        ("id,review,stars", [("1", "what a long and winding text", "5"), ("2", "another long text here", "1")],
         ("review", "stars")),
        ("category,words", [("a", "some long words"), ("b", "more long words")], ("words", "category")),
        ("a,b", [("x", "something long"), ("y", "something longer"), ("x", "something else")], ("b", "a")),
        ("note,mood,said",
         [("x", "calm", "some long words"), ("", "glad", "more long words"), ("", "sad", "other words"),
          ("y", "calm", "yet more words"), ("x", "glad", "and other words"), ("x", "sad", "last words")],
         ("said", "mood")),
        ("text", [("alone",), ("more",)], ("text", None)),
    ],
)  # fmt: skip
def test_columns_are_guessed(
    tmp_path: Path, header: str, rows: list[tuple[str, ...]], expected: tuple[str, str | None]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    assert _guess(read(DataSource(path))) == expected

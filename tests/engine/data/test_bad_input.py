"""Files as they should not be: mixed encodings and line breaks, endless lines, mixed types; nothing goes in silence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.data.test_sources import _by_script
from workbench.engine.data import PREVIEW_ROWS, load, page, read
from workbench.engine.data.lines import CUT, LONGEST
from workbench.engine.errors import DataError
from workbench.engine.task import Silent
from workbench.engine.train.heads import HEADS
from workbench.engine.values import Checkpoint, DataSource, Table, TrainSpec

BOTH = {"text": "text", "label": "label"}


def test_line_breaks_of_all_systems_in_one_file_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_bytes(b'text,label\r\none,a\ntwo,b\rthree,a\r\n"fo\nur",b\r\rfive,a')
    loaded = load(DataSource(path), BOTH)
    assert loaded.columns["text"] == ["one", "two", "three", "fo\nur", "five"]
    assert [place.rpartition(" ")[2] for place in loaded.places] == ["2", "3", "4", "5", "8"]
    assert _by_script(DataSource(path), BOTH) == loaded.columns
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(b'{"text": "one\xe2\x80\xa8a"}\r\n{"text": "two"}\r\r{"text": "three"}\n')
    loaded = load(DataSource(path), {"text": "text"})
    assert loaded.columns["text"] == ["one\u2028a", "two", "three"]
    assert [place.rpartition(" ")[2] for place in loaded.places] == ["1", "2", "4"]
    assert _by_script(DataSource(path), {"text": "text"}) == loaded.columns


def test_a_line_break_between_two_blocks_is_one(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"a" * ((1 << 20) - 1) + b"\r\nb\r\nc")
    rows = load(DataSource(path), {"text": "text"})
    assert [len(text) for text in rows.columns["text"]][-2:] == [1, 1]
    assert rows.places[-2:] == ["long.txt, line 2", "long.txt, line 3"]


def test_a_few_stray_bytes_cost_only_their_rows(tmp_path: Path, tiny_bert: Checkpoint) -> None:
    path = tmp_path / "stray.csv"
    path.write_bytes("text,label\ncafé,a\nnaïve,b\n".encode() + b"caf\xe9,a\n" + "größer,b\n".encode())
    loaded = load(DataSource(path), BOTH)
    spec = TrainSpec("text-classification", tiny_bert, DataSource(path), BOTH, tmp_path / "out")
    head = HEADS["text-classification"]
    rows = [dict(zip(BOTH, row, strict=True)) for row in zip(*loaded.columns.values(), strict=True)]
    problems = [head.problem(row, spec) for row in rows]
    assert [bool(why) for why in problems] == [False, False, True, False]
    assert loaded.places[2] == "stray.csv, line 4"
    kept = [text for text, why in zip(loaded.columns["text"], problems, strict=True) if not why]
    assert _by_script(DataSource(path), BOTH)["text"] == kept == ["café", "naïve", "größer"]
    # A page shows such a row as well as can be.
    assert page(read(DataSource(path)), 0)[2][1] == "caf\udce9"


def test_windows_1252_stays_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes("text,label\n“café”,a\nnaïve – so,b\n".encode("cp1252"))
    loaded = load(DataSource(path), BOTH)
    assert loaded.columns["text"] == ["“café”", "naïve – so"]
    assert _by_script(DataSource(path), BOTH) == loaded.columns


_MEASURED = """
import resource, sys, time
from pathlib import Path
from workbench.engine.data import read
from workbench.engine.errors import DataError
from workbench.engine.values import DataSource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.perf_counter()
try:
    table = read(DataSource(Path(sys.argv[1])))
    print(table.total)
except DataError as error:
    print(error)
print(time.perf_counter() - begun)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_a_line_of_100_mb_neither_stalls_nor_fills_the_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    begin, row = {
        "a.jsonl": (b'{"text": "fine"}\n', b'{"text": "'),
        "a.json": (b'[{"text": "fine"},\n', b'{"text": "'),
        "a.csv": (b"text,label\nfine,a\n", b'"'),
        "a.txt": (b"fine\n", b""),
    }[name]
    with path.open("wb") as file:
        file.write(begin + row)
        for _ in range(100):
            file.write(b"word and " * 116_508 + b"1234")
    done = subprocess.run([sys.executable, "-c", _MEASURED, str(path)], capture_output=True, text=True, check=True)
    said, seconds, megabytes = done.stdout.splitlines()
    if name == "a.txt":
        assert int(said) == 1 + 105
    else:
        assert "line 2 is longer than 32 MB" in said or "line 3 is longer than 32 MB" in said
        assert "line breaks are missing" in said
    assert float(seconds) < 20
    assert float(megabytes) < 250


def test_a_long_line_of_text_becomes_rows_and_no_letter_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    text = "wörter und größe " * 150_000
    path.write_text(f"first\n{text}\nlast\n", encoding="utf-8")
    rows = load(DataSource(path), {"text": "text"})
    assert "".join(rows.columns["text"][1:-1]) == text
    assert len(rows.columns["text"]) == 5
    assert rows.places[1:4] == ["book.txt, line 2"] * 3
    assert all(len(part.encode()) <= CUT for part in rows.columns["text"])
    assert _by_script(DataSource(path), {"text": "text"}) == rows.columns
    path.write_text("é" * CUT, encoding="utf-8")
    assert "".join(load(DataSource(path), {"text": "text"}).columns["text"]) == "é" * CUT


def test_a_cell_may_be_longer_than_the_csv_module_takes_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(f'text,label\n"{"a, b " * 60_000}",x\nb,y\n', encoding="utf-8")
    loaded = load(DataSource(path), BOTH)
    assert [len(text) for text in loaded.columns["text"]] == [300_000, 1]
    assert _by_script(DataSource(path), BOTH) == loaded.columns
    assert LONGEST > 300_000


def test_a_column_of_mixed_types_keeps_its_types_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    values = [1, "1", 2.5, None, True, ["a"], {"b": 1}]
    path.write_text("".join(json.dumps({"text": "t", "label": value}) + "\n" for value in values), encoding="utf-8")
    table = read(DataSource(path))
    assert table.kinds["label"] == {
        "number": 2, "text": 1, "nothing": 1, "truth value": 1, "list": 1, "object": 1,
    }  # fmt: skip
    assert load(DataSource(path), {"label": "label"}).columns["label"] == values
    assert [row[1] for row in table.rows] == ["1", "1", "2.5", "", "true", '["a"]', '{"b": 1}']


def test_the_first_rows_come_before_the_whole_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(5000):
            file.write(json.dumps({"text": f"row {number}"}) + "\n")
        file.write("{broken\n")
    parts: list[Table] = []

    class Parts(Silent):
        def send(self, part: object) -> None:
            assert isinstance(part, Table)
            parts.append(part)

    with pytest.raises(DataError, match="line 5001 is not valid JSON"):
        read(DataSource(path), task=Parts())
    (first,) = parts
    assert not first.complete
    assert [row[0] for row in first.rows] == [f"row {number}" for number in range(PREVIEW_ROWS)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'[{"text": "a"}] [1]', "something follows the list"),
        (b'[{"text": "a"},', "line 1 is not valid JSON"),
        (b'[{"text": "a"}', "line 1 is not valid JSON"),
        (b'[{"text": "a"}\n{"text": "b"}]', "line 2 is not valid JSON"),
        (b"[" * 100_000, "line 1 is not valid JSON"),
    ],
)
def test_a_broken_list_is_told_by_its_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as failure:
        read(DataSource(path))
    assert told in str(failure.value)

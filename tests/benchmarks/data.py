"""What previewing and profiling a large file costs, each a side of a comparison for `child`."""

from __future__ import annotations

import json
import random
import resource
import tempfile
import time
from pathlib import Path

_BYTES = 1_000_000_000
_WORDS = "the film was good bad café naïve plot story actors wonderful terrible slow fast dark light music “quoted”"


def large_file(size: int = _BYTES) -> dict[str, float]:
    """First rows, whole reading, profile and memory over start, of a generated JSONL of 1 GB."""
    from tests import tiny
    from workbench.engine.data import page, read
    from workbench.engine.task import Silent
    from workbench.engine.tokens import load_tokenizer
    from workbench.engine.train import profile
    from workbench.engine.values import DataSource, TrainSpec

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.jsonl"
        rows = _write(path, size)
        checkpoint = tiny.build_tiny_bert(Path(folder) / "tiny-bert")
        # What any run needs is there before the clock runs: the libraries and a tokenizer.
        import datasets  # noqa: F401

        load_tokenizer(checkpoint)
        started = _peak()
        begun = time.perf_counter()
        first: list[float] = []

        class Parts(Silent):
            def send(self, part: object) -> None:
                first.append(time.perf_counter() - begun)

        table = read(DataSource(path), task=Parts())
        read_seconds = time.perf_counter() - begun
        last = page(table, (rows - 1) // 100)
        spec = TrainSpec(
            "text-classification", checkpoint, table.source, {"text": "text", "label": "label"}, Path(folder) / "out"
        )
        begun = time.perf_counter()
        found = profile(spec)
        seconds = time.perf_counter() - begun
        if (table.total, found.usable, last[-1][1]) != (rows, rows, str(rows - 1)):
            raise SystemExit("not every row was read")
        return {
            "rows": rows,
            "first_s": first[0],
            "read_s": read_seconds,
            "profile_s": seconds,
            "mb": (_peak() - started) / 1024,
        }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _write(path: Path, size: int) -> int:
    draw = random.Random(0)
    words = _WORDS.split()
    written = rows = 0
    with path.open("wb") as file:
        while written < size:
            row = {"id": rows, "text": " ".join(draw.choices(words, k=draw.randint(20, 120))), "label": rows % 2}
            line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
            written += file.write(line)
            rows += 1
    return rows

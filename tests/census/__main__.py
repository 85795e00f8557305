"""``make census``: every architecture of the installed library, with every Auto class, run as the window runs it."""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from tests.census.kinds import Entry, entries
from tests.census.table import markdown

#: Lines of the tables that one process does, and the seconds that one of them may take.
_BATCH, _SECONDS = 120, 240


def main() -> int:
    """Run what was not run yet, and write the table."""
    parser = argparse.ArgumentParser(prog="make census", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="TYPE", help="these model types alone")
    parser.add_argument("--head", nargs="+", default=[], metavar="AUTO", help="these Auto classes alone")
    kept = Path("build", "census.jsonl")
    parser.add_argument("--json", type=Path, default=kept, help="kept line by line, and gone on with")
    parser.add_argument("--markdown", type=Path, default=kept.with_suffix(".md"), help="the table")
    parser.add_argument("--again", action="store_true", help="run what has failed once more")
    asked = parser.parse_args()
    every = entries()
    known = _known(asked.json, again=asked.again)
    todo = [
        each
        for each in every
        if each not in known and each.kind in (asked.only or [each.kind]) and each.head in (asked.head or [each.head])
    ]
    print(f"{len(every):,} lines in the library's tables, {len(todo):,} to run; they are kept in {asked.json}.")
    for file in (asked.json, asked.markdown):
        file.parent.mkdir(parents=True, exist_ok=True)
    with asked.json.open("a", encoding="utf-8") as file:
        for number, (entry, seen) in enumerate(_run(todo), 1):
            file.write(json.dumps({**asdict(entry), "seen": seen}) + "\n")
            file.flush()
            known[entry] = seen
            wrong = [f"{what}: {said}" for what, said in seen.items() if said.startswith(("FAILS", "DIFFERS"))]
            print(f"{number:,}/{len(todo):,} {entry.kind} {entry.head} {'; '.join(wrong)[:200]}", flush=True)
    asked.markdown.write_text(markdown([(each, known[each]) for each in every if each in known]), encoding="utf-8")
    print(f"The table is in {asked.markdown}.")
    return 0


def _known(path: Path, *, again: bool) -> dict[Entry, dict[str, str]]:
    """What earlier runs have kept; of several lines the last one holds."""
    found: dict[Entry, dict[str, str]] = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        row = json.loads(line)
        found[Entry(row["kind"], row["head"], row["name"])] = row["seen"]
    good = {entry: seen for entry, seen in found.items() if not any(_is_wrong(said) for said in seen.values())}
    return good if again else found


def _is_wrong(said: str) -> bool:
    return said.startswith(("FAILS", "DIFFERS", "not built", "missing"))


def _run(todo: Sequence[Entry]) -> Iterator[tuple[Entry, dict[str, str]]]:
    """Run lines in processes of their own, so that one that takes all memory or dies takes none of the others along."""
    rest = list(todo)
    while rest:
        batch, done = rest[:_BATCH], 0
        with subprocess.Popen(
            [sys.executable, "-m", "tests.census.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        ) as worker:  # fmt: skip
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.write(json.dumps([asdict(each) for each in batch]))
            worker.stdin.close()
            why = "it ended its process"
            lines = _lines(worker.stdout)
            try:
                while (seen := lines.get(timeout=_SECONDS)) is not None:
                    yield batch[done], seen
                    done += 1
            except queue.Empty:
                why = f"it took longer than {_SECONDS} s"
                worker.kill()
        if done < len(batch):
            yield batch[done], {"load": f"FAILS: {why}"}
            done += 1
        rest = rest[done:]


def _lines(stream: IO[str]) -> queue.Queue[Any]:
    """What a process says, read by a thread so that it can be waited for with a limit; None at the end."""
    found: queue.Queue[Any] = queue.Queue()

    def read() -> None:
        for line in stream:
            if line.startswith("{"):
                found.put(json.loads(line))
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    return found


if __name__ == "__main__":
    sys.exit(main())

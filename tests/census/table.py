"""The table of the census: what each architecture does with each Auto class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.census.kinds import Entry

_STATES = (
    ("equal", "equal to pipeline(), generate() or the documented calls, script and inside included"),
    ("runs", "runs, but a part of it is not compared or not given by the library"),
    ("refused", "refused in words, with the reason"),
    ("library", "fails in plain transformers too, whose error is told"),
    ("fails", "fails or differs"),
    ("not built", "no tiny checkpoint could be built"),
)


def state(seen: dict[str, str]) -> str:
    """One of the states of the table for all that was seen of a line."""
    if "library" in seen:
        return "library"
    said = list(seen.values())
    if any(each.startswith("not built") for each in said):
        return "not built"
    if any(each.startswith(("FAILS", "DIFFERS")) for each in said):
        return "fails"
    tasks = [each for what, each in seen.items() if what.startswith("task ")]
    if not tasks or all(each.startswith("refused") for each in tasks):
        return "refused"
    compared = [each for what, each in seen.items() if what.startswith(("pipeline ", "script "))]
    return "equal" if any(each.startswith("= ") for each in compared) else "runs"


def markdown(rows: Sequence[tuple[Entry, dict[str, str]]]) -> str:
    """The whole table, with its counts at the top."""
    counts = Counter(state(seen) for _, seen in rows)
    lines = ["# Census of the installed transformers", ""]
    lines += [f"- {counts[name]:,} {name}: {words}" for name, words in _STATES]
    lines += ["", f"{len(rows):,} lines, {len({entry.kind for entry, _ in rows}):,} architectures.", ""]
    lines += ["| type | Auto class | state | task | inside | writes | words |", "|---|---|---|---|---|---|---|"]
    for entry, seen in rows:
        cells = (entry.kind, entry.head, state(seen), _tasks(seen), _short(seen, "inside", "maps"),
                 _short(seen, "writes"), _words(seen))  # fmt: skip
        lines.append("| " + " | ".join(each.replace("|", "/").replace("\n", " ") for each in cells) + " |")
    return "\n".join(lines) + "\n"


def _tasks(seen: dict[str, str]) -> str:
    names = [what.removeprefix("task ") for what in seen if what.startswith("task ")]
    return ", ".join(f"{name} {_best(seen, name)}" for name in names)


def _best(seen: dict[str, str], name: str) -> str:
    said = [seen.get(f"{step} {name}", "") for step in ("pipeline", "script", "task")]
    return next((each for each in said if each.startswith("= ")), said[-1].split(":")[0])


def _short(seen: dict[str, str], *names: str) -> str:
    return "; ".join(seen[name].split(":")[0] for name in names if name in seen)


def _words(seen: dict[str, str]) -> str:
    plain = ("refused", "FAILS", "DIFFERS", "not built", "missing", "pipeline() fails")
    told = ("build", "library")
    return _joined(f"{what}: {said}" for what, said in seen.items() if said.startswith(plain) or what in told)


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(part[:260] for part in parts)

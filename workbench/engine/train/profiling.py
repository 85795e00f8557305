"""What the rows of a run are like before it starts: what can't be used, what repeats, the labels and the lengths."""

from __future__ import annotations

import random
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.data import as_text, scan
from workbench.engine.errors import DataError, WorkbenchError
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tokens import load_tokenizer
from workbench.engine.train.heads import HEADS
from workbench.engine.train.rows import Unused
from workbench.engine.values import DataSource, TrainSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Rows whose tokens are counted; of more rows as many are drawn, each equally likely.
MEASURED = 5000
#: Places that are kept of each finding.
TOLD = 500
#: Different labels that are counted; with more it is no label.
MOST_LABELS = 1000

#: Roles that hold what is learned; the others hold what is given.
_LEARNED = frozenset({"label", "tags", "completion", "answers", "target"})
_REPORTED = 2000
_BINS = 24
#: Characters of a drawn row beyond which it is not tokenized: it fills any model.
_LONG = 1_000_000
#: Characters of the drawn rows beyond which fewer are drawn, and how few at least.
_HELD, _LEAST = 30_000_000, 20


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens a row, before anything is cut.

    Attributes:
        tokens: Of the rows that were tokenized, in rising order.
        long: Rows of more than a million characters, which were not tokenized: they fill any model.
    """

    tokens: tuple[int, ...]
    long: int = 0

    @property
    def measured(self) -> int:
        """Rows that are accounted for."""
        return len(self.tokens) + self.long

    @property
    def median(self) -> int:
        """Of the tokenized rows."""
        return self.tokens[len(self.tokens) // 2]

    def cut(self, max_length: int) -> int:
        """Rows with more tokens than this."""
        return len(self.tokens) - bisect_right(self.tokens, max_length) + self.long

    def histogram(self, max_length: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Edges in tokens and rows between them; the last bin also holds all longer rows.

        Args:
            max_length: Is inside the bins, even where all rows are shorter.
        """
        # One long row must not flatten the rest.
        last = max(self.tokens[int(len(self.tokens) * 0.99)], max_length + 1)
        width = max(1, -(-last // _BINS))
        counts = Counter(min(length // width, _BINS - 1) for length in self.tokens)
        counts[_BINS - 1] += self.long
        edges = tuple(range(0, width * (_BINS + 1), width))
        return edges, tuple(counts[place] for place in range(_BINS))


@dataclass(frozen=True, slots=True)
class Profile:
    """What was found in a source.

    Attributes:
        source: The rows.
        total: Rows in all.
        usable: Rows a run takes.
        labels: How often each label occurs in usable rows, the most frequent first; empty where none is learned.
        empty: Rows in which a column that is needed is empty.
        unused: The first rows that a run leaves out (the empty ones among them), with place and reason.
        repeated: Rows that equal an earlier one in all columns used.
        contradicting: Rows that give the same as an earlier one, of which something else is learned.
        repeats: The first of both, as the place and why.
        mixed: By role, how many values are of which kind, where they are of several.
        lengths: None where no row is cut, or where they could not be counted.
        unseen: Labels that only the evaluation has, with their number of rows there.
        evaluation: Usable rows of the evaluation source; None where rows are held out.
        problem: Why a run can't use the source, in a sentence, or empty.
    """

    source: DataSource
    total: int
    usable: int
    labels: dict[str, int]
    empty: int
    unused: tuple[Unused, ...]
    repeated: int
    contradicting: int
    repeats: tuple[Unused, ...]
    mixed: dict[str, dict[str, int]]
    lengths: Lengths | None
    unseen: dict[str, int]
    evaluation: int | None = None
    problem: str = ""


def profile(spec: TrainSpec, *, task: Task | None = None) -> Profile:
    """Look through all rows of a run's data; memory holds one row, 16 bytes for each, and the drawn ones.

    Args:
        spec: The run: data, evaluation, columns, task, and the checkpoint, whose tokenizer counts.
        task: Hears of rows; may stop it.

    Raises:
        DataError: A source can't be read.
        CheckpointError: The tokenizer can't be loaded.
    """
    task = task or Silent()
    seen = _look(spec, spec.data, task)
    unseen: dict[str, int] = {}
    evaluation = None
    unused = seen.unused
    if spec.evaluation is not None:
        other = _look(spec, spec.evaluation, task)
        evaluation = other.usable
        unseen = {label: count for label, count in other.labels.most_common() if label not in seen.labels}
        unused = [*unused, *other.unused]
    repeated, contradicting, rows = seen.repeats()
    lengths, problem = None, seen.problem()
    if seen.drawn and not problem:
        lengths = _lengths(spec, seen.drawn, load_tokenizer(spec.checkpoint), task)
    return Profile(
        source=spec.data,
        total=seen.total,
        usable=seen.usable,
        labels=dict(seen.labels.most_common()),
        empty=seen.empty,
        unused=tuple(unused[:TOLD]),
        repeated=repeated,
        contradicting=contradicting,
        repeats=_placed(spec, rows, task),
        mixed=seen.mixed(),
        lengths=lengths,
        unseen=unseen,
        evaluation=evaluation,
        problem=problem,
    )


class _Look:
    """What one pass over a source gathers."""

    def __init__(self) -> None:
        self.total = self.usable = self.empty = 0
        self.labels: Counter[str] = Counter()
        self.many_labels = False
        self.unused: list[Unused] = []
        self.drawn: list[dict[str, Any]] = []
        self.most, self.size = MEASURED, 0
        self.kinds: dict[str, Counter[str]] = {}
        # Of usable rows: the hash of what is given, the hash of all columns, and the row's number.
        self.texts, self.wholes, self.numbers = array("q"), array("q"), array("Q")

    def repeats(self) -> tuple[int, int, dict[int, str]]:
        """Rows that repeat an earlier one, those that contradict one, and the first of both by number."""
        import numpy as np

        texts = np.frombuffer(self.texts, dtype=np.int64) if self.texts else np.empty(0, np.int64)
        wholes = np.frombuffer(self.wholes, dtype=np.int64) if self.wholes else np.empty(0, np.int64)
        same = _again(wholes)
        contrary = _again(texts) & ~same
        found = {int(at): "the same row came before" for at in np.flatnonzero(same)[:TOLD]}
        found |= {
            int(at): "an earlier row gives the same, and something else is learned of it"
            for at in np.flatnonzero(contrary)[:TOLD]
        }
        rows = {self.numbers[at]: found[at] for at in sorted(found)[:TOLD]}
        return int(same.sum()), int(contrary.sum()), rows

    def mixed(self) -> dict[str, dict[str, int]]:
        """Kinds of the values of each role that has several, nothing left out of account."""
        real = {
            role: {kind: count for kind, count in kinds.most_common() if kind != "nothing"}
            for role, kinds in self.kinds.items()
        }
        return {role: kinds for role, kinds in real.items() if len(kinds) > 1}

    def problem(self) -> str:
        """Why these rows make no run."""
        if self.usable == 0:
            why = f" {self.unused[0].place}: {self.unused[0].why}." if self.unused else ""
            return f"None of the {self.total:,} rows can be used.{why}"
        if len(self.labels) == 1:
            return f"All {self.usable:,} usable rows have the label “{next(iter(self.labels))}”: nothing to tell apart."
        return ""


def _look(spec: TrainSpec, source: DataSource, task: Task) -> _Look:
    head = HEADS[spec.task]
    wanted = {role.name: spec.columns[role.name] for role in head.roles if spec.columns.get(role.name)}
    required = [role.name for role in head.roles if role.required and role.name in wanted]
    learned = next((role for role in ("label", "tags") if role in wanted), None)
    look = _Look()
    draw = random.Random(spec.seed)
    for place, row in scan(source, wanted, task=task):
        look.total += 1
        if look.total % _REPORTED == 0:
            task.report(Progress(look.total, None, "rows", f"Profiling {source.name}"))
        for role, value in row.items():
            look.kinds.setdefault(role, Counter())[_kind(value)] += 1
        why = head.problem(row, spec)
        if why:
            look.empty += any(not as_text(row[role]).strip() for role in required)
            if len(look.unused) < TOLD:
                look.unused.append(Unused(place, why))
            continue
        values = {role: head.value(role, value) for role, value in row.items()}
        _count(look, values, learned)
        if head.reads == "tokenizer":
            _draw(look, values, draw)
        look.usable += 1
    return look


def _count(look: _Look, values: Mapping[str, Any], learned: str | None) -> None:
    texts = {role: as_text(value) for role, value in values.items()}
    look.texts.append(hash(tuple(text for role, text in texts.items() if role not in _LEARNED)))
    look.wholes.append(hash(tuple(texts.values())))
    look.numbers.append(look.total - 1)
    if learned is not None and not look.many_labels:
        cell = values[learned]
        if isinstance(cell, float):
            return
        look.labels.update(map(as_text, cell) if isinstance(cell, list) else [as_text(cell)])
        if len(look.labels) > MOST_LABELS:
            look.many_labels = True
            look.labels.clear()


def _draw(look: _Look, values: dict[str, Any], draw: random.Random) -> None:
    """Keep the row so that each row so far is kept equally likely (algorithm R); fewer are kept of long ones."""
    size = sum(len(value) for value in values.values() if isinstance(value, str))
    if len(look.drawn) < look.most:
        look.drawn.append(values)
        look.size += size
    elif (at := draw.randrange(look.usable + 1)) < look.most:
        look.size += size - sum(len(value) for value in look.drawn[at].values() if isinstance(value, str))
        look.drawn[at] = values
    if look.size > _HELD and look.most > _LEAST:
        look.most = max(_LEAST, len(look.drawn) // 2)
        look.drawn = draw.sample(look.drawn, look.most)
        look.size = sum(len(value) for row in look.drawn for value in row.values() if isinstance(value, str))


def _again(hashes: Any) -> Any:
    """Which values occurred before in an array."""
    import numpy as np

    _, first = np.unique(hashes, return_index=True)
    again = np.ones(len(hashes), dtype=bool)
    again[first] = False
    return again


def _placed(spec: TrainSpec, rows: Mapping[int, str], task: Task) -> tuple[Unused, ...]:
    """Places of rows by number; only as much of the source is read again as they take."""
    found: list[Unused] = []
    for number, (place, _) in enumerate(scan(spec.data, {}, task=task) if rows else ()):
        if number in rows:
            found.append(Unused(place, rows[number]))
            if len(found) == len(rows):
                break
    return tuple(found)


def _lengths(
    spec: TrainSpec, drawn: Sequence[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, task: Task
) -> Lengths | None:
    from datasets import Dataset

    head = HEADS[spec.task]
    found: list[int] = []
    long = 0
    for begin in range(0, len(drawn), 250):
        task.check()
        task.report(Progress(begin, len(drawn), "rows", "Counting tokens"))
        some = drawn[begin : begin + 250]
        short = [row for row in some if sum(len(as_text(value)) for value in row.values()) <= _LONG]
        long += len(some) - len(short)
        if short:
            try:
                counted = head.lengths(Dataset.from_list(short), tokenizer, spec)
            except WorkbenchError as error:
                raise DataError(f"Could not count the tokens of {spec.data.name}.", why=str(error)) from error
            if counted is None:
                return None
            found += counted
    return Lengths(tuple(sorted(found)), long) if found else None


def _kind(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    names: dict[type, str] = {str: "text", list: "list", dict: "object"}
    return names.get(type(value), type(value).__name__)

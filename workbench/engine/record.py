"""Recorded generations as files: steps as JSON, and session files that reopen without a model and replay with one."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import re
import tempfile
import types
import typing
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import __version__
from workbench.engine import generate
from workbench.engine.errors import InputError
from workbench.engine.sampling import Distribution, Knobs
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import BeamStep, Branch, Logits, Sequenced, Start, Step, Strategy

if TYPE_CHECKING:
    import numpy as np

    from workbench.engine.models import LoadedModel

#: The ending of a session file.
ENDING = ".twsession"
_FORMAT = 1
#: A session file holds no more than this when unpacked: what claims to is damaged, or made to fill the memory.
_LARGEST = 8 * 2**30
_LARGEST_TEXT = 512 * 2**20
_DTYPES = {"bfloat16": "uint16", "float16": "uint16", "float32": "float32"}


@dataclass(frozen=True, eq=False, slots=True)
class Recorded:
    """What a session file holds.

    Attributes:
        branches: As they were saved; keys and parents are those of the file.
        vocabulary: Spells their ids.
        versions: Of the program and the libraries that wrote it.
    """

    branches: tuple[Branch, ...]
    vocabulary: Vocabulary
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Replay:
    """How a branch came out when it was generated again.

    Attributes:
        branch: Its name.
        tokens: How many tokens were compared.
        difference: The first step that chose another token, or None.
        largest: The largest difference between the recorded logits and those of now, 0.0 when all bits are the same,
            NaN when no step had its logits.
        text: What was written this time, by the branch's own run.
    """

    branch: str
    tokens: int
    difference: int | None
    largest: float
    text: str

    @property
    def equal(self) -> bool:
        """Whether every token was the same."""
        return self.difference is None


def save_steps(path: Path, branch: Branch, vocabulary: Vocabulary | None, *, task: Task | None = None) -> Path:
    """Write `as_json` to a file.

    Args:
        path: Where to; the ending ``.json`` is added when it is missing.
        branch: As for `as_json`.
        vocabulary: As for `as_json`.
        task: As for `as_json`.

    Returns:
        The file.

    Raises:
        OSError: It can't be written.
    """
    path = path if path.suffix == ".json" else path.with_name(f"{path.name}.json")
    path.write_text(as_json(branch, vocabulary, task=task), encoding="utf-8")
    return path


def as_json(branch: Branch, vocabulary: Vocabulary | None, *, alternatives: int = 10, task: Task | None = None) -> str:
    """Every step of a branch, for other programs.

    Args:
        branch: What to write.
        vocabulary: Spells the alternatives.
        alternatives: How many of the most probable tokens each step lists; only steps that still have their logits do.
        task: Gets `Progress` in steps; may be cancelled.

    Returns:
        A JSON object; what is not known is null, never zero.
    """
    task = task or Silent()
    steps = []
    for number, step in enumerate(branch.steps, 1):
        task.check()
        task.report(Progress(number, len(branch.steps), "steps"))
        row: dict[str, Any] = {
            "index": step.index,
            "token_id": step.token_id,
            "text": step.text,
            "probability": step.probability,
            "after": step.after,
            "rank": step.rank or None,
            "surprise_bits": step.surprise,
            "entropy_bits": step.entropy,
            "seconds": step.seconds,
            "forced": step.forced,
            "knobs": _pack(step.sampling),
        }
        if step.logits is not None:
            distribution = Distribution(step.logits, branch.situation(step.index), step.guided)
            row["alternatives"] = [
                {"token_id": one.id, "text": one.text, "logit": one.logit, "probability": one.probability,
                 "after": one.after, "cut_by": one.cut_by}
                for one in distribution.top(alternatives, step.sampling, vocabulary)
            ]  # fmt: skip
        steps.append(row)
    document = {
        "checkpoint": branch.checkpoint,
        "name": branch.name,
        "prompt": branch.start.encoding.text,
        "input_ids": list(branch.start.encoding.input_ids),
        "decoder_start": list(branch.start.decoder_start),
        "strategy": _pack(branch.strategy),
        "text": branch.text,
        "reason": branch.reason,
        "steps": steps,
    }
    text = json.dumps(_finite(document), ensure_ascii=False, indent=1)
    # Half a surrogate pair can stand in a JSON text, but not in UTF-8.
    return re.sub("[\\ud800-\\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def save(path: Path, branches: Sequence[Branch], vocabulary: Vocabulary, *, task: Task | None = None) -> Path:
    """Write a session file; it appears when it is whole, in the place of an older one.

    Args:
        path: Where to; the ending is added when it is missing.
        branches: With their steps; logits that several share are written once.
        vocabulary: Its spelling of every id goes into the file, so that it can be read without the checkpoint.
        task: Gets `Progress` in steps; may be cancelled.

    Returns:
        The file.

    Raises:
        OSError: The folder can't be written to, or the disk is full.
    """
    import numpy
    import torch
    import transformers

    task = task or Silent()
    path = path if path.suffix == ENDING else path.with_name(path.name + ENDING)
    kept: dict[int, tuple[str, int]] = {}
    stacks: dict[str, list[Logits]] = {}
    total = sum(len(branch.steps) for branch in branches)
    rows = []
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as temporary:
        try:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for branch in branches:
                    steps = []
                    for step in branch.steps:
                        row = _pack(replace(step, logits=None, guided=None))
                        for name in ("logits", "guided"):
                            row[name] = _stack(getattr(step, name), kept, stacks)
                        steps.append(row)
                    rows.append({**_pack(replace(branch, steps=())), "steps": steps})
                done = 0
                for name, stack in stacks.items():
                    for number, logits in enumerate(stack):
                        task.check()
                        data = io.BytesIO()
                        numpy.save(data, logits.bits, allow_pickle=False)
                        archive.writestr(f"{name}/{number}.npy", data.getvalue())
                        done += 1
                        task.report(Progress(min(done, total), total, "steps"))
                spelled = vocabulary.spell(range(len(vocabulary)))
                archive.writestr(
                    "vocabulary.json", json.dumps({"texts": spelled, "special": sorted(vocabulary.special)})
                )
                versions = {
                    "workbench": __version__,
                    "transformers": transformers.__version__,
                    "torch": torch.__version__,
                }
                archive.writestr(
                    "session.json", json.dumps({"format": _FORMAT, "versions": versions, "branches": rows})
                )
            temporary.close()
            os.replace(temporary.name, path)
        except BaseException:
            temporary.close()
            Path(temporary.name).unlink(missing_ok=True)
            raise
    return path


def read(path: Path, *, task: Task | None = None) -> Recorded:
    """Read a session file; nothing in it is run, and nothing is unpacked onto the disk.

    Args:
        path: The file.
        task: Asked between steps whether to stop.

    Raises:
        InputError: It is none, is damaged, or comes from a newer program.
    """
    task = task or Silent()
    what = f"Could not open {path.name}."
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ValueError("it would fill the memory")
            document = _json(archive, "session.json")
            if document["format"] != _FORMAT:
                raise InputError(
                    what,
                    why=f"It is of format {document['format']}; this program reads format {_FORMAT}.",
                    remedy="Open it with the version of the program that wrote it.",
                )
            words = _json(archive, "vocabulary.json")
            vocabulary = Vocabulary(
                texts=[str(text) for text in words["texts"]], special=[int(number) for number in words["special"]]
            )
            known: dict[tuple[str, int], Logits] = {}
            branches = tuple(_branch(row, archive, known, task) for row in document["branches"])
            return Recorded(branches, vocabulary, {str(key): str(text) for key, text in document["versions"].items()})
    except FileNotFoundError as error:
        raise InputError(what, why="The file is not there.", remedy="Choose another one.") from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError, OSError) as error:
        raise InputError(
            what,
            why=f"It is no session file of this program, or it is damaged ({type(error).__name__}: {error}).",
            remedy="Choose a file that was saved with Save session.",
        ) from error


def replay(
    model: LoadedModel,
    branches: Sequence[Branch],
    key: int,
    second: LoadedModel | None = None,
    *,
    task: Task | None = None,
) -> tuple[Replay, ...]:
    """Generate a branch again, with the knobs that held at each of its steps, and compare.

    Args:
        model: The checkpoint that wrote it, or one to compare with it.
        branches: The branch and those it grew out of.
        key: Of the branch.
        second: The model that guessed ahead, where one did.
        task: Gets `Progress` in tokens; may be cancelled.

    Returns:
        One for each branch on the way from the prompt to this one, in that order; each compares the tokens its own run
        chose.

    Raises:
        NotSupported, InputError: As for `generate.branch`.
    """
    task = task or Silent()
    by_key = {branch.key: branch for branch in branches}
    way: list[Branch] = []
    next_key: int | None = key
    while next_key is not None and next_key in by_key:
        way.insert(0, by_key[next_key])
        next_key = by_key[next_key].parent
    results = []
    for branch in way:
        task.check()
        own = branch.steps[branch.start.kept :]
        if own:
            results.append(_again(model, branch, own, second, task))
    return tuple(results)


def _again(model: LoadedModel, branch: Branch, own: Sequence[Step], second: LoadedModel | None, task: Task) -> Replay:
    schedule = _Schedule(own, task, len(branch.beams) if branch.strategy.num_beams > 1 else len(own))
    start: Start = replace(branch.start, kept=0)
    strategy: Strategy = replace(branch.strategy, tokens_per_second=0.0, compiled=False)
    taken = branch.steps[: branch.start.kept]
    result = generate.branch(model, start, taken, None, schedule.knobs, strategy=strategy, second=second, task=schedule)
    task.check()
    # Of several sequences of one run the branch is one.
    new = max(result.sequences or (result.steps,), key=lambda steps: _alike(own, steps))
    alike = _alike(own, new)
    difference = alike if alike < len(own) else None
    same = own[: difference if difference is not None else len(own)]
    distances = [
        _distance(mine.logits.float32(), theirs.logits.float32())
        for mine, theirs in zip(same, new, strict=False)
        if mine.logits is not None and theirs.logits is not None
    ]
    return Replay(
        branch.name,
        len(own),
        None if difference is None else branch.start.kept + difference,
        max(distances, default=math.nan),
        "".join(step.text for step in new),
    )


def _alike(own: Sequence[Step], new: Sequence[Step]) -> int:
    """How many tokens are the same before the first that is not."""
    pairs = enumerate(zip(own, new, strict=False))
    return next((at for at, (one, other) in pairs if one.token_id != other.token_id), min(len(own), len(new)))


class _Schedule(Silent):
    """The task of a replay: sets the knobs of the next token whenever one has come, and ends where the record ends.

    Args:
        steps: Of the record.
        task: The replay's own.
        end: Steps after which the run ended; 0 where that is not known and the run ends by itself.
    """

    def __init__(self, steps: Sequence[Step], task: Task, end: int) -> None:
        self._steps = steps
        self._task = task
        self._end = end
        self._first = steps[0].index
        self._count = 0
        self.knobs = Knobs(steps[0].sampling)

    def send(self, part: object) -> None:
        """Take the next knobs."""
        if isinstance(part, Sequenced):
            part = part.step
        if isinstance(part, Step):
            count = part.index - self._first + 1
        elif isinstance(part, BeamStep):
            count = part.index + 1
        else:
            return
        if count > self._count:
            self._count = count
            self._task.report(Progress(min(count, len(self._steps)), len(self._steps), "tokens"))
            if count < len(self._steps):
                self.knobs.current = self._steps[count].sampling
        self.cancelled = 0 < self._end <= self._count or self._task.cancelled


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    import numpy

    if first.shape != second.shape:
        return math.inf
    both = numpy.isfinite(first) & numpy.isfinite(second)
    return float(numpy.abs(first[both] - second[both]).max(initial=0.0))


# Values to JSON and back: frozen dataclasses of plain fields, told apart by their annotations.


def _pack(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _pack(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_pack(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _unpack(kind: Any, value: Any) -> Any:
    """A value of this annotation; anything else in its place raises TypeError or ValueError."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        wanted = [one for one in arguments if one is not type(None)]
        exact = [one for one in wanted if isinstance(one, type) and type(value) is one]
        return _unpack((exact or wanted)[0], value)
    if origin in (tuple, Sequence):
        if not isinstance(value, list):
            raise TypeError("a list was expected")
        if origin is Sequence or (len(arguments) == 2 and arguments[1] is Ellipsis):
            return tuple(_unpack(arguments[0], item) for item in value)
        return tuple(_unpack(one, item) for one, item in zip(arguments, value, strict=True))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _unpack(hints[name], item) for name, item in value.items() if name in hints})
    if kind is bytes:
        return bytes.fromhex(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise TypeError(f"{kind} was expected, not {type(value).__name__}")


def _hints(kind: type) -> dict[str, Any]:
    names = {"np": types.SimpleNamespace(ndarray=object)}
    return typing.get_type_hints(kind, localns=names)


def _stack(
    logits: Logits | None, kept: dict[int, tuple[str, int]], stacks: dict[str, list[Logits]]
) -> list[Any] | None:
    if logits is None:
        return None
    if id(logits) not in kept:
        stack = stacks.setdefault(logits.dtype, [])
        kept[id(logits)] = (logits.dtype, len(stack))
        stack.append(logits)
    return list(kept[id(logits)])


def _branch(row: dict[str, Any], archive: zipfile.ZipFile, known: dict[tuple[str, int], Logits], task: Task) -> Branch:
    steps = []
    for packed in row["steps"]:
        task.check()
        logits, guided = (_logits(packed[name], archive, known) for name in ("logits", "guided"))
        step: Step = _unpack(Step, {**packed, "logits": None, "guided": None})
        steps.append(replace(step, logits=logits, guided=guided))
    plain = {name: item for name, item in row.items() if name != "steps"}
    branch: Branch = _unpack(Branch, {**plain, "steps": []})
    return replace(branch, steps=tuple(steps))


def _logits(place: Any, archive: zipfile.ZipFile, known: dict[tuple[str, int], Logits]) -> Logits | None:
    import numpy

    if place is None:
        return None
    dtype, number = str(place[0]), int(place[1])
    if (dtype, number) not in known:
        data = archive.read(f"{dtype}/{number}.npy")
        bits = numpy.load(io.BytesIO(data), allow_pickle=False)
        if bits.dtype != numpy.dtype(_DTYPES[dtype]) or bits.ndim != 1:
            raise ValueError("its logits have another form")
        known[dtype, number] = Logits(bits, dtype)
    return known[dtype, number]


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > _LARGEST_TEXT:
        raise ValueError(f"{name} is too large")
    return json.loads(archive.read(name))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""What made a run, in ``run.toml``: settings, data, versions; anybody can read it, and the program runs it again."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import platform
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w

from workbench import __version__
from workbench.engine.data.sources import source_files
from workbench.engine.errors import InputError
from workbench.engine.train.rows import Split
from workbench.engine.values import Best, DataSource, TrainSpec

#: The file, in the run's folder.
NAME = "run.toml"
_FORMAT = 1
_LIBRARIES = ("torch", "transformers", "datasets", "accelerate", "tokenizers", "peft", "numpy")
_HEAD = "# What made this run. Transformers Workbench makes it again from this file.\n\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What ``run.toml`` says.

    Attributes:
        spec: The run; its ``output_dir`` is the folder of the file.
        fingerprint: SHA-256 of the data, as `fingerprint` gives it; empty in a file written by hand.
        evaluation_fingerprint: That of the data to evaluate on, where they are a source of their own.
        train_rows, eval_rows, unused_rows: How the rows were used.
        labels: Names of the labels by id.
        arguments: What TrainingArguments was given.
        versions: Of Python, the libraries and this program.
        began: When the run began, ISO 8601 in UTC.
        best: Which evaluation the result is of; None for the last step, or while there is no result.
        processes: How many shared each batch; 0 in a file written by hand.
        dropped: Settings that this version doesn't know, by name.
    """

    spec: TrainSpec
    fingerprint: str = ""
    evaluation_fingerprint: str = ""
    train_rows: int = 0
    eval_rows: int = 0
    unused_rows: int = 0
    labels: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    began: str = ""
    best: Best | None = None
    processes: int = 0
    dropped: tuple[str, ...] = ()


def record_of(spec: TrainSpec, rows: Split, arguments: Mapping[str, Any]) -> Record:
    """The record of a run that begins now."""
    used = rows.train if spec.evaluation is not None else itertools.chain(rows.train, rows.evaluation)
    return Record(
        spec,
        fingerprint(spec.data, used),
        "" if spec.evaluation is None else fingerprint(spec.evaluation, rows.evaluation),
        len(rows.train),
        len(rows.evaluation),
        len(rows.unused),
        rows.labels,
        {name: value for name, value in arguments.items() if name != "output_dir"},
        versions(),
        now(),
    )


def fingerprint(source: DataSource, rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of where rows come from: of files their bytes, of a data set of the Hub the rows that the run uses.

    Of a folder it is the hash of a line ``hash  name`` for each file that is read, in the order of their names.

    Args:
        source: Where the rows come from.
        rows: Those that the run uses, in its order.
    """
    path = source.path
    digest = hashlib.sha256()
    if path is None:
        for row in rows:
            digest.update(json.dumps(row, sort_keys=True, default=_digest).encode())
            digest.update(b"\n")
        return digest.hexdigest()
    if path.is_file():
        return _of_file(path)
    for file in source_files(source):
        digest.update(f"{_of_file(file)}  {file.relative_to(path).as_posix()}\n".encode())
    return digest.hexdigest()


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(value: Any) -> str:
    """What JSON has no word for, such as a picture, by its bytes."""
    content = value if isinstance(value, bytes) else value.tobytes() if hasattr(value, "tobytes") else None
    return str(value) if content is None else hashlib.sha256(content).hexdigest()


def versions() -> dict[str, str]:
    """Of Python, the libraries that are installed, and this program."""
    found = {"workbench": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def write(record: Record, folder: Path) -> Path:
    """Write ``run.toml``; it appears whole.

    Raises:
        OSError: The folder can't be written to.
    """
    document = {
        "format": _FORMAT,
        "began": record.began,
        "processes": record.processes,
        "spec": _packed(record.spec),
        "rows": {
            "train": record.train_rows,
            "evaluation": record.eval_rows,
            "unused": record.unused_rows,
            "fingerprint": record.fingerprint,
            "evaluation_fingerprint": record.evaluation_fingerprint,
            "labels": list(record.labels),
        },
        "arguments": _packed(record.arguments),
        "versions": dict(record.versions),
    }
    if record.best is not None:
        document["best"] = _packed(record.best)
    return write_whole(folder / NAME, _HEAD + tomli_w.dumps(document))


def read(path: Path) -> Record:
    """Read a ``run.toml``, or that of a run's folder; one written by hand needs ``[spec]`` alone.

    Raises:
        InputError: It is not there, or no record of a run.
    """
    file = path / NAME if path.is_dir() else path
    what = f"Could not read {file.name} of {file.parent.name}."
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        if document.get("format", _FORMAT) > _FORMAT:
            raise ValueError(f"it is of format {document['format']}, and this program reads format {_FORMAT}")
        settings = {"output_dir": str(file.parent), **document["spec"]}
        known = {field.name for field in dataclasses.fields(TrainSpec)}
        spec = _unpacked(TrainSpec, {name: value for name, value in settings.items() if name in known})
        spec = _beside(spec, file.parent)
        rows = document.get("rows", {})
        return Record(
            dataclasses.replace(spec, output_dir=file.parent) if file.name == NAME else spec,
            str(rows.get("fingerprint", "")),
            str(rows.get("evaluation_fingerprint", "")),
            int(rows.get("train", 0)),
            int(rows.get("evaluation", 0)),
            int(rows.get("unused", 0)),
            tuple(str(label) for label in rows.get("labels", ())),
            document.get("arguments", {}),
            {str(name): str(value) for name, value in document.get("versions", {}).items()},
            str(document.get("began", "")),
            _unpacked(Best, document["best"]) if "best" in document else None,
            int(document.get("processes", 0)),
            tuple(sorted(set(settings) - known)),
        )
    except FileNotFoundError as error:
        raise InputError(what, why="The file is not there.", remedy="Choose the folder of a run.") from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            what,
            why=f"It is no record of a run, or it is damaged ({type(error).__name__}: {error}).",
            remedy="Start the run anew with the same settings.",
        ) from error


def write_whole(path: Path, text: str) -> Path:
    """Write a text file so that it is either as it was or complete, even when the power fails.

    Raises:
        OSError: It can't be written; the old one stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _beside(spec: TrainSpec, folder: Path) -> TrainSpec:
    """Paths that a person wrote are seen from the file they wrote them in."""
    data, evaluation = _source_beside(spec.data, folder), spec.evaluation
    evaluation = evaluation and _source_beside(evaluation, folder)
    checkpoint = dataclasses.replace(spec.checkpoint, path=folder / spec.checkpoint.path)
    place = folder / spec.output_dir
    return dataclasses.replace(spec, data=data, evaluation=evaluation, checkpoint=checkpoint, output_dir=place)


def _source_beside(source: DataSource, folder: Path) -> DataSource:
    return source if source.path is None else dataclasses.replace(source, path=folder / source.path)


def _packed(value: Any) -> Any:
    """A value in TOML's types. TOML has no null: what is None is left out, and read back as the default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return _packed({field.name: getattr(value, field.name) for field in fields})
    if isinstance(value, Mapping):
        return {str(name): _packed(one) for name, one in value.items() if one is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_packed(one) for one in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


def _unpacked(kind: Any, value: Any) -> Any:
    """What `_packed` made, as the type it was declared as.

    Raises:
        TypeError, ValueError: It is something else.
    """
    arguments = typing.get_args(kind)
    origin = typing.get_origin(kind) or kind
    if kind is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        return _first(arguments, value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = {field.name for field in dataclasses.fields(kind)}
        given = {name: _unpacked(hints[name], one) for name, one in value.items() if name in names}
        return kind(**given) if isinstance(kind, type) else given
    if origin is tuple:
        return tuple(_unpacked(arguments[0], one) for one in value)
    if origin in (dict, Mapping) and len(arguments) == 2:
        return {name: _unpacked(arguments[1], one) for name, one in value.items()}
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is Path:
        return Path(value)
    if isinstance(origin, type) and origin is not object and not isinstance(value, origin):
        raise TypeError(f"{value!r} is no {origin.__name__}")
    return value


def _first(kinds: Sequence[Any], value: Any) -> Any:
    for kind in kinds:
        try:
            return _unpacked(kind, value)
        except (TypeError, ValueError):
            continue
    raise TypeError(f"{value!r} is none of {', '.join(map(str, kinds))}")

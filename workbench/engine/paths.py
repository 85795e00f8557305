"""Where things lie on this machine: the program's assets and the person's own folders."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    import filelock

_APP = "transformers-workbench"
#: Held, in the folder of a run or of a private copy, by the process in which it goes on.
RUN_LOCK = ".lock"
#: Letters of a name that a folder gets: of four bytes each, they leave room for a number in the 255 of a file system.
_NAME = 60


def asset(name: str) -> Path:
    """The path of a file of ``assets/``, in a checkout and in an installed wheel alike.

    Raises:
        FileNotFoundError: There is no such asset.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "assets", package.parent / "assets"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"no asset called {name}")


def data_dir() -> Path:
    """The folder for what is kept: starters and runs. ``WORKBENCH_DATA`` moves it."""
    return Path(os.environ.get("WORKBENCH_DATA") or platformdirs.user_data_dir(_APP, appauthor=False))


def starters_dir() -> Path:
    """The folder of fetched starters."""
    return data_dir() / "starters"


def runs_dir() -> Path:
    """The folder of fine-tuning runs."""
    return data_dir() / "runs"


def outbox_dir() -> Path:
    """The folder of what is ready to be pushed to the Hub."""
    return data_dir() / "outbox"


def new_run_dir(name: str) -> Path:
    """A folder for a run that does not exist yet: the name made safe, numbered when taken."""
    return free_place(runs_dir(), name, "run")


def free_place(home: Path, name: str, otherwise: str) -> Path:
    """A folder in ``home`` that does not exist yet: the name made safe and cut, or ``otherwise``; numbered if taken."""
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:_NAME].rstrip("-.") or otherwise
    stem = f"_{stem}" if is_device(stem) else stem
    number = 1
    while (place := home / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return place


def is_device(name: str) -> bool:
    """Whether Windows takes a name for a device: ``con``, ``AUX.txt``."""
    return re.fullmatch(r"(?i:con|prn|aux|nul|(com|lpt)\d)(\..*)?", name) is not None


def claim(folder: Path) -> filelock.BaseFileLock:
    """What holds a folder as this process's own, as a context; the system lets go of it when the process dies."""
    import filelock

    return filelock.FileLock(folder / RUN_LOCK, thread_local=False)


def is_claimed(folder: Path) -> bool:
    """Whether work goes on in this folder, in whatever process of this machine."""
    import filelock

    if not (folder / RUN_LOCK).exists():
        return False
    lock = claim(folder)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    except OSError:
        # A folder that can't be written to has no run that writes.
        return False
    lock.release()
    return False


def shown(path: Path) -> str:
    """A path as a person reads it: their home folder is ``~``."""
    home = Path.home()
    return f"~{os.sep}{path.relative_to(home)}" if path.is_relative_to(home) else str(path)

"""A GGUF file of one's own, made a checkpoint: widened to safetensors once, beside the file it came from."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from workbench.engine import paths
from workbench.engine.errors import CheckpointError, OutOfSpace, WorkbenchError
from workbench.engine.hub import child
from workbench.engine.hub.local import imported_dir, imported_place, plain_checkpoint
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.values import Checkpoint

#: A GGUF weight takes two bits at least, a bfloat16 one sixteen.
_GROWS = 8


def bring_in_gguf(file: Path, *, task: Task | None = None) -> Checkpoint:
    """Widen a GGUF file to bfloat16 safetensors with its tokenizer, in a process of its own.

    Args:
        file: The file; it stays as it is.
        task: Its stop ends the process within a quarter of a second and leaves nothing behind.

    Raises:
        CheckpointError: It is no GGUF file, it is damaged, or transformers can't read its architecture.
        OutOfSpace: The disk has too little room.

    References:
        transformers, GGUF and interaction with Transformers
    """
    task = task or Silent()
    what = f"Could not open {file.name}."
    file = file.expanduser().resolve()
    try:
        with file.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise CheckpointError(what, why=f"It can't be read: {error.strerror}.", remedy="Choose another.") from error
    if magic != b"GGUF":
        raise CheckpointError(what, why="It is no GGUF file.", remedy="Choose a .gguf file or a folder.")
    home = imported_dir()
    home.mkdir(parents=True, exist_ok=True)
    needed, free = min(_GROWS * file.stat().st_size, file.stat().st_size + 2**34), shutil.disk_usage(home).free
    if needed > free:
        raise OutOfSpace(
            what,
            why=f"Widened to bfloat16 it may take {needed / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free.",
            remedy="Free some space, or take the checkpoint from the Hub.",
        )
    task.report(Progress(0, None, "bytes", "widening to bfloat16 safetensors, once"))
    with tempfile.TemporaryDirectory(prefix=".gguf-", dir=home, ignore_cleanup_errors=True) as scratch:
        made = Path(scratch, "made")
        command = [sys.executable, "-m", "workbench.engine.convert", str(file.parent), file.name, str(made)]
        for _ in child.run(command, task, lambda said: _why(said, what)):
            pass
        (made / "README.md").write_text(
            f"# {file.stem}\n\nWidened from `{paths.shown(file)}` to bfloat16 safetensors; its rounding stays.\n",
            "utf-8",
        )
        task.check()
        place = imported_place(file.stem)
        os.replace(made, place)
    return plain_checkpoint(place, place.name, "imported")


def _why(said: str, what: str) -> WorkbenchError:
    if "No space left" in said or "Errno 28" in said:
        return OutOfSpace(what, why="The disk is full.", remedy="Free some space and try again.")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1][:200] if lines else "it said nothing"
    return CheckpointError(
        what,
        why=f"transformers could not read it: {last}",
        remedy="Take the checkpoint it was made from instead; the Hub's card of the GGUF file names it.",
    )

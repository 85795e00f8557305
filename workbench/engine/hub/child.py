"""Work in a process of its own: it can be stopped at any moment, and its memory comes back."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Task


def run(command: list[str], task: Task, why: Callable[[str], WorkbenchError]) -> Iterator[str]:
    """Run a command to its end, giving what it has printed so far four times a second; a stop kills it.

    Args:
        command: Program and arguments.
        task: Asked whether to stop.
        why: Words the failure from the last of what was printed.

    Raises:
        WorkbenchError: What ``why`` says, when the command fails.
        Cancelled: The task was stopped.
    """
    root = str(Path(__file__).resolve().parents[3])
    inherited = os.environ.get("PYTHONPATH")
    found = os.pathsep.join([root, inherited] if inherited else [root])
    # On Windows, Python would print in the encoding of the country.
    environment = {**os.environ, "PYTHONPATH": found, "PYTHONUTF8": "1"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        log = Path(scratch, "printed")
        with log.open("wb") as printed:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT, env=environment
            )
        try:
            while True:
                try:
                    code = process.wait(0.25)
                except subprocess.TimeoutExpired:
                    code = None
                task.check()
                yield _tail(log)
                if code is not None:
                    break
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0:
            raise why(_tail(log))


def _tail(log: Path) -> str:
    with log.open("rb") as printed:
        printed.seek(max(0, log.stat().st_size - 8000))
        return printed.read().decode("utf-8", "replace")

"""Python programs in processes of their own, forked from one that has imported the libraries.

A new Python needs four seconds for torch, transformers and datasets before the first line of a script. One that is
forked has them and shares nothing else with the tests: its names, arguments, environment, folder and output are its
own. What the libraries read while they are imported, as ``HF_HOME``, is as it was for the first program.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import types
from pathlib import Path

_IMPORTED = [
    "transformers.trainer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
    "datasets",
    "peft",
    "workbench.engine.train",
    "tests.forked",
]


def run(*line: str, cwd: Path | None = None, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
    """What ``subprocess.run([sys.executable, *line], capture_output=True, text=True)`` does.

    Args:
        line: A file, or ``-c`` and code, or ``-m`` and a module; then the arguments.
        cwd: The folder it runs in.
        timeout: Seconds until it is killed.

    Raises:
        subprocess.TimeoutExpired: It was killed.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        command = [sys.executable, *line]
        return subprocess.run(command, cwd=cwd, timeout=timeout, capture_output=True, text=True, check=False)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, "stdout"), Path(folder, "stderr")]
        process = context.Process(target=_program, args=(line, cwd or Path.cwd(), dict(os.environ), said))
        process.start()
        process.join(timeout)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        if code is None:
            raise subprocess.TimeoutExpired(line, timeout)
        return subprocess.CompletedProcess(line, code, *(file.read_text(encoding="utf-8") for file in said))


def _program(line: tuple[str, ...], cwd: Path, environment: dict[str, str], said: list[Path]) -> None:
    for number, file in enumerate(said, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    # Else the start of a training looks through all that was imported.
    gc.freeze()
    kind, *rest = line
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    else:
        sys.argv = list(line)
        sys.path.insert(0, str(Path(kind).resolve().parent))
        runpy.run_path(kind, run_name="__main__")

"""Builds and runs lines of the library's tables, and says of each what was seen: one JSON object a line."""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

from tests.census.kinds import Entry

#: Bytes of memory that one process may take.
_MEMORY = 14 * 2**30


def run(entry: Entry, folder: Path) -> dict[str, str]:
    """Build a checkpoint and run it.

    Args:
        entry: Which.
        folder: For it and what it is given.

    Returns:
        What was seen, as `checks.check` says it; where it could not be built, the library's reason as ``build``, and
        where plain transformers fails at it too, its error as ``library``.
    """
    from tests import tiny_seq2seq, tiny_tasks
    from tests.census import building, checks

    files = {"image": tiny_seq2seq.picture(folder, size=(97, 61)), "audio": tiny_tasks.sound(folder)}
    try:
        checkpoint, notes = building.build(entry, folder / "checkpoint")
    except building.NotBuilt as error:
        return _judged({"build": f"not built: {error}"}, entry, folder, files)
    seen = checks.check(entry, checkpoint, files)
    return _judged({**({"build": " ".join(notes)} if notes else {}), **seen}, entry, folder, files)


def _judged(seen: dict[str, str], entry: Entry, folder: Path, files: dict[str, Path]) -> dict[str, str]:
    """What was seen, with the error of plain transformers where it fails at what went wrong."""
    from tests.census import plain

    why = plain.reason(entry, folder / "checkpoint", files, seen)
    return {**seen, **({"library": why} if why else {})}


def main() -> None:
    """Do what standard input lists."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What libraries print is not for whoever reads the lines.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # Else each line looks through all that was imported.
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKBENCH_DATA"] = folder
        # Scripts of what speaks write their sound beside them.
        os.chdir(folder)
        for each in json.load(sys.stdin):
            try:
                seen = run(Entry(**each), Path(folder))
            except Exception as error:
                seen = {"build": f"not built: {type(error).__name__}: {str(error)[:300]}"}
            said.write(json.dumps(seen) + "\n")
            said.flush()
            gc.collect()


if __name__ == "__main__":
    main()

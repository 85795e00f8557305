"""Files that a pane shows a small copy of: read off the UI thread, the newest of each place winning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.engine.errors import WorkbenchError
from workbench.runtime.jobs import Job, Lane, Runner


def read(
    runner: Runner,
    path: Path,
    work: Callable[..., Any],
    show: Callable[[Any], None],
    *,
    place: str,
    stops: str,
    failed: Callable[[WorkbenchError], None] | None = None,
) -> None:
    """Read a file on the lane for disks.

    Args:
        runner: Whose lane.
        path: The file.
        work: Called with it and ``task=``.
        show: Called with what that gave, on the UI thread.
        place: Where it is shown, as ``pane.well``; what is read for it already is abandoned.
        stops: When a cancelled one stops, as the Jobs pane says it.
        failed: Called with the error, on the UI thread; None leaves it to the Jobs pane.
    """
    job = Job(f"Reading {path.name}", work, path, pane=place.partition(".")[0], stops=stops, quiet=True)
    job.succeeded.connect(show)
    if failed is not None:
        job.failed.connect(failed)
    runner.start(job, Lane.IO, slot=place)

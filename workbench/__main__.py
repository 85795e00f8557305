"""The command line: open the window, take the tour, check the machine or fetch the starters."""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench import __version__

_LIBRARIES = """Qt could not be opened: {error}.
It needs libraries of the system. On Debian and Ubuntu type this, then try again:

    sudo apt-get install --yes --no-install-recommends libglib2.0-0 libgl1 libegl1 libxkbcommon0 libdbus-1-3 \\
        libfontconfig1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workbench",
        description="Explore, steer and fine-tune transformers checkpoints from a desktop window.",
        epilog="“workbench train run.toml” makes the run of a run.toml without a window; see “workbench train --help”.",
    )
    parser.add_argument("checkpoint", nargs="?", type=Path, help="a checkpoint folder to load at the start")
    parser.add_argument("--offline", action="store_true", help="start with the network switched off")
    parser.add_argument("--check", action="store_true", help="print the state of this machine and exit")
    parser.add_argument("--get-starters", action="store_true", help="fetch the starter checkpoints and exit")
    parser.add_argument(
        "--tour",
        metavar="DIR",
        type=Path,
        help="do the main job with nobody at the mouse; save a picture of each pane and report.json to DIR",
    )
    parser.add_argument("--fast", action="store_true", help="with --tour: fewer tokens and training steps")
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Returns:
        The exit status: 0 when all went well.
    """
    from workbench.engine.hub import endpoints

    if isinstance(sys.stdout, io.TextIOWrapper):
        # Into a file or a pipe, Windows writes in the letters of the country alone.
        sys.stdout.reconfigure(errors="backslashreplace")
    # The libraries read it when they are imported, which nothing has done yet.
    endpoints.apply()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["train"]:
        from workbench.engine.train import headless

        return headless.main(given[1:])
    options = _parser().parse_args(given)
    try:
        return _run(options)
    except ImportError as error:
        # So says the dynamic loader, of what Qt was built against.
        if "cannot open shared object file" not in str(error):
            raise
        print(_LIBRARIES.format(error=error), file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    if options.check:
        from workbench import check

        for line in check.lines():
            print(line)
        return 0
    if options.get_starters:
        return get_starters()
    if options.tour is not None:
        from workbench import tour

        return tour.run(options.tour, fast=options.fast)
    from workbench import app

    return app.run(offline=options.offline, checkpoint=options.checkpoint)


def get_starters() -> int:
    """Fetch what is missing of the starters, with a progress line each.

    Returns:
        0 when all are there, 1 when one could not be had; the reason is printed.
    """
    from workbench.engine import starters
    from workbench.engine.errors import explain
    from workbench.engine.task import Progress, Silent

    class Line(Silent):
        """Shows progress on one line of the terminal."""

        def __init__(self, title: str) -> None:
            self.title = title
            self.shown = ""

        def report(self, progress: Progress) -> None:
            share = f"{progress.done / progress.total * 100:.0f} %" if progress.total else ""
            text = f"{self.title}: {progress.note or 'fetching'} {share}".rstrip()
            if text != self.shown and (sys.stdout.isatty() or share in ("", "100 %")):
                self.shown = text
                print(_over(text), end="" if sys.stdout.isatty() else "\n", flush=True)

    failed = 0
    for starter in starters.STARTERS:
        if starters.installed(starter.key):
            continue
        try:
            starters.get(starter.key, task=Line(starter.name))
            print(_over(f"{starter.name}: ready"), flush=True)
        except Exception as error:
            failed = 1
            print(f"\n{explain(error, f'Could not fetch {starter.name}.')}", flush=True)
    return failed


def _over(text: str) -> str:
    """A line over the one before, in plain spaces: a console of Windows shows the codes that clear a line as text."""
    width = shutil.get_terminal_size().columns - 1
    return f"\r{text[:width]:<{width}}" if sys.stdout.isatty() else text


if __name__ == "__main__":
    sys.exit(main())

"""The tour: the main job with nobody at the mouse, a picture of each view, and a report that says how it went."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from workbench.app import make_application
from workbench.tour import compare, ending, hub, inside, playground, score, tasks, tokenizer, trainer
from workbench.tour.guide import Step, Tour

__all__ = ["STEPS", "Tour", "run"]

#: Every step with its name, in order; a chapter is a pane.
STEPS: tuple[tuple[str, Step], ...] = (
    *hub.STEPS,
    *tokenizer.STEPS,
    *playground.STEPS,
    *score.STEPS,
    *inside.STEPS,
    *compare.STEPS,
    *tasks.STEPS,
    *trainer.STEPS,
    *ending.STEPS,
)


def run(folder: Path, *, fast: bool = False) -> int:
    """Take the tour.

    Args:
        folder: Where pictures and ``report.json`` go; made when missing.
        fast: Fewer tokens and training steps.

    Returns:
        The exit status: 0 only when every step did what it should.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    folder.mkdir(parents=True, exist_ok=True)
    sys.setswitchinterval(0.001)
    app = make_application(sys.argv[:1])
    app.setQuitOnLastWindowClosed(False)
    if app.platformName() == "offscreen":
        qInstallMessageHandler(_pass_on)
    return Tour(folder, fast=fast).run(STEPS)


def _pass_on(_kind: QtMsgType, _context: QMessageLogContext, message: str) -> None:
    # The offscreen platform complains of every window that it has no window manager.
    if not message.startswith("This plugin does not support"):
        print(message, file=sys.stderr, flush=True)

"""The composition root: QApplication, exception hooks, Session, Runner, MainWindow, and the warm-up behind them."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import QObject, QSettings, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from workbench import __version__
from workbench.engine import hub, models, paths
from workbench.engine.task import Task
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.runtime.settings import Settings
from workbench.window import MainWindow

log = logging.getLogger(__name__)

#: Seconds of the window's thread that the warm-up takes in one turn.
_SLICE = 0.008


class Workbench(QObject):
    """The whole program in one object: build it, show it, close it.

    Args:
        settings: What is remembered between starts; the person's own when None.
        offline: Start with the network switched off, whatever was remembered.

    Attributes:
        session, runner, window: The parts, as their classes say.

    Signals:
        warm(): torch and transformers are imported; the first load is as fast as any.
        unexpected(str, str, str): An exception nobody caught: what, why and the traceback.
    """

    warm = Signal()
    unexpected = Signal(str, str, str)

    def __init__(self, settings: Settings | None = None, *, offline: bool = False) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.session = Session()
        self.runner = Runner()
        self.session.offline_changed.connect(self._on_offline_changed)
        self.session.set_offline(offline or self.settings.offline)
        self.window = MainWindow(self.session, self.runner, self.settings)
        self.is_warm = False
        self._names: Iterator[tuple[ModuleType, str]] = iter(())
        self._names_timer = QTimer(self, interval=0)
        self._names_timer.timeout.connect(self._on_names)
        self.unexpected.connect(self.window.show_error)
        self.window.painted.connect(self._on_painted)

    def open_checkpoint(self, path: Path) -> None:
        """Load a folder named on the command line, through the Hub pane as a person would."""
        self.window.show_pane("hub")
        self.window.pane("hub").load_folder(path)

    def install_hooks(self) -> None:
        """Let no exception end the program: it is shown in the pane at hand and logged."""
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def _on_offline_changed(self) -> None:
        hub.set_offline(self.session.offline)

    def _on_painted(self) -> None:
        # Importing torch makes some 700,000 objects. Collections during it stop the window for half a second, and
        # every full collection later would too: none runs meanwhile, and what the import left is frozen afterwards.
        self.runner.garbage.hold()
        self._names = _names_of_qt()
        job = Job("Getting numpy ready", _import_numpy, quiet=True)
        job.finished.connect(self._names_timer.start)
        self.runner.start(job, Lane.MODEL)

    def _on_names(self) -> None:
        """Make Qt's own types ready a few at a time, then import the plots, and leave the rest to a lane."""
        began = time.perf_counter()
        for module, name in self._names:
            getattr(module, name, None)
            if time.perf_counter() - began > _SLICE:
                return
        self._names_timer.stop()
        if not self.window.isVisible():
            return
        import pyqtgraph  # noqa: F401 - it asks for every name of Qt, and PySide makes types in no other thread safely

        job = Job("Getting torch ready", _warm_up, quiet=True)
        job.finished.connect(self._on_warm)
        self.runner.start(job, Lane.MODEL)

    def _on_warm(self) -> None:
        self.runner.garbage.go_on()
        self.is_warm = True
        if self.window.isVisible():
            self.window.build_ahead()
        self.warm.emit()

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self.window.close()
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        log.error("unexpected failure\n%s", details)
        self.unexpected.emit("Something failed that nobody expected.", f"{kind.__name__}: {error}", details)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._on_exception(args.exc_type, args.exc_value, args.exc_traceback)


def _import_numpy(*, task: Task) -> None:
    """Import what of pyqtgraph's modules need not be imported in the window's thread."""
    task.check()
    importlib.import_module("numpy")


def _warm_up(*, task: Task) -> None:
    """Import what the engine will need; for a lane's thread."""
    from workbench.engine.sampling import scores

    task.check()
    models.warm_up()
    # Finding the process's thread pools takes 15 ms, once; the first distribution would do it in the window's thread.
    with scores.one_thread():
        task.check()


def _names_of_qt() -> Iterator[tuple[ModuleType, str]]:
    """Every name that pyqtgraph asks Qt for when it is imported; PySide makes the type when it is first asked for."""
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            yield module, name


def _spare_the_sources() -> None:
    """Keep PySide6 from reading the source of every module that is imported after it.

    It looks for its own name in them, for a switch to snake_case that is not used here, and their text stays in memory:
    with torch and transformers, 125 MB and a third of the import time.
    """
    feature = sys.modules.get("shibokensupport.feature")
    if feature is not None and hasattr(feature, "_mod_uses_pyside"):
        feature._mod_uses_pyside = _no


def _no(_: object) -> bool:
    return False


def make_application(arguments: list[str]) -> QApplication:
    """The QApplication, named and with its icon; an existing one is returned."""
    _spare_the_sources()
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QApplication.setApplicationName("workbench")
    QApplication.setApplicationDisplayName("Transformers Workbench")
    QApplication.setApplicationVersion(__version__)
    QApplication.setOrganizationName("transformers-workbench")
    QApplication.setDesktopFileName("transformers-workbench")
    app = QApplication(arguments)
    app.setWindowIcon(QIcon(str(paths.asset("icon.svg"))))
    app.aboutToQuit.connect(_leave_copied)
    return app


def _leave_copied() -> None:
    """Have Qt itself hold what was copied or selected as text: it asks for it once more when Python is gone."""
    clipboard = QApplication.clipboard()
    for mode in (QtGui.QClipboard.Mode.Clipboard, QtGui.QClipboard.Mode.Selection):
        held = clipboard.mimeData(mode)
        if held is not None and shiboken6.createdByPython(held):
            clipboard.setText(held.text(), mode)


def run(*, offline: bool = False, checkpoint: Path | None = None, settings: QSettings | None = None) -> int:
    """Open the window and stay until it is closed.

    Returns:
        The exit status, 0 when the window was closed.
    """
    if sys.platform.startswith("linux") and not os.environ.get("QT_QPA_PLATFORM"):
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            print(
                "There is no display to open a window on. Run 'workbench --tour DIR' to do the main job offscreen, "
                "or start the workbench from a desktop session.",
                file=sys.stderr,
            )
            return 1
    # A thread that computes hands the GIL to the window after 1 ms instead of 5.
    sys.setswitchinterval(0.001)
    app = make_application(sys.argv[:1])
    workbench = Workbench(Settings(settings), offline=offline)
    workbench.install_hooks()
    workbench.window.show()
    if checkpoint is not None:
        workbench.open_checkpoint(checkpoint)
    return app.exec()

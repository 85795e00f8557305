"""What fails a test besides its own asserts: things left behind, unexpected warnings, and the network.

A test fails when it leaves a thread, a running QThread, a visible window or an active QTimer behind, when it causes a
log record of level warning or above that no ``@pytest.mark.logs("pattern")`` announces, or when it connects to anything
but this machine without the ``index`` marker. Qt's own warnings are watched by pytest-qt (``qt_log_level_fail``). The
look of the application is put back after each test.
"""

from __future__ import annotations

import gc
import logging
import re
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSettings, QThread, QTimer
from PySide6.QtGui import QFont, QPalette
from PySide6.QtWidgets import QApplication

__all__ = ["_nothing_left_behind", "_own_settings", "pytest_configure", "pytest_runtest_setup", "qapp"]

#: Seconds a thread is given to end after the test did.
PATIENCE = 20.0


class _Started:
    """Remembers, without keeping them alive, the QThreads and QTimers that Python code started."""

    def __init__(self) -> None:
        self.objects: weakref.WeakSet[QObject] = weakref.WeakSet()

    def watch(self, kind: type[QObject]) -> None:
        start: Callable[..., Any] = kind.start  # type: ignore[attr-defined]

        def remembered(this: QObject, *args: Any) -> None:
            self.objects.add(this)
            start(this, *args)

        kind.start = remembered  # type: ignore[attr-defined]

    def alive(self) -> list[str]:
        return [_describe(each) for each in list(self.objects) if shiboken6.isValid(each) and _runs(each)]


def _runs(each: QObject) -> bool:
    return each.isRunning() if isinstance(each, QThread) else isinstance(each, QTimer) and each.isActive()


def _describe(each: QObject) -> str:
    kind = "a running QThread" if isinstance(each, QThread) else "an active QTimer"
    owner = each.parent()
    return f"{kind} {each.objectName()!r} of {type(owner).__name__ if owner else 'nobody'}"


class _Records(logging.Handler):
    """Keeps the records of level warning and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)


_started = _Started()
_records = _Records()
_outside: list[str] = []
_plain: list[tuple[QFont, QPalette]] = []
_may_leave = False
_imported = 0


def pytest_configure() -> None:
    """Hook in before the first test is collected."""
    # What a window of an earlier test left must not end in a worker's thread of a later one (see runtime/garbage.py).
    gc.disable()
    _started.watch(QThread)
    _started.watch(QTimer)
    # The libraries' loggers don't hand their records up to the root.
    for name in ("", "transformers", "huggingface_hub", "datasets"):
        logging.getLogger(name).addHandler(_records)
    for name in ("connect", "connect_ex"):
        _guard(name)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Keep what a library made when it was imported out of every later look for garbage."""
    global _imported
    # Half a million objects that stay take a third of a second, and accelerate looks at the start of each training.
    # Here nothing of the test before is left that would stay with them.
    if len(sys.modules) > _imported:
        gc.collect()
        gc.freeze()
        _imported = len(sys.modules)


def _guard(name: str) -> None:
    original = getattr(socket.socket, name)

    def guarded(this: socket.socket, address: Any) -> Any:
        if this.family in (socket.AF_INET, socket.AF_INET6) and not _may_leave:
            host = str(address[0])
            if host not in ("localhost", "::1") and not host.startswith("127."):
                _outside.append(f"{host}:{address[1]}")
                raise ConnectionRefusedError(f"tests stay on this machine; refused {host}:{address[1]}")
        return original(this, address)

    setattr(socket.socket, name, guarded)


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("settings"))
    for form in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
        QSettings.setPath(form, QSettings.Scope.UserScope, folder)


@pytest.fixture(scope="session")
def qapp(qapp: QApplication) -> Iterator[QApplication]:
    """The application of all tests, in the look that each of them finds it in."""
    _plain.append((QFont(qapp.font()), QPalette(qapp.palette())))
    yield qapp
    # What Python made and Qt holds doesn't outlive Python.
    _plain.clear()
    qapp.clipboard().clear()


def _undress() -> None:
    """Take off what a test dressed the application in: in a style sheet every later pane costs three times as much."""
    application = QCoreApplication.instance()
    if not _plain or not isinstance(application, QApplication):
        return
    font, palette = _plain[0]
    if application.styleSheet():
        application.setStyleSheet("")
    if application.font() != font:
        application.setFont(font)
    if application.palette() != palette:
        application.setPalette(palette)


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    global _may_leave
    threads_before = set(threading.enumerate())
    _records.kept.clear()
    _outside.clear()
    _may_leave = request.node.get_closest_marker("index") is not None
    yield
    _may_leave = False
    gc.collect()
    faults = [f"it left {each} behind" for each in _left_behind(threads_before)]
    faults += [f"it connected to {each}" for each in _outside]
    faults += _log_faults(request.node)
    _undress()
    if faults:
        pytest.fail("; ".join(faults), pytrace=False)


def _left_behind(threads_before: set[threading.Thread]) -> list[str]:
    deadline = time.monotonic() + PATIENCE
    collected = False
    while True:
        application = QCoreApplication.instance()
        if application is not None:
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        left = _started.alive()
        if isinstance(application, QApplication):
            left += [
                f"a visible {type(window).__name__} {window.objectName()!r}"
                for window in application.topLevelWidgets()
                if window.isVisible()
            ]
        # Python's stand-ins for Qt's threads never end; those threads are watched as QThreads.
        extra = [
            thread
            for thread in set(threading.enumerate()) - threads_before
            if not isinstance(thread, threading._DummyThread)
        ]
        left += [f"the thread {thread.name!r}" for thread in extra]
        if not left or time.monotonic() > deadline:
            return left
        if not collected:
            collected = True
            gc.collect()
        elif extra:
            extra[0].join(0.05)
        else:
            QThread.msleep(20)


def _log_faults(node: pytest.Item) -> list[str]:
    patterns = [str(mark.args[0]) for mark in node.iter_markers("logs")]
    said = [(f"{record.name}: {record.levelname}: {record.getMessage()}") for record in _records.kept]
    faults = [f"it logged {line!r}" for line in said if not any(re.search(pattern, line) for pattern in patterns)]
    faults += [f"it did not log {each!r}" for each in patterns if not any(re.search(each, line) for line in said)]
    return faults

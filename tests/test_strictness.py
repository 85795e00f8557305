"""The watchers of tests/strictness.py catch what they are there to catch, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

CONFTEST = """
from tests import strictness
from tests.strictness import *
strictness.PATIENCE = 0.2
"""

CASES = """
import logging, socket, threading
import pytest
from PySide6.QtCore import QThread, QTimer, qWarning
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QLabel, QWidget

kept = []
let_go = threading.Event()

class Waits(QThread):
    def run(self):
        let_go.wait()

def test_good_a_closed_window_takes_its_timer_along(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    QTimer(window).start(10)

def test_good_a_finished_thread():
    thread = threading.Thread(target=int)
    thread.start()

def test_good_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()

@pytest.mark.logs("careful")
def test_good_an_announced_warning():
    logging.getLogger("workbench").warning("careful")

def test_bad_thread():
    threading.Thread(target=let_go.wait, name="stays").start()

def test_bad_qthread(qapp):
    kept.append(Waits())
    kept[-1].start()

def test_good_after_them(qapp):
    let_go.set()
    kept[-1].wait()

def test_bad_window(qapp):
    kept.append(QLabel())
    kept[-1].show()

def test_good_after_the_window(qapp):
    kept[-1].close()

def test_bad_timer(qapp):
    kept.append(QTimer())
    kept[-1].start(1000)

def test_good_after_the_timer(qapp):
    kept[-1].stop()

def test_good_dressed(qapp):
    kept.append((qapp.font(), qapp.palette()))
    qapp.setStyleSheet("QWidget { color: red }")
    qapp.setFont(QFont("monospace", 31))
    qapp.setPalette(QPalette(QColor("black")))

def test_good_plain_again(qapp):
    assert (qapp.styleSheet(), qapp.font(), qapp.palette()) == ("", *kept[-1])

def test_bad_log():
    logging.getLogger("transformers.anything").error("oh")

@pytest.mark.logs("never said")
def test_bad_silence():
    pass

def test_bad_network():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 80))

def test_bad_qt_warning(qapp):
    qWarning("oh")
"""


def test_every_watcher_bites(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_cases.py").write_text(CASES)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = set(re.findall(r"^(?:ERROR|FAILED) \S*::(test_\w+)", done.stdout, re.MULTILINE))
    bad = set(re.findall(r"def (test_bad_\w+)", CASES))
    assert failed == bad, done.stdout
    for said in (
        "left the thread 'stays' behind",
        "left a running QThread",
        "left a visible QLabel",
        "left an active QTimer",
        "logged 'transformers.anything: ERROR: oh'",
        "did not log 'never said'",
        "connected to 192.0.2.1:80",
    ):
        assert said in done.stdout

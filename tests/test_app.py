"""The composition root: what a start costs and what it says when it can't open a window."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_MEASURE = """
import linecache, sys
from workbench.app import make_application
app = make_application(sys.argv[:1])
from workbench.engine import models
models.warm_up()
print(sum(len(entry[2]) for entry in linecache.cache.values() if len(entry) > 2))
"""


def test_importing_torch_under_qt_keeps_no_source_text() -> None:
    """PySide6 reads the source of each imported module and keeps it: 1.4 million lines, 125 MB."""
    done = subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout.split()[-1]) < 200_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a missing display is a matter of X11 and Wayland")
def test_without_a_display_it_says_what_to_do_instead() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-m", "workbench"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "--tour" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_prints_the_state_of_the_machine() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "--check"], capture_output=True, text=True, timeout=120, check=True
    )
    for word in ("torch", "transformers", "devices", "memory", "starter", "qt platform", "fonts", "network"):
        assert word in done.stdout

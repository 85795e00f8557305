"""The composition root: what a start costs and what it says when it can't open a window."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.__main__ import _LIBRARIES, get_starters
from workbench.engine import starters
from workbench.engine.task import Progress, Task

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def opened() -> str:
    """What is told of a window of its own once it is warm: who imported the plots, and how long the kept source is."""
    code = """
import linecache, sys, threading, tempfile
threads = []
sys.addaudithook(lambda event, args: threads.append(threading.current_thread())
                 if event == "import" and args[0] == "pyqtgraph" else None)
from PySide6.QtCore import QSettings
from workbench.app import Workbench, make_application
from workbench.runtime.settings import Settings
app = make_application(["test"])
store = QSettings(tempfile.mkdtemp() + "/settings.ini", QSettings.Format.IniFormat)
workbench = Workbench(Settings(store))
workbench.warm.connect(app.quit)
workbench.window.show()
app.exec()
print("torch" in sys.modules, "transformers" in sys.modules)
print({thread is threading.main_thread() for thread in threads})
print(sum(len(entry[2]) for entry in linecache.cache.values() if len(entry) > 2))
workbench.window.close()
workbench.runner.shut_down()
print("well")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip().endswith("well"), done.stderr
    return done.stdout


def test_importing_torch_under_qt_keeps_no_source_text(opened: str) -> None:
    """PySide6 reads the source of each imported module and keeps it: 1.4 million lines, 125 MB."""
    imported, _, kept, _ = opened.splitlines()
    assert imported == "True True"
    assert int(kept) < 200_000


def test_plots_are_imported_in_the_windows_thread_for_pyside_makes_its_types_safely_in_no_other(opened: str) -> None:
    assert opened.splitlines()[1] == "{True}"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a missing display is a matter of X11 and Wayland")
def test_without_a_display_it_says_what_to_do_instead() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-m", "workbench"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "--tour" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_prints_where_not_all_letters_can_be_written() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u201cworkbench train run.toml\\u201d" in done.stdout


class Terminal(io.StringIO):
    """What is printed on, and how much of it a person has seen."""

    def __init__(self, alive: bool) -> None:
        super().__init__()
        self.alive, self.seen = alive, ""

    def isatty(self) -> bool:
        return self.alive

    def flush(self) -> None:
        self.seen = self.getvalue()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The starters are fetched; what a person has seen of it after each step."""
    seen: list[str] = []

    def get(key: str, *, task: Task) -> None:
        for done in (0, 50, 100):
            task.report(Progress(done, 100, "bytes", "fetching what has a name longer than the line"))
            seen.append(sys.stdout.seen)

    monkeypatch.setattr(starters, "installed", lambda key: None)
    monkeypatch.setattr(starters, "get", get)
    monkeypatch.setenv("COLUMNS", "50")
    return seen


def test_the_progress_of_a_fetch_stays_on_one_line_of_any_terminal(
    fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal(True))
    assert get_starters() == 0
    said = sys.stdout.getvalue()
    assert "\x1b" not in said and all(fetched)
    assert {len(line.rstrip("\n")) for line in said.split("\r")[1:]} == {49}
    assert [line.rstrip() for line in said.split("\n")[0].split("\r")][-1] == f"{starters.STARTERS[0].name}: ready"


def test_in_a_file_it_is_a_line_for_each_part_at_once(fetched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal(False))
    assert get_starters() == 0
    part = f"{starters.STARTERS[0].name}: fetching what has a name longer than the line 100 %"
    assert fetched[:3] == ["", "", f"{part}\n"]
    assert sys.stdout.getvalue().startswith(f"{part}\n{starters.STARTERS[0].name}: ready\n")


def test_check_prints_the_state_of_the_machine() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "--check"], capture_output=True, text=True, timeout=120, check=True
    )
    for word in ("torch", "transformers", "devices", "memory", "starter", "qt platform", "fonts", "network"):
        assert word in done.stdout


def test_closing_after_a_copy_ends_well_and_the_clipboard_keeps_it() -> None:
    code = """
from PySide6.QtCore import QTimer
from workbench.app import make_application
from workbench.widgets.exact_text import ExactTextEdit
app = make_application(["test"])
field = ExactTextEdit()
field.setPlainText("two words")
field.selectAll()
field.copy()
QTimer.singleShot(0, app.quit)
app.exec()
print(app.clipboard().text())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "two words\n"), done.stderr


def test_a_library_that_qt_lacks_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    (tmp_path / "PySide6").mkdir()
    said = "libEGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "PySide6" / "__init__.py").write_text(f"raise ImportError({said!r})")
    for arguments in ([], ["--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "workbench", *arguments],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert "libEGL.so.1" in done.stderr
        assert "sudo apt-get install" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_libraries_that_are_named_are_those_that_set_up_looks_for() -> None:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "packaging" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    wanted = {*bootstrap.LIBRARIES["offscreen"].values(), *bootstrap.LIBRARIES["xcb"].values()}
    assert {word for word in _LIBRARIES.split() if word.startswith("lib") and word != "libraries"} == wanted

"""The rules of the house that a program can check, each with its reason; ruff and import-linter check the others."""

from __future__ import annotations

import ast
import fnmatch
import functools
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = {".py", ".md", ".toml", ".in", ".lock", ".txt", ".xml", ".desktop", ".svg", ".json", ".yml", ".yaml", ""}

#: Longest a module may be: above it, it holds more than one thing.
LONGEST = 600

#: What must not stand in a file, where, and why. The words are split so that this file passes its own check.
FORBIDDEN = [
    pytest.param("*", r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", "Do it now, or make it an issue.", id="unfinished"),
    pytest.param(
        "*",
        r"(file" + r"s\.pythonhosted|py" + r"pi\.org|download\.py" + r"torch|test\.py" + r"pi)",
        "Which index a machine uses is its own business: no registry host in a file.",
        id="registry host",
    ),
    pytest.param(
        "*",
        r"(?<![\w.])/(wor" + r"k|roo" + r"t|hom" + r"e/\w+|opt/whe" + r"els)/",
        "A path of one machine is wrong on every other.",
        id="path of this machine",
    ),
    pytest.param(
        "*.py",
        r"keyClick" + r"s\(",
        "QTest aborts Python on the first non-ASCII letter: insert the text, or send one key with keyClick.",
        id="typed keys",
    ),
    pytest.param(
        "*.py",
        r"\bprocessEvent" + r"s\b",
        "It re-enters the event loop: long work is a Job.",
        id="event loop re-entered",
    ),
    pytest.param("*.py", r"trust_remote_code=Tru" + r"e", "A checkpoint's own code is never run.", id="remote code"),
    pytest.param("*.py", r"weights_only=Fals" + r"e", "It opens pickles, and pickles run code.", id="pickle"),
    pytest.param(
        "workbench/*.py",
        r"\b(torch_d" + r"type|evaluation_strat" + r"egy)\s*=|\bTrainer\([^)]*\btokenizer=",
        "transformers 5 says dtype, eval_strategy and processing_class.",
        id="old spelling",
    ),
    pytest.param("workbench/*.py", r"\.exec_\(", "PySide6 says exec().", id="Qt 5 spelling"),
    pytest.param(
        "workbench/[!e]*.py",
        r"\{[^{}]*:[.\d,]*%" + r"\}",
        "A share is spelled by format_percent: a number, a space, and %.",
        id="another per cent",
    ),
    pytest.param(
        "*.py", r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)", "Say which error is ignored, and why.", id="blanket ignore"
    ),
]


@functools.cache
def committed() -> tuple[Path, ...]:
    """The files git has or would take; every file where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        files = [ROOT / name for name in names]
    except (OSError, subprocess.CalledProcessError):
        tops = ("workbench", "tests", "packaging", "assets")
        files = [path for top in tops for path in (ROOT / top).rglob("*") if "__pycache__" not in path.parts]
    return tuple(path for path in files if path.is_file())


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def python_files(top: str) -> list[Path]:
    return [path for path in committed() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] == top]


@pytest.mark.parametrize(("where", "pattern", "reason"), FORBIDDEN)
def test_it_stands_nowhere(where: str, pattern: str, reason: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in committed()
        if path.suffix in TEXT and fnmatch.fnmatch(path.relative_to(ROOT).as_posix(), where)
        # In most files there is nothing, which one look tells.
        if re.search(pattern, text_of(path))
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found, reason


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for top in ("workbench", "tests", "packaging")
        for path in python_files(top)
        if text_of(path).strip() and not text_of(path).startswith('"""')
    ]
    assert not silent, "The first line of a module says in plain words what it holds."


def test_every_pane_can_be_run_alone() -> None:
    panes = [path for path in (ROOT / "workbench" / "panes").iterdir() if not path.name.startswith("_")]
    without = []
    for pane in panes:
        files = [pane] if pane.is_file() else [*pane.glob("__main__.py"), *pane.glob("pane.py")]
        runs = any(file.name == "__main__.py" or '__name__ == "__main__"' in file.read_text() for file in files)
        if not runs:
            without.append(pane.name)
    assert not without, "A pane that runs alone is looked at while it is made, and is a stranger to the others."


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "tools", "core", "base"}
    found = [
        str(path.relative_to(ROOT)) for path in python_files("workbench") if drawers & {path.stem, path.parent.name}
    ]
    assert not found, "A drawer fills with what has no name: call the module after what it holds."


def test_no_module_is_long() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in python_files("workbench")}
    assert not {name: lines for name, lines in long.items() if lines > LONGEST}, "A long module is two."


def test_each_test_module_stands_where_its_module_does() -> None:
    strays = [
        str(path.relative_to(ROOT))
        for path in python_files("tests")
        if path.name.startswith("test_") and len(path.relative_to(ROOT).parts) > 2
        if path.relative_to(ROOT / "tests").parts[0] not in ("packaging", "benchmarks")
        and not (ROOT / "workbench" / path.relative_to(ROOT / "tests").parts[0]).is_dir()
    ]
    assert not strays, "tests/ mirrors workbench/: whoever finds the module finds its test."


def test_every_folder_of_python_is_a_package() -> None:
    folders = {path.parent for top in ("workbench", "tests") for path in python_files(top)}
    bare = [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()]
    assert not bare, "Without __init__.py, two test modules of one name collide and import-linter overlooks the folder."


def test_nothing_large_is_committed() -> None:
    large = [str(path.relative_to(ROOT)) for path in committed() if path.stat().st_size > 2 * 2**20]
    assert not large, "Two megabytes are for ever in everybody's clone."


def _calls(path: Path, word: str) -> list[ast.Call]:
    """The calls in a file that has the word, which is quicker to tell than what is called."""
    tree = ast.parse(text_of(path) if word in text_of(path) else "")
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_a_checkpoint_is_loaded_without_code_or_pickle() -> None:
    unsafe = []
    for path in python_files("workbench"):
        for call in _calls(path, "from_pretrained"):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            given = {keyword.arg for keyword in call.keywords}
            if name == "from_pretrained" and None not in given and "trust_remote_code" not in given:
                unsafe.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert not unsafe, "With trust_remote_code unset, transformers asks on the terminal; False refuses at once."


def test_a_closed_pane_is_not_kept_alive_by_a_lambda() -> None:
    kept = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in python_files("workbench")
        for call in _calls(path, "lambda")
        if isinstance(call.func, ast.Attribute) and call.func.attr == "connect" and call.args
        if isinstance(call.args[0], ast.Lambda)
        if any(isinstance(node, ast.Name) and node.id == "self" for node in ast.walk(call.args[0]))
    ]
    assert not kept, "A lambda over self keeps a closed widget alive: connect a bound method."


def test_a_thread_of_a_library_is_not_started_by_hand() -> None:
    own = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in python_files("workbench")
        if path.relative_to(ROOT).parts[1] in ("panes", "widgets")
        for call in _calls(path, "Thread")
        if ast.unparse(call.func) in ("threading.Thread", "Thread", "QThread", "QThreadPool.globalInstance")
    ]
    assert not own, "Work runs as a Job on a lane: visible, cancellable, and ended before the window closes."

"""Each contract of pyproject.toml refuses what it is there to refuse: a contract that can't be broken is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "import importlinter.cli as c; c.lint_imports_command()"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with its contracts."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "workbench", folder / "workbench", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def lint(tree: Path, contract: str) -> tuple[int, str]:
    command = [sys.executable, "-c", LINT, "--no-logo", "--no-cache", "--contract", contract]
    done = subprocess.run(
        command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


BREAKS = [
    pytest.param("floors", "engine/paths.py", "from workbench.runtime import jobs", id="the engine looks up"),
    pytest.param("floors", "runtime/session.py", "from workbench.panes import hub", id="the runtime looks up"),
    pytest.param("floors", "panes/jobs.py", "from workbench import window", id="a pane knows the window"),
    pytest.param("floors", "runtime/session.py", "from workbench.widgets import naming", id="runtime knows widgets"),
    pytest.param("floors", "attic.py", "", id="a module without a floor"),
    pytest.param("engine-order", "engine/values.py", "from workbench.engine import hub", id="values know the hub"),
    pytest.param(
        "engine-order", "engine/sampling.py", "from workbench.engine import generate", id="order turned round"
    ),
    pytest.param("engine-order", "engine/forward.py", "from workbench.engine import tasks", id="siblings meet"),
    pytest.param("engine-order", "engine/attic.py", "", id="an engine module without a place"),
    pytest.param("engine-without-qt", "engine/paths.py", "from PySide6.QtCore import QObject", id="Qt at the top"),
    pytest.param(
        "engine-without-qt",
        "engine/paths.py",
        "def f():\n    import pyqtgraph",
        id="Qt inside a function of the engine",
    ),
    pytest.param("widgets-know-no-engine", "widgets/naming.py", "from workbench.engine import values", id="engine"),
    pytest.param("widgets-know-no-engine", "widgets/naming.py", "from workbench.runtime import jobs", id="runtime"),
    pytest.param(
        "panes-are-strangers", "panes/tasks/__init__.py", "from workbench.panes import tokenizer", id="panes meet"
    ),
    pytest.param("libraries-in-the-engine", "panes/jobs.py", "import torch", id="torch in a pane"),
    pytest.param(
        "libraries-in-the-engine",
        "window.py",
        "def f():\n    import huggingface_hub",
        id="inside a function of the window",
    ),
]


@pytest.mark.parametrize(("contract", "file", "line"), BREAKS)
def test_a_contract_refuses(tree: Path, contract: str, file: str, line: str) -> None:
    path = tree / "workbench" / file
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        status, said = lint(tree, contract)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)
    assert status == 1
    assert "0 kept, 1 broken" in said
    module = "workbench." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert module in said


def test_every_contract_is_broken_above() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    named = {str(case.values[0]) for case in BREAKS}
    assert {f'id = "{name}"' for name in named} == {line for line in text.splitlines() if line.startswith('id = "')}

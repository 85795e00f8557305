"""The main job on the real starters: README's example, and the tour, which fails when a step does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.engine.values import Checkpoint

_ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.timeout(120)
def test_the_readme_example_runs_as_it_stands(smollm2: Checkpoint) -> None:
    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert example is not None
    done = subprocess.run(
        [sys.executable, "-c", example.group(1)],
        env={**os.environ, "WORKBENCH_DATA": str(smollm2.path.parents[1])},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "' Paris'" in done.stdout.splitlines()[1], "the most probable next token is first"
    assert " Paris." in done.stdout


@pytest.mark.timeout(600)
def test_the_tour_does_the_main_job(smollm2: Checkpoint, minilm: Checkpoint, tmp_path: Path) -> None:
    assert minilm.path.parents[1] == smollm2.path.parents[1]
    data = tmp_path / "data"
    data.mkdir()
    # Runs of the test go to a folder of its own; the starters are the person's.
    (data / "starters").symlink_to(smollm2.path.parent, target_is_directory=True)
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "--tour", str(tmp_path / "tour"), "--fast"],
        env={**os.environ, "WORKBENCH_DATA": str(data)},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "tour" / "report.json").read_text(encoding="utf-8"))
    assert report["failures"] == {}
    assert "Paris" in report["greedy_text"]
    pictures = {path.name: path.stat().st_size for path in (tmp_path / "tour").glob("*.png")}
    shown = {path.name for path in (_ROOT / "packaging" / "screenshots").glob("*.png")}
    assert shown <= pictures.keys(), "the tour takes every picture of the readme"
    assert {"trainer-data.png", "trainer-batches.png", "trainer-runs.png"} <= pictures.keys()
    assert min(pictures.values()) > 10_000, f"something is to be seen on each: {pictures}"
    assert done.stderr.strip() == "", "nothing is said on stderr"

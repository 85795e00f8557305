"""A folder for something new has a name that every system takes, and is nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.engine import paths


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("my run", "my-run"),
        ("a/b:c*?", "a-b-c"),
        ("..", "run"),
        ("dot.", "dot"),
        ("con", "_con"),
        ("Aux.txt", "_Aux.txt"),
        ("lpt1", "_lpt1"),
        ("console", "console"),
        ("Läufe 跑", "Läufe-跑"),
        ("𠀀" * 300, "𠀀" * 60),
        ("x" * 59 + " yz", "x" * 59),
    ],
)
def test_a_new_folder_has_a_name_that_every_system_takes(tmp_path: Path, asked: str, got: str) -> None:
    assert paths.free_place(tmp_path, asked, "run") == tmp_path / got
    (tmp_path / got).mkdir()
    assert paths.free_place(tmp_path, asked, "run") == tmp_path / f"{got}-2"

"""The lock, the ranges of the wheel and the pin of torch agree with one another."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "packaging" / "requirements.lock").read_text()
PINS = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDED = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
DEVELOPMENT = [Requirement(line) for line in PROJECT["dependency-groups"]["dev"]]


@pytest.mark.parametrize("needed", [each for each in NEEDED + DEVELOPMENT if each.name != "torch"], ids=str)
def test_the_locked_version_is_in_the_range(needed: Requirement) -> None:
    assert needed.specifier.contains(PINS[canonicalize_name(needed.name)])


def test_every_pin_has_a_hash_and_no_address() -> None:
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)
    assert len(blocks) > 60
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)
    assert "://" not in LOCK


def test_torch_is_pinned_once_and_kept_out_of_the_lock() -> None:
    torch = next(str(each) for each in NEEDED if each.name == "torch")
    assert f'TORCH = "{torch}"' in (ROOT / "packaging" / "bootstrap.py").read_text()
    assert "torch" not in PINS
    assert not any(name.startswith("nvidia") for name in PINS)


def test_nothing_unpinned_arrives_with_torch() -> None:
    """Torch is installed without hashes, so what it requires has to be in the lock."""
    from importlib import metadata

    required = [Requirement(line) for line in metadata.requires("torch") or ()]
    wanted = [each for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    unpinned = {each.name for each in wanted if canonicalize_name(each.name) not in PINS}
    assert not {name for name in unpinned if not name.startswith(("nvidia", "cuda", "triton"))}


def test_each_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    lines = text.partition("\ndependencies = [\n")[2].partition("\n]")[0].splitlines()
    silent = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if line.strip().startswith('"') and not re.search(r'",\s+# \S', line) and not above.strip().startswith("# ")
    ]
    assert silent == []

"""The wheel holds the program, its assets, its licence and what a desktop needs to list it."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from workbench import __version__

ROOT = Path(__file__).parents[2]
DESKTOP = ROOT / "packaging" / "transformers-workbench.desktop"
METAINFO = ROOT / "packaging" / "org.transformers_workbench.Workbench.metainfo.xml"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_all_of_the_package_and_all_assets_are_inside(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "workbench").rglob("*.py")}
    assets = {
        f"workbench/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "assets").rglob("*") if path.is_file()
    }
    assert modules <= names
    assert assets <= names
    assert {"workbench/assets/icon.svg", "workbench/assets/samples/movie_reviews.csv", "workbench/py.typed"} <= names


def test_nothing_else_is_inside(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {
        "workbench",
        f"transformers_workbench-{__version__}.dist-info",
        f"transformers_workbench-{__version__}.data",
    }
    assert not [name for name in wheel.namelist() if name.endswith((".pyc", ".lock"))]


def test_it_brings_the_command_the_licence_and_the_desktop_entry(wheel: zipfile.ZipFile) -> None:
    info = f"transformers_workbench-{__version__}.dist-info"
    data = f"transformers_workbench-{__version__}.data/data/share"
    assert "workbench = workbench.__main__:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "Apache License" in wheel.read(f"{info}/licenses/LICENSE").decode()
    assert wheel.read(f"{data}/applications/{DESKTOP.name}") == DESKTOP.read_bytes()
    assert f"{data}/icons/hicolor/scalable/apps/transformers-workbench.svg" in wheel.namelist()


def test_the_desktop_entry_starts_the_command() -> None:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DESKTOP)
    entry = parser["Desktop Entry"]
    assert entry["Type"] == "Application"
    assert entry["Exec"].split()[0] == entry["TryExec"] == "workbench"
    # Rejected by the validator of Debian 12.
    assert "Version" not in entry
    assert set(entry["Categories"].strip(";").split(";")) == {"Science", "ArtificialIntelligence"}


def test_the_metainfo_names_this_version_and_the_desktop_entry() -> None:
    root = ET.parse(METAINFO).getroot()
    assert root.findtext("id") == METAINFO.name.removesuffix(".metainfo.xml")
    assert root.findtext("project_license") == "Apache-2.0"
    assert root.findtext("launchable") == DESKTOP.name
    newest = root.find("releases/release")
    assert newest is not None
    assert newest.get("version") == __version__


def test_the_changelog_begins_with_this_version() -> None:
    headings = [
        line for line in (ROOT / "packaging" / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    ]
    assert headings[0].startswith(f"## {__version__}")

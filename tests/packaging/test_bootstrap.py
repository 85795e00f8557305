"""Set-up says what is missing before Qt does, installs in an order that keeps torch apart, and is quick afterwards."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "packaging" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def steps(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that would have been run."""
    run: list[str] = []

    def record(title: str, *command: str, fatal: bool = True, **extra: str) -> int:
        run.append(" ".join(command))
        return 0

    monkeypatch.setattr(bootstrap, "step", record)
    return run


@pytest.fixture
def without_egl(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "can_open", lambda name: name != "libEGL.so.1")
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")


def on_debian(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, *, root: bool) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0 if root else 1000)


def test_every_make_target_is_a_verb(bootstrap: ModuleType) -> None:
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets is not None
    assert all(callable(getattr(bootstrap, name)) for name in targets[1].split())
    assert {"run", "test", "bench", "lint", "tour", "lock", "clean"} <= set(targets[1].split())


def test_a_python_too_old_is_named_with_the_remedy(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST", (3, 98))
    assert bootstrap.main(["run"]) == 1
    said = capsys.readouterr().out
    assert "Python 3.11, 3.12 or 3.13 is needed" in said
    assert "make run PYTHON=" in said


def test_an_unknown_verb_lists_the_known_ones(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["fly"]) == 2
    assert "run, test, bench" in capsys.readouterr().out


@pytest.mark.usefixtures("without_egl")
def test_a_missing_library_ends_with_the_exact_command(
    bootstrap: ModuleType, steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_debian(bootstrap, monkeypatch, root=False)
    monkeypatch.setattr(bootstrap, "FONTS", ("fonts-nowhere",))
    assert bootstrap.main(["lint"]) == 1
    said = capsys.readouterr().out
    assert "libEGL.so.1" in said
    assert "    sudo apt-get install --yes --no-install-recommends libegl1 fonts-nowhere\n" in said
    assert steps == []


@pytest.mark.usefixtures("without_egl")
def test_a_missing_library_is_installed_by_root(
    bootstrap: ModuleType, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_debian(bootstrap, monkeypatch, root=True)
    with pytest.raises(bootstrap.Stop, match=r"Still missing after the installation: libEGL\.so\.1"):
        bootstrap.provide_libraries("offscreen")
    installed = "apt-get install --yes --no-install-recommends"
    assert steps == ["apt-get update", f"{installed} libegl1"]
    monkeypatch.setattr(bootstrap, "FONTS", ("fonts-nowhere",))
    bootstrap.provide_fonts()
    assert steps[2:] == [f"{installed} fonts-nowhere"], "the lists are new"


@pytest.mark.usefixtures("without_egl")
def test_without_apt_the_libraries_are_named(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    with pytest.raises(bootstrap.Stop, match=r"Qt needs system libraries that are missing \(libEGL\.so\.1\)"):
        bootstrap.provide_libraries("offscreen")


def test_a_window_on_x11_needs_more_than_offscreen(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "can_open", lambda name: asked.append(name) or True)
    bootstrap.provide_libraries("xcb")
    assert {"libGL.so.1", "libxcb-cursor.so.0", "libxcb-icccm.so.4"} <= set(asked)


def test_missing_fonts_are_a_note_and_no_failure(
    bootstrap: ModuleType, steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_debian(bootstrap, monkeypatch, root=False)
    monkeypatch.setattr(bootstrap, "FONTS", ("fonts-nowhere",))
    bootstrap.provide_fonts()
    assert "sudo apt-get install --yes --no-install-recommends fonts-nowhere" in capsys.readouterr().out
    assert steps == []


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "There is no display"),
        ({"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":0"}, "QT_QPA_PLATFORM is offscreen"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, ""),
        ({"QT_QPA_PLATFORM": "vnc"}, ""),
    ],
)
def test_no_display_is_noticed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], reason: str
) -> None:
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = bootstrap.no_display()
    assert said.startswith(reason)
    assert bool(said) == bool(reason)


def test_children_keep_their_byte_code(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = bootstrap.child_environment(QT_QPA_PLATFORM="offscreen")
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert "PYTHONPATH" not in environment
    assert environment["QT_QPA_PLATFORM"] == "offscreen"


def test_a_step_tells_on_one_line_of_any_terminal_what_goes_on(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stdout", Terminal())
    printed = "print('Get:1 a mirror with a name that is longer than the line'); print('of no account')"
    assert bootstrap.step("system packages", sys.executable, "-c", printed) == 0
    said = sys.stdout.getvalue()
    assert "\x1b" not in said and "of no account" not in said
    assert [line.rstrip() for line in said.split("\r")[1:]] == [
        "  system packages …",
        "  system packages … Get:1 a mirror with",
        "  system packages: 0 s",
    ]


@pytest.fixture
def checkout(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty checkout with nothing to install from, and no system to look at."""
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "requirements.lock").write_text("numpy==2.0 \\\n    --hash=sha256:00\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "requirements.lock")
    for name in ("provide_libraries", "provide_fonts"):
        monkeypatch.setattr(bootstrap, name, lambda *_: None)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.delenv("WORKBENCH_TORCH", raising=False)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    return tmp_path


def test_the_lock_comes_before_torch_and_the_checkout_last(
    bootstrap: ModuleType, steps: list[str], checkout: Path
) -> None:
    bootstrap.prepare("offscreen")
    verbs = [command.partition(" install ")[2] for command in steps if " install " in command]
    assert verbs[0].startswith("--no-deps --require-hashes -r")
    assert verbs[1] == bootstrap.TORCH
    assert verbs[2].startswith("--no-deps --no-build-isolation --editable")
    assert steps[-1].endswith("pip --disable-pip-version-check check")


def _change_lock(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("numpy==2.1 \\\n    --hash=sha256:11\n")


def _change_project(checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text("[project]\nname = 'other'\n")


def _interrupt(checkout: Path) -> None:
    (checkout / ".venv" / "stamp").unlink()


@pytest.mark.parametrize("change", [_change_lock, _change_project, _interrupt])
def test_only_a_change_costs_an_installation(
    bootstrap: ModuleType, steps: list[str], checkout: Path, change: Callable[[Path], None]
) -> None:
    bootstrap.prepare("offscreen")
    steps.clear()
    bootstrap.prepare("offscreen")
    assert steps == []
    change(checkout)
    bootstrap.prepare("offscreen")
    assert any("--require-hashes" in command for command in steps)


def test_uv_is_asked_for_a_cpu_build_where_there_is_no_gpu(
    bootstrap: ModuleType, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKBENCH_TORCH", raising=False)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bootstrap, "has_nvidia", lambda: False)
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    bootstrap.install_torch(("pip",))
    assert len(steps) == 1
    assert "--torch-backend=cpu" in steps[0]
    assert "--compile-bytecode" in steps[0]


def test_a_gpu_takes_the_ordinary_build_unless_told_otherwise(
    bootstrap: ModuleType, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bootstrap, "has_nvidia", lambda: True)
    monkeypatch.delenv("WORKBENCH_TORCH", raising=False)
    bootstrap.install_torch(("pip",))
    monkeypatch.setenv("WORKBENCH_TORCH", "cu130")
    bootstrap.install_torch(("pip",))
    assert steps[0] == f"pip install {bootstrap.TORCH}"
    assert "--torch-backend=cu130" in steps[1]


@pytest.mark.parametrize(("display", "rest"), [(True, ["a-folder"]), (False, ["--fast"])])
def test_run_opens_the_window_or_takes_the_tour_where_there_is_no_display(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    display: bool,
    rest: list[str],
) -> None:
    done: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "no_display", lambda: "" if display else "There is no display")
    monkeypatch.setattr(bootstrap, "prepare", lambda platform: done.append(("prepare", platform)))
    monkeypatch.setattr(bootstrap, "display_platform", lambda: "xcb")
    monkeypatch.setattr(bootstrap, "python", lambda *given, **extra: done.append(given) or 0)
    monkeypatch.setattr(bootstrap, "hand_over", lambda *given, **extra: done.append((*given, *extra.values())) or 0)
    assert bootstrap.main(["run", *rest]) == 0
    assert done[:2] == [("prepare", "xcb" if display else "offscreen"), ("-m", "workbench", "--get-starters")]
    said = capsys.readouterr().out
    if display:
        assert done[2] == ("-m", "workbench", "a-folder")
        assert said == ""
    else:
        assert done[2] == ("-m", "workbench", "--tour", str(bootstrap.ROOT / "tour"), "--fast", "offscreen")
        assert "There is no display, so there can be no window: taking the tour offscreen instead." in said

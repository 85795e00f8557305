"""Set up and start the workbench: ``packaging/bootstrap.py run|test|bench|census|lint|tour|install|lock|clean``.

Needs nothing but Python 3.11 to 3.13. The environment is .venv: everything from requirements.lock (hash-checked), then
torch, then the checkout itself. A stamp remembers what it was made from: a start with nothing changed costs 0.1 s.

Environment variables:
    WORKBENCH_TORCH: which build of torch to install: ``cpu``, ``cu130`` and so on (through uv, where uv is installed),
        or ``default`` for whatever the package index has. Unset, machines without an NVIDIA driver take ``cpu``.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCK = ROOT / "packaging" / "requirements.lock"
TORCH = "torch==2.13.0"
OLDEST, NEWEST = (3, 11), (3, 13)

#: What Qt opens at its start, by platform plugin, and the Debian and Ubuntu package that has it.
LIBRARIES = {
    "offscreen": {
        "libglib-2.0.so.0": "libglib2.0-0",
        "libGL.so.1": "libgl1",
        "libEGL.so.1": "libegl1",
        "libxkbcommon.so.0": "libxkbcommon0",
        "libdbus-1.so.3": "libdbus-1-3",
        "libfontconfig.so.1": "libfontconfig1",
    },
    "xcb": {
        "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
        "libxcb-cursor.so.0": "libxcb-cursor0",
        "libxcb-icccm.so.4": "libxcb-icccm4",
        "libxcb-keysyms.so.1": "libxcb-keysyms1",
        "libxcb-shape.so.0": "libxcb-shape0",
    },
    "wayland": {"libwayland-client.so.0": "libwayland-client0", "libwayland-cursor.so.0": "libwayland-cursor0"},
}
#: What keeps Debian's packages from asking.
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
#: How lines of pip and apt-get begin that tell what goes on.
_TELLING = ("Collecting", "Downloading", "Installing", "Get:", "Unpacking")
#: Together they show every script the panes are likely to meet, emoji included.
FONTS = ("fonts-dejavu-core", "fonts-wqy-microhei", "fonts-noto-color-emoji", "fonts-noto-core")


def main(arguments: list[str]) -> int:
    """Do what the first argument says; the rest is handed on.

    Returns:
        The exit status of what was done.
    """
    verb, rest = (arguments[0] if arguments else "run"), arguments[1:]
    verbs = {each.__name__: each for each in (run, test, bench, census, lint, tour, install, lock, clean)}
    if verb not in verbs:
        say(f"There is no {verb!r}; there are: {', '.join(verbs)}.")
        return 2
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        say(
            f"Python 3.11, 3.12 or 3.13 is needed, and {sys.executable} is Python {platform.python_version()}.\n"
            f"Name another one: make {verb} PYTHON=python3.12"
        )
        return 1
    try:
        return verbs[verb](rest)
    except Stop as stop:
        say(str(stop))
        return 1
    except KeyboardInterrupt:
        say("\nStopped. The same command goes on where this one was.")
        return 130


class Stop(Exception):
    """Set-up can't go on; the message says why and what to do."""


# ------------------------------------------------------------------------------------------------------------- verbs


def run(rest: list[str]) -> int:
    """Open the workbench; without a display, take the tour offscreen instead."""
    missing = no_display()
    prepare("offscreen" if missing else display_platform())
    python("-m", "workbench", "--get-starters")
    if not missing:
        return hand_over("-m", "workbench", *rest)
    folder = ROOT / "tour"
    say(f"{missing}, so there can be no window: taking the tour offscreen instead. Its pictures go to {folder}.")
    return hand_over("-m", "workbench", "--tour", str(folder), *rest, QT_QPA_PLATFORM="offscreen")


def tour(rest: list[str]) -> int:
    """Do the main job with nobody at the mouse; pictures and a report go to tour/."""
    missing = no_display()
    prepare("offscreen" if missing else display_platform())
    python("-m", "workbench", "--get-starters")
    extra = {"QT_QPA_PLATFORM": "offscreen"} if missing else {}
    return hand_over("-m", "workbench", "--tour", str(ROOT / "tour"), *rest, **extra)


def test(rest: list[str]) -> int:
    """Lint, then run every test without a display; fails when anything fails."""
    prepare("offscreen")
    python("-m", "workbench", "--get-starters")
    linted = check_style()
    # A file to a process, since the tests of a file share what they build. Each computes in one thread: threads of
    # torch that wait for one another keep the cores busy. In the given order: the files with the fewest tests are the
    # longest ones, and would come last.
    apart = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder")
    tested = python("-m", "pytest", *apart, *rest, QT_QPA_PLATFORM="offscreen", OMP_NUM_THREADS="1")
    if linted:
        say("The tests ran, but lint failed above.")
    return tested or linted


def lint(rest: list[str]) -> int:
    """Check style, types and contracts."""
    prepare("offscreen")
    return check_style()


def bench(rest: list[str]) -> int:
    """Measure."""
    prepare("offscreen" if no_display() else display_platform())
    python("-m", "workbench", "--get-starters")
    return hand_over("-m", "tests.benchmarks", *rest, **({"QT_QPA_PLATFORM": "offscreen"} if no_display() else {}))


def census(rest: list[str]) -> int:
    """Run every architecture of the installed transformers with every Auto class as the window runs it; a table."""
    prepare("offscreen")
    return hand_over("-m", "tests.census", *rest)


def install(rest: list[str]) -> int:
    """Only make the environment."""
    prepare("offscreen" if no_display() else display_platform())
    say(f"Ready: {PYTHON.parent / 'workbench'}")
    return 0


def lock(rest: list[str]) -> int:
    """Write requirements.lock anew from requirements.in, with uv; ``--upgrade`` takes newer versions."""
    folder = ROOT / "build" / "lock"
    folder.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv")
    if uv is None:
        tools = folder / "uv"
        step("uv, to make the lock", sys.executable, "-m", "venv", str(tools))
        scripts = tools / PYTHON.parent.name
        step("", str(scripts / PYTHON.name), "-m", "pip", "install", "uv")
        uv = str(scripts / "uv")
    # Torch in a universal lock drags in two versions of itself and every CUDA wheel: it is kept out and pinned above.
    override = folder / "override.txt"
    override.write_text(f'{TORCH} ; sys_platform == "never"\n')
    command = [
        uv, "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header",
        "--no-annotate", "--override", str(override), "--no-emit-package", "torch", *rest,
        str(LOCK.with_suffix(".in")), "-o", str(LOCK),
    ]  # fmt: skip
    return subprocess.call(command, env=child_environment(), stdout=subprocess.DEVNULL)


def clean(rest: list[str]) -> int:
    """Remove the environment and everything that was made; fetched starters and runs stay."""
    made = (".venv", "build", "dist", "tour", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache")
    for name in made:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


def check_style() -> int:
    """Run the linters, all of them even when one fails."""
    checks = {
        "ruff check": ("-m", "ruff", "check", "--quiet", "--output-format=concise", "."),
        "ruff format": ("-m", "ruff", "format", "--quiet", "--check", "--output-format=concise", "."),
        "mypy": ("-m", "mypy"),
        "import-linter": ("-c", "import importlinter.cli as c; c.lint_imports_command()", "--no-logo"),
    }
    status = 0
    for name, command in checks.items():
        status |= step(f"lint: {name}", str(PYTHON), *command, fatal=False)
    return 1 if status else 0


# ------------------------------------------------------------------------------------------------------- environment


def prepare(qt_platform: str) -> None:
    """Make sure of the system libraries, the environment and the fonts."""
    provide_libraries(qt_platform)
    base = f"{platform.python_version()} {ROOT}"
    parts = (LOCK.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), os.environ.get("WORKBENCH_TORCH", "").encode())
    digest = hashlib.sha256(b"\0".join((TORCH.encode(), *parts))).hexdigest()
    stamp = VENV / "stamp"
    known = stamp.read_text("utf-8").split("\n") if stamp.exists() else ["", ""]
    if known == [base, digest] and PYTHON.exists():
        return
    say(f"Setting up {VENV} (once; a few minutes and 2 GB)" if not known[1] else f"Bringing {VENV} up to date")
    began = time.monotonic()
    stamp.unlink(missing_ok=True)
    if known[0] != base or not PYTHON.exists():
        make_venv()
    pip = (str(PYTHON), "-m", "pip", "--disable-pip-version-check")
    pins = sum(1 for line in LOCK.read_text("utf-8").splitlines() if "==" in line)
    step(f"{pins} pinned packages", *pip, "install", "--no-deps", "--require-hashes", "-r", str(LOCK))
    install_torch(pip)
    step("the workbench", *pip, "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    step("versions fit together", *pip, "check")
    provide_fonts()
    stamp.write_text(f"{base}\n{digest}", "utf-8")
    say(f"Done in {time.monotonic() - began:.0f} s.")


def make_venv() -> None:
    """Create .venv, or put its interpreter right; one of another Python version is replaced."""
    try:
        import ensurepip  # noqa: F401 - Debian keeps it in a package of its own
        import venv  # noqa: F401
    except ImportError:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        apt_install([package], f"Python's venv module is missing ({package})")
    settings = VENV / "pyvenv.cfg"
    version = platform.python_version()
    same = PYTHON.exists() and settings.exists() and f"version = {version}" in settings.read_text("utf-8").splitlines()
    step(f"environment for Python {version}", sys.executable, "-m", "venv", *([] if same else ["--clear"]), str(VENV))


def install_torch(pip: tuple[str, ...]) -> None:
    """Install the pinned torch: the asked-for build through uv where there is uv, else what pip finds.

    pip prefers a CPU build (2.13.0+cpu) wherever the index or a find-links folder offers one.
    """
    build = os.environ.get("WORKBENCH_TORCH") or ("default" if has_nvidia() or sys.platform != "linux" else "cpu")
    uv = shutil.which("uv")
    if uv and build != "default":
        status = step(
            f"torch ({build} build, by uv)", uv, "pip", "install", "--python", str(PYTHON), "--compile-bytecode",
            f"--torch-backend={build}", TORCH, fatal=False,
        )  # fmt: skip
        if status == 0:
            return
        say("  uv could not; pip tries.")
    elif os.environ.get("WORKBENCH_TORCH", "default") != "default":
        say(f"  WORKBENCH_TORCH={build} needs uv, which is not installed; taking the ordinary build.")
    step("torch", *pip, "install", TORCH)


def has_nvidia() -> bool:
    """Whether an NVIDIA driver is loaded."""
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()


def child_environment(**extra: str) -> dict[str, str]:
    """The environment of every child: nothing of another Python, byte-code kept, and ``extra`` on top.

    Without byte-code each start compiles torch and transformers again, which takes seconds.
    """
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "PIP_NO_COMPILE")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    if "PIP_FIND_LINKS" in environment:
        environment.setdefault("UV_FIND_LINKS", environment["PIP_FIND_LINKS"])
    return {**environment, **extra}


# --------------------------------------------------------------------------------------------------- system packages


def no_display() -> str:
    """Why no window can be shown here, as the beginning of a sentence; empty when one can."""
    wanted = os.environ.get("QT_QPA_PLATFORM", "")
    if wanted.startswith(("offscreen", "minimal")):
        return f"QT_QPA_PLATFORM is {wanted}"
    if sys.platform != "linux" or os.environ.get("WAYLAND_DISPLAY") or wanted not in ("", "xcb", "wayland"):
        return ""
    display = os.environ.get("DISPLAY")
    if not display:
        return "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return ""
    x11.XOpenDisplay.restype = ctypes.c_void_p
    return "" if x11.XOpenDisplay(None) else f"The display {display} does not answer"


def display_platform() -> str:
    """The platform plugin Qt will take for its window."""
    wanted = os.environ.get("QT_QPA_PLATFORM", "").partition(";")[0].partition(":")[0]
    return wanted or ("wayland" if os.environ.get("WAYLAND_DISPLAY") else "xcb")


def provide_libraries(qt_platform: str) -> None:
    """Install what Qt needs of the system, or say how."""
    if sys.platform != "linux":
        return
    wanted = {**LIBRARIES["offscreen"], **LIBRARIES.get(qt_platform, {})}
    missing = {name: package for name, package in wanted.items() if not can_open(name)}
    if missing:
        why = f"Qt needs system libraries that are missing ({', '.join(missing)})"
        apt_install(list(missing.values()), why, wished=missing_fonts())
        still = [name for name in missing if not can_open(name)]
        if still:
            raise Stop(f"Still missing after the installation: {', '.join(still)}.")


def can_open(name: str) -> bool:
    """Whether the dynamic loader finds a library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def provide_fonts() -> None:
    """Install fonts for every script, or say how; the workbench runs without them, with boxes for some letters."""
    missing = missing_fonts()
    if not missing:
        return
    try:
        apt_install(missing, "Some scripts and emoji would show as boxes")
    except Stop as stop:
        say(f"  note: {stop}")


def missing_fonts() -> list[str]:
    """Of a Debian or Ubuntu, the packages of fonts that it lacks."""
    if not shutil.which("dpkg"):
        return []
    return [name for name in FONTS if not Path(f"/var/lib/dpkg/info/{name}.md5sums").exists()]


def apt_install(packages: list[str], why: str, wished: Sequence[str] = ()) -> None:
    """Install Debian packages.

    Args:
        packages: Their names.
        why: What is the matter, as the beginning of a sentence.
        wished: What is installed later, and stands in the command of whoever has to type it, so that they type one.

    Raises:
        Stop: This is no Debian, or not root, or apt-get failed; the message holds the command to type.
    """
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if not shutil.which("apt-get"):
        raise Stop(f"{why}. Debian and Ubuntu have them in: {' '.join(packages)}. Install what this system calls them.")
    if os.geteuid() != 0:
        raise Stop(f"{why}. Type this, then try again:\n\n    sudo {' '.join((*command, *wished))}\n")
    say(f"{why}: installing {' '.join(packages)}")
    update_lists()
    if step("system packages", *command, fatal=False, **_QUIET):
        raise Stop(f"{why}, and apt-get could not install them. Type: {' '.join(command)}")


@functools.cache
def update_lists() -> None:
    """Fetch Debian's package lists, once in a set-up."""
    step("package lists", "apt-get", "update", fatal=False, **_QUIET)


# ------------------------------------------------------------------------------------------------------------ running


def say(text: str) -> None:
    """Print a line for the person."""
    print(text, flush=True)


def say_over(text: str, end: str = "\n") -> None:
    """Print over the line before, in plain spaces: a console of Windows shows the codes that clear a line as text."""
    width = shutil.get_terminal_size().columns - 1
    print(f"\r{text[:width]:<{width}}", end=end, flush=True)


def step(title: str, *command: str, fatal: bool = True, **extra: str) -> int:
    """Run a command with one line of progress; its own output is shown only when it fails.

    Raises:
        Stop: It failed, and that was ``fatal``.
    """
    alive = sys.stdout.isatty() and bool(title)
    began = time.monotonic()
    if alive:
        say_over(f"  {title} …", end="")
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, env=child_environment(**extra), text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            lines.append(line)
            if alive and line.strip().startswith(_TELLING):
                say_over(f"  {title} … {' '.join(line.split())}", end="")
    status = process.returncode
    if title:
        outcome = f"{time.monotonic() - began:.0f} s" if status == 0 else "failed"
        (say_over if alive else say)(f"  {title}: {outcome}")
    if status:
        say("".join(lines[-200:]).rstrip())
        if fatal:
            raise Stop(f"Set-up stopped at: {title or ' '.join(command)}. The last lines above say why.")
    return status


def python(*arguments: str, **extra: str) -> int:
    """Run the environment's Python and wait."""
    return subprocess.call([str(PYTHON), *arguments], cwd=ROOT, env=child_environment(**extra))


def hand_over(*arguments: str, **extra: str) -> int:
    """Become the environment's Python, so that signals and the exit status are its own."""
    if os.name != "nt":
        os.chdir(ROOT)
        sys.stdout.flush()
        os.execve(PYTHON, [str(PYTHON), *arguments], child_environment(**extra))
    return python(*arguments, **extra)


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Into a file or a pipe, Windows writes in the letters of the country alone.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))

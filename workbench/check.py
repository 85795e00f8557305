"""``workbench --check``: the state of this machine, as lines of text."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from workbench import __version__
from workbench.engine import machine, paths, starters

_PACKAGES = (
    "torch", "transformers", "tokenizers", "datasets", "huggingface_hub", "accelerate", "safetensors",
    "PySide6-Essentials", "pyqtgraph", "numpy",
)  # fmt: skip

#: A letter of each script that chips and tables must show, with what a font for it is called on Debian.
SCRIPTS = {
    "Latin": ("A", "fonts-dejavu-core"),
    "Greek": ("Ω", "fonts-dejavu-core"),
    "Cyrillic": ("Ж", "fonts-dejavu-core"),
    "Hebrew": ("א", "fonts-dejavu-core"),
    "Arabic": ("ش", "fonts-dejavu-core"),
    "Chinese": ("你", "fonts-wqy-microhei"),
    "Japanese": ("の", "fonts-wqy-microhei"),
    "Korean": ("한", "fonts-wqy-microhei"),
    "Devanagari": ("न", "fonts-noto-core"),
    "Thai": ("ก", "fonts-noto-core"),
    "Emoji": ("😀", "fonts-noto-color-emoji"),
}


def missing_scripts() -> dict[str, str]:
    """Scripts no installed font can show, with the Debian package that brings one. Needs a QGuiApplication."""
    from PySide6.QtGui import QFontDatabase, QRawFont

    families = [family for family in QFontDatabase.families() if not QFontDatabase.isPrivateFamily(family)]
    fonts = [QRawFont.fromFont(QFontDatabase.font(family, "", 10)) for family in families]
    return {
        script: package
        for script, (letter, package) in SCRIPTS.items()
        if not any(font.supportsCharacter(ord(letter)) for font in fonts)
    }


def lines() -> Iterator[str]:
    """The report, a line at a time: versions, device, memory, starters, fonts, Qt platform, offline or not."""
    yield f"workbench        {__version__}"
    yield f"python           {platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in _PACKAGES:
        try:
            yield f"{name:<16} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name:<16} missing: set the workbench up again"
    yield f"devices          {', '.join(machine.devices())}"
    memory = machine.memory()
    free, total = f"{memory.available / 1e9:.1f}", f"{memory.total / 1e9:.1f}"
    yield f"memory           {free} GB free of {total} GB, {os.cpu_count()} cores"
    for starter in starters.STARTERS:
        state = "ready" if starters.installed(starter.key) else "not fetched (workbench --get-starters)"
        yield f"starter          {starter.name}: {state}"
    yield f"data folder      {paths.data_dir()}"
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from workbench.app import make_application

    app = make_application(sys.argv[:1])
    yield f"qt platform      {app.platformName()}"
    missing = missing_scripts()
    if missing:
        yield f"fonts            can't show {', '.join(missing)} (on Debian: {' '.join(sorted(set(missing.values())))})"
    else:
        yield "fonts            all scripts can be shown"
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")
    yield f"network          {'offline (HF_HUB_OFFLINE)' if offline else 'allowed'}"

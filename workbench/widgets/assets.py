"""Where the drawings lie, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """A folder of ``assets/``.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    package = Path(__file__).resolve().parents[1]
    for assets in (package / "assets", package.parent / "assets"):
        if (assets / name).is_dir():
            return assets / name
    raise FileNotFoundError(f"no assets folder called {name}")

"""Settings: what is written comes back, and garbage on disk gives the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, QSettings

from workbench.runtime.settings import Settings


def _store(folder: Path) -> QSettings:
    return QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)


def test_values_survive_a_restart(tmp_path: Path) -> None:
    first = Settings(_store(tmp_path))
    first.zoom, first.theme, first.prompt, first.offline = 1.5, "dark", "שלום\n😀", True
    first.set_layout(QByteArray(b"g"), QByteArray(b"s"), ("hub", "jobs"))
    first.sync()
    again = Settings(_store(tmp_path))
    assert (again.zoom, again.theme, again.prompt, again.offline) == (1.5, "dark", "שלום\n😀", True)
    assert again.layout() == (QByteArray(b"g"), QByteArray(b"s"), ("hub", "jobs"))


@pytest.mark.parametrize(("key", "value"), [("zoom", "wide"), ("zoom", "99"), ("theme", "pink"), ("geometry", "x")])
def test_garbage_gives_a_usable_value(tmp_path: Path, key: str, value: str) -> None:
    store = _store(tmp_path)
    store.setValue(key, value)
    settings = Settings(store)
    assert 0.6 <= settings.zoom <= 3.0
    assert settings.theme == "system"
    assert settings.layout() is None

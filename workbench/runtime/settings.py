"""What is remembered between starts: zoom, theme, layout, the last prompt."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSettings


class Settings:
    """Typed access to QSettings; every value has a default and a wrong type on disk gives the default.

    Args:
        store: Where the values lie; the platform's usual place when None.
    """

    def __init__(self, store: QSettings | None = None) -> None:
        self._store = store or QSettings("transformers-workbench", "workbench")

    @property
    def zoom(self) -> float:
        """Zoom factor, in ``[0.6, 3.0]``."""
        return self._number("zoom", 1.0, 0.6, 3.0)

    @zoom.setter
    def zoom(self, value: float) -> None:
        self._store.setValue("zoom", float(value))

    @property
    def theme(self) -> str:
        """``system``, ``light`` or ``dark``."""
        value = str(self._store.value("theme", "system"))
        return value if value in ("system", "light", "dark") else "system"

    @theme.setter
    def theme(self, value: str) -> None:
        self._store.setValue("theme", value)

    @property
    def prompt(self) -> str:
        """The text that was being worked on."""
        return str(self._store.value("prompt", ""))

    @prompt.setter
    def prompt(self, value: str) -> None:
        self._store.setValue("prompt", value)

    @property
    def offline(self) -> bool:
        """Whether the offline switch was on."""
        return str(self._store.value("offline", "false")) in ("true", "True", "1")

    @offline.setter
    def offline(self, value: bool) -> None:
        self._store.setValue("offline", value)

    def layout(self) -> tuple[QByteArray, QByteArray, tuple[str, ...]] | None:
        """Geometry, dock state and the visible panes, or None on the first start."""
        geometry, state = self._store.value("geometry"), self._store.value("state")
        panes = tuple(name for name in str(self._store.value("panes", "")).split(",") if name)
        if isinstance(geometry, QByteArray) and isinstance(state, QByteArray) and panes:
            return geometry, state, panes
        return None

    def set_layout(self, geometry: QByteArray, state: QByteArray, panes: tuple[str, ...]) -> None:
        """Remember geometry, dock state and the visible panes."""
        self._store.setValue("geometry", geometry)
        self._store.setValue("state", state)
        self._store.setValue("panes", ",".join(panes))

    @property
    def arrangement(self) -> str:
        """Which panes were wanted beside which, as the docks write it; empty on the first start."""
        return str(self._store.value("arrangement", ""))

    @arrangement.setter
    def arrangement(self, value: str) -> None:
        self._store.setValue("arrangement", value)

    def sync(self) -> None:
        """Write to disk now."""
        self._store.sync()

    def _number(self, key: str, default: float, low: float, high: float) -> float:
        try:
            return min(high, max(low, float(str(self._store.value(key, default)))))
        except ValueError:
            return default

"""The button of a plot that saves it as a picture, as a drawing, or its points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QMenu, QToolButton

from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.saving import save


class PlotExport(QToolButton):
    """Asks for a file and saves a plot as PNG, SVG or CSV.

    Args:
        name: Object name of the plot; the button's is ``name_export``.
        label: What the plot is called.
        write: Saves to a path, by its ending; raises OSError where it can't be written.
    """

    def __init__(self, name: str, label: str, write: Callable[[str], object]) -> None:
        super().__init__()
        named(self, f"{name}_export", f"Export {label.lower()}", "Save as PNG, SVG or CSV")
        self._file, self._write = name.replace(".", "-"), write
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        icons.put(self, "save")
        menu = QMenu(self)
        for kind, slot in (("PNG", self._on_png), ("SVG", self._on_svg), ("CSV", self._on_csv)):
            menu.addAction(f"Save as {kind}…").triggered.connect(slot)
        self.setMenu(menu)

    def _on_png(self) -> None:
        self._ask("PNG (*.png)", ".png")

    def _on_svg(self) -> None:
        self._ask("SVG (*.svg)", ".svg")

    def _on_csv(self) -> None:
        self._ask("CSV (*.csv)", ".csv")

    def _ask(self, kinds: str, ending: str) -> None:
        save(self, "Export the plot", self._file + ending, kinds, ending, self._save)

    def _save(self, path: Path) -> None:
        self._write(str(path))

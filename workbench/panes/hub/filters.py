"""What the results of a search have to be, beside their name and task."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLineEdit, QWidget

from workbench.engine import machine
from workbench.engine.hub import Filters
from workbench.engine.hub.licences import COMMON
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox

_SIZES = (
    ("Any size", 0),
    ("up to 100 M", 100_000_000),
    ("up to 500 M", 500_000_000),
    ("up to 1 B", 1_000_000_000),
    ("up to 4 B", 4_000_000_000),
    ("up to 10 B", 10_000_000_000),
    ("up to 40 B", 40_000_000_000),
)
_LIBRARIES = ("transformers", "sentence-transformers", "peft", "gguf", "onnx", "diffusers", "timm", "setfit", "mlx")


class FilterRow(QWidget):
    """Lines of filters.

    Signals:
        changed(): A filter was chosen or a text was entered.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._author = named(QLineEdit(), "hub.author", "Author", "Only of this person or organisation")
        self._author.setPlaceholderText("Author")
        self._language = named(QLineEdit(), "hub.language", "Language", "Only for this language, as en, de or zh")
        self._language.setPlaceholderText("Language, as en")
        self._licence = named(QuietComboBox(), "hub.licence", "Licence", "Only under this licence")
        self._licence.setEditable(True)
        self._licence.addItem("Any licence", "")
        for licence in COMMON:
            self._licence.addItem(licence, licence)
        self._library = named(QuietComboBox(), "hub.library", "Library", "Only made with this library")
        self._library.addItem("Any library", "")
        for library in _LIBRARIES:
            self._library.addItem(library, library)
        self._size = named(QuietComboBox(), "hub.size", "Size", "Only with at most so many weights")
        for words, most in _SIZES:
            self._size.addItem(words, most)
        self._loads = named(
            QCheckBox("Loads in transformers"),
            "hub.loads",
            "Loads in transformers",
            "Only safetensors of an architecture that the installed transformers has itself",
        )
        self._fits = named(
            QCheckBox("Fits this machine"),
            "hub.fits_here",
            "Fits this machine",
            "Only what its weights, as they are stored, have room for in the memory that is free now",
        )
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self._of_models = (self._loads, self._fits, self._library, self._size)
        # What is asked of a filter stands in it: no labels, so that each has room in a narrow pane.
        places = ((0, 0, 3), (0, 3, 3), (1, 0, 2), (1, 2, 2), (1, 4, 2))
        controls = (self._author, self._language, self._licence, self._library, self._size)
        for control, (row, column, across) in zip(controls, places, strict=True):
            if isinstance(control, QuietComboBox):
                control.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
                control.setMinimumContentsLength(8)
            grid.addWidget(control, row, column, 1, across)
        for column in range(6):
            grid.setColumnStretch(column, 1)
        grid.addWidget(self._loads, 2, 0, 1, 3)
        grid.addWidget(self._fits, 2, 3, 1, 3)
        for line in (self._author, self._language):
            line.returnPressed.connect(self.changed)
        for combo in (self._licence, self._library, self._size):
            combo.activated.connect(self.changed)
        for box in (self._loads, self._fits):
            box.toggled.connect(self.changed)

    def filters(self, kind: str, task: str) -> Filters:
        """What is chosen, of models or of data sets for a task."""
        licence = self._licence.currentText().strip()
        return Filters(
            kind=kind,
            task=task,
            author=self._author.text().strip(),
            language=self._language.text().strip(),
            licence="" if licence == self._licence.itemText(0) else licence,
            library=self._library.currentData() or "",
            most=int(self._size.currentData()),
            loads=self._loads.isChecked(),
            fits=(machine.free() or 0) if self._fits.isChecked() else 0,
        )

    def set_kind(self, kind: str) -> None:
        """Show what can be asked of this kind of repository."""
        for widget in self._of_models:
            widget.setVisible(kind == "model")

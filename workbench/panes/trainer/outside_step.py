"""Where a run is made: in the window, or in processes of its own that go on without it."""

from __future__ import annotations

from pathlib import Path

import psutil
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workbench.engine.errors import InputError
from workbench.engine.train import launching
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.theme import set_role

_HERE, _PROCESSES, _CONFIG = "here", "processes", "config"
_PLACES = (
    (_HERE, "In the window"),
    (_PROCESSES, "Outside, this machine"),
    (_CONFIG, "Outside, by accelerate's file"),
)


class OutsideStep(QWidget):
    """Chooses where a run is made.

    Signals:
        edited(): Another place is chosen.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._file: Path | None = None
        self._place = named(
            QuietComboBox(),
            "trainer.place",
            "Run where",
            "In the window, or in a process of its own that goes on when the window is closed",
        )
        for name, title in _PLACES:
            self._place.addItem(title, name)
        self._processes = named(
            QuietSpinBox(),
            "trainer.processes",
            "Processes",
            "They share each batch, so the steps stay the same; usually one a GPU. In transformers: torchrun",
        )
        self._processes.setRange(1, max(64, psutil.cpu_count() or 1))
        self._choose = named(
            QPushButton("Choose the file…"),
            "trainer.launch_config",
            "Choose the file…",
            "What `accelerate config` wrote: several GPUs or machines, FSDP, DeepSpeed. Without a GPU accelerate makes "
            "no use of FSDP: each process then has the whole model",
        )
        self._label = QLabel("Processes")
        self._label.setBuddy(self._processes)
        place = QLabel("Run where")
        place.setBuddy(self._place)
        self._note = QLabel()
        self._note.setWordWrap(True)
        set_role(self._note, "muted")
        line = QHBoxLayout()
        line.addWidget(place)
        line.addWidget(self._place, 1)
        for widget in (self._label, self._processes, self._choose):
            line.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(line)
        column.addWidget(self._note)
        self._place.currentIndexChanged.connect(self._on_place)
        self._choose.clicked.connect(self._on_choose)
        self._show()

    @property
    def chosen(self) -> bool:
        """Whether the run is made outside."""
        return self._place.currentData() != _HERE

    @property
    def processes(self) -> int:
        """How many processes, by torch's launcher."""
        return self._processes.value() if self._place.currentData() == _PROCESSES else 1

    @property
    def config(self) -> Path | None:
        """The file for accelerate's launcher, or None."""
        return self._file if self._place.currentData() == _CONFIG else None

    def take_config(self, file: Path) -> None:
        """Launch by this file."""
        self._file = file
        self._place.setCurrentIndex(self._place.findData(_CONFIG))
        self._show()

    def _on_place(self) -> None:
        self._show()
        self.edited.emit()

    def _on_choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose accelerate's file", str(Path.home()), "YAML (*.yaml *.yml)")
        if path:
            self.take_config(Path(path))

    def _show(self) -> None:
        place = self._place.currentData()
        for widget in (self._label, self._processes):
            widget.setVisible(place == _PROCESSES)
        self._choose.setVisible(place == _CONFIG)
        note = ""
        if place == _CONFIG:
            note = "No file is chosen yet." if self._file is None else _told(self._file)
        elif place == _PROCESSES:
            note = "It goes on when the window is closed, and can be watched again. Pause is for runs in the window."
        self._note.setText(note)
        self._note.setVisible(bool(note))


def _told(file: Path) -> str:
    try:
        launch = launching.read(file)
    except InputError as error:
        return str(error)
    note = f"Launched by {file}. "
    if launch.processes > 1:
        note += f"{launch.processes} processes share each batch, so the steps stay the same. "
    if launch.machines > 1:
        note += (
            f"It waits for the other {launch.machines - 1} of {launch.machines} machines, and says what to type there; "
            "they need the same data and checkpoint at the same places, and a disk they share for the runs."
        )
    return note.strip()

"""Hidden states: how long each is, and the numbers themselves."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QCheckBox, QWidget

from workbench.engine.codegen import inside as scripts
from workbench.engine.codegen.inside import Asked
from workbench.engine.inside import Inside, Part
from workbench.panes.inside.section import Section, column_of, note, say, show_sight, shown, tint
from workbench.widgets import theme
from workbench.widgets.control_bar import ControlBar, labelled
from workbench.widgets.heat_map import HeatMap
from workbench.widgets.naming import named
from workbench.widgets.patch_view import PatchView
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.tensor_grid import TensorGrid
from workbench.widgets.turning_splitter import TurningSplitter

_WHAT = "Euclidean norm of the hidden state"


class NormsView(Section):
    """The length of the state behind each layer at each position, and the state of one layer as numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._inside: Inside | None = None
        self._row = 0
        self._position: tuple[str, int] | None = None
        self._parts = named(QuietComboBox(), "inside.norms_part", "Part", "Encoder or decoder")
        self._which = labelled("Part", self._parts)
        self._log = named(
            QCheckBox("Logarithmic colours"),
            "inside.norms_log",
            "Logarithmic colours",
            "Space the colours by ratio; usually on, as the first position can be a hundred times as long as others",
        )
        self._log.setChecked(True)
        self._note = note("inside.norms_note")
        self._map = HeatMap("inside.norms", "Hidden-state norms", "position", "layer", upward=True)
        self._map.set_empty_text("Look inside shows here how long each state is, layer by layer")
        self._numbers = TensorGrid("inside.states")
        self._numbers.set_empty_text("Look inside shows here the numbers of a state")
        self._halves = TurningSplitter()
        self._picture = PatchView(
            "inside.norms_picture",
            "Norms over the picture",
            "How long the state of each patch is in the selected layer",
        )
        for part in (self._map, self._picture, self._numbers):
            self._halves.addWidget(part)
        self._halves.setStretchFactor(0, 3)
        self._halves.setStretchFactor(1, 2)
        self._halves.setStretchFactor(2, 2)
        self._halves.setSizes([480, 280, 320])
        column = column_of(self)
        column.addWidget(ControlBar((self._which, self._log), self._note))
        column.addWidget(self._halves, 1)
        self._parts.currentIndexChanged.connect(self._show_part)
        self._log.toggled.connect(self._show_map)
        self._map.cell_chosen.connect(self._on_cell)
        self._picture.patch_chosen.connect(self._on_patch)
        self._show_measures()
        self.show_inside(None)

    def show_inside(self, found: Inside | None) -> None:
        """Show the states of a pass, or nothing."""
        self._inside = found
        self._position = None
        show_sight(self._picture, found)
        names = [part.name for part in found.parts] if found is not None else []
        self._parts.blockSignals(True)
        self._parts.clear()
        self._parts.addItems(names)
        self._parts.setCurrentIndex(len(names) - 1)
        self._parts.blockSignals(False)
        self._which.setVisible(len(names) > 1)
        words = "The state behind each layer is one vector a position; its length shows where a model puts its weight."
        say(self._note, words)
        self._show_part()

    def select(self, part: str, position: int | None) -> None:
        """Mark a position of a part."""
        self._position = (part, position) if position is not None else None
        self._mark()

    def script(self, asked: Asked) -> str:
        """All norms of the part that is shown."""
        part = self._part
        return scripts.norms(asked, part) if part is not None else ""

    @property
    def _part(self) -> Part | None:
        index = self._parts.currentIndex()
        return self._inside.parts[index] if self._inside is not None and index >= 0 else None

    def _on_cell(self, row: int, position: int) -> None:
        part = self._part
        if part is not None:
            self._row = row
            self._position = (part.name, position)
            self._show_state()
            self._show_picture()
            self.position_chosen.emit(part.name, position)

    def _on_patch(self, row: int, column: int) -> None:
        part = self._part
        if part is not None and part.grid is not None:
            position = part.grid.position(row, column)
            self._map.choose(self._row, position)
            self._on_cell(self._row, position)

    def _show_part(self) -> None:
        part = self._part
        self._row = len(part.rows) - 1 if part is not None else 0
        self._show_map()
        self._show_state()
        self.changed.emit()

    def _show_map(self) -> None:
        part = self._part
        if part is None:
            self._map.set_cells(np.zeros((0, 0), np.float32), (), (), _WHAT)
            return
        self._map.set_cells(part.norms, part.rows, shown(part.tokens), _WHAT, log=self._log.isChecked())
        self._mark()

    def _show_state(self) -> None:
        part = self._part
        if part is None:
            self._numbers.set_tensor("", "", None)
        else:
            self._numbers.set_tensor(f"{part.picks[self._row]} ({part.rows[self._row]})", "", part.states[self._row])
            self._show_place()

    def _mark(self) -> None:
        part = self._part
        if part is None or self._position is None or self._position[0] != part.name:
            self._map.choose(None, None)
            self._show_picture()
            return
        self._map.choose(self._row, self._position[1])
        self._show_place()
        self._show_picture()

    def _show_picture(self) -> None:
        part = self._part
        if part is not None:
            here = self._position is not None and self._position[0] == part.name
            what = f"Norm in {part.rows[self._row]}"
            tint(self._picture, part.grid, part.norms[self._row], what, self._position[1] if here else None)

    def _show_place(self) -> None:
        if self._position is not None and self._numbers.table.model().rowCount() > self._position[1]:
            self._numbers.table.selectRow(self._position[1])

    def _show_measures(self) -> None:
        self._map.setMinimumWidth(theme.px(self, 300))
        self._numbers.setMinimumWidth(theme.px(self, 240))
        self._numbers.setMinimumHeight(theme.px(self, 110))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_halves"):
            self._show_measures()

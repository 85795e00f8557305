"""The logit lens: layer by position, the first choice in each cell, and all choices of the selected one."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from workbench.engine.codegen import inside as scripts
from workbench.engine.codegen.inside import Asked
from workbench.engine.inside import Inside, Lens, Part
from workbench.panes.inside.section import Section, column_of, note, say, shown
from workbench.widgets import theme
from workbench.widgets.control_bar import ControlBar, labelled
from workbench.widgets.data_table import DataTable
from workbench.widgets.heat_map import HeatMap
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.turning_splitter import TurningSplitter
from workbench.widgets.visible_text import visible

#: What the colours can say: name, and whether they are spaced by ratio.
MEASURES = (
    ("probability of the first choice", False),
    ("probability of the final answer", False),
    ("rank of the final answer", True),
    ("entropy (bits)", False),
)
_COLUMNS = ("rank", "token", "id", "probability")


class LensView(Section):
    """What the model would answer if it stopped after each layer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._part: Part | None = None
        self._lens: Lens | None = None
        self._row: int | None = None
        self._position: int | None = None
        self._measure = named(
            QuietComboBox(),
            "inside.lens_measure",
            "Colour",
            "What the colours say; the words are the first choice of each layer in any case",
        )
        self._measure.addItems([name for name, _ in MEASURES])
        self._colour = labelled("Colour", self._measure)
        self._note = note("inside.lens_note")
        self._map = HeatMap("inside.lens", "Logit lens", "position", "layer", upward=True)
        self._map.set_empty_text("Look inside shows here what each layer would answer at each position")
        self._heading = theme.set_role(QLabel(), "heading")
        self._heading.setTextFormat(Qt.TextFormat.PlainText)
        self._heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._choices = named(
            DataTable(monospace=True),
            "inside.lens_choices",
            "Choices",
            "The most probable tokens of the selected layer and position; ▶ marks the model's final answer",
        )
        for number, words in enumerate((str, visible, str, format_percent)):
            self._choices.set_format(number, words)
        self._choices.set_empty_text("Select a cell to see what that layer would choose from")
        side = QWidget()
        beside = QVBoxLayout(side)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self._heading)
        beside.addWidget(self._choices, 1)
        self._halves = TurningSplitter()
        self._halves.addWidget(self._map)
        self._halves.addWidget(side)
        self._halves.setStretchFactor(0, 3)
        self._halves.setStretchFactor(1, 1)
        self._halves.setSizes([760, 260])
        column = column_of(self)
        column.addWidget(ControlBar((self._colour,), self._note))
        column.addWidget(self._halves, 1)
        column.addStretch(0)
        self._measure.currentIndexChanged.connect(self._show_map)
        self._map.cell_chosen.connect(self._on_cell)
        self._show_measures()
        self.show_inside(None)

    @property
    def lens(self) -> Lens | None:
        """What is shown."""
        return self._lens

    def show_inside(self, found: Inside | None) -> None:
        """Show the lens, or why there is none."""
        self._lens = found.lens if found is not None else None
        self._part = found.part(self._lens.part) if found is not None and self._lens is not None else None
        self._row = self._position = None
        for widget in (self._halves, self._colour):
            widget.setVisible(found is None or self._lens is not None)
        self._measure.setEnabled(self._lens is not None)
        say(self._note, self._words(found))
        self._show_map()
        if self._lens is not None:
            self._row, self._position = len(self._lens.rows) - 1, len(self._lens.final_ids) - 1
            self._map.choose(self._row, self._position)
        self._show_choices()

    def select(self, part: str, position: int | None) -> None:
        """Mark a position in the layer that is looked at."""
        if self._lens is None or part != self._lens.part:
            return
        self._position = position
        self._map.choose(self._row if position is not None else None, position)
        self._show_choices()

    def script(self, asked: Asked) -> str:
        """The lens at the selected position."""
        if self._part is None or self._lens is None:
            return ""
        return scripts.lens(asked, self._part, self._position or 0, self._lens.put)

    def _on_cell(self, row: int, position: int) -> None:
        self._row, self._position = row, position
        self._show_choices()
        self.changed.emit()
        if self._lens is not None:
            self.position_chosen.emit(self._lens.part, position)

    def _words(self, found: Inside | None) -> str:
        if found is None:
            return "The logit lens reads the state behind each layer with the model's own final norm and head."
        if self._lens is None:
            return f"There is no logit lens. {found.why_no_lens}"
        if self._lens.labels:
            return "Each cell: the label this position would be given if the model stopped after that layer."
        asked = "next" if found.writes else "at this position"
        return (
            f"Each cell: the token the model would give {asked} if it stopped after that layer, read by its own final "
            "norm and head. The top row is what it does give."
        )

    def _show_map(self) -> None:
        lens, part = self._lens, self._part
        name, log = MEASURES[self._measure.currentIndex()]
        if lens is None or part is None:
            self._map.set_cells(np.zeros((0, 0), np.float32), (), (), name)
            return
        values = (
            lens.top_probabilities[:, :, 0],
            lens.final_probabilities,
            lens.final_ranks.astype(np.float32),
            lens.entropies,
        )[self._measure.currentIndex()]
        reach = (0.0, 1.0) if name.startswith("probability") else None
        words = [shown(lens.spell(row)) for row in lens.top_ids[:, :, 0].tolist()]
        self._map.set_cells(
            values, lens.rows, shown(part.tokens), name, words=words, tip=self._tip, reach=reach, log=log
        )
        self.changed.emit()

    def _first(self, row: int, position: int) -> str:
        return visible(self._lens.spell([int(self._lens.top_ids[row, position, 0])])[0]) if self._lens else ""

    def _tip(self, row: int, position: int) -> str:
        lens = self._lens
        if lens is None:
            return ""
        first = (
            f"first “{self._first(row, position)}” {format_percent(float(lens.top_probabilities[row, position, 0]))}"
        )
        return (
            f"{first}, final answer rank {lens.final_ranks[row, position]:,}, {lens.entropies[row, position]:.2f} bits"
        )

    def _show_choices(self) -> None:
        lens, row, position = self._lens, self._row, self._position
        if lens is None or row is None or position is None or self._part is None:
            self._heading.setText("Choices")
            self._choices.set_rows(_COLUMNS, [])
            return
        ids = lens.top_ids[row, position].tolist()
        shares = lens.top_probabilities[row, position].tolist()
        final = int(lens.final_ids[position])
        if final not in ids:
            ids.append(final)
            shares.append(float(lens.final_probabilities[row, position]))
        ranks = [*range(1, len(lens.top_ids[row, position]) + 1), int(lens.final_ranks[row, position])]
        texts = lens.spell(ids)
        rows = [
            (f"▶ {rank:,}" if each == final else f"{rank:,}", text, each, share)
            for rank, text, each, share in zip(ranks, texts, ids, shares, strict=False)
        ]
        self._heading.setText(f"{lens.rows[row]} · {position} “{visible(self._part.tokens[position])}”")
        self._heading.setToolTip(self._heading.text())
        self._choices.set_rows(_COLUMNS, rows)
        self._choices.fit_columns()

    def _show_measures(self) -> None:
        self._map.setMinimumWidth(theme.px(self, 300))
        self._choices.setMinimumWidth(theme.px(self, 200))
        self._choices.setMinimumHeight(theme.px(self, 110))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_halves"):
            self._show_measures()

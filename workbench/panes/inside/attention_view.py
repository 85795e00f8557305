"""Attention: which positions each position takes from, by layer and head."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from workbench.engine.codegen import inside as scripts
from workbench.engine.codegen.inside import Asked
from workbench.engine.inside import Attentions, Inside, Kind
from workbench.panes.inside.section import Section, column_of, note, say, show_sight, shown, tint
from workbench.widgets import theme
from workbench.widgets.control_bar import ControlBar, labelled
from workbench.widgets.heat_map import HeatMap
from workbench.widgets.matrix_grid import MatrixGrid
from workbench.widgets.naming import named
from workbench.widgets.patch_view import PatchView
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.turning_splitter import TurningSplitter

_EMPTY = "Attention maps come from a pass of their own, as the usual attention makes none."
_NONE_YET = "Look inside shows here which positions each one looks at"


class AttentionView(Section):
    """All heads of a layer as small pictures, and one of them large.

    Signals:
        wanted(str, int): Maps are needed that are not there: of this stack, and there of this layer.
    """

    wanted = Signal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._inside: Inside | None = None
        self._found: Attentions | None = None
        self._position: tuple[str, int] | None = None
        self._refused = False
        self._kind = named(
            QuietComboBox(), "inside.attention_part", "Part", "Encoder, decoder, or the decoder's look at the encoder"
        )
        self._layer = named(QuietComboBox(), "inside.attention_layer", "Layer", "The layer whose heads are shown")
        self._head = named(
            QuietComboBox(), "inside.attention_head", "Head", "The head that is shown large, or their mean"
        )
        self._which = labelled("Part", self._kind)
        self._note = note("inside.attention_note")
        self._grid = named(
            MatrixGrid(),
            "inside.attention_heads",
            "Heads",
            "All heads of the layer, each by its own largest weight; click one, or use the arrow keys",
        )
        page = QScrollArea()
        # The heads in it take the keyboard focus.
        page.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        page.setWidgetResizable(True)
        page.setFrameShape(QFrame.Shape.NoFrame)
        page.setWidget(self._grid)
        self._page = page
        self._map = HeatMap("inside.attention", "Attention", "to position", "from position")
        self._map.set_empty_text(_NONE_YET)
        self._halves = TurningSplitter()
        self._picture = PatchView(
            "inside.attention_picture", "Looked at", "How much each patch is looked at from the selected position"
        )
        for part in (page, self._picture, self._map):
            self._halves.addWidget(part)
        self._halves.setStretchFactor(0, 1)
        self._halves.setStretchFactor(1, 2)
        self._halves.setStretchFactor(2, 3)
        self._halves.setSizes([260, 320, 480])
        column = column_of(self)
        parts = (self._which, labelled("Layer", self._layer), labelled("Head", self._head))
        column.addWidget(ControlBar(parts, self._note))
        column.addWidget(self._halves, 1)
        self._kind.currentIndexChanged.connect(self._on_kind)
        self._layer.currentIndexChanged.connect(self._on_layer)
        self._head.currentIndexChanged.connect(self._on_head)
        self._grid.chosen_changed.connect(self._on_picture)
        self._map.cell_chosen.connect(self._on_cell)
        self._picture.patch_chosen.connect(self._on_patch)
        self._show_measures()
        self.show_inside(None)

    @property
    def attentions(self) -> Attentions | None:
        """What is shown."""
        return self._found

    @property
    def lacking(self) -> bool:
        """Whether a pass is needed before anything can be shown, and none was refused."""
        return self._inside is not None and self._found is None and not self._refused

    def show_inside(self, found: Inside | None) -> None:
        """Forget the maps: they were of another pass."""
        self._inside = found
        self._found = None
        self._refused = False
        self._position = None
        show_sight(self._picture, found)
        self._fill(self._kind, ())
        self._which.hide()
        self._fill(self._layer, ())
        self._fill(self._head, ())
        say(self._note, _EMPTY)
        self._map.set_empty_text(_NONE_YET if found is None else "no maps of this pass yet")
        self._show_layer()

    def show_attention(self, found: Attentions) -> None:
        """Show maps, and the layer that was looked at if it is there."""
        kind, layer = self._kind.currentIndex(), self._layer.currentIndex()
        same = self._found is not None
        self._found = found
        self._fill(self._kind, [each.name for each in found.kinds], kind if same else 0)
        self._show_kind(layer if same else -1)

    def show_refusal(self, words: str) -> None:
        """Say why there are no maps."""
        self._refused = True
        self._map.set_empty_text("no maps: the reason stands above")
        say(self._note, words)

    def select(self, part: str, position: int | None) -> None:
        """Mark the row of a position, where it looks from."""
        self._position = (part, position) if position is not None else None
        self._mark()

    def script(self, asked: Asked) -> str:
        """One row of the map that is shown large."""
        kind, place = self._current, self._layer.currentIndex()
        if kind is None or place < 0:
            return ""
        head = self._head.currentIndex() - 1
        row = self._map.chosen[0] or 0
        return scripts.attention(asked, kind.picks[place], head if head >= 0 else None, row)

    @property
    def _current(self) -> Kind | None:
        index = self._kind.currentIndex()
        return self._found.kinds[index] if self._found is not None and index >= 0 else None

    def _on_kind(self) -> None:
        self._show_kind(-1)

    def _show_kind(self, layer: int) -> None:
        kind = self._current
        names = kind.layers if kind is not None else ()
        self._fill(self._layer, names, layer if 0 <= layer < len(names) else _known(kind))
        self._which.setVisible(self._found is not None and len(self._found.kinds) > 1)
        self._show_layer()

    def _on_layer(self) -> None:
        kind, place = self._current, self._layer.currentIndex()
        self._show_layer()
        if kind is not None and place >= 0 and kind.maps[place] is None:
            self.wanted.emit(kind.name, place)

    def _show_layer(self) -> None:
        maps, kind = self._maps, self._current
        heads = [f"head {number}" for number in range(len(maps))] if maps is not None else []
        head = self._head.currentIndex()
        self._fill(self._head, ["mean of all", *heads] if heads else (), head if 0 <= head <= len(heads) else 0)
        self._grid.set_matrices(heads, maps if maps is not None else np.zeros((0, 1, 1), np.float32))
        for box in (self._layer, self._head):
            box.setEnabled(kind is not None)
        if kind is not None:
            seen = "Each row: how much that position takes from each other one. Made with eager attention."
            if "window" in kind.layers[0]:
                seen = (
                    "These layers look within windows: the positions are those of one window, by themselves. "
                    "Made with eager attention."
                )
            if maps is None:
                seen = "All layers' maps were too many to be kept; this one's are made anew."
            say(self._note, seen)
        self._on_head()

    def _on_head(self) -> None:
        maps, kind = self._maps, self._current
        head = self._head.currentIndex() - 1
        self._grid.choose(head if head >= 0 else None)
        if maps is None or kind is None:
            self._map.set_cells(np.zeros((0, 0), np.float32), (), (), "attention weight")
        else:
            values = maps.mean(0) if head < 0 else maps[head]
            self._map.set_cells(values, shown(kind.tokens), shown(kind.others), "attention weight")
        self._mark()
        self.changed.emit()

    def _on_picture(self, head: int) -> None:
        self._head.setCurrentIndex(head + 1)

    def _on_cell(self, row: int, _column: int) -> None:
        kind = self._current
        self.changed.emit()
        if kind is not None and kind.side:
            self._position = (kind.side, row)
            self.position_chosen.emit(kind.side, row)
        self._show_picture()

    def _on_patch(self, row: int, column: int) -> None:
        kind = self._current
        grid = kind.own_grid if kind is not None else None
        if kind is not None and grid is not None:
            position = grid.position(row, column)
            self._map.choose(position, None)
            self._on_cell(position, 0)
        elif kind is not None and kind.grid is not None and self._map.chosen[0] is not None:
            # Who looks stands in no picture: the patch is one that is looked at.
            self._map.choose(self._map.chosen[0], kind.grid.position(row, column))

    def _mark(self) -> None:
        kind = self._current
        if kind is None or self._position is None or self._position[0] != kind.side:
            self._map.choose(None, None)
        elif self._map.chosen[0] != self._position[1]:
            self._map.choose(self._position[1], None)
        self._show_picture()

    def _show_picture(self) -> None:
        """Tint the picture by the row of the matrix that is chosen: the first until one is."""
        kind, values = self._current, self._map.values
        if kind is None or not values.size:
            self._picture.set_patches((0, 0), None)
            return
        row = self._map.chosen[0] or 0
        chosen = self._map.chosen[1] if kind.own_grid is None else row
        tint(self._picture, kind.grid, values[row], f"Looked at from {kind.tokens[row]}", chosen)

    @property
    def _maps(self) -> np.ndarray | None:
        kind, place = self._current, self._layer.currentIndex()
        return kind.maps[place] if kind is not None and 0 <= place < len(kind.maps) else None

    def _fill(self, box: QuietComboBox, names: object, index: int = 0) -> None:
        box.blockSignals(True)
        box.clear()
        box.addItems(list(names))  # type: ignore[call-overload]  # a sequence of names
        box.setCurrentIndex(index if box.count() else -1)
        box.blockSignals(False)

    def _show_measures(self) -> None:
        self._map.setMinimumWidth(theme.px(self, 300))
        self._page.setMinimumWidth(theme.px(self, 200))
        self._page.setMinimumHeight(theme.px(self, 130))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_halves"):
            self._show_measures()


def _known(kind: Kind | None) -> int:
    """The last layer whose maps are there."""
    return max((place for place, maps in enumerate(kind.maps) if maps is not None), default=0) if kind else 0

"""Embeddings: the vectors of the positions as a map, and what is near one: in the vocabulary, or in the picture."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from workbench.engine.codegen import inside as scripts
from workbench.engine.codegen.inside import Asked
from workbench.engine.inside import EMBEDDING, Inside, Part
from workbench.panes.inside.section import Section, column_of, note, say, show_sight, tint
from workbench.panes.inside.work import NEIGHBOURS, Near
from workbench.widgets import theme
from workbench.widgets.control_bar import ControlBar, labelled
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.patch_view import PatchView
from workbench.widgets.point_map import PointMap
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.turning_splitter import TurningSplitter
from workbench.widgets.visible_text import visible

#: How the vectors become points, as people and as the engine call it.
_MAPS = (("PCA", "pca"), ("t-SNE", "t-sne"))
_CAPTIONS = {
    "pca": "PCA: the two directions in which the vectors differ most",
    "t-sne": "t-SNE: neighbours stay neighbours; distances between groups mean nothing",
}
_NONE_YET = "Look inside shows here which positions are alike"
_COLUMNS = ("token", "id", "cosine")
_PLACES = ("position", "number", "cosine")


class EmbeddingsView(Section):
    """The vectors of one layer.

    Signals:
        wanted(): Other vectors are asked for; see `asked`.
    """

    wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._inside: Inside | None = None
        self._near: Near | None = None
        self._position: int | None = None
        self._parts = named(QuietComboBox(), "inside.embeddings_part", "Part", "Encoder or decoder")
        self._rows = named(
            QuietComboBox(),
            "inside.embeddings_layer",
            "Vectors",
            "Rows of the embedding matrix, or the state behind a layer",
        )
        self._projection = named(
            QuietComboBox(),
            "inside.embeddings_map",
            "Map",
            "PCA keeps the largest differences and is usual; t-SNE keeps neighbours together",
        )
        self._projection.addItems([name for name, _ in _MAPS])
        self._which = labelled("Part", self._parts)
        self._note = note("inside.embeddings_note")
        self._map = named(
            PointMap(), "inside.embeddings", "Map of the tokens", "Each position as a point; arrow keys go through them"
        )
        self._heading = theme.set_role(QLabel("Neighbours"), "heading")
        self._heading.setTextFormat(Qt.TextFormat.PlainText)
        self._heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._table = named(
            DataTable(monospace=True),
            "inside.neighbours",
            "Neighbours",
            "The tokens whose rows of the embedding matrix point most the same way; of a picture or a sound, the "
            "positions whose vectors do",
        )
        for number, words in enumerate((visible, str, "{:.4f}".format)):
            self._table.set_format(number, words)
        self._table.set_empty_text("Select a token to see what is near it in the vocabulary")
        side = QWidget()
        beside = QVBoxLayout(side)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self._heading)
        beside.addWidget(self._table, 1)
        self._halves = TurningSplitter()
        self._picture = PatchView(
            "inside.embeddings_picture",
            "Alike",
            "How alike the vector of each patch is to that of the selected position",
        )
        for part in (self._map, self._picture, side):
            self._halves.addWidget(part)
        self._halves.setStretchFactor(0, 3)
        self._halves.setStretchFactor(1, 2)
        self._halves.setStretchFactor(2, 2)
        self._halves.setSizes([480, 300, 300])
        column = column_of(self)
        parts = (self._which, labelled("Vectors", self._rows), labelled("Map", self._projection))
        column.addWidget(ControlBar(parts, self._note))
        column.addWidget(self._halves, 1)
        self._parts.currentIndexChanged.connect(self._on_part)
        self._rows.currentIndexChanged.connect(self._on_asked)
        self._projection.currentIndexChanged.connect(self._on_asked)
        self._map.point_chosen.connect(self._on_point)
        self._picture.patch_chosen.connect(self._on_patch)
        self._show_measures()
        self.show_inside(None)

    @property
    def asked(self) -> tuple[Part, int, int | None, str] | None:
        """Part, row, position and projection that are asked for, or None while there is nothing."""
        part = self._part
        if part is None:
            return None
        position = self._position if self._position is not None and self._position < len(part.tokens) else None
        return part, self._row, position, _MAPS[self._projection.currentIndex()][1]

    @property
    def near(self) -> Near | None:
        """What is shown."""
        return self._near

    @property
    def lacking(self) -> bool:
        """Whether vectors were asked for that are not there yet."""
        return self._inside is not None and self._near is None

    def show_inside(self, found: Inside | None) -> None:
        """Take another pass; its vectors are asked for when they are looked at."""
        self._inside = found
        self._map.set_empty_text(_NONE_YET if found is None else "no points of this pass yet")
        names = [part.name for part in found.parts] if found is not None else []
        self._refill(self._parts, names, len(names) - 1)
        self._which.setVisible(len(names) > 1)
        self._position = 0 if found is not None else None
        show_sight(self._picture, found)
        self._fill_rows()
        self.show_near(None)

    def show_near(self, found: Near | None) -> None:
        """Show a map and neighbours, or nothing."""
        self._near = found
        part = self._part
        words = (
            "What stands there as the model's vectors: close together in the map is alike, as far as two directions "
            "can show it."
        )
        if found is not None and found.places is None:
            words = "A map needs three tokens at least."
        if found is not None and found.why_none:
            words = f"{words} {found.why_none}"
        say(self._note, words)
        places = found.places if found is not None and part is not None else None
        self._map.setVisible(places is not None or found is None)
        if places is not None and part is not None:
            caption = _CAPTIONS[_MAPS[self._projection.currentIndex()][1]]
            self._map.set_points([visible(token) for token in part.tokens], places, caption, first=0)
            self._map.choose(self._position)
        else:
            self._map.set_points((), _nowhere())
        rows = [(each.text, each.id, each.cosine) for each in found.neighbours] if found is not None else []
        self._table.set_rows(_COLUMNS if self._words else _PLACES, rows)
        self._table.fit_columns()
        similar = found.similar if found is not None else None
        tint(self._picture, part.grid if part is not None else None, similar, "Cosine", self._position)
        token = part.tokens[self._position] if part is not None and self._position is not None else ""
        heading = f"Nearest to {self._position} “{visible(token)}”" if rows else "Neighbours"
        self._heading.setText(heading)
        self._heading.setToolTip(heading)

    def select(self, part: str, position: int | None) -> None:
        """Mark a position of a part, and ask for its neighbours."""
        own = self._part
        if own is None or part != own.name or position == self._position:
            return
        self._position = position
        self._map.choose(position)
        self._ask()

    def script(self, asked: Asked) -> str:
        """The neighbours and the map that are shown."""
        wanted = self.asked
        if wanted is None:
            return ""
        part, row, position, projection = wanted
        return scripts.embeddings(asked, part, row, position or 0, NEIGHBOURS, projection)

    @property
    def _part(self) -> Part | None:
        index = self._parts.currentIndex()
        return self._inside.parts[index] if self._inside is not None and index >= 0 else None

    @property
    def _row(self) -> int:
        row = self._rows.currentIndex() - self._words
        return row if row >= 0 else EMBEDDING

    @property
    def _words(self) -> bool:
        """Whether there is a token at each position, with a row in the embedding matrix."""
        return self._part is None or min(self._part.ids) >= 0

    def _on_part(self) -> None:
        self._position = 0
        self._fill_rows()
        self._ask()

    def _on_asked(self) -> None:
        self._ask()

    def _on_point(self, position: int) -> None:
        part = self._part
        self._position = position
        self._ask()
        if part is not None:
            self.position_chosen.emit(part.name, position)

    def _on_patch(self, row: int, column: int) -> None:
        part = self._part
        if part is not None and part.grid is not None:
            self._on_point(part.grid.position(row, column))

    def _ask(self) -> None:
        if self._inside is not None:
            self._near = None
            self.wanted.emit()
            self.changed.emit()

    def _fill_rows(self) -> None:
        part = self._part
        first = ["input embedding"] if self._words else []
        names = [*first, *part.rows] if part is not None else []
        # The vectors of patches say most behind the last layer.
        self._refill(self._rows, names, 0 if first else len(names) - 1)

    def _refill(self, box: QuietComboBox, names: list[str], index: int) -> None:
        box.blockSignals(True)
        box.clear()
        box.addItems(names)
        box.setCurrentIndex(index if names else -1)
        box.blockSignals(False)
        box.setEnabled(bool(names))

    def _show_measures(self) -> None:
        self._map.setMinimumWidth(theme.px(self, 260))
        self._table.setMinimumWidth(theme.px(self, 200))
        self._table.setMinimumHeight(theme.px(self, 110))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_halves"):
            self._show_measures()


def _nowhere() -> object:
    import numpy as np

    return np.zeros((0, 2), np.float32)

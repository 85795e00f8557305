"""One of the three boxes: the tensors of a step, and the values of the one that is chosen."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSplitter, QVBoxLayout, QWidget

from workbench.engine.values import Stage, TensorView
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.tensor_grid import TensorGrid
from workbench.widgets.theme import set_role


class StageBox(QFrame):
    """Name and time of a step, its tensors, and values.

    Args:
        name: ``preprocess``, ``forward`` or ``postprocess``.
        number: Its place, from 1.
        tip: What the step does.
    """

    def __init__(self, name: str, number: int, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = f"{number}  {name.capitalize()}"
        named(self, f"tasks.{name}", name.capitalize(), tip)
        set_role(self, "card")
        self._tensors: tuple[TensorView, ...] = ()
        self._heading = QLabel(title)
        set_role(self._heading, "heading")
        self._time = QLabel()
        set_role(self._time, "muted")
        self._table = named(
            DataTable(), f"tasks.{name}_tensors", f"{name.capitalize()} tensors", "Choose a tensor to see its values"
        )
        self._grid = TensorGrid(f"tasks.{name}_values")

        row = QHBoxLayout()
        row.addWidget(self._heading)
        row.addStretch(1)
        row.addWidget(self._time)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self._table)
        split.addWidget(self._grid)
        split.setStretchFactor(0, 2)
        split.setStretchFactor(1, 3)
        split.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.addLayout(row)
        column.addWidget(split, 1)

        self._table.row_selected.connect(self._on_row_selected)
        self.clear()

    def show_stage(self, stage: Stage) -> None:
        """Show a step; the tensor chosen before stays chosen when there is one of its name again."""
        before = self._table.selected_row
        wanted = self._tensors[before].name if before is not None and before < len(self._tensors) else ""
        self._tensors = stage.tensors
        self._time.setText(duration(stage.seconds))
        rows = [(tensor.name, shape(tensor), tensor.dtype) for tensor in stage.tensors]
        self._table.set_rows(("tensor", "shape", "dtype"), rows)
        names = [tensor.name for tensor in stage.tensors]
        chosen = names.index(wanted) if wanted in names else 0
        self._table.select_row(chosen)
        self._on_row_selected(chosen)

    def clear(self) -> None:
        """Show that nothing has been computed."""
        self._tensors = ()
        self._time.setText("")
        self._table.set_rows(("tensor", "shape", "dtype"), [])
        self._grid.set_tensor("", "", None)

    def _on_row_selected(self, row: int) -> None:
        if row < len(self._tensors):
            tensor = self._tensors[row]
            self._grid.set_tensor("", tensor.dtype, tensor.values)


def shape(tensor: TensorView) -> str:
    """``1 × 12 × 384``; a single number has no shape."""
    return " × ".join(str(size) for size in tensor.shape) or "number"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.2f} s"

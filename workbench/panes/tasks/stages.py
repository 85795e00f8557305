"""One of the three boxes: the tensors of a step, and the values of the one that is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine.values import Stage, TensorView
from workbench.widgets import icons, saving
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.picture_view import PictureView, to_colors, to_image
from workbench.widgets.tensor_grid import TensorGrid
from workbench.widgets.theme import set_role
from workbench.widgets.waveform import Waveform

#: Moments of a spectrogram that are drawn at most.
_MOMENTS = 3000
#: Frames of a video that are drawn beside one another.
_BESIDE = 4


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
        self._table.set_empty_text("Run the task to see its tensors")
        self._grid = TensorGrid(f"tasks.{name}_values")
        self._grid.set_empty_text("Here stand the values of the chosen tensor")
        self._picture = named(PictureView(), f"tasks.{name}_picture", "Tensor drawn", "The tensor as the model sees it")
        self._drawn = named(
            QPushButton("Draw"), f"tasks.{name}_draw", "Draw", "Draw the tensor instead of writing its numbers out"
        )
        self._drawn.setCheckable(True)
        self._drawn.setChecked(True)
        self._save = named(
            QToolButton(), f"tasks.{name}_save", "Save tensor", "Save all values of the chosen tensor for NumPy (.npy)"
        )
        icons.put(self._save, "save", "muted")
        set_role(self._save, "quiet")
        self._axes = QLabel()
        set_role(self._axes, "muted")
        self._axes.setWordWrap(True)
        self._axes.setToolTip("What the tensor's axes are, as the library documents them")
        self._pages = QStackedWidget()
        self._pages.addWidget(self._grid)
        self._pages.addWidget(self._picture)
        self._wave = named(Waveform(), f"tasks.{name}_wave", "Tensor drawn", "The samples, one after the other")
        self._pages.addWidget(self._wave)

        row = QHBoxLayout()
        row.addWidget(self._heading)
        row.addStretch(1)
        row.addWidget(self._drawn)
        row.addWidget(self._time)
        row.addWidget(self._save)
        self._split = split = QSplitter(Qt.Orientation.Vertical)
        self._moved = False
        split.splitterMoved.connect(self._on_moved)
        split.addWidget(self._table)
        below = QWidget()
        values = QVBoxLayout(below)
        values.setContentsMargins(0, 0, 0, 0)
        values.addWidget(self._axes)
        values.addWidget(self._pages, 1)
        split.addWidget(below)
        split.setStretchFactor(0, 2)
        split.setStretchFactor(1, 3)
        split.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.addLayout(row)
        column.addWidget(split, 1)

        self._table.row_selected.connect(self._on_row_selected)
        self._drawn.toggled.connect(self._on_drawn)
        self._save.clicked.connect(self._on_save)
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
        self._share()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the room out anew."""
        super().resizeEvent(event)
        self._share()

    def _share(self) -> None:
        """List all tensors where that leaves most of the room to the values, unless the person shared it out."""
        if self._moved:
            return
        whole = self._split.height() - self._split.handleWidth()
        wanted = min(self._table.height_of(max(1, len(self._tensors))), whole * 2 // 5)
        self._split.setSizes([wanted, whole - wanted])

    def _on_moved(self) -> None:
        self._moved = True

    def clear(self) -> None:
        """Show that nothing has been computed."""
        self._tensors = ()
        self._time.setText("")
        self._table.set_rows(("tensor", "shape", "dtype"), [])
        self._grid.set_tensor("", "", None)
        self._axes.hide()
        self._drawn.hide()
        self._save.setEnabled(False)
        self._pages.setCurrentWidget(self._grid)

    def _on_save(self) -> None:
        row = self._table.selected_row
        if row is None or row >= len(self._tensors):
            return
        tensor = self._tensors[row]

        def write(path: Path) -> None:
            np.save(path, tensor.values)

        saving.save(self, f"Save {tensor.name}", f"{tensor.name}.npy", "NumPy (*.npy)", ".npy", write)

    def _on_drawn(self) -> None:
        row = self._table.selected_row
        self._on_row_selected(0 if row is None else row)

    def _on_row_selected(self, row: int) -> None:
        if row < len(self._tensors):
            tensor = self._tensors[row]
            self._grid.set_tensor("", tensor.dtype, tensor.values, tensor.axes)
            words = " × ".join(tensor.axes) if tensor.values.size else "It holds no values: one of its sizes is 0."
            self._axes.setText(words)
            self._axes.setVisible(bool(words))
            self._save.setEnabled(True)
            drawing = drawn(tensor)
            wave = samples(tensor)
            self._drawn.setVisible(drawing is not None or wave is not None)
            if wave is not None and self._drawn.isChecked():
                self._wave.set_samples(wave, 1, "")
                self._pages.setCurrentWidget(self._wave)
            elif drawing is not None and self._drawn.isChecked():
                self._picture.set_picture(to_image(drawing))
                self._pages.setCurrentWidget(self._picture)
            else:
                self._pages.setCurrentWidget(self._grid)


def drawn(tensor: TensorView) -> np.ndarray | None:
    """A tensor as a picture, or None where a drawing would say nothing.

    Returns:
        uint8 of shape ``(height, width, 3)``: pixel values stretched from their least to their most, a spectrogram or
        a map on the sequential scale.
    """
    values = tensor.values
    if tensor.name in ("pixel_values", "pixel_values_videos") and values.ndim == 5 and values.shape[2] == 3:
        # A video or a pair of pictures: the first of them beside one another.
        values = np.concatenate(list(values[0, :_BESIDE]), axis=-1)[None]
    if tensor.name == "image" and values.ndim == 4 and values.shape[1] == 3:
        # LayoutLMv2 is shown blue before green before red.
        return values[0, ::-1].astype(np.uint8).transpose(1, 2, 0)
    if tensor.name.startswith("pixel_values") and values.ndim == 4 and values.shape[1] in (3, 4):
        # The fourth channel is a trimap.
        colors = values[0, :3]
        least, most = colors.min(), colors.max()
        return ((colors - least) / ((most - least) or 1.0) * 255).astype(np.uint8).transpose(1, 2, 0)
    if tensor.name == "input_features" and values.ndim == 3:
        # Whisper has a row a band, others a row a moment; time goes to the right in both.
        bands = (values[0] if values.shape[1] < values.shape[2] else values[0].T)[::-1]
        # A moment and a band a pixel each would be a stripe.
        bands = bands[:, :: -(-bands.shape[1] // _MOMENTS)]
        return to_colors(np.repeat(bands, max(1, bands.shape[1] // (3 * bands.shape[0])), axis=0))
    if tensor.name == "picture" and values.ndim == 3:
        return values
    if tensor.name in ("reconstruction", "normals", "pointmaps", "pointmap") and values.shape[-3:-2] == (3,):
        drawing = values.reshape(-1, *values.shape[-3:])[0]
        least = drawing.min(axis=(1, 2), keepdims=True)
        most = drawing.max(axis=(1, 2), keepdims=True)
        spread = (drawing - least) / np.where(most > least, most - least, 1.0)
        return (spread * 255).astype(np.uint8).transpose(1, 2, 0)
    if tensor.name in ("predicted_depth", "alphas", "alpha") and np.squeeze(values).ndim == 2:
        return to_colors(np.squeeze(values))
    return None


def samples(tensor: TensorView) -> np.ndarray | None:
    """The samples of a sound, of shape ``(samples,)``, or None where the tensor holds none."""
    sounds = tensor.name in ("input_values", "samples", "waveform") and tensor.dtype.startswith(("float", "bfloat"))
    return tensor.values.reshape(-1) if sounds and tensor.values.size == tensor.shape[-1] else None


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

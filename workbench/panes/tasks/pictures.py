"""Results on a picture: boxes and masks over it with a switch for each label, points matched, a thing cut out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QSplitter, QVBoxLayout, QWidget

from workbench.engine.task import Task
from workbench.engine.tasks import videos
from workbench.engine.values import Segment, TaskResult
from workbench.widgets import pictures, theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.match_view import Line, MatchView
from workbench.widgets.naming import named
from workbench.widgets.picture_view import Overlay, PictureView, to_image
from workbench.widgets.probability_table import format_percent
from workbench.widgets.theme import px, set_role
from workbench.widgets.turning_splitter import TurningSplitter
from workbench.widgets.visible_text import drawable

#: Pixels of the longer side of the copy that is shown.
_SIDE = 1600


class FoundView(TurningSplitter):
    """The picture with what was found in it, and the labels beside or below it, each with a switch.

    Args:
        name: First part of the object names: the picture's own, and ``name_labels``.
    """

    def __init__(self, name: str = "tasks.found", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture = named(PictureView(), name, "Picture", "What was found, drawn over the picture")
        self._labels = named(
            QListWidget(),
            f"{name}_labels",
            "Found",
            "Each label with how much of it there is; untick to hide",
        )
        self._labels.setWordWrap(True)
        self._labels.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.addWidget(self._picture)
        self.addWidget(self._labels)
        self.setStretchFactor(0, 4)
        self.setStretchFactor(1, 1)
        self._labels.itemChanged.connect(self._on_switched)

    def show_boxes(self, result: TaskResult, picture: QImage) -> str:
        """Show boxes, and say them in words."""
        overlays = [
            Overlay(box.label, f"{box.label} {format_percent(box.score)}", (box.xmin, box.ymin, box.xmax, box.ymax))
            for box in result.items
        ]
        self._show(result, picture, overlays, {})
        return "; ".join(each.words for each in overlays) or "Nothing was found above the threshold"

    def show_points(self, result: TaskResult, picture: QImage) -> str:
        """Show points, and say them in words."""
        overlays = [
            Overlay(
                point.label or "point",
                f"{point.label or 'point'} {point.score:.3g} at ({point.x:.0f}, {point.y:.0f})",
                point=(point.x, point.y),
            )
            for point in result.items
        ]
        self._show(result, picture, overlays, {})
        return "; ".join(each.words for each in overlays) or "No point was found above the threshold"

    def show_masks(self, result: TaskResult, picture: QImage) -> str:
        """Show masks, and say them in words."""
        overlays, shares = [], {}
        for part in result.items:
            share = float(part.mask.mean())
            shares[part.label] = shares.get(part.label, 0.0) + share
            surely = f", {format_percent(part.score)} sure" if part.score is not None else ""
            words = f"{part.label}: {format_percent(share)} of the picture{surely}"
            overlays.append(Overlay(part.label, words, mask=part.mask))
        self._show(result, picture, overlays, shares)
        return "; ".join(each.words for each in overlays) or "No part was found above the threshold"

    def show_places(self, result: TaskResult, picture: QImage) -> str:
        """Show where the things are that a text names, and say them in words."""
        overlays = [
            Overlay(each.label, each.label, mask=each.mask)
            if isinstance(each, Segment)
            else Overlay(each.label, each.label, (each.xmin, each.ymin, each.xmax, each.ymax))
            for each in result.items[1:]
        ]
        self._show(result, picture, overlays, {})
        return "; ".join(each.words for each in overlays)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_labels"):
            self._tint()
            self._measure()

    def _show(self, result: TaskResult, picture: QImage, overlays: Sequence[Overlay], shares: dict[str, float]) -> None:
        show_picture(self._picture, result, picture)
        self._picture.set_hidden(())
        self._picture.set_overlays(overlays)
        self._labels.blockSignals(True)
        self._labels.clear()
        for label in self._picture.labels:
            count = sum(each.label == label for each in overlays)
            words = format_percent(shares[label]) if label in shares else f"× {count}"
            item = QListWidgetItem(f"{drawable(label)}  {words}")
            item.setData(Qt.ItemDataRole.UserRole, label)
            item.setToolTip(item.text())
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
            self._labels.addItem(item)
        if not overlays:
            nothing = QListWidgetItem("Nothing above the threshold.\nLower it to see more.")
            nothing.setFlags(Qt.ItemFlag.NoItemFlags)
            self._labels.addItem(nothing)
        self._labels.blockSignals(False)
        self._tint()
        self._measure()

    def _measure(self) -> None:
        """Give the labels what they need, up to a third of what there usually is; longer ones wrap."""
        wanted = max(self._labels.sizeHintForColumn(0), 0) + 2 * self._labels.frameWidth() + px(self, 24)
        self._labels.setMinimumWidth(min(max(wanted, px(self, 120)), px(self, 230)))

    def _items(self) -> list[QListWidgetItem]:
        """Those that stand for a label."""
        items = [self._labels.item(index) for index in range(self._labels.count())]
        return [item for item in items if item.data(Qt.ItemDataRole.UserRole) is not None]

    def _tint(self) -> None:
        side = px(self, 14)
        self._labels.setIconSize(QSize(side, side))
        self._labels.blockSignals(True)
        for item in self._items():
            swatch = QPixmap(side, side)
            swatch.fill(self._picture.color(item.data(Qt.ItemDataRole.UserRole)))
            item.setIcon(QIcon(swatch))
        self._labels.blockSignals(False)

    def _on_switched(self) -> None:
        self._picture.set_hidden(
            item.data(Qt.ItemDataRole.UserRole)
            for item in self._items()
            if item.checkState() == Qt.CheckState.Unchecked
        )


class MatchesView(QSplitter):
    """Both pictures with lines between them, and the matches listed; the chosen one is drawn thick."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self._view = named(MatchView(), "tasks.matches", "Matches drawn", "A line for each point that both show")
        self._table = named(
            DataTable(), "tasks.matches_table", "Matches", "Each match with its score; choose one to see its line"
        )
        self.addWidget(self._view)
        self.addWidget(self._table)
        self.setStretchFactor(0, 3)
        self.setStretchFactor(1, 1)
        self.setChildrenCollapsible(False)
        self._table.set_format(0, "{:.4f}".format)
        self._table.row_selected.connect(self._view.choose)

    def show_result(self, result: TaskResult, first: QImage, second: QImage) -> str:
        """Show a result, and say it in words."""
        (sizes,) = (tensor.values for tensor in result.stages[0].tensors if tensor.name == "target_size")
        (height, width), (other_height, other_width) = sizes[0].tolist()
        lines = [
            Line(
                item.first, item.second, f"{item.score:.3g}: {_place(item.first)} is {_place(item.second)}", item.score
            )
            for item in result.items
        ]
        self._view.set_matches((first, second), ((width, height), (other_width, other_height)), lines)
        rows = [(item.score, _place(item.first), _place(item.second)) for item in result.items]
        self._table.set_rows(("score", "in the first", "in the second"), rows)
        return f"{len(lines):,} matches" if lines else "No match was found above the threshold"


class CutOutView(QWidget):
    """The thing that was cut out, over a chequered ground, and how much of each pixel belongs to it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cut = named(PictureView(), "tasks.cut_out", "Cut out", "The thing alone; what is chequered was left out")
        self._alpha = named(
            PictureView(), "tasks.alpha", "Alpha", "How much of each pixel belongs to the thing; white is all of it"
        )
        self._share = named(QLabel(), "tasks.alpha_share", "Share", "How much of the picture the thing takes")
        set_role(self._share, "muted")
        views = QSplitter(Qt.Orientation.Horizontal)
        views.addWidget(self._cut)
        views.addWidget(self._alpha)
        views.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(views, 1)
        column.addWidget(self._share)

    def show_result(self, result: TaskResult, picture: QImage) -> str:
        """Show a result, and say it in words."""
        (alpha,) = result.items
        grey = (alpha.clip(0.0, 1.0) * 255).round().astype(np.uint8, order="C")
        height, width = grey.shape
        veil = QImage(grey.data, width, height, width, QImage.Format.Format_Grayscale8).scaled(picture.size()).copy()
        show_picture(self._alpha, result, veil)
        cut = picture.convertToFormat(QImage.Format.Format_ARGB32)
        cut.setAlphaChannel(veil)
        ground = _chequered(picture.size(), px(self, 12))
        painter = QPainter(ground)
        painter.drawImage(0, 0, cut)
        painter.end()
        show_picture(self._cut, result, ground)
        words = f"The thing takes {format_percent(float(alpha.mean()))} of the picture"
        self._share.setText(words)
        return words


def _chequered(size: QSize, side: int) -> QImage:
    """What stands for nothing in programs that show pictures, the same in each theme."""
    ground = QImage(size, QImage.Format.Format_RGB32)
    ground.fill(Qt.GlobalColor.white)
    painter = QPainter(ground)
    for top in range(0, size.height(), side):
        for left in range(top // side % 2 * side, size.width(), 2 * side):
            painter.fillRect(left, top, side, side, Qt.GlobalColor.lightGray)
    painter.end()
    return ground


def _place(point: tuple[float, float]) -> str:
    return f"({point[0]:.0f}, {point[1]:.0f})"


def preview(path: Path, *, task: Task) -> tuple[QImage, str]:
    """A small copy of a picture, or an empty one with words for why it can't be read; takes a second for large ones."""
    task.check()
    return pictures.preview(path, _SIDE)


def strip(path: Path, *, task: Task) -> QImage:
    """The beginning of a video as small frames beside one another.

    Raises:
        InputError: It can't be read, or has no frames.
        NotSupported: PyAV is needed for it and is not installed.
    """
    return to_image(videos.strip(path, task=task))


def show_picture(view: PictureView, result: TaskResult, picture: QImage) -> None:
    """Show a copy of the picture, or the frames, that a result is of; overlays are measured in its own pixels."""
    shown = {tensor.name: tensor.values for tensor in result.stages[0].tensors}
    height, width = (int(each) for each in shown["target_size"][0])
    if "frames" in shown:
        picture = to_image(videos.sheet(shown["frames"]))
    view.set_picture(picture, (width, height))

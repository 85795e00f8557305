"""What the four sections of the pane have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from workbench.engine.codegen.inside import Asked
from workbench.engine.inside import Grid, Inside
from workbench.widgets import theme
from workbench.widgets.naming import named
from workbench.widgets.patch_view import PatchView
from workbench.widgets.visible_text import visible


class Section(QWidget):
    """One way of looking at a model.

    Signals:
        position_chosen(str, int): The person chose a position of a part.
        changed(): Another script gives what is shown.
    """

    position_chosen = Signal(str, int)
    changed = Signal()

    def show_inside(self, found: Inside | None) -> None:
        """Show what was found, or nothing."""
        raise NotImplementedError

    def select(self, part: str, position: int | None) -> None:
        """Mark a position of a part, without announcing it."""
        raise NotImplementedError

    def script(self, asked: Asked) -> str:
        """Python that gives the numbers shown; empty where none are."""
        raise NotImplementedError


def show_sight(view: PatchView, found: Inside | None) -> None:
    """Show the picture that a pass was given, if it was given one."""
    sight = found.given.sight if found is not None else None
    view.setVisible(sight is not None)
    view.set_picture(sight.pixels if sight is not None else None)
    view.set_patches((0, 0), None)


def tint(view: PatchView, grid: Grid | None, values: np.ndarray | None, what: str, position: int | None) -> None:
    """Tint the patches of a grid by numbers that there are for each position, and mark the one at a position."""
    if grid is None:
        view.set_patches((0, 0), None, "Where these positions are in the picture is not known")
        return
    shape = (grid.rows, grid.columns)
    view.set_patches(shape, grid.over(values) if values is not None else None, what)
    view.choose(grid.place(position) if position is not None else None)


def note(name: str) -> QLabel:
    """A line that says what is seen, or why nothing is."""
    label = named(QLabel(), name, "Note", "What is seen here, or why nothing is")
    label.setWordWrap(True)
    theme.set_role(label, "muted")
    return label


def say(label: QLabel, words: str) -> None:
    """Let a note say something."""
    label.setText(words)
    label.setAccessibleName(words or "Note")


def column_of(section: QWidget) -> QVBoxLayout:
    """The layout of a section, which leaves the room at its edges to what is drawn."""
    column = QVBoxLayout(section)
    column.setContentsMargins(0, theme.px(section, 6), 0, 0)
    return column


def shown(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens as an axis names them, with their blanks to be seen."""
    return tuple(visible(token) for token in tokens)

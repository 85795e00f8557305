"""Several texts side by side: the sequences of one run, or two branches that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from workbench.engine.values import Branch, Step
from workbench.widgets.naming import named
from workbench.widgets.theme import px, set_role
from workbench.widgets.tinted_text import Piece, TintedText
from workbench.widgets.visible_text import drawable, one_line, visible

#: Stands in front of the first token in which a text differs from the one it is compared with.
PARTING = "▸"


@dataclass(frozen=True, slots=True)
class Column:
    """One of the texts.

    Attributes:
        key: Of its branch.
        title: What stands above it.
        pieces: Its tokens.
    """

    key: int
    title: str
    pieces: tuple[Piece, ...]


def differ(branches: Sequence[Branch], texts: Sequence[Sequence[Step]]) -> tuple[int | None, str]:
    """Where branches that are compared part, and words for it.

    Args:
        branches: Two or more.
        texts: Their steps.

    Returns:
        Index of the first token in which they differ, or None.
    """
    if len({branch.start.context_ids for branch in branches}) > 1:
        return None, "They continue different prompts."
    at = parting([[step.token_id for step in steps] for steps in texts])
    if at is None:
        return None, "They are equal, token for token."
    said = [f"“{visible(drawable(steps[at].text))}”" if at < len(steps) else "the end" for steps in texts]
    return at, f"They part at token {at + 1:,} ({PARTING}): {' against '.join(said)}."


def parting(texts: Sequence[Sequence[int]]) -> int | None:
    """Index of the first token in which not all texts agree, or None when they are equal.

    Args:
        texts: Ids of each, of shape ``(seq,)``.
    """
    longest = max((len(ids) for ids in texts), default=0)
    for index in range(longest):
        if len({ids[index] if index < len(ids) else None for ids in texts}) > 1:
            return index
    return None


def together(branches: Sequence[Branch], branch: Branch) -> tuple[Branch, ...]:
    """The sequences that came of one run with a branch, itself included; one alone when it was the only one.

    Args:
        branches: All of the session.
        branch: One of them.
    """
    first = branch
    parents = {each.key: each for each in branches}
    if _is_sibling(branch, parents):
        first = parents[branch.parent or 0]
    return (first, *(each for each in branches if each.parent == first.key and _is_sibling(each, parents)))


def _is_sibling(branch: Branch, branches: dict[int, Branch]) -> bool:
    """Whether a branch shares no more with its parent than the parent's own run did: both came of that run."""
    parent = branches.get(branch.parent) if branch.parent is not None else None
    return (
        parent is not None
        and branch.strategy.num_return_sequences > 1
        and branch.strategy == parent.strategy
        and branch.start == parent.start
    )


class Columns(QWidget):
    """The texts, each under its name.

    Signals:
        column_chosen(int): A column was clicked; the key it was given.
        closed(): One text is wanted again.
    """

    column_chosen = Signal(int)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: tuple[Column, ...] = ()
        self._titles: list[QPushButton] = []
        self._texts: list[TintedText] = []
        self._tinted = True
        self._words = QLabel()
        self._words.setWordWrap(True)
        set_role(self._words, "muted")
        self._close = named(
            QPushButton("One text"), "playground.one_text", "One text", "Show the text that is looked at alone again"
        )
        self._content = QWidget()
        self._grid = QGridLayout(self._content)
        self._grid.setContentsMargins(0, 0, 0, 0)
        area = QScrollArea()
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(self._content)
        top = QHBoxLayout()
        top.addWidget(self._words, 1)
        top.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(area, 1)
        self._close.clicked.connect(self.closed)

    @property
    def keys(self) -> tuple[int, ...]:
        """Of the columns, left to right."""
        return tuple(column.key for column in self._columns)

    def set_columns(self, columns: Sequence[Column], parts_at: int | None, words: str) -> None:
        """Show texts.

        Args:
            columns: From left to right.
            parts_at: Index of the token that is marked as the first one to differ, or None.
            words: What stands above all.
        """
        self._words.setText(drawable(words))
        while len(self._texts) > len(columns):
            self._titles.pop().deleteLater()
            self._texts.pop().deleteLater()
        while len(self._texts) < len(columns):
            self._add_column()
        self._columns = tuple(columns)
        for column, title, text in zip(columns, self._titles, self._texts, strict=True):
            title.setText(one_line(drawable(column.title)).replace("&", "&&"))
            title.setAccessibleName(drawable(column.title))
            text.clear_text()
            cut = len(column.pieces) if parts_at is None else parts_at
            text.append_pieces(column.pieces[:cut])
            if parts_at is not None:
                text.add_plain(PARTING, muted=True)
            text.append_pieces(column.pieces[cut:])
        self._content.setMinimumWidth(px(self, 130) * len(columns))

    def append(self, key: int, pieces: Sequence[Piece]) -> None:
        """Add tokens to a column."""
        number = self.keys.index(key)
        column = self._columns[number]
        grown = Column(column.key, column.title, (*column.pieces, *pieces))
        self._columns = (*self._columns[:number], grown, *self._columns[number + 1 :])
        self._texts[number].append_pieces(pieces)

    def count(self, key: int) -> int:
        """How many tokens a column shows."""
        return len(self._columns[self.keys.index(key)].pieces)

    def set_current(self, key: int | None) -> None:
        """Mark the column that is looked at."""
        for column, title in zip(self._columns, self._titles, strict=True):
            title.setChecked(column.key == key)

    def set_tinted(self, tinted: bool) -> None:
        """Show or hide the tints."""
        self._tinted = tinted
        for text in self._texts:
            text.set_tinted(tinted)

    def text_of(self, key: int) -> str:
        """What a column shows."""
        return self._texts[self.keys.index(key)].toPlainText()

    def _add_column(self) -> None:
        number = len(self._texts) + 1
        title = named(QPushButton(), f"playground.column_{number}", f"Column {number}", "Look at this text")
        title.setCheckable(True)
        text = named(TintedText(), f"playground.column_{number}_text", f"Text {number}")
        text.set_tinted(self._tinted)
        title.clicked.connect(self._on_title)
        text.piece_clicked.connect(self._on_text)
        self._grid.addWidget(title, 0, number - 1)
        self._grid.addWidget(text, 1, number - 1)
        self._grid.setRowStretch(1, 1)
        self._titles.append(title)
        self._texts.append(text)

    def _on_title(self) -> None:
        number = next(number for number, title in enumerate(self._titles) if title is self.sender())
        self._titles[number].setChecked(True)
        self.column_chosen.emit(self._columns[number].key)

    def _on_text(self) -> None:
        number = next(number for number, text in enumerate(self._texts) if text is self.sender())
        self.column_chosen.emit(self._columns[number].key)

"""The totals of a text: a row of numbers for each model, and what may be compared between them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QWidget

from workbench.engine.score import Score
from workbench.engine.score_difference import Difference
from workbench.panes.score.reading import Reading, perplexity, signed
from workbench.widgets import theme
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.naming import named

_HEADERS = ("", "perplexity", "bits per token", "bits per byte", "per character", "tokens")
_TIPS = (
    "",
    "Two to the mean surprise: as unsure as between this many equal choices, on average",
    "The mean surprise of a token",
    "The surprise of the text by its UTF-8 bytes: comparable between models whatever their tokens are",
    "The surprise of the text by its characters",
    "How many tokens were scored, of all there are",
)
#: The column that goes first where there is little room, and the pixels it takes to have room.
_CHARACTERS, _ROOMY = 4, 560


class Totals(QFrame):
    """Perplexity and mean surprise of one model or two."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "card")
        self._grid = QGridLayout(self)
        self._rows: list[list[QLabel]] = []
        self._reading: Reading | None = None
        self._roomy = True
        self._headers = [QLabel(header) for header in _HEADERS]
        for column, (label, tip) in enumerate(zip(self._headers, _TIPS, strict=True)):
            label.setToolTip(tip)
            theme.set_role(label, "muted")
            self._grid.addWidget(label, 0, column, _side(column))
        for number, letter in enumerate("ab", 1):
            row = []
            for column in range(len(_HEADERS)):
                label = QLabel() if column else ElidedLabel(mode=Qt.TextElideMode.ElideMiddle)
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                label.setTextFormat(Qt.TextFormat.PlainText)
                if column == 0:
                    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
                self._grid.addWidget(label, number, column, Qt.AlignmentFlag(0) if column == 0 else _side(column))
                row.append(label)
            named(row[1], f"score.perplexity_{letter}", "Perplexity", _TIPS[1])
            theme.set_role(row[1], "heading")
            theme.set_role(row[3], "heading")
            self._rows.append(row)
        self._note = named(QLabel(), "score.note", "Note", "What was scored, and what may be compared")
        self._note.setWordWrap(True)
        theme.set_role(self._note, "muted")
        self._grid.addWidget(self._note, len(self._rows) + 1, 0, 1, len(_HEADERS))
        self._grid.setColumnStretch(0, 1)
        self._space()
        self.show_reading(None)

    def show_reading(self, reading: Reading | None) -> None:
        """Show the totals of one model or two, or nothing."""
        self._reading = reading
        self.setVisible(reading is not None)
        self._headers[_CHARACTERS].setVisible(self._roomy)
        scores = reading.scores if reading is not None else ()
        for number, row in enumerate(self._rows):
            for column, label in enumerate(row):
                label.setVisible(number < len(scores) and (column != _CHARACTERS or self._roomy))
            if number < len(scores):
                letter = f"{'AB'[number]} · " if len(scores) > 1 else ""
                self._show_score(row, letter, scores[number])
        if reading is not None:
            words = _about(reading.difference) if reading.difference is not None else _about_one(scores[0])
            self._note.setText(words)
            self._note.setAccessibleName(words)

    def _show_score(self, row: list[QLabel], letter: str, score: Score) -> None:
        passes = f", {len(score.windows):,} windows" if len(score.windows) > 1 else ""
        texts = (
            f"{letter}{score.checkpoint}",
            perplexity(score.perplexity),
            f"{score.bits_per_token:.3f}",
            "" if score.bits_per_byte is None else f"{score.bits_per_byte:.3f}",
            "" if score.bits_per_character is None else f"{score.bits_per_character:.3f}",
            f"{score.scored:,} of {len(score.tokens):,}{passes}",
        )
        for label, text in zip(row, texts, strict=True):
            label.setText(text)
        row[0].setToolTip(texts[0])
        row[1].setAccessibleName(f"Perplexity {texts[1]}")

    def _space(self) -> None:
        self._grid.setHorizontalSpacing(theme.px(self, 18))
        self._grid.setVerticalSpacing(theme.px(self, 4))
        edge = theme.px(self, 10)
        self._grid.setContentsMargins(edge, theme.px(self, 6), edge, theme.px(self, 6))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the characters out where the name would have no room."""
        super().resizeEvent(event)
        roomy = event.size().width() >= theme.px(self, _ROOMY)
        if roomy != self._roomy:
            self._roomy = roomy
            self.show_reading(self._reading)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_note"):
            self._space()


def _side(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _about_one(score: Score) -> str:
    first = "The whole text is scored, after the token that begins every text of this checkpoint."
    if score.scored_text != score.text:
        first = "The first token is not scored: this checkpoint puts nothing in front of it."
    if len(score.windows) == 1:
        return first
    least = min(cut.first - cut.begin for cut in score.windows[1:])
    return f"{first} Each window after the first scores its new tokens after at least {least:,} tokens of context."


def _about(difference: Difference) -> str:
    first, second = difference.bits
    if difference.same_ids:
        apart = difference.first.bits_per_token - difference.second.bits_per_token
        if abs(apart) < 0.0005:
            return "Both read the same ids, and expected this text equally."
        better = "B" if apart > 0 else "A"
        return f"Both read the same ids. {better} expected this text more, by {abs(apart):.3f} bits per token."
    size = difference.shared_bytes
    words = "Their tokens differ, so perplexity and bits per token can't be compared; bits per byte can. "
    if not size:
        return f"{words}The tokenizers share no place where both cut."
    apart = (first - second) / size
    return (
        f"{words}Over the {size:,} bytes that both scored: A {first / size:.3f}, B {second / size:.3f}, "
        f"A − B = {signed(apart)} bits per byte."
    )

"""What else could have come at a step: a list that opens at the token, and a field for one that is not in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import tokens
from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Candidate, TokenizerOptions
from workbench.runtime.session import Session
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.theme import px, set_role
from workbench.widgets.visible_text import drawable, visible

#: Candidates that are listed.
COUNT = 10
_ID = Qt.ItemDataRole.UserRole
_BAR = 16
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the tokenizer makes of a typed token.

    Attributes:
        ids: Its ids; exactly one when it is a token.
        offer: The id to take instead, or None.
        words: Why it is no token, and what is offered; empty when it is one.
    """

    ids: tuple[int, ...]
    offer: int | None
    words: str


def read_token(model: LoadedModel, vocabulary: Vocabulary, text: str) -> Reading:
    """Look a typed token up.

    Raises:
        InputError: The text can't be encoded.
    """

    def ids_of(typed: str) -> tuple[int, ...]:
        return tokens.encode(model.tokenizer, typed, TokenizerOptions(add_special_tokens=False)).input_ids

    ids = ids_of(text)
    if not ids:
        return Reading(ids, None, "Nothing was typed.")
    if len(ids) == 1:
        return Reading(ids, None, "")
    spelled = vocabulary.spell(ids[:6])
    parts = ", ".join(f"{token_id} “{visible(part)}”" for token_id, part in zip(ids, spelled, strict=False))
    more = " …" if len(ids) > len(spelled) else ""
    words = f"“{visible(text)}” is {len(ids)} tokens: {parts}{more}."
    spaced = ids_of(f" {text}") if not text.startswith(" ") else ()
    if len(spaced) == 1:
        return Reading(ids, spaced[0], f"{words} With a space in front it is one.")
    return Reading(ids, ids[0], words)


class Alternatives(QFrame):
    """A popup over the output.

    Args:
        session: Whose branch and steps it is about.

    Signals:
        chosen(int, int): The index of the step, and the id to go on from.
    """

    chosen = Signal(int, int)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._session = session
        self._index = 0
        named(self, "playground.alternatives", "Alternatives")
        set_role(self, "card")
        self._offered: int | None = None
        self._title = set_role(QLabel(), "heading")
        self._list = named(
            QTreeWidget(),
            "playground.alternatives_list",
            "Candidates",
            "The most probable tokens at this step; Enter or a click continues from one of them",
        )
        self._field = named(
            QLineEdit(),
            "playground.alternatives_token",
            "Type a token",
            "Any token of the vocabulary, with its space in front where it has one; Enter continues from it",
        )
        self._words = QLabel()
        self._take = named(
            QPushButton(), "playground.alternatives_take", "Take the token offered", "Continue from this token"
        )
        self._lay_out()
        self._list.itemClicked.connect(self._on_item)
        self._list.itemActivated.connect(self._on_item)
        self._field.returnPressed.connect(self._on_typed)
        self._take.clicked.connect(self._on_take)

    def open_step(self, index: int, place: QRect) -> None:
        """Show what else could have come at a step of the branch that is looked at.

        Args:
            index: Of the step.
            place: Where its token stands on the screen.
        """
        branch, vocabulary = self._session.branch, self._session.vocabulary
        if branch is None or vocabulary is None or not 0 <= index < len(branch.steps):
            return
        step = branch.steps[index]
        candidates: tuple[Candidate, ...] = ()
        note = ""
        if step.logits is None:
            note = "The scores of this step were let go to keep memory bounded; any token can still be typed."
        else:
            try:
                distribution = Distribution(step.logits, branch.situation(index), step.guided)
                candidates = distribution.top(COUNT, step.sampling, vocabulary)
            except WorkbenchError as error:
                note = str(error)
        self._index = index
        title = f"Step {index + 1}: instead of “{visible(vocabulary.spell([step.token_id])[0])}”"
        self._show_candidates(title, candidates, step.token_id)
        self._say(note, None, "")
        self._fit()
        self._move_to(place)
        self.show()
        (self._list if candidates else self._field).setFocus()

    def _show_candidates(self, title: str, candidates: Sequence[Candidate], chosen_id: int) -> None:
        self._title.setText(drawable(title))
        self._field.clear()
        self._list.clear()
        for candidate in candidates:
            taken = candidate.id == chosen_id
            remark = "chosen" if taken else f"cut by {candidate.cut_by}" if candidate.cut_by else ""
            share = format_percent(candidate.probability)
            shown = visible(drawable(candidate.text)) or f"id {candidate.id}"
            item = QTreeWidgetItem(self._list, [shown, bar(candidate.probability), share, remark])
            item.setData(0, _ID, candidate.id)
            item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            words = ", ".join(part for part in (shown, share, remark) if part)
            item.setData(0, Qt.ItemDataRole.AccessibleTextRole, words)
            item.setToolTip(0, f"id {candidate.id} · rank {candidate.rank:,} · {share} before the knobs")
            if taken:
                font = item.font(0)
                font.setBold(True)
                for column in range(4):
                    item.setFont(column, font)
                self._list.setCurrentItem(item)
        if candidates and self._list.currentItem() is None:
            self._list.setCurrentItem(self._list.topLevelItem(0))
        self._list.setVisible(bool(candidates))

    def _say(self, words: str, offer: int | None, spelled: str) -> None:
        """Answer what was typed; ``offer`` is an id to take instead, read as ``spelled``."""
        self._words.setText(drawable(words))
        self._words.setVisible(bool(words))
        self._offered = offer
        self._take.setText(f"Take “{visible(drawable(spelled))}”".replace("&", "&&"))
        self._take.setAccessibleName(f"Take “{visible(drawable(spelled))}”")
        self._take.setVisible(offer is not None)
        self.adjustSize()

    def _lay_out(self) -> None:
        self._list.setColumnCount(4)
        self._list.setHeaderHidden(True)
        self._list.setRootIsDecorated(False)
        self._list.setUniformRowHeights(True)
        self._list.setAllColumnsShowFocus(True)
        self._list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self._list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self._field.setPlaceholderText("Type a token…")
        self._field.setMaxLength(200)
        set_role(self._words, "muted")
        self._words.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self._field, 1)
        row.addWidget(self._take)
        column = QVBoxLayout(self)
        margin = px(self, 10)
        column.setContentsMargins(margin, margin, margin, margin)
        column.addWidget(self._title)
        column.addWidget(self._list)
        column.addWidget(self._words)
        column.addLayout(row)
        self._take.hide()

    def _fit(self) -> None:
        rows = self._list.topLevelItemCount()
        height = sum(self._list.sizeHintForRow(number) for number in range(min(rows, 1))) * rows
        self._list.setFixedHeight(height + 2 * self._list.frameWidth() + px(self, 2))
        self.setFixedWidth(px(self, 400))
        self.adjustSize()

    def _move_to(self, place: QRect) -> None:
        screen = QGuiApplication.screenAt(place.center()) or self.screen()
        free, size = screen.availableGeometry(), self.sizeHint()
        below = place.bottom() + px(self, 4)
        above = place.top() - px(self, 4) - size.height()
        top = below if below + size.height() <= free.bottom() or above < free.top() else above
        left = min(max(place.left(), free.left()), free.right() - self.width())
        self.move(QPoint(left, max(free.top(), top)))

    def _on_item(self, item: QTreeWidgetItem) -> None:
        # A click that is an activation as well comes twice.
        if self.isVisible():
            self._choose(item.data(0, _ID))

    def _on_take(self) -> None:
        if self._offered is not None:
            self._choose(self._offered)

    def _on_typed(self) -> None:
        model, vocabulary = self._session.model, self._session.vocabulary
        if model is None or model.tokenizer is None or vocabulary is None:
            self._say("No model is loaded.", None, "")
            return
        try:
            read = read_token(model, vocabulary, self._field.text())
        except InputError as error:
            self._say(str(error), None, "")
            return
        if read.words:
            spelled = vocabulary.spell([read.offer])[0] if read.offer is not None else ""
            self._say(read.words, read.offer, spelled)
        else:
            self._choose(read.ids[0])

    def _choose(self, token_id: int) -> None:
        self.hide()
        self.chosen.emit(self._index, token_id)


def bar(share: float) -> str:
    """A share in ``[0, 1]`` as a bar of text, at most 16 characters wide, in eighths of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).strip()

"""Texts as one rectangle: the switches of the call, the tensors it gives, and what of them is padding."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import codegen, tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Task
from workbench.engine.tokens.rectangle import PADDINGS, TRUNCATIONS, BatchOptions, Rectangle, rectangle
from workbench.engine.values import Checkpoint
from workbench.panes.tokenizer.reading import face, many, tip
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import theme
from workbench.widgets.column_scroll import ColumnScroll
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.margin_text import MarginText
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.tensor_grid import TensorGrid
from workbench.widgets.token_grid import TokenGrid
from workbench.widgets.turning_splitter import TurningSplitter

#: Characters up to which the text of the first tab is taken line by line.
_OFFERED = 200_000
#: Positions from which a batch is freed on the text lane.
_LARGE = 10_000
_HINT = "One text a line"
#: Characters up to which the texts are written into the code.
_CODED = 20_000


class BatchView(QWidget):
    """A batch of texts or pairs, encoded on the text lane, and only while it can be seen.

    Args:
        runner: Has the text lane.

    Signals:
        changed(): What the script says changed.
    """

    changed = Signal()

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._job: Job | None = None
        self._tokenizer: tokens.Tokenizer | None = None
        self._offered = ""
        self._own = False
        self._behind = False
        self._shown: Rectangle | None = None

        self._texts = named(
            MarginText(),
            "tokenizer.batch_texts",
            "Texts",
            "Each line is a text of its own, an empty line an empty text",
        )
        self._texts.setPlaceholderText(_HINT)
        self._pairs = named(
            MarginText(),
            "tokenizer.batch_pairs",
            "Second texts",
            "The second text of each pair, on the line of its first",
        )
        self._pairs.setPlaceholderText("The second text of each line")
        self._paired = _check(
            "batch_paired", "Pairs", "Give each text a second one, as for question answering and next sentences"
        )
        self._take = named(
            QPushButton("Take the lines of the text"),
            "tokenizer.batch_take",
            "Take the lines of the text",
            "Follow the text of the first tab again, line by line",
        )
        self._special = _check(
            "batch_special", "add_special_tokens", "Add what the model expects around a text; usually on"
        )
        self._special.setChecked(True)
        self._words = _check(
            "batch_words",
            "is_split_into_words",
            "Give each line as the words between its blanks, as data labelled word by word is; usually off",
        )
        self._mask = _check(
            "batch_special_mask", "return_special_tokens_mask", "One tensor more: 1 where a special token stands"
        )
        self._overflow = _check(
            "batch_overflow",
            "return_overflowing_tokens",
            "Put what truncation cuts off into rows of its own; needs a tokenizer of the tokenizers library",
        )
        self._padding = _choice("batch_padding", "padding", "Fill short rows up; longest is the usual choice")
        for value in PADDINGS:
            self._padding.addItem(str(value), value)
        self._padding.setCurrentIndex(PADDINGS.index("longest"))
        self._side = _choice(
            "batch_side", "padding_side", "Right for training and encoders, left for generating from a batch"
        )
        self._truncation = _choice(
            "batch_truncation", "truncation", "What to cut where a row would be longer than max_length"
        )
        for value in TRUNCATIONS:
            self._truncation.addItem(str(value), value)
        self._cut_side = _choice("batch_cut_side", "truncation_side", "Which end of a text is cut; usually right")
        for box in (self._side, self._cut_side):
            for label, side in (("own", None), ("right", "right"), ("left", "left")):
                box.addItem(label, side)
        self._length = _number("batch_max_length", "max_length", "Tokens of a row, special ones included", 1_000_000)
        self._length.setSpecialValueText("own")
        self._stride = _number(
            "batch_stride", "stride", "Tokens that a row repeats from the row before; usually 0 to 128", 100_000
        )
        self._multiple = _number(
            "batch_multiple", "pad_to_multiple_of", "Fill up to a multiple of this; 8 suits tensor cores", 4096
        )
        self._multiple.setSpecialValueText("off")

        self._summary = named(QLabel(), "tokenizer.batch_summary", "Summary", "Shape, and what of it is padding")
        self._note = named(QLabel(), "tokenizer.batch_note", "Note", "What was cut, and what fills the rows up")
        self._grid = named(
            TokenGrid(),
            "tokenizer.batch_grid",
            "Rectangle",
            "One row a row of the tensors, one column a position; padding is greyed",
        )
        self._which = _choice("batch_tensor", "Tensor", "Which of the tensors is shown in numbers")
        self._numbers = TensorGrid("tokenizer.batch_tensor")
        for label in (self._summary, self._note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._summary, "heading")
        self._lay_out()

        self._texts.textChanged.connect(self._on_edited)
        self._pairs.textChanged.connect(self._encode)
        self._take.clicked.connect(self._on_take)
        self._which.currentIndexChanged.connect(self._show_tensor)
        for box in (self._paired, self._special, self._words, self._mask, self._overflow):
            box.toggled.connect(self._on_options_changed)
        for choice in (self._padding, self._side, self._truncation, self._cut_side):
            choice.currentIndexChanged.connect(self._on_options_changed)
        for number in (self._length, self._stride, self._multiple):
            number.valueChanged.connect(self._on_options_changed)
        self._show_options()
        self._show_measures()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(theme.set_role(QLabel("Texts, one a line"), "heading"))
        top.addStretch(1)
        top.addWidget(self._paired)
        options = QGridLayout()
        options.setContentsMargins(0, 0, 0, 0)
        rows = (
            ("padding", self._padding),
            ("padding_side", self._side),
            ("pad_to_multiple_of", self._multiple),
            ("truncation", self._truncation),
            ("truncation_side", self._cut_side),
            ("max_length", self._length),
            ("stride", self._stride),
        )
        for number, (label, control) in enumerate(rows):
            buddy = QLabel(label)
            buddy.setBuddy(control)
            options.addWidget(buddy, number, 0)
            options.addWidget(control, number, 1)
        boxes = (self._special, self._words, self._overflow, self._mask)
        for number, box in enumerate(boxes, start=len(rows)):
            options.addWidget(box, number, 0, 1, 2)
        options.setColumnStretch(1, 1)
        options.setRowStretch(len(rows) + len(boxes), 1)
        form = QWidget()
        form.setLayout(options)
        self._form = ColumnScroll(form)
        upper = QWidget()
        column = QVBoxLayout(upper)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self._texts, 2)
        column.addWidget(self._pairs, 1)
        column.addWidget(self._take, 0, Qt.AlignmentFlag.AlignLeft)
        left = _filled(QSplitter(Qt.Orientation.Vertical), (upper, 1), (self._form, 1))

        below = LeastHeight()
        shown = QVBoxLayout(below)
        shown.setContentsMargins(0, 0, 0, 0)
        pick = QHBoxLayout()
        buddy = QLabel("Tensor")
        buddy.setBuddy(self._which)
        pick.addWidget(buddy)
        pick.addWidget(self._which)
        pick.addStretch(1)
        shown.addLayout(pick)
        shown.addWidget(self._numbers, 1)
        right = LeastHeight()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._summary)
        column.addWidget(self._note)
        column.addWidget(_filled(QSplitter(Qt.Orientation.Vertical), (self._grid, 3), (below, 2)), 1)
        halves = _filled(TurningSplitter(), (left, 1), (right, 2))
        halves.setSizes([360, 800])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, theme.px(self, 4), 0, 0)
        outer.addWidget(halves)

    # Verbs.

    @property
    def busy(self) -> bool:
        """Whether what is shown will be replaced shortly."""
        return self._job is not None and self._job.active

    @property
    def options(self) -> BatchOptions:
        """The switches of the call; what has no effect is left at its default."""
        padding, truncation = self._padding.currentData(), self._truncation.currentData()
        overflow = bool(truncation) and self._overflow.isChecked()
        return BatchOptions(
            add_special_tokens=self._special.isChecked(),
            padding=padding,
            truncation=truncation,
            max_length=(self._length.value() or None) if truncation or padding == "max_length" else None,
            stride=self._stride.value() if overflow else 0,
            pad_to_multiple_of=(self._multiple.value() or None) if padding else None,
            padding_side=self._side.currentData() if padding else None,
            truncation_side=self._cut_side.currentData() if truncation else None,
            return_overflowing_tokens=overflow,
            return_special_tokens_mask=self._mask.isChecked(),
            is_split_into_words=self._words.isChecked(),
        )

    def set_tokenizer(self, tokenizer: tokens.Tokenizer | None) -> None:
        """Encode with another tokenizer, when it can be seen; none shows nothing."""
        self._tokenizer = tokenizer
        if tokenizer is not None:
            longest = tokens.longest(tokenizer)
            self._length.setSpecialValueText(f"own ({longest:,})" if longest else "own (none)")
            self._side.setItemText(0, f"own ({tokenizer.padding_side})")
            self._cut_side.setItemText(0, f"own ({tokenizer.truncation_side})")
        self._encode()

    def offer(self, text: str) -> None:
        """Take the lines of a text, unless the person wrote texts of their own."""
        long = len(text) > _OFFERED
        self._texts.setPlaceholderText("The text is too long to be taken: write texts here" if long else _HINT)
        self._offered = "" if long else text
        if not self._own and self.isVisible():
            self._follow()

    def script(self, checkpoint: Checkpoint) -> str:
        """The code that gives these tensors."""
        texts, pairs = self._lines()
        if not texts:
            return ""
        if sum(map(len, (*texts, *(pairs or ())))) > _CODED:
            return f"# {many(len(texts), 'text')} are too long to be written into a script.\n"
        return codegen.batch(checkpoint, texts, pairs, self.options)

    @property
    def _says_words(self) -> bool:
        return self._tokenizer is not None and self._tokenizer.is_fast

    def _lines(self) -> tuple[list[str], list[str] | None]:
        texts = _lines(self._texts.text())
        return texts, _lines(self._pairs.text(), len(texts)) if self._paired.isChecked() else None

    def _follow(self) -> None:
        if self._texts.text() != self._offered:
            blocker = QSignalBlocker(self._texts)
            self._texts.set_text(self._offered)
            blocker.unblock()
        self._encode()

    def _encode(self) -> None:
        self.changed.emit()
        if not self.isVisible():
            self._behind = True
            if self._tokenizer is None:
                self._forget()
            return
        self._behind = False
        if self._tokenizer is None:
            self._forget()
            return
        texts, pairs = self._lines()
        arguments = (self._tokenizer, texts, pairs, self.options)
        job = Job("Encode the batch", rectangle, *arguments, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_encoded)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.batch")

    def _forget(self) -> None:
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._on_encoded(Rectangle((), (), "", ()))

    # What the person did, and what came of it.

    def _on_edited(self) -> None:
        self._own = True
        self._take.setEnabled(True)
        self._encode()

    def _on_take(self) -> None:
        self._own = False
        self._follow()

    def _on_options_changed(self) -> None:
        self._show_options()
        self._encode()

    def _on_encoded(self, made: Rectangle) -> None:
        before, self._shown = self._shown, made
        theme.set_role(self._summary, "heading")
        theme.set_role(self._note, "muted")
        self._summary.setText(_summary(made))
        self._note.setText(_note(made, self._says_words))
        self._show_grid(made)
        self._show_tensors(made)
        if before is not None and before.positions > _LARGE:
            held = [before]
            del before
            self._runner.start(Job("Free the batch before", _let_go, held, pane="tokenizer", quiet=True), Lane.TEXT)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._on_encoded(Rectangle((), (), "", ()))
        theme.set_role(self._summary, "error")
        self._summary.setText(error.what)
        self._note.setText(" ".join(part for part in (error.why, error.remedy) if part))

    # What is shown.

    def _show_options(self) -> None:
        padding, truncation = self._padding.currentData(), self._truncation.currentData()
        self._pairs.setVisible(self._paired.isChecked())
        self._side.setEnabled(bool(padding))
        self._multiple.setEnabled(bool(padding))
        self._cut_side.setEnabled(bool(truncation))
        self._overflow.setEnabled(bool(truncation))
        self._stride.setEnabled(bool(truncation) and self._overflow.isChecked())
        self._length.setEnabled(bool(truncation) or padding == "max_length")

    def _show_grid(self, made: Rectangle) -> None:
        rows = made.rows
        several = len({row.text for row in rows}) < len(rows)

        def cell(row: int, position: int) -> tuple[str, str, bool]:
            token = rows[row].tokens[position]
            where = f"text {rows[row].text + 1} · " if several else ""
            return face(token), where + tip(token), not token.mask

        def word(row: int, position: int) -> int | None:
            return rows[row].tokens[position].word

        self._grid.set_rows(
            tuple(len(row.tokens) for row in rows),
            cell,
            word if made.otherwise is not None and self._says_words else None,
        )

    def _show_tensors(self, made: Rectangle) -> None:
        names = [tensor.name for tensor in made.tensors]
        if names != [self._which.itemData(number) for number in range(self._which.count())]:
            before = self._which.currentData()
            blocker = QSignalBlocker(self._which)
            self._which.clear()
            for name in names:
                self._which.addItem(name, name)
            self._which.setCurrentIndex(names.index(before) if before in names else 0 if names else -1)
            blocker.unblock()
        self._which.setEnabled(bool(names))
        self._show_tensor()

    def _show_tensor(self) -> None:
        chosen = self._which.currentData()
        tensor = next((each for each in (self._shown.tensors if self._shown else ()) if each.name == chosen), None)
        if tensor is None:
            self._numbers.set_tensor("", "", None)
        else:
            self._numbers.set_tensor(tensor.name, tensor.dtype, tensor.values)

    def _show_measures(self) -> None:
        self._grid.setMinimumHeight(theme.px(self, 90))
        self._numbers.setMinimumHeight(theme.px(self, 80))
        self._texts.setMinimumHeight(theme.px(self, 60))
        self._pairs.setMinimumHeight(theme.px(self, 48))
        self._form.setMinimumHeight(theme.px(self, 90))

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with the text and the tokenizer."""
        super().showEvent(event)
        if not self._own and self._texts.text() != self._offered:
            self._follow()
        elif self._behind:
            self._encode()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_form"):
            self._show_measures()


def _let_go(held: list[Rectangle], *, task: Task) -> None:
    """Free the rows of batches one by one, so that nobody waits for it; for the text lane."""
    task.check()
    rows = [list(row.tokens) for made in held for row in made.rows]
    held.clear()
    while rows:
        rows.pop()


def _lines(text: str, count: int | None = None) -> list[str]:
    lines = text.split("\n") if text else []
    if lines and not lines[-1]:
        lines.pop()
    # Second texts that are not written yet are empty ones.
    return lines if count is None else lines + [""] * (count - len(lines))


def _summary(made: Rectangle) -> str:
    if not made.rows:
        return made.refusal
    if made.refusal:
        return made.refusal
    shapes = [f"{t.name} [{' × '.join(f'{size:,}' for size in t.shape)}] {t.dtype}" for t in made.tensors]
    return " · ".join(shapes)


def _note(made: Rectangle, says_words: bool) -> str:
    if not made.rows:
        return ""
    positions, wasted = made.positions, made.wasted
    parts = [f"{many(len(made.rows), 'row')} of {many(len(made.cut), 'text')}", many(positions, "position")]
    parts.append(f"{wasted:,} wasted on padding ({format_percent(wasted / max(1, positions), 1)})")
    if made.padded_with is not None:
        stands_in = " (the end token, as there is no pad token)" if made.borrowed else ""
        parts.append(f"padded with {made.padded_with}{stands_in}")
    if made.otherwise is not None:
        parts.append(f"{many(made.otherwise, 'text')} with other ids than as running text")
        if not says_words:
            parts.append("this tokenizer is written in Python, and says no words")
    if cut := sum(made.cut):
        parts.append(f"{many(cut, 'token')} cut off from {many(sum(map(bool, made.cut)), 'text')}")
    return " · ".join(parts)


def _check(name: str, label: str, words: str) -> QCheckBox:
    return named(QCheckBox(label), f"tokenizer.{name}", label, words)


def _choice(name: str, label: str, words: str) -> QuietComboBox:
    return named(QuietComboBox(), f"tokenizer.{name}", label, words)


def _number(name: str, label: str, words: str, most: int) -> QuietSpinBox:
    box = named(QuietSpinBox(), f"tokenizer.{name}", label, words)
    box.setRange(0, most)
    return box


def _filled(splitter: QSplitter, *parts: tuple[QWidget, int]) -> QSplitter:
    for number, (part, stretch) in enumerate(parts):
        splitter.addWidget(part)
        splitter.setStretchFactor(number, stretch)
    splitter.setChildrenCollapsible(False)
    return splitter

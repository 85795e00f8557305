"""Words typed as text, one a line, and the ids that the knobs hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QLabel

from workbench.engine.tokens.words import exact, spellings, written
from workbench.panes.playground.knobs import Control
from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.naming import named
from workbench.widgets.theme import px, set_role
from workbench.widgets.visible_text import drawable, visible

Ids = tuple[int, ...]

#: Added to the logit of a boosted word whose line names no number.
BIAS = 5.0
#: Entries whose ids are written out below the editor.
_LISTED = 8

_IDS = re.compile(r"\[\s*\d+(?:[\s,]+\d+)*\s*\]")
_BIASED = re.compile(r"(.*\S)\s+([+\-−](?:\d+\.?\d*|\.\d+)(?:e[+\-]?\d+)?)", re.IGNORECASE)


class NoIds(ValueError):
    """A line stands for no ids; the message says why."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads lines as ids and writes ids as lines.

    A word stands for its ids after a space and without one; a text in ``"quotes"`` for exactly its own; ``[318, 21]``
    for ids as they are.

    Args:
        tokenizer: Of the loaded checkpoint; None: then only lines of ids can be read.
        size: Ids below this exist, or None when that is not known.
    """

    tokenizer: Any = None
    size: int | None = None

    def sequences(self, line: str) -> tuple[Ids, ...]:
        """The sequences of ids that a line stands for, each once.

        Raises:
            NoIds: There is none.
        """
        if _IDS.fullmatch(line):
            ids = tuple(int(each) for each in re.findall(r"\d+", line))
            wrong = [each for each in ids if self.size is not None and each >= self.size]
            if wrong:
                raise NoIds(f"there is no id {wrong[0]}; the last one is {(self.size or 1) - 1:,}")
            return (ids,)
        if self.tokenizer is None:
            raise NoIds("load a checkpoint with a tokenizer to turn text into ids")
        try:
            line.encode()
        except UnicodeEncodeError:
            raise NoIds("it holds half of a character") from None
        if len(line) > 2 and line[0] == line[-1] == '"':
            ids = exact(self.tokenizer, line[1:-1])
            found = (ids,) if ids else ()
        else:
            found = spellings(self.tokenizer, line.strip())
        if not found:
            raise NoIds("this tokenizer has no ids for it")
        return found

    def tokens(self, line: str) -> Ids:
        """The single tokens that a line stands for; a line of ids stands for each of them.

        Raises:
            NoIds: There is none.
        """
        found = self.sequences(line)
        if _IDS.fullmatch(line):
            return tuple(dict.fromkeys(found[0]))
        single = tuple(ids[0] for ids in found if len(ids) == 1)
        if not single:
            raise NoIds(f"it is {len(found[0])} tokens, and only a single one can stand here")
        return single

    def lines(self, sequences: Iterable[Ids]) -> list[str]:
        """Lines that stand for some sequences, as words where that says the same."""
        left = list(dict.fromkeys(sequences))
        lines = []
        while left:
            ids = left[0]
            line, covered = self._line(ids, left, self.sequences)
            lines.append(line or f"[{', '.join(map(str, ids))}]")
            left = [each for each in left[1:] if each not in covered]
        return lines

    def token_lines(self, tokens: Ids) -> list[str]:
        """Lines that stand for some single tokens; what is no word comes last, in one line of ids."""
        left = [(each,) for each in dict.fromkeys(tokens)]
        lines, bare = [], []
        while left:
            ids = left[0]
            line, covered = self._line(ids, left, lambda line: tuple((each,) for each in self.tokens(line)))
            if line:
                lines.append(line)
            else:
                bare.append(ids[0])
            left = [each for each in left[1:] if each not in covered]
        return [*lines, f"[{', '.join(map(str, bare))}]"] if bare else lines

    def spell(self, ids: Ids) -> str:
        """How ids read, made visible."""
        return visible(drawable(written(self.tokenizer, ids))) if self.tokenizer is not None else ""

    def _line(self, ids: Ids, left: Sequence[Ids], read: Any) -> tuple[str, Sequence[Ids]]:
        """A line that stands for ``ids`` and for nothing that is not ``left``, with what it stands for."""
        if self.tokenizer is None:
            return "", ()
        text = written(self.tokenizer, ids)
        for line in (text.strip(), f'"{text}"'):
            if not line.isprintable() or not line or "�" in line:
                continue
            try:
                covered = read(line)
            except NoIds:
                continue
            if ids in covered and all(each in left for each in covered):
                return line, covered
        return "", ()


class Lines(Control):
    """An editor of one line per word, with the ids below it.

    Args:
        field: As for `Control`.
        label: What it is called; the field's own name is said in the tooltip.
        tip: As for `Control`.
        example: Shown while it is empty.

    Attributes:
        least: Lines it is high at least.
    """

    least = 2

    def __init__(self, field: str, label: str, tip: str, example: str) -> None:
        super().__init__(
            field, f"{tip}. One a line; a word counts after a space and without one, a text in quotes as it stands, "
            f"[318, 21] as ids. In transformers: {field}", label
        )  # fmt: skip
        self._reader = Reader()
        self._value: Any = self.none()
        self._typed = ""
        title = QLabel(label)
        title.setToolTip(self.tip)
        self.editor = named(ExactTextEdit(), f"playground.{field}", label, self.tip)
        self.editor.setPlaceholderText(example)
        title.setBuddy(self.editor)
        self._ids, self._problem = QLabel(), QLabel()
        set_role(self._ids, "muted")
        set_role(self._problem, "warning")
        self.column.addWidget(title)
        self.column.addWidget(self.editor)
        for said in (self._problem, self._ids):
            said.setWordWrap(True)
            said.hide()
            self.column.addWidget(said)
        self.setFocusProxy(self.editor)
        self._fit()
        self.editor.textChanged.connect(self._on_text)

    # What kinds of values there are.

    def none(self) -> Any:
        """The value of an empty editor."""
        return ()

    def read_lines(self, lines: Sequence[str]) -> tuple[Any, list[tuple[str, list[Ids]]], list[str]]:
        """The value of some lines, the ids of each, and what is wrong with them."""
        found: dict[Ids, None] = {}
        listed, wrong = [], []
        for line in lines:
            try:
                sequences = self._reader.sequences(line)
            except NoIds as problem:
                wrong.append(f"{line}: {problem}.")
                continue
            found |= dict.fromkeys(sequences)
            listed.append((line, list(sequences)))
        return tuple(found), listed, wrong

    def write_lines(self, value: Any) -> list[str]:
        """Lines of a value."""
        return self._reader.lines(value)

    # A control.

    def read(self) -> Any:
        """The ids."""
        return self._value

    def show_value(self, value: Any) -> None:
        """Show ids as words; the lines stay as they were typed while they say the same."""
        if value != self._value:
            self._typed = "\n".join(drawable(line) for line in self.write_lines(value))
            self.editor.set_text(self._typed)
            self._take()

    def show_reader(self, reader: Reader) -> None:
        """Read the lines anew with another tokenizer."""
        self._reader = reader
        before = self._value
        self._take()
        if self._value != before:
            self.edited.emit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "editor"):
            self._fit()

    def _on_text(self) -> None:
        if self.editor.text() != self._typed:
            self._typed = self.editor.text()
            self._take()
            self.edited.emit()
        self._fit()

    def _take(self) -> None:
        lines = [line for line in self._typed.split("\n") if line.strip()]
        self._value, listed, wrong = self.read_lines(lines) if lines else (self.none(), [], [])
        said = [f"{_short(line)} → {self._written(ids)}" for line, ids in listed[:_LISTED]]
        if len(listed) > _LISTED:
            said.append(f"… and {len(listed) - _LISTED:,} more")
        for label, sentences in ((self._ids, said), (self._problem, wrong[:_LISTED])):
            label.setText(drawable("\n".join(sentences)))
            label.setVisible(bool(sentences))

    def _written(self, sequences: Sequence[Ids]) -> str:
        spelled = []
        for ids in sequences[:_LISTED]:
            text = self._reader.spell(ids)
            spelled.append(f"{text} {' '.join(map(str, ids))}" if text else " ".join(map(str, ids)))
        rest = len(sequences) - _LISTED
        return ", ".join(spelled) + (f" … and {rest:,} more" if rest > 0 else "")

    def _fit(self) -> None:
        """As high as its lines need, up to six."""
        lines = min(6, max(self.least, self.editor.blockCount()))
        self.editor.setFixedHeight(lines * self.editor.fontMetrics().lineSpacing() + px(self, 20))


class Biased(Lines):
    """Lines of a word and what is added to its logit."""

    def read_lines(self, lines: Sequence[str]) -> tuple[Any, list[tuple[str, list[Ids]]], list[str]]:
        """Pairs of ids and a number; for ids that come twice the last number holds."""
        found: dict[Ids, float] = {}
        listed, wrong = [], []
        for line in lines:
            match = _BIASED.fullmatch(line.strip())
            word, bias = (match[1], float(match[2].replace("−", "-"))) if match else (line, BIAS)
            try:
                sequences = self._reader.sequences(word)
            except NoIds as problem:
                wrong.append(f"{word}: {problem}.")
                continue
            found |= dict.fromkeys(sequences, bias)
            listed.append((f"{word} {bias:+g}", list(sequences)))
        return tuple(found.items()), listed, wrong

    def write_lines(self, value: Any) -> list[str]:
        """Words with the same number stand together."""
        together: dict[float, list[Ids]] = {}
        for ids, bias in value:
            together.setdefault(bias, []).append(ids)
        return [
            f"{line} {bias:+}" if float(f"{bias:g}") != bias else f"{line} {bias:+g}"
            for bias, sequences in together.items()
            for line in self._reader.lines(sequences)
        ]


class Tokens(Lines):
    """Lines of single tokens.

    Args:
        field: As for `Control`.
        label: As for `Lines`.
        tip: As for `Control`.
        example: As for `Lines`.
        empty: What an empty editor means.
        single: The value is one id, or None.
    """

    def __init__(
        self, field: str, label: str, tip: str, example: str, *, empty: Ids | None = (), single: bool = False
    ) -> None:
        self._empty, self._single = None if single else empty, single
        self.least = 1 if single else 2
        super().__init__(field, label, tip, example)

    def none(self) -> Ids | None:
        """The value of an empty editor."""
        return self._empty

    def read_lines(self, lines: Sequence[str]) -> tuple[Any, list[tuple[str, list[Ids]]], list[str]]:
        """The ids, or the first one."""
        found: dict[int, None] = {}
        listed, wrong = [], []
        for line in lines:
            try:
                tokens = self._reader.tokens(line)
            except NoIds as problem:
                wrong.append(f"{line}: {problem}.")
                continue
            tokens = tokens[:1] if self._single else tokens
            found |= dict.fromkeys(tokens)
            listed.append((line, [(each,) for each in tokens]))
        if self._single:
            if len(found) > 1:
                wrong.append("Only the first one counts.")
            return next(iter(found), None), listed[:1], wrong
        return tuple(found) or self._empty, listed, wrong

    def write_lines(self, value: Any) -> list[str]:
        """Lines of one id or of some."""
        if value is None:
            return []
        return self._reader.token_lines((value,) if self._single else value)


def word_knobs() -> list[Lines]:
    """What is said about single words, in the order in which the library applies it."""
    return [
        Biased("sequence_bias", "Boosted words", "Adds a number to the logit of a word, +5 where the line names none, "
               "and takes one away below 0; usually -10 to 10", "fox +5"),
        Lines("bad_words_ids", "Banned words", "Words that must not come", "fox"),
        Tokens("forced_bos_token_id", "Forced first token", "The token that a decoder's text begins with, whatever the "
               "model says", "[1]", single=True),
        Tokens("forced_eos_token_id", "Forced last token", "The token that comes when max_new_tokens is reached",
               "[2]", single=True),
        Tokens("suppress_tokens", "Suppressed tokens", "Single tokens that never come", "[318, 21]"),
        Tokens("begin_suppress_tokens", "Suppressed at the beginning", "Single tokens that are not the first new one",
               "[318, 21]"),
    ]  # fmt: skip


def _short(line: str) -> str:
    line = visible(line.strip()) if '"' in line else line.strip()
    return line if len(line) <= 40 else f"{line[:39]}…"

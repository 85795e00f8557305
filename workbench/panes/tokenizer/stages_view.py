"""How the text came to be tokens: a row a stage, the parts of one stage, and how the model cut one word."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from workbench.engine import tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.tokens.stages import Part, StageOutput, Word, Workings
from workbench.panes.tokenizer.reading import in_order
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.least_height import LeastHeight
from workbench.widgets.naming import named
from workbench.widgets.token_strip import Chip, TokenStrip
from workbench.widgets.visible_text import visible

_COLUMNS = ("stage", "parts", "output", "by")
_MERGES = ("step", "rank", "left", "right", "joined", "the word after it")
_CANDIDATES = ("piece", "characters", "in vocabulary", "score", "chosen")
#: The stage whose parts are words that the model cuts.
_WORDS = "pre-tokenizer"
#: Parts that a cell of the table names; the strip below it shows all of them.
_NAMED = 60
_HINT = "Choose the pre-tokenizer above and click one of its words to see how the model cuts it."


class StagesView(QWidget):
    """The stages of one text, worked out on the text lane, and only while they can be seen.

    Args:
        runner: Has the text lane.
    """

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._job: Job | None = None
        self._word_job: Job | None = None
        self._asked: tuple[tokens.Tokenizer, str, bool] | None = None
        self._behind = False
        self._workings: Workings | None = None
        self._of: tokens.Tokenizer | None = None
        self._outputs: tuple[StageOutput, ...] = ()
        self._stage = _WORDS
        self._word = ""
        self._reads = ""

        self._table = named(
            DataTable(monospace=True, least=3),
            "tokenizer.stages",
            "Stages",
            "What each part of the tokenizer made of the text",
        )
        self._table.set_empty_text("Type a text to see what each stage makes of it.")
        self._table.set_format(_COLUMNS.index("output"), in_order)
        self._note = named(QLabel(), "tokenizer.stage_note", "About the stage", "What the chosen stage does here")
        self._parts = named(
            TokenStrip(),
            "tokenizer.stage_parts",
            "Parts",
            "What the chosen stage gives on; click a word of the pre-tokenizer to see how the model cuts it",
        )
        self._parts.set_placeholder("nothing to show")
        self._about = named(QLabel(), "tokenizer.word", "The word", "The word whose pieces are shown below")
        self._merges = named(
            DataTable(monospace=True),
            "tokenizer.merges",
            "Merges",
            "How the model cut the word: its merges one by one, or the pieces it considered",
        )
        for label in (self._note, self._about):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_role(self._note, "muted")

        self._halves = QSplitter(Qt.Orientation.Vertical)
        self._halves.setChildrenCollapsible(False)
        middle, below = LeastHeight(), LeastHeight()
        for box, label, view in ((middle, self._note, self._parts), (below, self._about, self._merges)):
            column = QVBoxLayout(box)
            column.setContentsMargins(0, 0, 0, 0)
            column.addWidget(label)
            column.addWidget(view, 1)
        for number, part in enumerate((self._table, middle, below)):
            self._halves.addWidget(part)
            self._halves.setStretchFactor(number, (2, 1, 2)[number])
        self._halves.setSizes([theme.px(self, height) for height in (226, 92, 220)])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._halves)

        self._table.row_selected.connect(self._on_stage_selected)
        self._parts.token_clicked.connect(self._on_part_clicked)
        self._show_measures()
        self._show_word(None)

    @property
    def busy(self) -> bool:
        """Whether what is shown will be replaced shortly."""
        return any(job is not None and job.active for job in (self._job, self._word_job))

    def set_text(self, tokenizer: tokens.Tokenizer | None, text: str, add_special_tokens: bool) -> None:
        """Show the stages of a text, when they can be seen; none without a tokenizer."""
        self._asked = None if tokenizer is None else (tokenizer, text, add_special_tokens)
        self._behind = True
        if self.isVisible():
            self._catch_up()
        elif tokenizer is None:
            self._forget()

    def _catch_up(self) -> None:
        self._behind = False
        if self._asked is None:
            self._forget()
            return
        tokenizer, text, add_special_tokens = self._asked
        if tokenizer is not self._of:
            self._of, self._workings = tokenizer, Workings(tokenizer)
            self._word = ""
        assert self._workings is not None
        title = "Follow the text through the tokenizer"
        job = Job(title, self._workings.stages, text, add_special_tokens, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_outputs)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.stages")

    def _forget(self) -> None:
        for job in (self._job, self._word_job):
            if job is not None:
                job.abandon()
        self._of = self._workings = None
        self._word = ""
        self._on_outputs(())

    # What came of it.

    def _on_outputs(self, outputs: tuple[StageOutput, ...]) -> None:
        self._outputs = outputs
        rows = [(each.name, len(each.parts), _written(each.parts), each.by or "–") for each in outputs]
        self._table.set_rows(_COLUMNS, rows)
        names = [each.name for each in outputs]
        if self._stage not in names:
            self._stage = _WORDS
        self._table.select_row(names.index(self._stage) if self._stage in names else None)
        self._show_stage()
        words = {part.text for each in outputs if each.name == _WORDS for part in each.parts if not part.special}
        if self._word not in words:
            self._show_word(None)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._on_outputs(())
        self._note.setText(str(error))

    def _on_stage_selected(self, row: int) -> None:
        if row < len(self._outputs):
            self._stage = self._outputs[row].name
            self._show_stage()

    def _on_part_clicked(self, number: int) -> None:
        output = self._output
        if output is None or output.name != _WORDS or self._workings is None or number >= len(output.parts):
            return
        part = output.parts[number]
        self._parts.set_selected(number)
        if part.special:
            self._show_word(None)
            self._about.setText(
                f"{visible(part.text)} is an added token: the model never sees it, its id is {part.id}."
            )
            return
        self._word, self._reads = part.text, self._read_as(part)
        job = Job("Cut a word", self._workings.word, part.text, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._show_word)
        job.failed.connect(self._on_word_failed)
        self._word_job = self._runner.start(job, Lane.TEXT, slot="tokenizer.merges")

    def _on_word_failed(self, error: WorkbenchError) -> None:
        self._show_word(None)
        self._about.setText(str(error))

    # What is shown.

    @property
    def _output(self) -> StageOutput | None:
        return next((each for each in self._outputs if each.name == self._stage), None)

    def _show_stage(self) -> None:
        output = self._output
        parts = output.parts if output is not None else ()
        self._parts.set_tokens([Chip(part.text, part.special, None, self._tip(part)) for part in parts])
        words = [part.text for part in parts]
        if self._stage == _WORDS and self._word in words:
            self._parts.set_selected(words.index(self._word))
        said = [f"{output.name.capitalize()}: {output.by or 'none'}.", output.note] if output is not None else []
        self._note.setText(" ".join(each for each in said if each))

    def _show_word(self, word: Word | None) -> None:
        if word is None:
            self._word = ""
            cut = self._workings is None or self._workings.can_cut
            self._about.setText(_HINT if cut else "A tokenizer written in Python shows no words and no merges.")
            self._merges.set_empty_text("no word chosen")
            self._merges.set_rows(_MERGES, [])
            return
        if word.text != self._word:
            return
        reads = f" ({visible(self._reads)})" if self._reads not in ("", word.text) else ""
        pieces = in_order(_written(tuple(map(Part, word.pieces))))
        said = f"{word.kind} cuts “{visible(word.text)}”{reads} into “{pieces}”."
        self._about.setText(f"{said} {word.note}".strip())
        self._merges.set_empty_text("no steps to show")
        candidates = word.candidates
        if candidates:
            self._merges.set_muted(lambda number: number < len(candidates) and not candidates[number].chosen)
            rows: list[tuple[object, ...]] = [
                (visible(each.piece), f"{each.start}:{each.end}", each.known, each.score, each.chosen)
                for each in candidates
            ]
            self._merges.set_rows(_CANDIDATES, rows)
            return
        self._merges.set_muted(lambda number: False)
        first: tuple[object, ...] = (0, None, "", "", "", _row(word.start))
        steps = [
            (number, step.rank, visible(step.left), visible(step.right), visible(step.joined), _row(step.pieces))
            for number, step in enumerate(word.merges, start=1)
        ]
        self._merges.set_rows(_MERGES, [first, *steps] if word.start else steps)
        self._merges.set_format(len(_MERGES) - 1, partial(in_order, between="  "))

    def _read_as(self, part: Part) -> str:
        """The characters of the text that a part came from."""
        if part.offsets is None or self._asked is None:
            return ""
        return self._asked[1][part.offsets[0] : part.offsets[1]]

    def _tip(self, part: Part) -> str:
        said = []
        if part.id is not None:
            said.append(f"id {part.id}")
        if part.offsets is not None:
            said.append(f"characters {part.offsets[0]}:{part.offsets[1]}")
            said.append(f"from {visible(self._read_as(part))}")
        if part.special:
            said.append("special or added")
        return " · ".join(said)

    def _show_measures(self) -> None:
        self._parts.setMinimumHeight(theme.px(self, 44))

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with the text."""
        super().showEvent(event)
        if self._behind:
            self._catch_up()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_merges"):
            self._show_measures()


def _row(pieces: tuple[str, ...]) -> str:
    return "  ".join(map(visible, pieces))


def _written(parts: tuple[Part, ...]) -> str:
    rest = " …" if len(parts) > _NAMED else ""
    return " | ".join(visible(part.text) for part in parts[:_NAMED]) + rest

"""The whole vocabulary as a table, a line to search it with, and a token added on trial."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFontMetrics, QShowEvent
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from workbench.engine import codegen, tokens
from workbench.engine.errors import WorkbenchError
from workbench.engine.tokens.added import Added, Switches, try_token
from workbench.engine.tokens.browse import Entries, entries, find
from workbench.engine.values import Checkpoint, Encoding
from workbench.panes.tokenizer.reading import chip, many
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets import theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.foldable import Foldable
from workbench.widgets.naming import named
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.token_strip import Chip, TokenStrip
from workbench.widgets.visible_text import visible

_COLUMNS = ("id", "token", "piece", "marked")
#: Characters up to which the text is written into the code.
_CODED = 20_000
#: Chips laid out at most.
_CHIPS = 2000
_KINDS = (("Text", "text"), ("Id", "id"), ("Regex", "regex"), ("Special and added", "special"))


class VocabularyView(QWidget):
    """Every id of a vocabulary, read and searched on the text lane, and only while it can be seen.

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
        self._entries: Entries | None = None
        self._text = ""
        self._trial: Job | None = None
        self._tried: Added | None = None
        self._how = Switches()

        self._query = named(
            QLineEdit(),
            "tokenizer.find",
            "Find",
            "A part of a token, with its blanks and in its own case; an id; or a regular expression",
        )
        self._query.setPlaceholderText("Find in the vocabulary")
        self._query.setClearButtonEnabled(True)
        self._kind = named(QuietComboBox(), "tokenizer.find_kind", "Find by", "What the search goes by")
        for label, kind in _KINDS:
            self._kind.addItem(label, kind)
        self._count = named(QLabel(), "tokenizer.found", "Found", "How much of the vocabulary the search found")
        self._count.setWordWrap(True)
        self._table = named(
            DataTable(monospace=True),
            "tokenizer.vocabulary",
            "Vocabulary",
            "Every token of the vocabulary; special and added ones are marked",
        )
        self._adding = Foldable(
            "tokenizer.add_fold",
            "Add a token",
            "Add a token to a copy of this tokenizer and see what becomes of the text",
        )
        self._token = named(
            QLineEdit(), "tokenizer.add_token", "Token to add", "A word, or a marker such as <think>; cut out whole"
        )
        self._token.setPlaceholderText("Token to add, such as <think>")
        self._as_special = _check("special", "As a special token, which decoding can skip")
        self._single = _check("single_word", "Only where no letter or digit stands beside it; usually off")
        self._lstrip = _check("lstrip", "Take the blanks in front of it along, as <mask> of RoBERTa does; usually off")
        self._rstrip = _check("rstrip", "Take the blanks behind it along; usually off")
        self._normalized = _check(
            "normalized", "Look for it in the text as the normalizer leaves it; usually on unless it is special"
        )
        self._normalized.setChecked(True)
        self._try = named(
            QPushButton("Try"), "tokenizer.add_try", "Try", "Add it to a copy; the checkpoint stays as it is"
        )
        self._effect = named(QLabel(), "tokenizer.add_effect", "Effect", "What the added token changes")
        self._effect.setWordWrap(True)
        self._effect.setTextFormat(Qt.TextFormat.PlainText)
        self._before = named(TokenStrip(), "tokenizer.add_before", "Before", "The tokens of the text as it was")
        self._after = named(TokenStrip(), "tokenizer.add_after", "After", "The tokens of the text with the token")
        line = QHBoxLayout()
        line.addWidget(self._token, 1)
        line.addWidget(self._try)
        switches = QGridLayout()
        for number, box in enumerate((self._as_special, self._single, self._normalized, self._lstrip, self._rstrip)):
            switches.addWidget(box, number // 3, number % 3)
        switches.setColumnStretch(3, 1)
        strips = QHBoxLayout()
        strips.addWidget(self._before)
        strips.addWidget(self._after)
        self._adding.body.addLayout(line)
        self._adding.body.addLayout(switches)
        self._adding.body.addWidget(self._effect)
        self._adding.body.addLayout(strips)
        top = QHBoxLayout()
        top.addWidget(self._query, 1)
        top.addWidget(self._kind)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, theme.px(self, 4), 0, 0)
        column.addLayout(top)
        column.addWidget(self._count)
        column.addWidget(self._table, 1)
        column.addWidget(self._adding)
        self._try.clicked.connect(self.try_token)
        self._token.returnPressed.connect(self.try_token)
        self._as_special.toggled.connect(self._on_special)
        self._query.textChanged.connect(self.search)
        self._kind.currentIndexChanged.connect(self.search)
        self._say("")

    @property
    def busy(self) -> bool:
        """Whether what is shown will be replaced shortly."""
        return any(job is not None and job.active for job in (self._job, self._trial))

    def set_text(self, text: str) -> None:
        """Try tokens on another text."""
        self._text = text

    def script(self, checkpoint: Checkpoint) -> str:
        """The code that searches, or that adds the token tried last while that is on show."""
        if self._tried is not None and self._adding.is_open:
            text = self._tried.before.text
            if len(text) > _CODED:
                return f"# A text of {len(text):,} characters is too long to be written into a script.\n"
            return codegen.add_token(checkpoint, text, self._tried.token, self._how)
        return codegen.vocabulary(checkpoint, self._query.text(), self._kind.currentData())

    def try_token(self) -> None:
        """Add what is typed to a copy of the tokenizer, and show the text before and after."""
        if self._tokenizer is None:
            return
        self._how = Switches(
            special=self._as_special.isChecked(),
            single_word=self._single.isChecked(),
            lstrip=self._lstrip.isChecked(),
            rstrip=self._rstrip.isChecked(),
            normalized=self._normalized.isChecked(),
        )
        arguments = (self._tokenizer, self._token.text(), self._text, self._how)
        job = Job("Try a token", try_token, *arguments, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._show_trial)
        job.failed.connect(self._on_trial_failed)
        self._trial = self._runner.start(job, Lane.TEXT, slot="tokenizer.trial")

    def set_tokenizer(self, tokenizer: tokens.Tokenizer | None) -> None:
        """Show another vocabulary, when it can be seen."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        if self._trial is not None:
            self._trial.abandon()
            self._trial = None
        self._tokenizer, self._entries = tokenizer, None
        self._show_trial(None)
        self._show_rows(())
        self._say("")
        if self.isVisible():
            self._read()

    def search(self) -> None:
        """Search for what is typed; a search under way is abandoned."""
        self.changed.emit()
        if self._entries is None:
            return
        arguments = (self._entries, self._query.text(), self._kind.currentData())
        job = Job("Search the vocabulary", find, *arguments, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_found)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.vocabulary")

    def _read(self) -> None:
        if self._tokenizer is None or self._entries is not None or self.busy:
            return
        self._table.set_empty_text("Reading the vocabulary …")
        job = Job("Read the vocabulary", entries, self._tokenizer, pane="tokenizer", quiet=True)
        job.succeeded.connect(self._on_read)
        job.failed.connect(self._on_failed)
        self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.vocabulary")

    def _on_special(self, special: bool) -> None:
        # As the library has it, until the person says otherwise.
        self._normalized.setChecked(not special)

    def _on_read(self, read: Entries) -> None:
        self._entries = read
        self.search()

    def _on_found(self, found: Sequence[int]) -> None:
        known = self._entries
        if known is None:
            return
        self._table.set_empty_text("Nothing in the vocabulary is like that.")
        self._show_rows(found)
        added = len(known.added | known.special)
        said = f"{len(found):,} of {len(known):,} tokens"
        self._say(f"{said}; {added:,} special or added" if len(found) == len(known) else said)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._table.set_empty_text("")
        self._show_rows(())
        self._say(str(error), wrong=True)

    def _on_trial_failed(self, error: WorkbenchError) -> None:
        self._show_trial(None)
        theme.set_role(self._effect, "error")
        self._effect.setText(str(error))
        self._effect.show()

    def _show_trial(self, tried: Added | None) -> None:
        self._tried = tried
        for strip, encoding in ((self._before, tried and tried.before), (self._after, tried and tried.after)):
            strip.setVisible(tried is not None)
            strip.set_tokens(_chips(encoding) if encoding is not None else ())
        self._effect.setVisible(tried is not None)
        if tried is not None:
            theme.set_role(self._effect, "muted")
            known = (
                f"a new id; the vocabulary grows to {tried.size:,}, and the model's embeddings need as many rows"
                if tried.new
                else "which the vocabulary had already; the model's embeddings stay as they are"
            )
            counts = f"{many(len(tried.before.tokens), 'token')} before, {len(tried.after.tokens):,} after"
            self._effect.setText(
                f"{visible(tried.token)} has id {tried.id}, {known}. "
                f"It stands in the text {many(tried.found, 'time')}: {counts}."
            )
        self.changed.emit()

    def _show_rows(self, found: Sequence[int]) -> None:
        known = self._entries

        def row(number: int) -> tuple[object, ...]:
            if known is None:
                return ()
            id_ = found[number]
            ranked = (known.standing.of(id_),) if known.standing.kind else ()
            return (id_, visible(known.face(id_)), known.pieces[id_], *ranked, known.kind(id_))

        ranks = (known.standing.kind,) if known is not None and known.standing.kind else ()
        self._table.set_rows((*_COLUMNS[:-1], *ranks, _COLUMNS[-1]), len(found), row)
        self._table.select_row(None)
        self._show_measures()

    def _show_measures(self) -> None:
        for strip in (self._before, self._after):
            strip.setFixedHeight(theme.px(self, 72))
        # The rows in view, which the columns are fitted to, have short ids; those further down do not.
        widest = f"{len(self._entries) if self._entries is not None else 0}00"
        header = self._table.horizontalHeader()
        header.setMinimumSectionSize(QFontMetrics(theme.mono_font(self._table)).horizontalAdvance(widest))
        if header.count():
            header.resizeSection(0, header.minimumSectionSize())
            excess = header.length() - self._table.viewport().width()
            for section in (1, 2) if excess > 0 else ():
                header.resizeSection(section, header.sectionSize(section) - (excess + 1) // 2)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        theme.set_role(self._count, "error" if wrong else "muted")
        self._count.setText(text)

    def showEvent(self, event: QShowEvent) -> None:
        """Read the vocabulary the first time somebody looks."""
        super().showEvent(event)
        self._read()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_table"):
            self._show_measures()


def _check(label: str, words: str) -> QCheckBox:
    return named(QCheckBox(label), f"tokenizer.add_as_{label}", label, words)


def _chips(encoding: Encoding) -> list[Chip]:
    return list(map(chip, encoding.tokens[:_CHIPS]))

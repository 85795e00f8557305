"""The table of positions: a row for each token, with the merge rank or score that the vocabulary gives its piece."""

from __future__ import annotations

import functools

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from workbench.engine import tokens
from workbench.engine.tokens.standing import NONE, Standing, standing
from workbench.engine.values import Encoding
from workbench.panes.tokenizer.reading import COLUMNS, columns, row
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named

_TYPES = COLUMNS.index("token_type_ids")


class PositionsTable(DataTable):
    """Everything about each position of an encoding.

    Args:
        runner: Reads ranks and scores on the text lane.

    Signals:
        ranked(): There is a column more to show: ranks or scores.
    """

    ranked = Signal()

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent, monospace=True)
        named(self, "tokenizer.table", "Positions", "Everything about each position; select a row")
        self._runner = runner
        self._tokenizer: tokens.Tokenizer | None = None
        self._standing: Standing | None = None
        self._job: Job | None = None

    @property
    def busy(self) -> bool:
        """Whether ranks or scores are being read."""
        return self._job is not None and self._job.active

    def set_tokenizer(self, tokenizer: tokens.Tokenizer | None) -> None:
        """Take the tokenizer whose tokens are shown from now on."""
        self._tokenizer = tokenizer
        self._standing = None
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def rank(self) -> None:
        """Read the merge ranks or scores behind the first text, which waits for nothing."""
        if self._standing is None and self._job is None and self._tokenizer is not None:
            job = Job("Read ranks and scores", standing, self._tokenizer, pane="tokenizer", quiet=True)
            job.succeeded.connect(self._on_ranked)
            self._job = self._runner.start(job, Lane.TEXT, slot="tokenizer.standing")

    def _on_ranked(self, found: Standing) -> None:
        self._standing = found
        if found.kind:
            self.ranked.emit()

    def set_encoding(self, encoding: Encoding | None, position: int | None) -> None:
        """Show the positions of an encoding, one of them selected."""
        known = self._standing or NONE
        all_tokens = encoding.tokens if encoding is not None else ()
        self.set_muted(lambda number: not all_tokens[number].mask)
        # A table asks for each cell of a row several times.
        rows = functools.lru_cache(maxsize=512)(lambda number: row(all_tokens[number], known))
        self.set_rows(columns(known), len(all_tokens), rows)
        self.select_row(position)
        # Many tokenizers give no token types, and an empty column takes room.
        untyped = self._tokenizer is not None and "token_type_ids" not in self._tokenizer.model_input_names
        if self.isColumnHidden(_TYPES) != untyped:
            self.setColumnHidden(_TYPES, untyped)
            self.fit_columns()

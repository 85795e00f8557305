"""One side of the comparison: who writes and how, the text as it comes, and the token that is looked at."""

from __future__ import annotations

from dataclasses import fields, replace

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from workbench.engine.models import LoadedModel
from workbench.engine.sampling import acting
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import BeamStep, Sampling, Start, Step, Strategy, Watermark
from workbench.widgets.naming import named
from workbench.widgets.theme import px, set_role
from workbench.widgets.tinted_text import Piece, TintedText, token_piece
from workbench.widgets.visible_text import one_line

#: Fields of a strategy that change no text, or are said in another way.
_UNSAID = ("assisted", "tokens_per_second", "threads", "compiled")


class Column(QWidget):
    """A side.

    Args:
        side: ``a`` or ``b``.
        title: ``A`` or ``B``.

    Attributes:
        model, sampling, strategy: Who writes, and how.
        start, steps: What was written.
        beams: How many of them the run kept, 1 without beam search.

    Signals:
        step_chosen(int): A token was clicked.
        knobs_requested(): This side shall take the knobs as they stand in Playground.
    """

    step_chosen = Signal(int)
    knobs_requested = Signal()

    def __init__(self, side: str, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self.model: LoadedModel | None = None
        self.vocabulary: Vocabulary | None = None
        self.sampling, self.strategy = Sampling(), Strategy()
        self.start: Start | None = None
        self.steps: list[Step] = []
        self.beams = 1
        self._name, self._knobs, self._status = QLabel(), QLabel(), QLabel()
        self._take = named(
            QPushButton("Take the knobs"),
            f"compare.take_{side}",
            "Take the knobs",
            f"Let side {title} use the knobs as they stand in Playground now",
        )
        self.output = named(
            TintedText(), f"compare.output_{side}", f"Text of {title}", "A click looks at the token on both sides"
        )
        set_role(self._name, "heading")
        for label in (self._knobs, self._status):
            set_role(label, "muted")
            label.setWordWrap(True)
        self._name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.output.setPlaceholderText("The text comes here.")
        self.output.setMinimumHeight(px(self, 60))
        head = QHBoxLayout()
        head.addWidget(self._name, 1)
        head.addWidget(self._take)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addWidget(self._knobs)
        column.addWidget(self.output, 1)
        column.addWidget(self._status)
        self._take.clicked.connect(self.knobs_requested)
        self.output.piece_clicked.connect(self.step_chosen)

    def minimumSizeHint(self) -> QSize:
        """As wide as a few words, and as high as its lines are at the width it has."""
        hint, layout = super().minimumSizeHint(), self.layout()
        width = max(hint.width(), px(self, 230))
        wrapped = layout.totalMinimumHeightForWidth(max(width, self.width())) if layout is not None else 0
        return QSize(width, max(hint.height(), wrapped))

    def set_side(
        self, model: LoadedModel | None, sampling: Sampling, strategy: Strategy, note: str = "", *, own_knobs: bool
    ) -> None:
        """Say who writes and how.

        Args:
            model: Who, or None while there is none.
            sampling: How.
            strategy: And how the whole run goes.
            note: What of Playground's settings a side can't have; empty for nothing.
            own_knobs: Whether this side keeps knobs of its own.
        """
        if model is not self.model:
            self.vocabulary = Vocabulary(model.tokenizer) if model is not None and model.tokenizer else None
        self.model, self.sampling, self.strategy = model, sampling, strategy
        self._take.setVisible(own_knobs)
        self._name.setText(f"{self.title} · {model.checkpoint.name if model is not None else 'no model'}")
        self._name.setToolTip(self._name.text())
        self._knobs.setText(" · ".join([describe(sampling, strategy), *([note] if note else [])]))

    def begin(self) -> None:
        """Start empty, for a run of the side as it is."""
        self.start = None
        self.beams = self.strategy.num_beams
        self.steps = []
        self.output.clear_text()
        self._status.clear()

    def take(self, part: Start | Step | BeamStep) -> None:
        """Show one more part of the run; of beams, which give their text at the end, how the foremost reads."""
        if isinstance(part, Start):
            self.start = part
            return
        if isinstance(part, BeamStep):
            foremost = (*part.running, *part.finished)[0]
            self._status.setText(f"Step {part.index + 1:,} of the search · foremost beam: {one_line(foremost.text)}")
            return
        self.steps.append(part)
        self.output.append_pieces([self._piece(part)])

    def show_end(self, words: str) -> None:
        """Say how it ended."""
        seconds = sum(step.seconds for step in self.steps[1:])
        speed = f" · {(len(self.steps) - 1) / seconds:.1f} tokens/s" if seconds > 0 else ""
        tokens = "token" if len(self.steps) == 1 else "tokens"
        self._status.setText(f"{len(self.steps):,} {tokens}{speed}{f' · {words}' if words else ''}")

    def _piece(self, step: Step) -> Piece:
        words = self.vocabulary
        text, special = words.read(step.token_id, step.text) if words is not None else (step.text, False)
        return token_piece(text, step.index, step.token_id, step.probability, step.rank, step.surprise, special=special)


def describe(sampling: Sampling, strategy: Strategy) -> str:
    """The knobs that act, in the order in which they do, and the strategy where it is not the plain one."""
    parts = [f"{name} {_short(getattr(sampling, name))}" for name in acting(sampling)]
    kind = "sampling" if sampling.do_sample else "greedy"
    tail = [f"seed {sampling.seed}"] if sampling.do_sample else []
    return " · ".join([kind, *_ways(strategy), *parts, *tail, f"at most {sampling.max_new_tokens:,} tokens"])


def _ways(strategy: Strategy) -> list[str]:
    plain = Strategy()
    said = [
        f"{field.name} {_short(getattr(strategy, field.name))}"
        for field in fields(Strategy)
        if getattr(strategy, field.name) != getattr(plain, field.name) and field.name not in _UNSAID
    ]
    return [*said, *(["assisted"] if strategy.assisted else [])]


def with_seed(sampling: Sampling, seed: int) -> Sampling:
    """The same knobs with another seed, because two sides are only comparable under one."""
    return replace(sampling, seed=seed)


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return f"({len(value)})"
    if isinstance(value, Watermark):
        return value.kind
    return f"{value:g}" if isinstance(value, float) else str(value)

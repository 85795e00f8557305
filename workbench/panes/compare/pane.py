"""The Compare pane: one prompt, two checkpoints or two settings, and where they part."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from workbench.engine import codegen, compare, generate
from workbench.engine.compare import Parting, Side, Sided
from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.generate import Generation
from workbench.engine.generate.strategies import supports
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution
from workbench.engine.task import Task
from workbench.engine.values import Message, Sampling, Strategy
from workbench.panes.compare.column import Column, with_seed
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets import icons
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.naming import named
from workbench.widgets.pair_table import PairRow, PairTable
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.theme import px, set_role
from workbench.widgets.turning_splitter import TurningSplitter
from workbench.widgets.visible_text import one_line
from workbench.widgets.wrapping_row import WrappingRow

_CHECKPOINTS, _SETTINGS = range(2)
#: The foremost candidates of each side that are listed.
_LISTED = 20


class ComparePane(PaneFrame):
    """Two columns and their distributions over one another.

    Args:
        session: Gives the two models, the prompt and the knobs.
        runner: Runs both sides on the model lane, one after the other.

    Signals:
        hub_requested(): The person wants to load a checkpoint.
    """

    hub_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("compare", "Compare", parent)
        self._session, self._runner = session, runner
        self._job: Job | None = None
        self._one_vocabulary = False
        self._parting: Parting | None = None
        self._looked_at: int | None = None
        self._settings: list[tuple[Sampling, Strategy] | None] = [None, None]
        #: Whether the second checkpoint can guess for the first; None until asked, since vocabularies are compared.
        self._fits: bool | None = None

        self._what = named(
            QuietComboBox(),
            "compare.what",
            "What is compared",
            "Two checkpoints under one setting, or one checkpoint under two settings of the knobs",
        )
        self._what.addItems(["Two checkpoints", "Two settings"])
        self._chat = named(
            QCheckBox("As a chat message"),
            "compare.chat",
            "As a chat message",
            "Give the text as a user's message, written by each checkpoint's own chat template",
        )
        self._prompt = named(
            ExactTextEdit(), "compare.prompt", "Prompt", "What both sides continue (Ctrl+Enter); shared with Playground"
        )
        self._run = named(QPushButton("Compare"), "compare.run", "Compare", "Let both sides write (Ctrl+Enter)")
        self._stop = named(QPushButton("Stop"), "compare.stop", "Stop", "Stop within a token and keep the text (Esc)")
        self._step = named(
            QuietSpinBox(),
            "compare.step",
            "Step",
            "Which token's distributions are laid over one another; 1 is the first",
        )
        self._columns = (Column("a", "A"), Column("b", "B"))
        self._verdict = named(QLabel(), "compare.verdict", "Difference", "Where the two texts part")
        self._table = named(
            PairTable(),
            "compare.table",
            "Both distributions",
            "The foremost candidates of each side after its knobs; full bar A, outlined bar B; ▶ says who chose it",
        )
        self._note = named(QLabel(), "compare.note", "Note", "Whether both sides had read the same")
        self._lay_out()

        self._what.currentIndexChanged.connect(self._show_offers)
        self._chat.toggled.connect(self._show_code_text)
        self._prompt.textChanged.connect(self._on_prompt_edited)
        self._run.clicked.connect(self.run_main_action)
        self._stop.clicked.connect(self.stop_main_action)
        self._step.valueChanged.connect(self._on_step_edited)
        for column in self._columns:
            column.step_chosen.connect(self._look_at)
            column.knobs_requested.connect(self._on_knobs_requested)
        self.code_shown.connect(self._show_code_text)
        session.model_changed.connect(self._on_models_changed)
        session.second_changed.connect(self._on_models_changed)
        session.prompt_changed.connect(self._show_prompt)
        session.sampling_changed.connect(self._on_knobs_changed)
        session.strategy_changed.connect(self._on_knobs_changed)
        self._show_prompt()
        self._on_models_changed()

    # What can be asked of it.

    def run_main_action(self) -> None:
        """Let both sides write."""
        sides = self._sides()
        if self._job is not None or sides is None or self.is_empty:
            return
        text = self._session.prompt
        messages = (Message("user", text),) if self._chat.isChecked() else ()
        self.clear_notices()
        self._parting, self._looked_at = None, None
        for column in self._columns:
            column.begin()
        self._show_difference()
        job = Job(
            "Compare two runs", _run, sides, text, messages, pane="compare", stops="within a token; the text is kept"
        )
        job.part_ready.connect(self._on_part)
        job.succeeded.connect(self._on_compared)
        job.failed.connect(self._on_failed)
        job.finished.connect(self._on_finished)
        self._job = job
        self._show_running()
        self._runner.start(job, Lane.MODEL, slot="compare.run")

    def stop_main_action(self) -> None:
        """Stop within a token."""
        if self._job is not None:
            self._job.cancel()

    # Building.

    def _lay_out(self) -> None:
        set_role(self._run, "primary")
        icons.put(self._run, "play", "accent_text")
        icons.put(self._stop, "stop")
        set_role(self._note, "muted")
        set_role(self._verdict, "heading")
        for label in (self._verdict, self._note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._prompt.setPlaceholderText("Write the beginning of a text…")
        self._prompt.setMinimumHeight(px(self, 44))
        across = TurningSplitter()
        for column in self._columns:
            across.addWidget(column)
        below = QWidget()
        rows = QVBoxLayout(below)
        rows.setContentsMargins(0, 0, 0, 0)
        line = QHBoxLayout()
        line.addWidget(self._verdict, 1)
        line.addWidget(self._step)
        rows.addLayout(line)
        rows.addWidget(self._note)
        rows.addWidget(self._table, 1)
        down = QSplitter(Qt.Orientation.Vertical)
        down.setChildrenCollapsible(False)
        for widget in (self._prompt, across, below):
            down.addWidget(widget)
        height = px(self, 18)
        down.setSizes([3 * height, 14 * height, 13 * height])
        for place, share in enumerate((0, 1, 1)):
            down.setStretchFactor(place, share)
        self.body.addWidget(WrappingRow((self._what, self._chat), (self._run, self._stop)))
        self.body.addWidget(down, 1)

    # What the person did.

    def _on_prompt_edited(self) -> None:
        self._session.set_prompt(self._prompt.text())
        self._show_code_text()

    def _on_knobs_requested(self) -> None:
        place = self._columns.index(self.sender())
        self._settings[place] = (self._session.sampling, self._session.strategy)
        self._show_sides()

    def _on_step_edited(self, number: int) -> None:
        self._look_at(number - 1)

    # The work.

    def _sides(self) -> tuple[Side, Side] | None:
        first, second = (
            Side(column.model, column.sampling, column.strategy, self._session.second)
            if column.model is not None and column.model.generates
            else None
            for column in self._columns
        )
        return (first, second) if first is not None and second is not None else None

    def _on_part(self, part: object) -> None:
        if self.sender() is not self._job:
            return
        if isinstance(part, bool):
            self._one_vocabulary = part
        elif isinstance(part, Sided):
            self._columns[part.side].take(part.part)

    def _on_compared(self, results: tuple[Generation, ...]) -> None:
        if self.sender() is not self._job:
            return
        for column, result in zip(self._columns, results, strict=False):
            column.show_end(generate.ENDS.get(result.reason, result.reason))
        if len(results) == len(self._columns):
            steps = tuple(column.steps for column in self._columns)
            self._parting = compare.parting(steps[0], steps[1], ids=self._one_vocabulary)
        self._show_difference()
        place = self._parting.first if self._parting is not None else 0
        self._look_at(min(place, max(0, max(len(column.steps) for column in self._columns) - 1)))

    def _on_failed(self, error: WorkbenchError) -> None:
        job = self.sender()
        details = job.details if isinstance(job, Job) and not isinstance(error, InputError) else ""
        self.show_notice(error.what, error.why, error.remedy, details)

    def _on_finished(self) -> None:
        if self.sender() is self._job:
            self._job = None
            self._show_running()

    # What is shown.

    def _on_models_changed(self) -> None:
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._settings, self._fits = [None, None], None
        for column in self._columns:
            column.begin()
        self._parting, self._looked_at = None, None
        self._show_offers()
        self._show_difference()
        self._show_running()

    def _on_knobs_changed(self) -> None:
        # While a slider moves, a pane that nobody sees keeps still; it catches up when it is shown.
        if self.isVisible():
            self._show_sides()

    def _show_offers(self) -> None:
        """Say what is missing, or show both sides."""
        session, settings = self._session, self._what.currentIndex() == _SETTINGS
        missing = _missing(session.model, session.second, settings=settings)
        # Before all else: a side that nobody looks at would keep an unloaded model in memory.
        self._show_sides()
        self.clear_notices()
        if session.model is None or not session.model.generates:
            self.show_empty(missing, "Open Hub", self.hub_requested.emit)
            return
        self.show_body()
        if missing:
            self.show_notice(
                "There is nothing to compare with yet.",
                missing,
                "Select a checkpoint in Hub and press Load as second, or compare two settings.",
                kind="info",
                action=("Open Hub", self.hub_requested.emit),
            )
        self._run.setEnabled(not missing and self._job is None)

    def _show_sides(self) -> None:
        session, settings = self._session, self._what.currentIndex() == _SETTINGS
        models = (session.model, session.model if settings else session.second)
        for place, (column, model) in enumerate(zip(self._columns, models, strict=True)):
            own = self._settings[place] if settings else None
            sampling, strategy = own or (session.sampling, session.strategy)
            why_not = "" if settings or not strategy.assisted else self._no_guess(place)
            one = compare.of_one_text(strategy, assisted=not why_not)
            left_out = _left_out(strategy, why_not)
            column.set_side(model, with_seed(sampling, session.sampling.seed), one, left_out, own_knobs=settings)
        self._show_code_text()

    def _no_guess(self, place: int) -> str:
        """Why the second checkpoint can't guess for a side while it writes the other one; or an empty text."""
        if place:
            return "the second checkpoint would guess for itself"
        model = self._session.model
        if self._fits is None and model is not None:
            self._fits = not supports(model, self._session.second)["assisted"]
        return "" if self._fits else "the two checkpoints can't (Playground says why)"

    def _show_prompt(self) -> None:
        # A long text takes its time, so a pane nobody sees takes it when it is shown.
        if self.isVisible() and self._prompt.text() != self._session.prompt:
            self._prompt.set_text(self._session.prompt)

    def _show_running(self) -> None:
        runs = self._job is not None
        self._stop.setEnabled(runs)
        self._run.setEnabled(not runs and self._sides() is not None)
        self._what.setEnabled(not runs)

    def _show_difference(self) -> None:
        most = max(len(column.steps) for column in self._columns)
        self._step.blockSignals(True)
        self._step.setRange(min(1, most), most)
        self._step.setSuffix(f" of {most:,}")
        self._step.blockSignals(False)
        self._step.setEnabled(most > 0)
        if not most:
            self._verdict.setText("")
            self._show_pairs(())
            return
        parting = self._parting
        if parting is None:
            whole = all(column.steps for column in self._columns)
            self._verdict.setText("Both texts are the same to the end." if whole else "")
            return
        words = []
        for column, place in zip(self._columns, (parting.first, parting.second), strict=True):
            text = one_line(column.steps[place].text) if place < len(column.steps) else ""
            words.append(f"{column.title} “{text}”" if text else f"{column.title} ends")
        self._verdict.setText(f"They part at token {parting.first + 1:,}: {', '.join(words)}.")

    def _look_at(self, place: int) -> None:
        """Select a step on both sides and lay their distributions over one another."""
        self._looked_at = place
        for column in self._columns:
            column.output.set_selected(place if place < len(column.steps) else None)
        self._step.blockSignals(True)
        self._step.setValue(place + 1)
        self._step.blockSignals(False)
        made = [_distribution(column, place) for column in self._columns]
        left, right = made
        vocabularies = [column.vocabulary for column in self._columns]
        if left is None or right is None or vocabularies[0] is None or vocabularies[1] is None:
            self._show_pairs(())
            self._note.setText("One side has no such step, or its logits were not kept.")
            return
        chosen = tuple(column.steps[place].token_id for column in self._columns)
        pairs = compare.overlay(
            (left, right),
            (self._columns[0].steps[place].sampling, self._columns[1].steps[place].sampling),
            (vocabularies[0], vocabularies[1]),
            ids=self._one_vocabulary,
            chosen=(chosen[0], chosen[1]),
            count=_LISTED,
        )
        rows = []
        for pair in pairs:
            by = [
                column.title for column, own, took in zip(self._columns, pair.ids, chosen, strict=True) if own == took
            ]
            rows.append((pair.text, *pair.ids, *pair.probabilities, f"▶{'+'.join(by)}" if by else ""))
        self._show_pairs(rows)
        self._note.setText(self._circumstances(place))

    def _circumstances(self, place: int) -> str:
        parting = self._parting
        if not self._one_vocabulary:
            return "The vocabularies differ: tokens that read the same share a row, and steps need not line up."
        if parting is None or place <= parting.first:
            return f"Token {place + 1:,}: both sides had read the same text in front of it."
        return f"Token {place + 1:,}: each side follows its own text since token {parting.first + 1:,}."

    def _show_pairs(self, rows: list[PairRow] | tuple[PairRow, ...]) -> None:
        names = tuple(column.title for column in self._columns)
        self._table.set_pairs((names[0], names[1]), rows)
        if not rows:
            self._note.clear()

    def _show_code_text(self) -> None:
        sides = self._sides()
        if not self.code_is_shown or sides is None:
            return
        self.set_code(codegen.compare(sides, self._session.prompt, chat=self._chat.isChecked()))

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with the knobs and the text."""
        super().showEvent(event)
        self._show_prompt()
        self._show_sides()


def _run(sides: tuple[Side, Side], text: str, messages: tuple[Message, ...], *, task: Task) -> tuple[Generation, ...]:
    """Say whether both sides share their ids, then let them write."""
    task.send(compare.same_vocabulary(sides[0].model, sides[1].model))
    return compare.run(sides, text, messages, task=task)


def _distribution(column: Column, place: int) -> Distribution | None:
    if column.start is None or place >= len(column.steps) or (logits := column.steps[place].logits) is None:
        return None
    situation = column.start.situation(column.steps, place, column.beams)
    return Distribution(logits, situation, column.steps[place].guided)


def _left_out(strategy: Strategy, no_guess: str) -> str:
    """What of a strategy a side does without, and why."""
    parts = []
    if strategy.num_return_sequences > 1:
        parts.append("one sequence a side, since two texts are compared (Playground shows several)")
    if strategy.assisted and no_guess:
        parts.append(f"no guessing ahead: {no_guess}")
    return " · ".join(parts)


def _missing(model: LoadedModel | None, second: LoadedModel | None, *, settings: bool) -> str:
    if model is None:
        return (
            "No model is loaded.\nLoad a language model in Hub, and another one as second, to compare what they write."
        )
    asked = (model,) if settings or second is None else (model, second)
    silent = next((each for each in asked if not each.generates), None)
    if silent is not None:
        return f"{silent.checkpoint.name} was loaded as {silent.head}, which does not generate text."
    if second is None and not settings:
        return "Two checkpoints are compared, and only one is loaded."
    return ""

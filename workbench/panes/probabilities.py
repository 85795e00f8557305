"""The Probabilities pane: what any step could have been, raw beside filtered, under the knobs as they stand now."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from workbench.engine import codegen
from workbench.engine.errors import WorkbenchError
from workbench.engine.sampling import Distribution, Trace
from workbench.engine.values import Candidate, Logits, Step
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import icons
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.probability_table import ProbabilityTable, format_percent
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.theme import set_role
from workbench.widgets.visible_text import one_line

#: Milliseconds between two redraws while text streams, at least; the eye reads no faster.
FRAME = 125
#: Share of the time that redraws may take while text streams: generation needs the processor, and the interpreter.
_SHARE = 1 / 40
_TOPS = (10, 50, 200)
#: Characters of the text in front that the title quotes.
_QUOTED = 32
_KNOBS = {"top_k": "top_k", "top_p": "top_p", "min_p": "min_p", "greedy": "greedy decoding"}


@dataclass(frozen=True, eq=False, slots=True)
class _Shown:
    """What is looked at: logits, the ids in front of them, and the step that chose from them, if one did."""

    logits: Logits
    before: tuple[int, ...]
    step: Step | None


class ProbabilitiesPane(PaneFrame):
    """The next-token distribution of the selected step, or of the latest one while nothing is selected.

    Args:
        session: Whose steps, selection and knobs it follows; moving a knob redraws from the logits kept with the step.
        runner: Not used; every pane is given one.
    """

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("probabilities", "Probabilities", parent)
        self._session = session
        self._shown: _Shown | None = None
        self._distribution: Distribution | None = None
        self._dirty = True

        self._previous = named(
            QToolButton(), "probabilities.previous", "Previous step", "The step before (in the table: Alt+Left)"
        )
        self._next = named(
            QToolButton(), "probabilities.next", "Next step", "The step behind (in the table: Alt+Right)"
        )
        self._step = named(
            QuietSpinBox(), "probabilities.step", "Step", "Which generated token is looked at; 1 is the first"
        )
        self._latest = named(
            QPushButton("Latest"), "probabilities.latest", "Latest", "Follow the newest token while text comes"
        )
        self._count = named(QuietComboBox(), "probabilities.top", "Candidates", "How many candidates are listed")
        self._scale = named(
            QuietComboBox(),
            "probabilities.scale",
            "Scale",
            "Linear bars show what is likely; logarithmic ones also show what is rare",
        )
        self._position = named(QLabel(), "probabilities.title", "Position")
        self._table = named(
            ProbabilityTable(),
            "probabilities.table",
            "Next-token probabilities",
            "Raw: before any knob. After: what the token is drawn from. The chosen token is marked",
        )
        self._summary = named(QLabel(), "probabilities.summary", "Summary")
        self._clock = QTimer(self, interval=FRAME, singleShot=True)
        self._lay_out()

        self._previous.clicked.connect(self._on_previous)
        self._next.clicked.connect(self._on_next)
        self._step.valueChanged.connect(self._on_step_chosen)
        self._latest.clicked.connect(self._on_latest)
        self._count.currentIndexChanged.connect(self._show_distribution)
        self._scale.currentIndexChanged.connect(self._on_scale)
        self._clock.timeout.connect(self._on_frame)
        self.code_shown.connect(self._show_code_text)
        session.model_changed.connect(self._show_position)
        session.encoding_changed.connect(self._show_position)
        session.steps_reset.connect(self._show_position)
        session.step_added.connect(self._on_step_added)
        session.next_logits_changed.connect(self._show_position)
        session.selection_changed.connect(self._show_position)
        session.sampling_changed.connect(self._show_distribution)

        self._show_position()

    # Building.

    def _lay_out(self) -> None:
        icons.put(self._previous, "chevron-left")
        icons.put(self._next, "chevron-right")
        self._latest.setCheckable(True)
        sized: tuple[QWidget, ...] = (self._step, self._latest)
        for widget in sized:
            widget.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        for count in _TOPS:
            self._count.addItem(f"top {count}", count)
        self._count.setCurrentIndex(1)
        for label in ("linear", "logarithmic"):
            self._scale.addItem(label)
        for widget in (self._previous, self._step, self._next, self._latest):
            self.header.addWidget(widget)
        set_role(self._position, "heading")
        self._position.setTextFormat(Qt.TextFormat.PlainText)
        self._position.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._summary.setTextFormat(Qt.TextFormat.PlainText)
        self._summary.setWordWrap(True)
        self._summary.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        choices = QVBoxLayout()
        choices.addWidget(self._count)
        choices.addWidget(self._scale)
        choices.addStretch(1)
        below = QHBoxLayout()
        below.addWidget(self._summary, 1)
        below.addLayout(choices)
        self.body.addWidget(self._position)
        self.body.addWidget(self._table, 1)
        self.body.addLayout(below)

    # What the person did.

    def _on_previous(self) -> None:
        self._step.setValue(self._step.value() - 1)

    def _on_next(self) -> None:
        self._step.setValue(self._step.value() + 1)

    def _on_step_chosen(self, number: int) -> None:
        encoding = self._session.encoding
        if encoding is not None and number:
            self._session.set_selection(len(encoding.tokens) + number - 1)

    def _on_latest(self) -> None:
        self._session.set_selection(None)
        self._show_steps()

    def _on_scale(self) -> None:
        self._table.set_log_scale(self._scale.currentIndex() == 1)

    # What the session says.

    def _on_step_added(self) -> None:
        if not self._clock.isActive():
            self._clock.start()

    def _on_frame(self) -> None:
        began = time.perf_counter()
        self._show_position()
        self._table.viewport().repaint()
        self._clock.setInterval(max(FRAME, round(1000 * (time.perf_counter() - began) / _SHARE)))

    def _show_position(self) -> None:
        """Find out what is looked at."""
        self._clock.stop()
        if not self.isVisible():
            self._dirty = True
            return
        self._dirty = False
        self._show_steps()
        shown = self._find()
        if shown is None:
            self._shown = self._distribution = None
            return
        same = self._shown is not None and self._shown.logits is shown.logits
        self._shown = shown
        if not same or self._distribution is None:
            try:
                self._distribution = Distribution(shown.logits, shown.before)
            except WorkbenchError as error:
                self._distribution = None
                self.show_empty(str(error))
                return
        self.show_body()
        self._show_title()
        self._show_distribution()

    def _find(self) -> _Shown | None:
        """What to look at, or None after saying why there is nothing."""
        session = self._session
        encoding, steps, step = session.encoding, session.steps, session.selected_step
        if session.model is None or encoding is None or not (steps or session.next_logits):
            self.show_empty(
                "Nothing has been scored yet.\n"
                "Press Generate or Next token in Playground: every step's distribution over the vocabulary shows here."
            )
            return None
        if step is None and session.next_logits is not None:
            return _Shown(session.next_logits, encoding.input_ids, None)
        if step is None and session.selection is not None:
            self.show_empty(
                f"Position {session.selection} belongs to the prompt: it was given, not chosen.\n"
                "Select a generated token, or press Latest."
            )
            return None
        step = step or steps[-1]
        if step.logits is None:
            self.show_empty(
                f"The logits of step {step.index + 1} were dropped to keep memory bounded.\n"
                "The latest steps still have theirs; generate again with fewer new tokens to see this one."
            )
            return None
        before = (*encoding.input_ids, *(earlier.token_id for earlier in steps[: step.index]))
        return _Shown(step.logits, before, step)

    def _show_steps(self) -> None:
        count = len(self._session.steps)
        selected = self._session.selected_step
        number = selected.index + 1 if selected is not None else count
        self._step.blockSignals(True)
        self._step.setRange(min(1, count), count)
        self._step.setSuffix(f" of {count:,}")
        self._step.setValue(number)
        self._step.blockSignals(False)
        self._step.setEnabled(count > 0)
        self._previous.setEnabled(number > 1)
        self._next.setEnabled(number < count)
        self._latest.setEnabled(count > 0)
        self._latest.setChecked(count > 0 and self._session.selection is None)

    def _show_title(self) -> None:
        shown, model = self._shown, self._session.model
        if shown is None or model is None or model.tokenizer is None:
            return
        text = one_line(str(model.tokenizer.decode(shown.before[-_QUOTED:])))
        quoted = f"“…{text[-_QUOTED:]}”" if len(text) > _QUOTED else f"“{text}”"
        where = "not chosen yet"
        if shown.step is not None:
            where = f"step {shown.step.index + 1:,} of {len(self._session.steps):,}"
        self._position.setText(f"next token after {quoted}   {where}")
        self._position.setToolTip(self._position.text())

    def _show_distribution(self) -> None:
        """Draw from the logits that are kept; no model runs."""
        shown, distribution, model = self._shown, self._distribution, self._session.model
        if not self.isVisible() or shown is None or distribution is None or model is None:
            self._dirty = True
            return
        sampling = self._session.sampling
        rows = list(distribution.top(self._count.currentData(), sampling, self._session.vocabulary))
        trace = distribution.trace(sampling)
        chosen = shown.step.token_id if shown.step is not None else None
        if chosen is not None and all(row.id != chosen for row in rows) and self._session.vocabulary is not None:
            rows.append(_candidate(distribution, trace, chosen, self._session.vocabulary.spell([chosen])[0]))
        self._table.set_candidates(rows)
        self._table.set_chosen(chosen)
        self._summary.setText(_summarise(distribution, trace, shown.step))
        self._show_code_text()

    def _show_code_text(self) -> None:
        model, shown = self._session.model, self._shown
        if self.code_is_shown and model is not None and shown is not None:
            self.set_code(
                codegen.probabilities(model.checkpoint, shown.before, self._session.sampling, model.dtype, model.device)
            )

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was not seen."""
        super().showEvent(event)
        if self._dirty:
            self._show_position()


def _candidate(distribution: Distribution, trace: Trace, token_id: int, text: str) -> Candidate:
    return Candidate(
        id=token_id,
        text=text,
        logit=float(distribution.logits[token_id]),
        probability=float(distribution.probabilities[token_id]),
        after=float(trace.probabilities[token_id]),
        cut_by=trace.cut_by(token_id),
        rank=distribution.rank(token_id),
    )


def _summarise(distribution: Distribution, trace: Trace, step: Step | None) -> str:
    vocabulary = distribution.logits.size
    lines = [
        f"{trace.kept:,} of {vocabulary:,} tokens kept · entropy {distribution.entropy:.2f} bits raw, "
        f"{trace.entropy:.2f} bits after the knobs"
    ]
    removed = []
    for knob, share in trace.removed.items():
        count = trace.removed_count[knob]
        tokens = "token" if count == 1 else "tokens"
        removed.append(f"{_KNOBS[knob]} removed {count:,} {tokens} ({format_percent(share)} of what it was given)")
    lines.append("; ".join(removed) if removed else "No knob removes anything.")
    if step is not None:
        token_id = step.token_id
        lines.append(f"The chosen token had {format_percent(step.probability)} before the knobs, rank {step.rank:,}.")
        if trace.possible(token_id):
            after = format_percent(float(trace.probabilities[token_id]))
            lines[-1] += f" Under the knobs as they stand it is possible, with {after}."
        else:
            knob = trace.cut_by(token_id) or ""
            lines[-1] += f" Under the knobs as they stand it is not possible: cut by {_KNOBS.get(knob, 'the model')}."
    return "\n".join(lines)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from PySide6.QtWidgets import QApplication

    from workbench.engine import generate, models
    from workbench.engine.values import Checkpoint
    from workbench.widgets import theme

    application = QApplication(sys.argv)
    theme.apply(application, theme.system_is_dark())
    preview_session, preview_runner = Session(), Runner()
    preview_session.set_model(models.load(Checkpoint(Path(sys.argv[1]).name, Path(sys.argv[1]))))
    if preview_session.model is not None:
        preview_session.set_encoding(generate.prepare(preview_session.model, "The quick brown fox"))
        if preview_session.encoding is not None:
            for preview_step in generate.stream(
                preview_session.model, preview_session.encoding, preview_session.sampling
            ).steps:
                preview_session.add_step(preview_step)
    pane = ProbabilitiesPane(preview_session, preview_runner)
    pane.resize(1200, 800)
    pane.show()
    application.exec()
    preview_runner.shut_down()

"""The Probabilities pane: what any step could have been, processor by processor, under the knobs as they stand."""

from __future__ import annotations

import math
import time
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeySequence, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QFileDialog, QLabel, QSizePolicy, QWidget

from workbench.engine import codegen
from workbench.engine.errors import WorkbenchError
from workbench.engine.sampling import Distribution, Trace
from workbench.engine.values import Sampling
from workbench.panes.probabilities import listing, words
from workbench.panes.probabilities.controls import Controls
from workbench.panes.probabilities.looking import Missing, Shown, look
from workbench.panes.probabilities.walk import StepWalk
from workbench.panes.probabilities.work import Work
from workbench.runtime import session as sessions
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.probability_picture import ProbabilityPicture
from workbench.widgets.probability_table import ProbabilityTable
from workbench.widgets.saving import save
from workbench.widgets.steady_label import SteadyLabel
from workbench.widgets.theme import set_role
from workbench.widgets.trace_bar import TraceBar

#: Milliseconds between two redraws while text streams, at least; the eye reads no faster.
FRAME = 125
#: Share of the time that redraws may take while text streams: generation needs the processor, and the interpreter.
_SHARE = 1 / 100
#: Milliseconds of peace before a search begins, and before the memory is counted anew.
_PAUSE = 150
#: Characters of the text in front that the title quotes at most, and at least.
_QUOTED = (48, 12)
#: Rows of an exported picture at most.
_DRAWN = 60


class ProbabilitiesPane(PaneFrame):
    """The next-token distribution of the selected step, or of the latest one while nothing is selected.

    Args:
        session: Whose steps, selection and knobs it follows; moving a knob redraws from the logits kept with the step.
        runner: Runs what is asked for here: scoring once more, searching the vocabulary, writing it to a file.

    Signals:
        branch_requested(int, int): Index of the step, and id of the token to continue with there.
        pane_requested(str): The person wants another pane.
    """

    branch_requested = Signal(int, int)
    pane_requested = Signal(str)

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("probabilities", "Probabilities", parent)
        self._session, self._work = session, Work(runner, self)
        self._shown: Shown | None = None
        self._distribution: Distribution | None = None
        self._beside: Distribution | None = None
        self._found: list[tuple[int, int]] | None = None
        self._found_ids: list[int] = []
        self._trace_wanted: bool | None = None
        self._held_after: float | None = None
        self._dirty = True

        self._walk = StepWalk(session, self)
        self._position = named(QLabel(), "probabilities.title", "Position")
        self._bar = named(TraceBar(), "probabilities.funnel", "What each knob removed")
        self._tools = Controls()
        self._table = named(
            ProbabilityTable(),
            "probabilities.table",
            "Next-token probabilities",
            "Raw: before any knob. After: what the token is drawn from. The chosen token is marked",
        )
        self._branch_action = QAction("Branch here", self._table)
        self._listed = named(QLabel(), "probabilities.listed", "What is listed")
        self._facts = named(SteadyLabel(), "probabilities.summary", "Summary")
        self._fate = named(SteadyLabel(), "probabilities.fate", "The chosen token")
        self._memory = named(QLabel(), "probabilities.memory", "Memory")
        self._clock = QTimer(self, interval=FRAME, singleShot=True)
        self._find_clock = QTimer(self, interval=_PAUSE, singleShot=True)
        self._memory_clock = QTimer(self, interval=_PAUSE, singleShot=True)
        self._lay_out()

        tools = self._tools
        for keys, slot in (("Alt+Left", self._walk.go_back), ("Alt+Right", self._walk.go_on)):
            QShortcut(QKeySequence(keys), self._table, slot, context=Qt.ShortcutContext.WidgetShortcut)
        tools.find.textChanged.connect(self._on_find_edited)
        tools.find.returnPressed.connect(self._on_find)
        tools.count.currentIndexChanged.connect(self._show_distribution)
        tools.scale.currentIndexChanged.connect(self._on_scale)
        tools.cumulative.toggled.connect(self._show_distribution)
        tools.trace.toggled.connect(self._on_trace)
        tools.held.toggled.connect(self._show_distribution)
        tools.branch.clicked.connect(self.branch_here)
        tools.csv.triggered.connect(self._on_csv)
        tools.png.triggered.connect(self._on_png)
        tools.svg.triggered.connect(self._on_svg)
        self._branch_action.triggered.connect(self.branch_here)
        self._table.row_activated.connect(self.branch_here)
        self._table.selectionModel().selectionChanged.connect(self._show_branching)
        self._clock.timeout.connect(self._on_frame)
        self._find_clock.timeout.connect(self._on_find)
        self._memory_clock.timeout.connect(self._show_memory)
        self._work.scoring_ended.connect(self._show_position)
        self._work.found.connect(self._on_found)
        self._work.exported.connect(self._on_exported)
        self._work.failed.connect(self._on_failed)
        self.code_shown.connect(self._show_code_text)
        session.model_changed.connect(self._on_model_changed)
        session.encoding_changed.connect(self._show_position)
        session.branches_changed.connect(self._on_branches_changed)
        session.steps_reset.connect(self._show_position)
        session.step_added.connect(self._on_step_added)
        session.next_logits_changed.connect(self._show_position)
        session.selection_changed.connect(self._show_position)
        session.sampling_changed.connect(self._on_sampling_changed)

        self._show_position()

    def _lay_out(self) -> None:
        for widget in self._walk.widgets:
            self.header.addWidget(widget)
        self._table.addAction(self._branch_action)
        set_role(self._position, "heading")
        for label in (self._listed, self._memory):
            set_role(label, "muted")
        for label in (self._position, self._listed, self._facts, self._fate, self._memory):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        self._position.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        for label in (self._listed, self._memory):
            label.setWordWrap(True)
        self._listed.hide()
        for widget in (self._position, self._bar, self._tools, self._listed):
            self.body.addWidget(widget)
        self.body.addWidget(self._table, 1)
        for widget in (self._fate, self._facts, self._memory):
            self.body.addWidget(widget)

    # What can be asked of it.

    def branch_here(self) -> None:
        """Ask for a continuation with the selected candidate at the step that is looked at."""
        candidate = self._table.selected_candidate
        if candidate is not None and self._shown is not None and self._can_branch():
            index = self._shown.step.index if self._shown.step is not None else 0
            self.branch_requested.emit(index, candidate.id)

    def score(self) -> None:
        """Run the model over what stands in front of the selected position, where its logits are not at hand."""
        missing, model = look(self._session, self._work.scored), self._session.model
        if isinstance(missing, Missing) and model is not None:
            self._work.score(model, missing)
            self._show_position()

    def stop_main_action(self) -> None:
        """Give up the scoring that was asked for."""
        self._work.stop_scoring()

    def export_csv(self, path: Path) -> None:
        """Write every entry of the vocabulary to a file, in a job."""
        if self._shown is not None:
            self._work.export(path, self._shown, self._sampling(self._shown), self._session.vocabulary)

    def export_picture(self, path: Path) -> None:
        """Draw what is listed, the first rows of it, as PNG or SVG by the ending of the path.

        Raises:
            OSError: It can't be written.
        """
        if self._shown is None:
            return
        captions = (self._fate.text(), self._facts.text(), self._bar.text())
        ProbabilityPicture(
            self,
            self._position.toolTip(),
            "\n".join(caption for caption in captions if caption),
            self._table.candidates[:_DRAWN],
            chosen=self._shown.token_id,
            log_scale=self._table.log_scale,
            reach=self._table.reach_of,
        ).save(path)

    # What the person did.

    def _on_playground(self) -> None:
        self.pane_requested.emit("playground")

    def _on_scale(self) -> None:
        self._table.set_log_scale(self._tools.scale.currentIndex() == 1)

    def _on_trace(self, wanted: bool) -> None:
        self._trace_wanted = wanted
        self._show_distribution()

    def _on_find_edited(self, text: str) -> None:
        self._find_clock.start()
        if not text:
            self._on_find()

    def _on_find(self) -> None:
        self._find_clock.stop()
        text, vocabulary, distribution = self._tools.find.text(), self._session.vocabulary, self._distribution
        if not text or vocabulary is None or distribution is None:
            if self._found is not None:
                self._found = None
                self._show_distribution()
            return
        self._work.find(vocabulary, text, distribution.logits.size)

    def _on_csv(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Export the distribution", self._file_name(), "CSV (*.csv)")
        if chosen:
            self.export_csv(Path(chosen if chosen.endswith(".csv") else f"{chosen}.csv"))

    def _on_png(self) -> None:
        save(self, "Export the bars", self._file_name(), "PNG (*.png)", ".png", self.export_picture)

    def _on_svg(self) -> None:
        save(self, "Export the bars", self._file_name(), "SVG (*.svg)", ".svg", self.export_picture)

    def _file_name(self) -> str:
        step = self._shown.step if self._shown is not None else None
        return f"probabilities-step-{step.index + 1}" if step is not None else "probabilities"

    # What its jobs say.

    def _on_found(self, found: list[tuple[int, int]]) -> None:
        if self._tools.find.text():
            self._found = found
            self._rank_found()
            self._show_distribution()

    def _on_exported(self, path: Path) -> None:
        self.show_notice(f"The distribution is in {path}.", kind="success")

    def _on_failed(self, error: WorkbenchError, details: str) -> None:
        self.show_notice(error.what, error.why, error.remedy, details)

    # What the session says.

    def _on_model_changed(self) -> None:
        self._work.scored.clear()
        self._show_position()

    def _on_branches_changed(self) -> None:
        """Another branch may be looked at; steps that are reset say so themselves, and kept logits may be fewer."""
        self._memory_clock.start()
        branch = self._session.branch
        # The next frame may be seconds away, and what was written last is looked at now.
        ended = branch is not None and bool(branch.reason) and self._clock.isActive()
        if self._shown is None or ended:
            self._show_position()

    def _on_sampling_changed(self) -> None:
        if self._tools.held.isChecked() and self._shown is not None and self._shown.step is not None:
            self._show_fate()
        else:
            self._show_distribution()

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
        self._walk.show()
        found = look(self._session, self._work.scored)
        if isinstance(found, Missing):
            self._shown = self._distribution = self._beside = None
            self._show_missing(found)
            return
        same = self._shown is not None and self._shown.logits is found.logits
        before, self._shown = self._shown, found
        if not same or self._distribution is None or before is None or before.situation != found.situation:
            self._distribution, self._beside = Distribution(found.logits, found.situation, found.guided), None
            self._rank_found()
        self._held_after = self._held(found)
        self._tools.held.setEnabled(found.step is not None)
        self._show_title()
        self._show_distribution()
        self._memory_clock.start()

    def _show_missing(self, missing: Missing) -> None:
        if self._work.is_scoring:
            self.show_empty("Scoring it; this waits for what the model is doing now.", "Stop", self.stop_main_action)
        elif missing.ask:
            self.show_empty(missing.words, missing.ask, self.score)
        elif not self._session.steps:
            self.show_empty(missing.words, "Open Playground", self._on_playground)
        else:
            self.show_empty(missing.words)

    def _show_title(self) -> None:
        shown = self._shown
        if shown is None:
            return
        where = words.place(shown, len(self._session.steps))
        most, least = _QUOTED
        for characters in range(most, least - 1, -4):
            title = f"next token after {words.quoted(shown.text, characters)}   {where}"
            if self._position.fontMetrics().horizontalAdvance(title) < self._position.width():
                break
        else:
            title = f"{words.quoted(shown.text, least)}   {where}"
        self._position.setText(title)
        self._position.setToolTip(f"Next token after {words.quoted(shown.text, 4 * most)}, {where}")

    def _show_distribution(self) -> None:
        """Draw from the logits that are kept; no model runs."""
        shown, distribution = self._shown, self._distribution
        if not self.isVisible() or shown is None or distribution is None:
            self._dirty = True
            return
        try:
            trace = distribution.trace(self._sampling(shown))
        except WorkbenchError as error:
            self.show_empty(f"{error.what}\n{error.why}\n{error.remedy}")
            return
        self.show_body()
        self._bar.set_stages(words.stages(distribution, trace))
        acts = tuple(act.name for act in trace.acts)
        with_trace = bool(acts) and (
            self._table.has_room_for(acts) if self._trace_wanted is None else self._trace_wanted
        )
        self._tools.show_trace(with_trace)
        self._table.set_chosen(shown.token_id)
        rows = listing.Rows(distribution, trace, self._ids(shown, distribution, trace), self._session.vocabulary)
        self._table.set_reach(listing.reach(distribution, trace) if self._tools.cumulative.isChecked() else None)
        self._table.set_candidates(rows, acts if with_trace else ())
        self._show_listed(trace)
        self._facts.say(words.facts(shown, distribution))
        self._show_fate()
        self._show_branching()
        self._show_code_text()

    def _show_fate(self) -> None:
        shown, distribution = self._shown, self._distribution
        if shown is None or distribution is None:
            return
        knobs, token_id = self._session.sampling, shown.token_id
        try:
            now = self._under_present_knobs(shown, distribution).trace(knobs)
        except WorkbenchError as error:
            self._fate.say(f"Under the knobs as they stand there is no distribution: {error.what}")
            return
        same = shown.step is not None and shown.step.sampling == knobs
        text = self._spell(token_id) if token_id is not None else ""
        self._fate.say(words.fate(shown, now, self._held_after, text, same))
        self._fate.setToolTip(now.why(token_id) if token_id is not None else "")

    def _show_listed(self, trace: Trace) -> None:
        said = ""
        if self._found is not None:
            query, rows = self._tools.find.text(), len(self._table.candidates)
            more = f", the first {rows:,} listed" if len(self._found) > rows else ""
            said = f"{words.tokens(len(self._found))} found for “{query}”{more}."
        elif not self._tools.count.currentData() and trace.kept > listing.MOST:
            said = f"{trace.kept:,} tokens are kept, the first {listing.MOST:,} listed."
        self._listed.setText(said)
        self._listed.setVisible(bool(said))

    def _show_branching(self) -> None:
        allowed = self._can_branch() and self._table.selected_candidate is not None
        self._tools.branch.setEnabled(allowed)
        self._branch_action.setEnabled(allowed)

    def _show_memory(self) -> None:
        steps = len(self._session.steps)
        self._memory.setVisible(steps > 0)
        if steps:
            kept, used = self._session.logits_kept
            self._memory.setText(words.memory(kept, steps, used, sessions.LOGITS_BUDGET))

    def _show_code_text(self) -> None:
        model, shown, branch = self._session.model, self._shown, self._session.branch
        if not self.code_is_shown or shown is None:
            return
        if model is None or (branch is not None and branch.checkpoint != model.checkpoint.name):
            self.set_code("")
            return
        sampling = self._sampling(shown)
        self.set_code(
            codegen.probabilities(
                model.checkpoint,
                shown.situation,
                sampling,
                model.dtype,
                model.device,
                head=model.head,
                # In float32 both ways give the same, and one pass is easier to read.
                cached=model.dtype != "float32" and model.keeps_keys,
                attention=model.attn_implementation,
                start=self._session.start,
            )
        )

    # What it is made of.

    def _sampling(self, shown: Shown) -> Sampling:
        """The knobs whose effect is shown."""
        held = self._tools.held.isChecked() and shown.step is not None
        return shown.step.sampling if held and shown.step is not None else self._session.sampling

    def _held(self, shown: Shown) -> float | None:
        """What the token was drawn with, under the knobs of its step."""
        if shown.step is None or self._distribution is None:
            return None
        if not math.isnan(shown.step.after):
            return shown.step.after
        try:
            trace = self._distribution.trace(shown.step.sampling)
        except WorkbenchError:
            return None
        return float(trace.probabilities[shown.step.token_id])

    def _under_present_knobs(self, shown: Shown, distribution: Distribution) -> Distribution:
        """The one to ask under the knobs as they stand: one that keeps its own work while others are shown."""
        if self._sampling(shown) == self._session.sampling:
            return distribution
        if self._beside is None:
            self._beside = Distribution(shown.logits, shown.situation, shown.guided)
        return self._beside

    def _ids(self, shown: Shown, distribution: Distribution, trace: Trace) -> list[int]:
        """What is listed: what was found, or the foremost, with the chosen token wherever it is."""
        if self._found is not None:
            return self._found_ids
        chosen, count = shown.token_id, self._tools.count.currentData()
        ids = distribution.foremost(count, trace.sampling).tolist() if count else listing.kept_ids(trace.probabilities)
        if chosen is not None and chosen not in ids:
            ids.append(chosen)
        return ids

    def _rank_found(self) -> None:
        if self._found is not None and self._distribution is not None:
            self._found_ids = listing.ranked(self._found, self._distribution.probabilities)

    def _can_branch(self) -> bool:
        model, branch, shown = self._session.model, self._session.branch, self._shown
        if model is None or shown is None or shown.given is not None:
            return False
        return branch is None or branch.checkpoint == model.checkpoint.name

    def _spell(self, token_id: int) -> str:
        vocabulary = self._session.vocabulary
        return vocabulary.spell([token_id])[0] if vocabulary is not None else f"id {token_id}"

    # Qt.

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was not seen."""
        super().showEvent(event)
        if self._dirty:
            self._show_position()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Quote as much of the text as there is room for, and show the trace where it fits."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width() and self._shown is not None:
            QTimer.singleShot(0, self, self._on_resized)

    def _on_resized(self) -> None:
        self._show_title()
        if self._trace_wanted is None:
            self._show_distribution()

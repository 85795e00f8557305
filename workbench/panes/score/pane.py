"""The text beside what came of it: what is asked of the models, and how the selected token is shared with others."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QSplitter,
    QWidget,
)

from workbench.engine import codegen, score
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress
from workbench.panes.score.form import Form
from workbench.panes.score.reading import Reading, read, write_json
from workbench.panes.score.results import Results
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets import theme
from workbench.widgets.column_scroll import ColumnScroll
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.saving import save

#: Characters up to which the text is written into the code.
CODED = 20_000
#: Pixels below which the text stands above the results.
_NARROW = 820
#: From here on its options stand in a line.
_LINE = 600


class ScorePane(PaneFrame):
    """A text as the loaded model reads it, beside the second model where there is one.

    Args:
        session: Whose models read.
        runner: Runs them on the model's lane.

    Signals:
        hub_requested(): The person wants to load a checkpoint.
    """

    hub_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("score", "Score", parent)
        self._session = session
        self._runner = runner
        self._job: Job | None = None
        self._in_step = False

        self._form = Form()
        self._results = Results()
        self._lay_out()

        self._form.text.textChanged.connect(self._on_input_changed)
        self._form.special.toggled.connect(self._on_input_changed)
        self._form.length.valueChanged.connect(self._on_input_changed)
        self._form.overlap.valueChanged.connect(self._on_input_changed)
        self._form.both.toggled.connect(self._on_input_changed)
        self._form.take.clicked.connect(self._on_take)
        self._form.hub.clicked.connect(self.hub_requested)
        self._form.run.clicked.connect(self.run_main_action)
        self._form.stop.clicked.connect(self.stop_main_action)
        self._results.view_changed.connect(self._on_view_changed)
        self._results.row_clicked.connect(self.select)
        self._results.csv_requested.connect(self._on_csv)
        self._results.json_requested.connect(self._on_json)
        self.code_shown.connect(self._on_code_shown)
        session.model_changed.connect(self._show_model)
        session.second_changed.connect(self._show_second)
        session.prompt_changed.connect(self._show_buttons)
        session.encoding_changed.connect(self._show_link)
        session.steps_reset.connect(self._show_link)
        session.selection_changed.connect(self._show_selection)

        self._show_model()

    def _lay_out(self) -> None:
        self._halves = QSplitter(Qt.Orientation.Horizontal)
        self._halves.addWidget(self._form)
        # What is asked stays in sight, with its button, while this scrolls.
        self._halves.addWidget(ColumnScroll(self._results, least=300))
        self._halves.setStretchFactor(0, 0)
        self._halves.setStretchFactor(1, 1)
        self._halves.setSizes([300, 880])
        self._halves.setChildrenCollapsible(False)
        self.body.addWidget(self._halves)

    # Verbs.

    @property
    def busy(self) -> bool:
        """Whether a text is being scored."""
        return self._job is not None

    @property
    def reading(self) -> Reading | None:
        """What is shown."""
        return self._results.reading

    def run_main_action(self) -> None:
        """Score the text."""
        model, second = self._session.model, self._session.second
        if model is None or not self._form.run.isEnabled():
            return
        self.clear_notices()
        loaded = [model, second] if second is not None and self._form.compares else [model]
        names = " and ".join(each.checkpoint.name for each in loaded)
        job = Job(
            f"Score a text with {names}",
            read,
            loaded,
            self._form.text.text(),
            self._form.special.isChecked(),
            self._form.length.value() or None,
            self._form.overlap.value() or None,
            pane="score",
            stops="after the window that is read",
        )
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_read)
        job.failed.connect(self._on_failed)
        job.cancelled_.connect(self._on_cancelled)
        job.finished.connect(self._on_finished)
        self._job = job
        self._form.say("scoring …")
        self._show_buttons()
        self._runner.start(job, Lane.MODEL, slot="score")

    def stop_main_action(self) -> None:
        """Stop scoring."""
        if self._job is not None:
            self._job.cancel()

    def select(self, row: int | None) -> None:
        """Select a row of the view in all its parts."""
        self._results.select(row)
        row, view, reading = self._results.row, self._results.view, self.reading
        place = view.places[row] if view is not None and row is not None else None
        if place is not None and place[0] < place[1] and reading and reading.text == self._form.text.text():
            self._form.text.mark(*place)
        else:
            self._form.text.clear_mark()
        if self._in_step and row is not None and view is not None and view.token_rows:
            self._session.set_selection(row)

    def save_json(self, path: Path) -> None:
        """Write totals, tokens and differences as JSON, as work of its own; a failure becomes a notice."""
        if self.reading is not None:
            job = Job(f"Save the scores as {path.name}", write_json, self.reading, path, pane="score")
            job.failed.connect(self._on_save_failed)
            self._runner.start(job, Lane.IO)

    # What the person did, and what came of it.

    def _on_input_changed(self) -> None:
        if self.reading is not None and self.reading.text != self._form.text.text():
            self._form.text.clear_mark()
        self._show_buttons()
        self._show_script()

    def _on_code_shown(self) -> None:
        self._show_script()
        self._show_room()

    def _on_take(self) -> None:
        start = self._session.start
        before = start.encoding.text if start is not None else self._session.prompt
        self._form.text.set_text(before + "".join(step.text for step in self._session.steps))
        self._form.text.setFocus()

    def _on_csv(self) -> None:
        save(self, "Save the scores", "scores.csv", "CSV (*.csv)", ".csv", self._results.export_csv)

    def _on_json(self) -> None:
        save(self, "Save the scores", "scores.json", "JSON (*.json)", ".json", self.save_json)

    def _on_save_failed(self, error: WorkbenchError) -> None:
        self.show_notice("Could not save the scores.", error.why, "Choose another folder.")

    def _on_progress(self, progress: Progress) -> None:
        self._form.say(f"{progress.done:,.0f} of {progress.total or 0:,.0f} tokens · {progress.note}")

    def _on_read(self, reading: Reading) -> None:
        seconds = sum(scored.seconds for scored in reading.scores)
        count = sum(scored.scored for scored in reading.scores)
        self._form.say(f"{count:,} tokens scored in {seconds:.1f} s")
        self._results.show_reading(reading)
        self._show_link()

    def _on_view_changed(self) -> None:
        self._show_script()
        self.select(None)

    def _on_failed(self, error: WorkbenchError) -> None:
        self._clear()
        self._form.say("failed")
        self.show_notice(error.what, error.why, error.remedy, self._job.details if self._job is not None else "")

    def _on_cancelled(self) -> None:
        self._form.say("stopped")

    def _on_finished(self) -> None:
        if self.sender() is self._job:
            self._job = None
            self._show_buttons()

    # The state changed.

    def _show_model(self) -> None:
        model = self._session.model
        self._drop_job()
        self.clear_notices()
        self._clear()
        self._show_buttons()
        if model is None:
            self.show_empty(
                "No checkpoint is loaded. Load a causal language model in Hub, and it will read any text here.",
                "Open Hub",
                self.hub_requested.emit,
            )
            return
        refusal = score.supports(model)
        if refusal:
            self.show_empty(f"{refusal}\nLoad a causal language model in Hub.", "Open Hub", self.hub_requested.emit)
            return
        self.show_body()
        self._form.show_model(model)
        self._show_second()

    def _show_second(self) -> None:
        self._drop_job()
        self._form.show_second(self._session.second)
        self._show_buttons()

    def _show_buttons(self) -> None:
        model = self._session.model
        self._form.run.setEnabled(self._job is None and model is not None and not score.supports(model))
        self._form.stop.setEnabled(self._job is not None)
        self._form.take.setEnabled(self._session.start is not None or bool(self._session.prompt))

    def _show_link(self) -> None:
        """Find out whether the session's prompt and steps are the very ids that were scored."""
        self._show_buttons()
        session, reading = self._session, self.reading
        self._in_step = False
        if reading is not None and session.encoding is not None:
            ids = [token.id for token in reading.scores[0].tokens]
            own = [*session.encoding.input_ids, *(step.token_id for step in session.steps)]
            self._in_step = ids == own
        self._show_selection()

    def _show_selection(self) -> None:
        view, selection = self._results.view, self._session.selection
        if self._in_step and view is not None and view.token_rows and selection != self._results.row:
            self.select(selection)

    def _show_script(self) -> None:
        # Of the model that is looked at; of the difference there are two, and the first is shown.
        model = self._session.second if self._results.number == 1 else self._session.model
        if model is None or model.tokenizer is None or score.supports(model) or not self.code_is_shown:
            return
        text = self._form.text.text()
        if len(text) > CODED:
            self.set_code(f"# A text of {len(text):,} characters is too long to be written into a script.\n")
            return
        window = self._form.length.value() or score.usual_window(model)
        self.set_code(
            codegen.score(
                model.checkpoint,
                text,
                model.dtype,
                model.device,
                window=window,
                overlap=self._form.overlap.value() or window // 2,
                add_special_tokens=self._form.special.isChecked(),
                offsets=model.tokenizer.is_fast,
            )
        )

    def _show_room(self) -> None:
        width = self.width() * 3 // 5 if self.code_is_shown else self.width()
        narrow = width < theme.px(self, _NARROW)
        wanted = Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal
        self._form.place(in_line=narrow and width >= theme.px(self, _LINE))
        if self._halves.orientation() != wanted:
            self._halves.setOrientation(wanted)
            # Its own size changes only after this: shares given now would be stretched with it.
            QTimer.singleShot(0, self, self._share_room)

    def _share_room(self) -> None:
        narrow = self._halves.orientation() == Qt.Orientation.Vertical
        self._halves.setSizes([240, 560] if narrow else [theme.px(self, 300), self._halves.width()])

    def _clear(self) -> None:
        self._in_step = False
        self._results.show_reading(None)
        self._form.say("")

    def _drop_job(self) -> None:
        """What still runs was asked of other models: its result must not show."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
            self._form.say("")

    # Qt.

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the text above the results where there is no room beside them."""
        super().resizeEvent(event)
        self._show_room()

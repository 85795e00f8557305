"""The text, its totals, the heat strip, the table of tokens, and what was expected in place of the selected one."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from workbench.engine import codegen, score
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress
from workbench.panes.score.form import Form
from workbench.panes.score.plot import BitsPlot
from workbench.panes.score.reading import COLUMNS, Reading, View, bits, candidates, legend, read, signed, write_json
from workbench.panes.score.totals import Totals
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session
from workbench.widgets import icons, theme
from workbench.widgets.column_scroll import ColumnScroll
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.probability_table import format_percent
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.saving import save
from workbench.widgets.token_strip import TokenStrip
from workbench.widgets.turning_splitter import TurningSplitter
from workbench.widgets.visible_text import visible

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
        self._reading: Reading | None = None
        self._row: int | None = None
        self._in_step = False

        self._form = Form()
        self._totals = named(Totals(), "score.totals", "Totals", "")
        self._view = named(QuietComboBox(), "score.view", "View", "One model's tokens, the other's, or the difference")
        self._view.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._view.setMinimumContentsLength(14)
        self._legend = named(QLabel(), "score.legend", "Legend", "What colours and signs of the strip say")
        self._legend.setWordWrap(True)
        theme.set_role(self._legend, "muted")
        self._plot_shown = named(
            QCheckBox("Plot"), "score.plot_shown", "Plot", "Draw the surprise over the positions of the text"
        )
        self._plot_shown.setChecked(True)
        self._export = named(QToolButton(), "score.export", "Export", "Save the table as CSV, or everything as JSON")
        self._strip = named(
            TokenStrip(),
            "score.strip",
            "Tokens",
            "The text by tokens, tinted by surprise; click, or use the arrow keys",
        )
        self._strip.set_mode("strength")
        self._table = named(
            DataTable(monospace=True),
            "score.table",
            "Scores",
            "What each token was scored, surprise and entropy in bits; select a row",
        )
        self._heading = theme.set_role(QLabel(), "heading")
        self._heading.setTextFormat(Qt.TextFormat.PlainText)
        self._heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._others = named(
            DataTable(monospace=True),
            "score.alternatives",
            "Alternatives",
            "The most probable tokens at the selected position; ▶ marks the one in the text",
        )
        self._plot = BitsPlot()
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
        self._view.currentIndexChanged.connect(self._show_view)
        self._plot_shown.toggled.connect(self._show_plot)
        self._strip.token_clicked.connect(self.select)
        self._table.row_selected.connect(self.select)
        self.code_shown.connect(self._on_code_shown)
        session.model_changed.connect(self._show_model)
        session.second_changed.connect(self._show_second)
        session.prompt_changed.connect(self._show_buttons)
        session.encoding_changed.connect(self._show_link)
        session.steps_reset.connect(self._show_link)
        session.selection_changed.connect(self._show_selection)

        self._show_measures()
        self._show_model()

    def _lay_out(self) -> None:
        menu = QMenu(self._export)
        menu.addAction("Save the table as CSV…").triggered.connect(self._on_csv)
        menu.addAction("Save everything as JSON…").triggered.connect(self._on_json)
        self._export.setMenu(menu)
        self._export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        icons.put(self._export, "save")
        bar = QHBoxLayout()
        bar.addWidget(self._view)
        bar.addWidget(self._legend, 1)
        bar.addWidget(self._plot_shown)
        bar.addWidget(self._export)
        expected = QWidget()
        beside = QVBoxLayout(expected)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self._heading)
        beside.addWidget(self._others, 1)
        tables = TurningSplitter()
        tables.addWidget(self._table)
        tables.addWidget(expected)
        tables.setStretchFactor(0, 3)
        tables.setStretchFactor(1, 2)
        tables.setSizes([540, 330])
        self._views = QSplitter(Qt.Orientation.Vertical)
        self._views.addWidget(self._strip)
        self._views.addWidget(tables)
        self._views.addWidget(self._plot)
        for number, share in enumerate((1, 2, 1)):
            self._views.setStretchFactor(number, share)
        self._views.setSizes([160, 300, 180])
        # It takes what room there is, and is scrolled only where that is less than it needs.
        self._views.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self._views.installEventFilter(self)
        answered = QWidget()
        seen = QVBoxLayout(answered)
        seen.setContentsMargins(0, 0, 0, 0)
        seen.addWidget(self._totals)
        seen.addLayout(bar)
        seen.addWidget(self._views, 1)

        self._halves = QSplitter(Qt.Orientation.Horizontal)
        self._halves.addWidget(self._form)
        # What is asked stays in sight, with its button, while this scrolls.
        self._halves.addWidget(ColumnScroll(answered, least=300))
        self._halves.setStretchFactor(0, 0)
        self._halves.setStretchFactor(1, 1)
        self._halves.setSizes([300, 880])
        for splitter in (tables, self._views, self._halves):
            splitter.setChildrenCollapsible(False)
        self.body.addWidget(self._halves)

    # Verbs.

    @property
    def busy(self) -> bool:
        """Whether a text is being scored."""
        return self._job is not None

    @property
    def reading(self) -> Reading | None:
        """What is shown."""
        return self._reading

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
        view = self._current
        if view is None or (row is not None and not 0 <= row < len(view.chips)):
            row = None
        self._row = row
        self._strip.set_selected(row)
        self._table.select_row(row)
        self._show_others()
        place = view.places[row] if view is not None and row is not None else None
        if place is not None and place[0] < place[1] and self._reading and self._reading.text == self._form.text.text():
            self._form.text.mark(*place)
        else:
            self._form.text.clear_mark()
        if self._in_step and row is not None and view is not None and view.token_rows:
            self._session.set_selection(row)

    def save_json(self, path: Path) -> None:
        """Write totals, tokens and differences as JSON, as work of its own; a failure becomes a notice."""
        if self._reading is not None:
            job = Job(f"Save the scores as {path.name}", write_json, self._reading, path, pane="score")
            job.failed.connect(self._on_save_failed)
            self._runner.start(job, Lane.IO)

    # What the person did, and what came of it.

    def _on_input_changed(self) -> None:
        if self._reading is not None and self._reading.text != self._form.text.text():
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
        save(self, "Save the scores", "scores.csv", "CSV (*.csv)", ".csv", self._table.export_csv)

    def _on_json(self) -> None:
        save(self, "Save the scores", "scores.json", "JSON (*.json)", ".json", self.save_json)

    def _on_save_failed(self, error: WorkbenchError) -> None:
        self.show_notice("Could not save the scores.", error.why, "Choose another folder.")

    def _on_progress(self, progress: Progress) -> None:
        self._form.say(f"{progress.done:,.0f} of {progress.total or 0:,.0f} tokens · {progress.note}")

    def _on_read(self, reading: Reading) -> None:
        self._reading = reading
        self._row = None
        seconds = sum(scored.seconds for scored in reading.scores)
        count = sum(scored.scored for scored in reading.scores)
        self._form.say(f"{count:,} tokens scored in {seconds:.1f} s")
        self._totals.show_reading(reading)
        self._view.blockSignals(True)
        self._view.clear()
        self._view.addItems([view.title for view in reading.views])
        self._view.setCurrentIndex(len(reading.views) - 1)
        self._view.blockSignals(False)
        self._show_view()
        self._show_link()

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
        session, reading = self._session, self._reading
        self._in_step = False
        if reading is not None and session.encoding is not None:
            ids = [token.id for token in reading.scores[0].tokens]
            own = [*session.encoding.input_ids, *(step.token_id for step in session.steps)]
            self._in_step = ids == own
        self._show_selection()

    def _show_selection(self) -> None:
        view, selection = self._current, self._session.selection
        if self._in_step and view is not None and view.token_rows and selection != self._row:
            self.select(selection)

    @property
    def _current(self) -> View | None:
        index = self._view.currentIndex()
        return self._reading.views[index] if self._reading is not None and index >= 0 else None

    def _show_view(self) -> None:
        view, reading = self._current, self._reading
        several = reading is not None and len(reading.views) > 1
        self._view.setVisible(several)
        self._export.setEnabled(view is not None)
        columns = view.columns if view is not None else COLUMNS
        self._show_formats(columns)
        self._strip.set_selected(None)
        self._strip.set_tokens(view.chips if view is not None else ())
        self._table.set_rows(columns, len(view.chips) if view is not None else 0, view.row if view else None)
        self._table.fit_columns()
        _say(self._legend, legend(columns) if view is not None else "")
        self._show_plot()
        self._show_script()
        self.select(None)

    def _show_formats(self, columns: tuple[str, ...]) -> None:
        for number, name in enumerate(columns):
            words = str
            if name in ("token", "text"):
                words = visible
            elif name == "probability":
                words = format_percent
            elif name.startswith("A − B"):
                words = signed
            elif "bits" in name or name == "entropy":
                words = bits
            elif name in ("rank", "position"):
                words = _grouped
            self._table.set_format(number, words)

    def _show_others(self) -> None:
        heading, columns, rows = "", ("rank", "token", "id", "probability"), []
        if self._reading is not None and self._row is not None:
            heading, columns, rows = candidates(self._reading, self._view.currentIndex(), self._row)
        for number, name in enumerate(columns):
            words = _grouped if name == "rank" else bits if name == "bits" else str
            if name in ("probability", "p", "A", "B"):
                words = format_percent
            self._others.set_format(number, words)
        self._heading.setText(heading or "Expected there")
        self._heading.setToolTip(heading)
        self._others.set_rows(columns, rows)
        self._others.fit_columns()

    def _show_plot(self) -> None:
        self._plot.show_view(self._current if self._plot_shown.isChecked() else None)

    def _show_script(self) -> None:
        # Of the model that is looked at; of the difference there are two, and the first is shown.
        model = self._session.second if self._view.currentIndex() == 1 else self._session.model
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

    def _show_measures(self) -> None:
        self._strip.setMinimumHeight(theme.px(self, 84))
        self._table.setMinimumHeight(theme.px(self, 130))
        self._others.setMinimumHeight(theme.px(self, 100))
        self._table.set_empty_text("Press Score: each token's probability, rank, surprise and entropy show here")
        self._strip.set_placeholder("not scored yet")
        self._others.set_empty_text("Select a token to see what was expected there")

    def _clear(self) -> None:
        self._reading = None
        self._in_step = False
        self._totals.show_reading(None)
        self._view.blockSignals(True)
        self._view.clear()
        self._view.blockSignals(False)
        self._form.say("")
        self._show_view()

    def _drop_job(self) -> None:
        """What still runs was asked of other models: its result must not show."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
            self._form.say("")

    # Qt.

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep for the plot and what stands above it the height that they need."""
        if watched is self._views and event.type() == QEvent.Type.LayoutRequest:
            self._views.setMinimumHeight(self._views.minimumSizeHint().height())
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the text above the results where there is no room beside them."""
        super().resizeEvent(event)
        self._show_room()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_halves"):
            self._show_measures()


def _say(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setAccessibleName(text or label.objectName().rpartition(".")[2].capitalize())


def _grouped(value: int) -> str:
    return f"{value:,}"

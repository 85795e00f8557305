"""All rows of the data, read as they are seen, and what was found in them: labels, lengths, repeats, the unusable."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QAbstractItemView, QLabel, QScrollArea, QSplitter, QTabWidget, QVBoxLayout, QWidget

from workbench.engine.data import PAGE, page
from workbench.engine.errors import WorkbenchError
from workbench.engine.task import Progress, Task
from workbench.engine.train import HEADS, Profile, profile
from workbench.engine.values import Table, TrainSpec
from workbench.panes.trainer.data_step import used_first
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.widgets.bar_chart import LabelBars
from workbench.widgets.data_table import DataTable
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.naming import named
from workbench.widgets.probability_table import format_percent
from workbench.widgets.theme import CHANGES, px, set_role

#: Pages of rows that are kept.
_PAGES = 60
#: Milliseconds without another edit after which the rows are looked through.
_PAUSE = 400
#: A source with fewer rows is looked through without a line among the jobs.
_SMALL = 50_000
_MOST_BARS = 50
_TABS = ("Labels", "Lengths", "Left out", "Repeats")


class DataView(QWidget):
    """Shows a source whole; its rows are looked through when it is to be seen.

    Attributes:
        profile: What was found in the rows, or None.

    Args:
        runner: Reads pages and looks through the rows on the IO lane.

    Signals:
        profiled(): The rows were looked through.
    """

    profiled = Signal()

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.profile: Profile | None = None
        self._runner = runner
        self._table: Table | None = None
        self._order: list[int] = []
        self._pages: OrderedDict[int, tuple[tuple[str, ...], ...]] = OrderedDict()
        self._asked: set[int] = set()
        self._spec: TrainSpec | None = None
        self._of: object = None
        self._timer = QTimer(self, singleShot=True, interval=_PAUSE)
        self._timer.timeout.connect(self._look)

        self._summary = named(QLabel("No data yet"), "trainer.data_summary", "Summary")
        self._summary.setWordWrap(True)
        self._summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._warnings = named(QLabel(), "trainer.data_warnings", "Warnings")
        self._warnings.setWordWrap(True)
        self._warnings.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        set_role(self._warnings, "warning")
        self._warnings.hide()
        self.rows = named(DataTable(), "trainer.all_rows", "Rows", "Every row of the source, read as you scroll")
        # Rows that were not seen are not in memory: one that is seen can be copied; the export is the source itself.
        self.rows.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        for action in self.rows.actions():
            if action.text().startswith("Export"):
                self.rows.removeAction(action)
        self._bars = named(LabelBars(), "trainer.label_counts", "Labels")
        self._plot = LinePlot("trainer.lengths", "Tokens per row", "tokens", "rows", smoothing=0, readout=False)
        self._lengths = named(QLabel(), "trainer.lengths_text", "Lengths")
        self._lengths.setWordWrap(True)
        self.unused = _findings("trainer.unused_rows", "Left out", "Rows that a run leaves out, and why")
        self.repeats = _findings("trainer.repeated_rows", "Repeats", "Rows that came before")
        self._lay_out()

    # What it shows.

    def show_table(self, table: Table) -> None:
        """Show the rows of a source; the others come once it is ``complete``."""
        if self._table is None or self._table.source != table.source:
            self._forget()
        self._table = table
        self._of = None
        self._pages.clear()
        self._asked.clear()
        self._show_rows()
        self._timer.start()

    def show_spec(self, spec: TrainSpec | None) -> None:
        """Look through the rows as this run uses them, when that has changed and the view is to be seen."""
        before, self._spec = self._spec, spec
        if self._table is None:
            return
        if spec is None:
            self._summary.setText(f"{self._table.total:,} rows. A checkpoint is needed to count their tokens.")
            return
        if before is None or before.columns != spec.columns:
            self._show_rows()
        if self.profile is not None and before is not None and before.max_length != spec.max_length:
            self._show_lengths()
        if _part_of(spec) != self._of:
            self._timer.start()

    def _forget(self) -> None:
        """What was found holds for another source."""
        self.profile = None
        self._summary.setText("")
        self._show_warnings([])
        self._bars.set_bars([])
        self._show_lengths()
        for place, name in enumerate(_TABS):
            self._findings.setTabText(place, name)
            self._findings.setTabVisible(place, True)
        for table in (self.unused, self.repeats):
            table.set_rows(("Place", "Why"), [])

    # What it does by itself.

    def _look(self) -> None:
        spec, table = self._spec, self._table
        if spec is None or table is None or not table.complete or not self.isVisible() or _part_of(spec) == self._of:
            return
        head = HEADS[spec.task]
        lacks = head.lacks(spec.columns)
        self._of = _part_of(spec)
        if lacks:
            self._show_warnings([lacks])
            return
        self._summary.setText(f"Looking through {table.total:,} rows …")
        job = Job(
            f"Look through {spec.data.name}", profile, spec, pane="trainer", quiet=table.total < _SMALL, stops="at once"
        )
        job.progressed.connect(self._show_progress)
        job.succeeded.connect(self._show_profile)
        job.failed.connect(self._show_failure)
        job.cancelled_.connect(self._show_cancelled)
        self._runner.start(job, Lane.IO, slot="trainer.profile")

    def _row(self, number: int) -> tuple[str, ...]:
        if self._table is None:
            return ()
        which, place = divmod(number, PAGE)
        found = self._pages.get(which)
        if found is None:
            if number < len(self._table.rows):
                row = ("", *self._table.rows[number])
                return tuple(row[at] for at in self._order)
            self._ask(which)
            return ("…",) * len(self._order)
        self._pages.move_to_end(which)
        return tuple(found[place][at] for at in self._order)

    def _ask(self, which: int) -> None:
        if which in self._asked or self._table is None:
            return
        self._asked.add(which)
        job = Job("Read a page of rows", _page, self._table, which, pane="trainer", quiet=True)
        job.succeeded.connect(self._show_page)
        job.failed.connect(self._show_failure)
        self._runner.start(job, Lane.IO)

    def _show_page(self, read: tuple[Table, int, tuple[tuple[str, ...], ...]]) -> None:
        table, which, rows = read
        if table is not self._table:
            return
        self._asked.discard(which)
        self._pages[which] = rows
        while len(self._pages) > _PAGES:
            self._pages.popitem(last=False)
        self.rows.viewport().update()

    def _show_rows(self) -> None:
        table = self._table
        if table is None:
            return
        columns = ("Place", *table.columns)
        roles = self._spec.columns if self._spec is not None else {}
        names = ["Place", *used_first(table.columns, roles)]
        self._order = [0, *(1 + table.columns.index(name) for name in names[1:])]
        self.rows.set_rows([columns[at] for at in self._order], table.total, self._row)
        if table.complete:
            # For their places.
            for which in range(-(-len(table.rows) // PAGE)):
                self._ask(which)

    def _show_progress(self, progress: Progress) -> None:
        total = self._table.total if self._table is not None else 0
        if progress.note.startswith("Profiling") and total:
            self._summary.setText(f"Looking through {total:,} rows: {progress.done:,.0f} …")
        elif progress.note:
            self._summary.setText(f"{progress.note} …")

    def _show_profile(self, found: Profile) -> None:
        self.profile = found
        left = found.total - found.usable
        self._summary.setText(" · ".join(_said(found)))
        warnings = [found.problem] if found.problem else []
        for label, count in found.unseen.items():
            rows = "1 evaluation row has" if count == 1 else f"{count:,} evaluation rows have"
            warnings.append(f"{rows} the label “{label}”, which no training row has: it can't be learned.")
        for role, kinds in found.mixed.items():
            counted = ", ".join(f"{count:,} × {kind}" for kind, count in kinds.items())
            warnings.append(f"The {role} column holds values of several kinds: {counted}.")
        self._show_warnings(warnings)
        self._show_labels(found)
        self._show_lengths()
        self.unused.set_rows(("Place", "Why"), [(one.place, one.why) for one in found.unused])
        self.repeats.set_rows(("Place", "Why"), [(one.place, one.why) for one in found.repeats])
        self._findings.setTabText(2, f"Left out ({left:,})")
        self._findings.setTabText(3, f"Repeats ({found.repeated + found.contradicting:,})")
        self.profiled.emit()

    def _show_warnings(self, warnings: list[str]) -> None:
        self._warnings.setText("\n".join(warnings))
        self._warnings.setVisible(bool(warnings))

    def _show_labels(self, found: Profile) -> None:
        total = sum(found.labels.values())
        most = max(found.labels.values(), default=1)
        shown = list(found.labels.items())[:_MOST_BARS]
        self._bars.set_bars(
            [(name, count / most, f"{count:,} · {format_percent(count / total, 1)}") for name, count in shown]
        )
        self._findings.setTabText(0, f"Labels ({len(found.labels):,})")
        # Where no label is learned, an empty page would be in front.
        self._findings.setTabVisible(0, bool(found.labels))

    def _show_lengths(self) -> None:
        found = self.profile.lengths if self.profile is not None else None
        spec = self._spec
        self._plot.setVisible(found is not None)
        if found is None or spec is None:
            blocks = self.profile is not None and not self.profile.problem
            self._lengths.setText("No row of this task is cut at max_length." if blocks else "")
            return
        edges, counts = found.histogram(spec.max_length)
        xs = [edge for edge in edges for _ in range(2)]
        ys = [0, *(count for count in counts for _ in range(2)), 0]
        self._plot.set_series("rows", xs, ys)
        self._plot.add_series("max_length", dashed=True)
        self._plot.set_series("max_length", [spec.max_length, spec.max_length], [0, max(counts)])
        drawn = self.profile is not None and found.measured < self.profile.usable
        of = f"{found.measured:,} rows drawn of {self.profile.usable:,}" if drawn else f"{found.measured:,} rows"
        cut = found.cut(spec.max_length)
        share = format_percent(cut / found.measured, 1)
        long = f"{cut:,} ({share}) have more than max_length, {spec.max_length}, and are cut there"
        self._lengths.setText(
            f"{of}: half have {found.median:,} tokens or more, the longest {found.tokens[-1]:,}. "
            + (f"{long}." if cut else f"None has more than max_length, {spec.max_length}: nothing is cut.")
        )

    def _show_failure(self, error: WorkbenchError) -> None:
        self._summary.setText("")
        self._show_warnings([str(error)])

    def _show_cancelled(self) -> None:
        self._of = None
        self._summary.setText("Not looked through: it was cancelled. Any edit starts it again.")

    # Qt, and the layout.

    def showEvent(self, event: QShowEvent) -> None:
        """Look through the rows, now that somebody looks."""
        super().showEvent(event)
        self._timer.start()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in CHANGES and hasattr(self, "_findings"):
            self._fit()

    def _fit(self) -> None:
        self._findings.setMinimumHeight(px(self, 130))
        self.rows.setMinimumHeight(px(self, 84))

    def _lay_out(self) -> None:
        labels = QScrollArea()
        labels.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        labels.setWidgetResizable(True)
        labels.setFrameShape(QScrollArea.Shape.NoFrame)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.addWidget(self._bars)
        column.addStretch(1)
        labels.setWidget(inside)
        lengths = QWidget()
        column = QVBoxLayout(lengths)
        column.addWidget(self._lengths)
        column.addWidget(self._plot, 1)
        column.addStretch(0)
        self._findings = named(QTabWidget(), "trainer.findings", "Findings")
        self._findings.setDocumentMode(True)
        for widget, name in zip((labels, lengths, self.unused, self.repeats), _TABS, strict=True):
            self._findings.addTab(widget, name)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self.rows)
        splitter.addWidget(self._findings)
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(self._summary)
        layout.addWidget(self._warnings)
        layout.addWidget(splitter, 1)
        self._fit()


def _said(found: Profile) -> list[str]:
    left = found.total - found.usable
    parts = [f"{found.total:,} rows: {found.usable:,} can be used"]
    if left:
        parts[0] += f", {left:,} left out" + (f" ({found.empty:,} with an empty cell)" if found.empty else "")
    if found.repeated:
        parts.append(f"{found.repeated:,} {'repeats' if found.repeated == 1 else 'repeat'} an earlier row")
    else:
        parts.append("no row repeats another")
    if found.contradicting:
        equal = "equals" if found.contradicting == 1 else "equal"
        parts.append(f"{found.contradicting:,} {equal} an earlier row but for what is learned of it")
    if found.evaluation is not None:
        parts.append(f"{found.evaluation:,} rows to evaluate on")
    return parts


def _findings(name: str, label: str, tip: str) -> DataTable:
    table = named(DataTable(), name, label, tip)
    table.set_empty_text("none")
    return table


def _part_of(spec: TrainSpec) -> tuple[Any, ...]:
    """What of a run its profile depends on; lengths are cut anew without looking through the rows again."""
    return (spec.data, spec.evaluation, spec.columns, spec.task, spec.checkpoint.path)


def _page(table: Table, which: int, *, task: Task) -> tuple[Table, int, tuple[tuple[str, ...], ...]]:
    return table, which, page(table, which, task=task)

"""The Jobs pane: all work, its progress, its log, and a way to stop it."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QSplitter, QVBoxLayout, QWidget

from workbench.runtime.jobs import Job, Runner, State
from workbench.runtime.session import Session
from workbench.widgets import icons, theme
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.quantities import format_progress, format_seconds
from workbench.widgets.theme import set_role

_COLUMNS = ("What", "Pane", "State", "Progress", "Elapsed", "Remaining")
#: What stands in the log of a job without one.
_SILENT = {State.WAITING: "It waits for the work before it.", State.RUNNING: "It has said nothing so far."}


class JobsPane(PaneFrame):
    """Every job that was started, newest first, with the log of the selected one.

    Args:
        session: Not looked at; every pane is built with the same two.
        runner: Whose jobs are shown.
    """

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("jobs", "Jobs", parent, with_code=False)
        self._session, self._runner = session, runner
        self._rows: list[Job] = []
        self._selected: Job | None = None
        self._chosen = False
        self._widest = 0

        self._table = named(DataTable(), "jobs.table", "Jobs", "All work, the newest first; select one for its log")
        self._log = named(QPlainTextEdit(), "jobs.log", "Log", "What the selected job said, and why it failed")
        self._log.setReadOnly(True)
        self._cancel = named(QPushButton("Cancel"), "jobs.cancel", "Cancel", "Stop the selected job (Esc)")
        self._clear = named(
            QPushButton("Clear finished"), "jobs.clear", "Clear finished", "Take ended jobs off the list"
        )
        icons.put(self._cancel, "stop")
        icons.put(self._clear, "trash")
        self._title_of_log = QLabel()
        set_role(self._title_of_log, "heading")
        # Elapsed and remaining move while nothing else does.
        self._clock = QTimer(self, interval=500)
        self._lay_out()

        self._table.row_selected.connect(self._on_row)
        self._cancel.clicked.connect(self.stop_main_action)
        self._clear.clicked.connect(self._on_clear)
        self._clock.timeout.connect(self._show)
        runner.job_added.connect(self._on_added)
        runner.job_changed.connect(self._on_changed)
        runner.busy_changed.connect(self._show)

        for job in runner.jobs:
            job.logged.connect(self._on_logged)
        self._show()

    def _lay_out(self) -> None:
        self.header.addStretch(1)
        self.header.addWidget(self._cancel)
        self.header.addWidget(self._clear)
        lower = QWidget()
        column = QVBoxLayout(lower)
        column.setContentsMargins(0, 0, 0, 0)
        line = QHBoxLayout()
        line.addWidget(self._title_of_log, 1)
        column.addLayout(line)
        column.addWidget(self._log, 1)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self._table)
        splitter.addWidget(lower)
        splitter.setSizes([420, 260])
        self.body.addWidget(splitter, 1)

    def stop_main_action(self) -> None:
        """Stop the selected job."""
        if self._selected is not None and self._selected.active:
            self._selected.cancel()

    # What the person did.

    def _on_row(self, number: int) -> None:
        self._selected = self._rows[number] if number < len(self._rows) else None
        self._chosen = self._selected is not None
        self._show_selected()

    def _on_clear(self) -> None:
        self._runner.clear_finished()
        self._show()

    # What the state is.

    def _on_added(self, job: Job) -> None:
        job.logged.connect(self._on_logged)
        self._show()

    def _on_changed(self, job: Job) -> None:
        # A pane nobody sees keeps its hands off the cores that work; it catches up when it is shown.
        if not self.isVisible():
            return
        self._show()
        if job is self._selected:
            self._show_selected()

    def _on_logged(self) -> None:
        if self.sender() is self._selected:
            self._show_selected()

    def _show(self) -> None:
        count = len(self._rows)
        self._rows = list(reversed(self._runner.jobs))
        if self._selected not in self._rows:
            self._chosen = False
        before = self._selected
        if not self._chosen:
            # Until the person chooses one, the work that runs is looked at, or else the newest.
            self._selected = next((job for job in self._rows if job.active), self._rows[0] if self._rows else None)
        if self._selected is not before:
            self._show_selected()
        self._table.set_rows(_COLUMNS, len(self._rows), self._row)
        widest = max((len(_how_far(job)) for job in self._rows), default=0)
        if len(self._rows) != count or widest > self._widest:
            self._table.fit_columns()
            self._widest = widest
        self._table.select_row(self._rows.index(self._selected) if self._selected else None)
        self._cancel.setEnabled(self._selected is not None and self._selected.active)
        self._clear.setEnabled(any(not job.active for job in self._rows))
        if not self._rows:
            self.show_empty("Nothing has been started yet. Loading, generating, training and fetching appear here.")
        else:
            self.show_body()
        busy = bool(self._runner.active) and self.isVisible()
        if busy != self._clock.isActive():
            self._clock.start() if busy else self._clock.stop()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what changed while nobody looked."""
        super().showEvent(event)
        self._show()
        self._show_selected()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop counting seconds that nobody sees."""
        super().hideEvent(event)
        self._clock.stop()

    def _row(self, number: int) -> tuple[str, ...]:
        job = self._rows[number]
        return (
            job.title,
            job.pane.capitalize(),
            job.state.value,
            _how_far(job),
            format_seconds(job.elapsed) if job.started_at is not None else "",
            format_seconds(job.remaining) if job.remaining is not None else "",
        )

    def _show_selected(self) -> None:
        job = self._selected
        self._cancel.setEnabled(job is not None and job.active)
        self._cancel.setToolTip(
            f"Stop the selected job (Esc); it stops {job.stops}" if job else "Stop the selected job"
        )
        self._title_of_log.setText(f"Log of “{job.title}”" if job else "")
        parts = list(job.lines) if job else []
        if job is not None and job.error is not None:
            parts += ["", str(job.error)]
            parts += ["", job.details] if job.details else []
        if job is not None and not parts:
            parts = [_SILENT.get(job.state, "It said nothing.")]
        text = "\n".join(parts).strip()
        if text != self._log.toPlainText():
            self._log.setPlainText(text)
        self._log.setFont(theme.mono_font(self))


def _how_far(job: Job) -> str:
    progress = job.progress
    if progress is None:
        return ""
    amount = format_progress(progress.done, progress.total, progress.unit)
    return " · ".join(part for part in (amount, progress.note if job.active else "") if part)


if __name__ == "__main__":
    import sys
    import threading

    from PySide6.QtWidgets import QApplication

    from workbench.engine.task import Progress, Task
    from workbench.runtime.jobs import Lane

    def _count(*, task: Task) -> None:
        never = threading.Event()
        for step in range(600):
            never.wait(0.1)
            task.check()
            task.report(Progress(step, 600, "steps", "counting"))
            task.log(f"step {step}")

    application = QApplication(sys.argv)
    theme.apply(application, theme.system_is_dark())
    preview = Runner()
    pane = JobsPane(Session(), preview)
    pane.resize(1200, 800)
    pane.show()
    preview.start(Job("Count to 600", _count, pane="jobs"), Lane.IO)
    application.exec()
    preview.shut_down()

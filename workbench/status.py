"""The status bar: memory, running work with Cancel, and the offline switch."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QStatusBar, QToolButton, QWidget

from workbench.engine import hub, machine
from workbench.runtime.jobs import Job, Runner
from workbench.runtime.session import Session
from workbench.widgets import icons, theme
from workbench.widgets.elided_label import ElidedLabel
from workbench.widgets.job_bar import JobBar
from workbench.widgets.naming import named
from workbench.widgets.quantities import format_bytes, format_progress, format_seconds

_MEMORY_TIP = "Device and memory in use, and what the loaded models take of it"


class StatusBar(QStatusBar):
    """What the machine is doing, in one line.

    Signals:
        jobs_requested(): The running work was clicked.
    """

    jobs_requested = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._clock = QTimer(self, interval=2000)
        self.setSizeGripEnabled(False)

        self._memory = named(ElidedLabel(), "window.memory", "Memory", _MEMORY_TIP)
        self._jobs = named(JobBar(), "window.jobs_bar", "Running work", "What runs now; click for the Jobs pane")
        self._offline = named(QToolButton(), "window.offline", "Online", "Keep the program off the network")
        self._offline.setCheckable(True)
        self._offline.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.addWidget(self._memory)
        self.addWidget(self._jobs, 1)
        self.addPermanentWidget(self._offline)

        self._clock.timeout.connect(self._show_memory)
        self._clock.timeout.connect(self._show_offline)
        self._jobs.clicked.connect(self.jobs_requested)
        self._jobs.cancel_requested.connect(self._on_cancel_requested)
        self._offline.toggled.connect(session.set_offline)
        session.model_changed.connect(self._show_memory)
        session.models_changed.connect(self._show_memory)
        session.offline_changed.connect(self._show_offline)
        runner.job_added.connect(self._on_job_added)
        runner.busy_changed.connect(self._show_jobs)
        self._show_offline()

    def follow_zoom(self) -> None:
        """Take margins from the font."""
        edge = theme.px(self, 8)
        self.setContentsMargins(edge, 0, edge, 0)
        self._jobs.setContentsMargins(2 * edge, 0, 0, 0)

    def _on_job_added(self, job: Job) -> None:
        self._show_jobs()
        job.progressed.connect(self._show_jobs)

    def _on_cancel_requested(self, place: int) -> None:
        active = self._runner.active
        if place < len(active):
            active[place].cancel()

    def _show_jobs(self) -> None:
        self._jobs.set_jobs([(job.title, _how_far(job), job.stops) for job in self._runner.active])

    def _show_memory(self) -> None:
        memory, model, loaded = machine.memory(), self._session.model, self._session.models
        device = model.device if model else "cpu"
        text = f"{device} · RAM {format_bytes(memory.total - memory.available)} of {format_bytes(memory.total)} in use"
        whole = format_bytes(sum(each.bytes for each in loaded))
        words = f"model {whole}" if len(loaded) == 1 else f"{len(loaded)} models {whole}"
        self._memory.setText(f"{text}, {words}" if loaded else text)
        each = "\n".join(f"{one.checkpoint.name}: {format_bytes(one.bytes)}, {one.device}" for one in loaded)
        self._memory.setToolTip(f"{_MEMORY_TIP}\n{each}".strip())

    def _show_offline(self) -> None:
        offline, refused = self._session.offline, hub.refused()
        text = "Online"
        if offline:
            text = f"Offline, {refused} refused" if refused else "Offline"
        if text == self._offline.text():
            return
        self._offline.setChecked(offline)
        self._offline.setText(text)
        self._offline.setAccessibleName(text)
        self._offline.setToolTip(
            f"The network is switched off and {refused:,} connections were refused; what is on this machine still works"
            if offline
            else "Press to keep the program off the network"
        )
        icons.put(self._offline, "offline" if offline else "online", size=16)

    def showEvent(self, event: QShowEvent) -> None:
        """Watch the memory while it can be seen."""
        super().showEvent(event)
        self._show_memory()
        self._clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Watch no longer."""
        super().hideEvent(event)
        self._clock.stop()


def _how_far(job: Job) -> str:
    progress, left = job.progress, job.remaining
    said = format_progress(progress.done, progress.total, progress.unit) if progress else ""
    said = said or job.state.value
    if progress is not None and progress.halted:
        return f"{said}, {progress.note.lower()}"
    return said if left is None else f"{said}, {format_seconds(left)} left"

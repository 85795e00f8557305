"""The tab "Downloads": each of the queue with bytes, speed and time left, and the files of the selected one."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from workbench.engine.hub import Transfer
from workbench.panes.hub.downloads import DONE, FAILED, PAUSED, RUNNING, Downloads, Entry
from workbench.widgets import icons
from workbench.widgets.data_table import DataTable
from workbench.widgets.naming import named
from workbench.widgets.quantities import Size, format_bytes, format_progress, format_seconds
from workbench.widgets.theme import set_role
from workbench.widgets.wrapping_row import WrappingRow

_COLUMNS = ("Name", "State", "Came", "Speed", "Time left")
_FILE_COLUMNS = ("File", "State", "Came", "Size", "Speed", "Time left")


class QueueView(QWidget):
    """The queue as a table with what can be done to a row.

    Args:
        downloads: Whose entries are shown.
    """

    def __init__(self, downloads: Downloads, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._downloads = downloads
        self._rows: list[Entry] = []
        self._chosen: Entry | None = None
        self._bar = named(QProgressBar(), "hub.queue_progress", "All downloads", "How far all of them have come")
        self._bar.setTextVisible(False)
        self._total = named(QLabel(), "hub.queue_total", "All downloads", "Bytes, speed and time left of all of them")
        self._total.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._table = named(DataTable(), "hub.queue", "Downloads", "Select one for its files; what is paused is kept")
        self._table.set_empty_text("Nothing is being fetched. Search the Hub, select a checkpoint and press Download.")
        self._files = named(DataTable(), "hub.queue_files", "Files of the download", "Each file that is fetched")
        self._files.set_empty_text("Select a download to see its files.")
        self._why = set_role(QLabel(), "error")
        self._why.setWordWrap(True)
        self._toggle = named(QPushButton("Pause"), "hub.queue_pause", "Pause", "Stop within a second; all is kept")
        self._cancel = named(
            QPushButton("Cancel"),
            "hub.queue_cancel",
            "Cancel",
            "Take it out of the queue; what has come stays until you delete it",
        )
        self._all = named(QPushButton("Pause all"), "hub.queue_all", "Pause all", "Stop all of them; all is kept")
        self._clear = named(
            QPushButton("Clear done"), "hub.queue_clear", "Clear done", "Take what is done off the list"
        )
        icons.put(self._cancel, "close")
        icons.put(self._clear, "trash")
        # Speed falls and time passes also while nothing comes.
        self._clock = QTimer(self, interval=500)
        self._lay_out()
        self._table.row_selected.connect(self._on_row)
        self._toggle.clicked.connect(self._on_toggle)
        self._cancel.clicked.connect(self._on_cancel)
        self._all.clicked.connect(self._on_all)
        self._clear.clicked.connect(downloads.clear)
        self._clock.timeout.connect(self._show_numbers)
        downloads.changed.connect(self._show)
        downloads.progressed.connect(self._on_progress)
        self._show()

    def _lay_out(self) -> None:
        actions = WrappingRow((self._toggle, self._cancel), (self._all, self._clear))
        both = QSplitter(Qt.Orientation.Vertical)
        both.setChildrenCollapsible(False)
        both.addWidget(self._table)
        both.addWidget(self._files)
        column = QVBoxLayout(self)
        column.addWidget(self._total)
        column.addWidget(self._bar)
        column.addWidget(both, 1)
        column.addWidget(self._why)
        column.addWidget(actions)

    @property
    def title(self) -> str:
        """What the tab is called: how many are not done."""
        count = sum(each.state != DONE for each in self._downloads.entries)
        return f"Downloads ({count})" if count else "Downloads"

    # What the person did.

    def _on_row(self, number: int) -> None:
        self._chosen = self._rows[number] if number < len(self._rows) else None
        self._show_chosen()

    def _on_toggle(self) -> None:
        if self._chosen is not None:
            (self._downloads.pause if self._chosen.active else self._downloads.go_on)(self._chosen)

    def _on_cancel(self) -> None:
        if self._chosen is not None:
            self._downloads.cancel(self._chosen)

    def _on_all(self) -> None:
        running = any(each.active for each in self._rows)
        for each in list(self._rows):
            (self._downloads.pause if running else self._downloads.go_on)(each)

    # What the state is.

    def _on_progress(self, entry: Entry) -> None:
        if self.isVisible():
            self._show_numbers()

    def _show(self) -> None:
        before = [id(each) for each in self._rows]
        self._rows = list(self._downloads.entries)
        if self._chosen not in self._rows:
            self._chosen = self._rows[0] if self._rows else None
        self._show_numbers()
        if before != [id(each) for each in self._rows]:
            self._table.fit_columns()
        self._table.select_row(self._rows.index(self._chosen) if self._chosen is not None else None)
        running = any(each.active for each in self._rows)
        self._name(self._all, "Pause all" if running else "Continue all", "pause" if running else "play")
        self._all.setEnabled(any(each.state != DONE for each in self._rows))
        self._clear.setEnabled(any(each.state == DONE for each in self._rows))
        self._show_chosen()
        if running != self._clock.isActive():
            self._clock.start() if running else self._clock.stop()

    def _show_numbers(self) -> None:
        self._table.set_rows(_COLUMNS, len(self._rows), self._row)
        # What is paused takes no time, so while anything runs only that is counted.
        running = any(each.active for each in self._rows)
        counted = [each for each in self._rows if (each.active if running else each.state != DONE)]
        known = [each.progress for each in counted if each.progress is not None]
        done, total = sum(each.done for each in known), sum(each.total or 0 for each in known)
        speeds = [
            each.progress.speed or 0 for each in self._rows if each.state == RUNNING and each.progress is not None
        ]
        speed = sum(speeds)
        words = [f"{sum(each.state == RUNNING for each in self._rows)} at work"]
        words += [format_progress(done, total, "bytes")] if total else []
        words += [f"{format_bytes(speed)}/s", f"{format_seconds((total - done) / speed)} left"] if speed else []
        self._total.setText(" · ".join(words) if self._rows else "Nothing is being fetched")
        self._bar.setRange(0, 1000)
        self._bar.setValue(int(1000 * done / total) if total else 0)
        self._show_files()

    def _show_chosen(self) -> None:
        entry = self._chosen
        stands = entry is not None and not entry.active
        self._name(self._toggle, *(("Continue", "play") if stands else ("Pause", "pause")))
        for button in (self._toggle, self._cancel):
            button.setEnabled(entry is not None and entry.state != DONE)
        error = entry.error if entry is not None and entry.state == FAILED else None
        self._why.setText(f"{error.why} {error.remedy}" if error is not None else "")
        self._why.setVisible(error is not None)
        self._show_files()

    def _show_files(self) -> None:
        progress = self._chosen.progress if self._chosen is not None else None
        files = progress.files if progress is not None else ()
        still = self._chosen is None or self._chosen.state != RUNNING
        rows = [
            (
                file.name,
                PAUSED if still and file.state in ("fetching", "checking") else file.state,
                _share(file.done, file.size),
                Size(file.size),
                "" if still or file.speed is None else f"{format_bytes(file.speed)}/s",
                "" if still or file.remaining is None else format_seconds(file.remaining),
            )
            for file in files
        ]
        fresh = len(rows) != self._files.model().rowCount()
        self._files.set_rows(_FILE_COLUMNS, rows)
        if fresh:
            self._files.fit_columns()

    def _row(self, number: int) -> tuple[object, ...]:
        entry = self._rows[number]
        progress = entry.progress
        name = entry.order.repo_id + (f" @ {entry.order.revision[:12]}" if entry.order.revision != "main" else "")
        if progress is None:
            return (name, entry.state, "", "", "")
        running = entry.state == RUNNING
        done = progress.total if entry.state == DONE else progress.done
        return (
            name,
            entry.state,
            format_progress(done or 0, progress.total, "bytes"),
            f"{format_bytes(progress.speed)}/s" if running and progress.speed is not None else "",
            _left(progress) if running else "",
        )

    def _name(self, button: QPushButton, words: str, picture: str) -> None:
        button.setText(words)
        button.setAccessibleName(words)
        icons.put(button, picture)


def _left(progress: Transfer) -> str:
    if progress.remaining is None:
        return "stalled" if progress.speed == 0 else ""
    return format_seconds(progress.remaining)


def _share(done: int, size: int) -> str:
    return f"{min(100, 100 * done // size)} %" if size else "100 %"

"""Who leads the tour: runs the steps one after another, takes the pictures and writes down what was seen."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QScrollArea

from workbench.app import Workbench, make_application
from workbench.driver import Driver, DriverError
from workbench.engine import hub, machine, models
from workbench.runtime.heartbeat import Heartbeat
from workbench.runtime.jobs import Job, Lane
from workbench.runtime.settings import Settings

#: Of the window and its pictures, in pixels.
_SIZE = (1440, 900)


class Tour(Driver):
    """Drives a window through its own controls and writes down what it saw.

    Args:
        folder: Where pictures and ``report.json`` go.
        fast: Fewer tokens and training steps.
    """

    def __init__(self, folder: Path, *, fast: bool) -> None:
        self.folder = folder
        self.fast = fast
        self.report: dict[str, Any] = {"steps": {}, "failures": {}, "fast": fast}
        self._settings_dir = tempfile.TemporaryDirectory()
        store = QSettings(str(Path(self._settings_dir.name) / "tour.ini"), QSettings.Format.IniFormat)
        settings = Settings(store)
        settings.theme = "light"
        self.started = time.perf_counter()
        self.workbench = Workbench(settings)
        super().__init__(self.workbench.window)
        self.session = self.workbench.session
        self.workbench.install_hooks()
        self.workbench.unexpected.connect(self._on_unexpected)
        self.heartbeat = Heartbeat()
        self._marks: list[tuple[float, str]] = []

    # What steps are made of.

    def open_window(self) -> None:
        """Show the window and wait for the warm-up."""
        self.window.resize(*_SIZE)
        with self.waiting(self.window.painted, 60):
            self.window.show()
        self.report["first_paint_s"] = round(time.perf_counter() - self.started, 3)
        self.wait(lambda: self.workbench.is_warm, 180, "torch and transformers imported")

    @property
    def model(self) -> models.LoadedModel:
        """The model of the window.

        Raises:
            DriverError: None is loaded.
        """
        if self.session.model is None:
            raise DriverError("no model is loaded")
        return self.session.model

    def load_starter(self, key: str) -> None:
        """Load a starter from the shelf of the Hub pane."""
        before = self.session.model
        self.click(f"hub.starter_{key}")
        self.wait(lambda: self.session.model is not before and self.session.model is not None, 300, f"{key} loaded")
        self.wait_idle()

    def generate(self, tokens: int) -> None:
        """Generate in Playground, at most as many tokens."""
        self.click("playground.generate")
        self.wait(lambda: len(self.session.steps) > 0, 120, "the first token")
        self.wait_idle()
        self.require(0 < len(self.session.steps) <= tokens, f"{len(self.session.steps)} tokens of at most {tokens}")

    def run_task(self) -> Any:
        """Run what the Tasks pane holds.

        Returns:
            Its result.
        """
        pane: Any = self.window.pane("tasks")
        before = pane.result
        self.click("tasks.run")
        self.wait(lambda: pane.result is not before and pane.result is not None, 120, "a result")
        self.wait_idle()
        return pane.result

    def ask(self, title: str, work: Callable[..., Any], lane: Lane = Lane.MODEL) -> Any:
        """Have the library compute what the window is held against, off the window's thread.

        Args:
            title: What the job is called.
            work: Takes ``task``.
            lane: Where: the model lane for what needs the model, the IO lane for what reads.

        Returns:
            What it returned.

        Raises:
            DriverError: It failed.
        """
        results: list[Any] = []
        job = Job(title, work)
        job.succeeded.connect(results.append)
        self.workbench.runner.start(job, lane)
        self.wait(lambda: not job.active, 300, title)
        self.require(bool(results), f"{title} went well")
        return results[0]

    def picture(self, name: str) -> None:
        """Save the window as it is, once what is due has been painted. The time for it is not the program's.

        Raises:
            DriverError: The picture is not of the whole window, or what only scrolls down is cut off sideways.
        """
        # A change of theme takes a part of the window a turn, and holds the painting meanwhile.
        self.wait(self.window.updatesEnabled, 30, "the window dressed")
        self.window.resize(*_SIZE)
        self.turn(400)
        self.heartbeat.stop()
        taken = self.window.grab()
        taken.save(str(self.folder / f"{name}.png"))
        self.require(taken.size().toTuple() == _SIZE, f"{name}.png shows the whole window: {taken.size().toTuple()}")
        columns = [
            area
            for area in self.window.findChildren(QScrollArea)
            if area.isVisible() and area.horizontalScrollBarPolicy() == Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        ]
        cut = [area.widget().size().toTuple() for area in columns if area.widget().width() > area.viewport().width()]
        self.require(not cut, f"{name}.png shows everything that no bar could bring into sight: {cut}")
        self.heartbeat.start()

    # Running it.

    def run(self, steps: Sequence[tuple[str, Step]]) -> int:
        """Do every step; a failed one is written down and the next ones still run.

        Args:
            steps: With their names, in order.

        Returns:
            0 when every step did what it should, else 1.
        """
        self.heartbeat.start()
        for name, step in steps:
            begun = time.perf_counter()
            self._marks.append((begun, name))
            try:
                step(self)
                outcome = "ok"
            except Exception as error:
                outcome = "FAILED"
                self.report["failures"][name] = f"{type(error).__name__}: {error}"
                with contextlib.suppress(Exception):
                    self.window.grab().save(str(self.folder / f"failed-{len(self.report['failures'])}.png"))
            seconds = time.perf_counter() - begun
            self.report["steps"][name] = round(seconds, 2)
            print(
                f"{outcome:<6} {seconds:7.1f} s  {name}  {self.report['failures'].get(name, '')}".rstrip(), flush=True
            )
        self.heartbeat.stop()
        trainer: Any = self.window.pane("trainer")
        self.close()
        if trainer.result is not None:
            # The tour leaves nothing behind but its pictures and its report.
            hub.delete(trainer.result.checkpoint)
        self._finish_report()
        return 1 if self.report["failures"] else 0

    def close(self) -> None:
        """Stop what runs, and close the window."""
        for job in self.workbench.runner.active:
            job.cancel()
        try:
            self.wait_idle(120)
        except DriverError as error:
            self.report["failures"]["close"] = str(error)
        self.window.close()
        self._settings_dir.cleanup()

    def _on_unexpected(self, what: str, why: str, details: str) -> None:
        self.report["failures"].setdefault(f"{what} {why}", details)

    def _finish_report(self) -> None:
        worst = sorted(self.heartbeat.gaps, key=lambda pair: -pair[1])[:10]
        model = self.session.model
        self.report.update(
            {
                "versions": {
                    name: metadata.version(name)
                    for name in ("torch", "transformers", "datasets", "accelerate", "PySide6-Essentials", "pyqtgraph")
                },
                "python": platform.python_version(),
                "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
                "device": model.device if model else None,
                "qt_platform": make_application(sys.argv[:1]).platformName(),
                "seconds": round(time.perf_counter() - self.started, 1),
                "event_loop": {
                    "ticks": len(self.heartbeat.gaps),
                    "largest_gap_ms": round(self.heartbeat.largest(), 1),
                    "p99_gap_ms": round(self.heartbeat.percentile(0.99), 1),
                    "worst": [[self._step_at(when), round(gap, 1)] for when, gap in worst],
                },
                "memory_mb": round(machine.memory().process / 1e6),
            }
        )
        (self.folder / "report.json").write_text(
            json.dumps(self.report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        loop = self.report["event_loop"]
        print(f"event loop: largest gap {loop['largest_gap_ms']} ms, 99 % within {loop['p99_gap_ms']} ms")
        print(f"report and pictures: {self.folder}")

    def _step_at(self, when: float) -> str:
        return next((name for begun, name in reversed(self._marks) if begun <= when), "")


#: One thing the tour does; it raises when that did not do what it should.
Step: TypeAlias = Callable[[Tour], None]

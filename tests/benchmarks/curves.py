"""What watching a run costs: the frames of a long curve, the gaps of the event loop, and how soon it stops."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

_POINTS = 1_000_000


def frames(number: int) -> dict[str, float]:
    """Pan and zoom over a loss of a million steps, smoothed, with evaluations and a past run as long behind it.

    Each frame is the change of the range and the paint after it; also of the whole Run view, with the linked plots.
    """
    import sys

    import numpy

    from workbench.app import make_application

    application = make_application(sys.argv[:1])
    from workbench.panes.trainer.run_view import RunView
    from workbench.widgets.line_plot import LinePlot

    view = RunView()
    view.resize(1000, 900)
    view.show()
    _settle(1.0)
    generator = numpy.random.default_rng(0)
    steps = numpy.arange(1, _POINTS + 1)
    plots = view.findChildren(LinePlot)
    for plot in plots:
        for series in plot._series:
            xs = steps[::1000] if series == "evaluation" else steps
            plot.set_series(series, xs, 3 * numpy.exp(-xs / 2e5) + 0.4 + 0.1 * generator.standard_normal(len(xs)))
    loss = next(plot for plot in plots if plot.objectName() == "trainer.loss_plot")
    past = (steps, 3 * numpy.exp(-steps / 3e5) + 0.5 + 0.1 * generator.standard_normal(_POINTS))
    loss.set_past([("past", {"train": past})])
    _settle(2.0)
    whole = _times(number, loss, plots)
    for plot in plots:
        if plot is not loss:
            plot.hide()
    alone = _times(number, loss, [loss])
    del application
    return {
        "p95_ms": alone[int(0.95 * number)],
        "median_ms": statistics.median(alone),
        "whole_p95_ms": whole[int(0.95 * number)],
    }


def _times(number: int, moved: Any, painted: list[Any]) -> list[float]:
    box = moved._item.getViewBox()
    times = []
    for frame in range(number):
        begun = time.perf_counter()
        if frame % 3 == 0:
            box.translateBy(x=0.03 * _POINTS * math.sin(frame / 9))
        else:
            box.scaleBy(x=0.8 if frame // 20 % 2 == 0 else 1.25, center=box.viewRect().center())
        for plot in painted:
            plot._plot.viewport().repaint()
        times.append((time.perf_counter() - begun) * 1000)
    moved.show_all()
    return sorted(times)


def gaps(driver: Any, spec_in: Callable[[Path], Any]) -> dict[str, float]:
    """Gaps of the event loop from Start to the end of a run, with every step drawn."""
    driver.load("minilm")
    pane = _trainer(driver)
    tour, heartbeat = driver.tour, driver.tour.heartbeat
    tour.turn(3000)
    heartbeat.gaps.clear()
    heartbeat.start()
    pane.start_run(replace(spec_in(Path(tempfile.mkdtemp())), eval_steps=20))
    tour.wait(lambda: bool(driver.workbench.runner.active), 60, "the run started")
    tour.wait_idle(900)
    found = {
        "largest_ms": heartbeat.largest(),
        "p99_ms": heartbeat.percentile(0.99),
        "ticks": float(len(heartbeat.gaps)),
        "steps": float(pane.points[-1].step),
    }
    driver.close()
    return found


def stopping(rounds: int, driver: Any, spec_in: Callable[[Path], Any]) -> dict[str, float]:
    """Steps that are still done after Stop is pressed, the one at work among them."""
    driver.load("minilm")
    late = []
    for _ in range(rounds):
        pane = _trainer(driver)
        pane.start_run(spec_in(Path(tempfile.mkdtemp())))
        driver.tour.wait(lambda pane=pane: len(pane.points) >= 5, 300, "five steps")
        job = next(job for job in reversed(driver.workbench.runner.jobs) if job.pane == "trainer" and job.active)
        done = int(job._latest.done)
        driver.tour.click("trainer.stop")
        driver.tour.wait_idle(300)
        late.append(pane.points[-1].step - done)
    driver.close()
    return {"steps": float(max(late))}


def _trainer(driver: Any) -> Any:
    from PySide6.QtWidgets import QWidget

    driver.tour_window.show_pane("trainer")
    driver.tour.wait(lambda: driver.tour.find(QWidget, "trainer.start").isEnabled(), 60, "the sample read")
    return driver.tour_window.pane("trainer")


def _settle(seconds: float) -> None:
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def sides(driver: Callable[[], Any], spec_in: Callable[[Path], Any]) -> dict[str, Callable[..., dict[str, float]]]:
    """The verbs of `child`, by name; ``spec_in`` makes a run in a folder."""
    return {
        "curve-frames": lambda number: frames(int(number)),
        "training-gaps": lambda: gaps(driver(), spec_in),
        "training-stop": lambda rounds: stopping(int(rounds), driver(), spec_in),
    }

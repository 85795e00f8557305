"""What finding and judging a checkpoint costs, each a side of a comparison for `child`."""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.hub import _settle, _turn_until

_ROWS = 10_000


def scrolling() -> dict[str, float]:
    """Frames while 10,000 results are scrolled through as they page in; a frame is all the window does meanwhile."""
    with tempfile.TemporaryDirectory() as folder, _server() as url:
        _settle(url, folder)
        return _scroll()


def estimates() -> dict[str, float]:
    """The largest distance of the Fits estimate from the measured peak, over tiny checkpoints and the starters."""
    from tests import families, tiny
    from tests.engine.test_fits import _FAMILIES, measured, reckoned
    from workbench.engine import starters

    worst, count = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        like = tiny.build_tiny_llama(Path(folder, "tiny-llama"))
        found = [(families.build(name, Path(folder, name), like), "AutoModelForCausalLM") for name in _FAMILIES]
        for key, head in (("smollm2", "AutoModelForCausalLM"), ("minilm", "AutoModel")):
            starter = starters.installed(key)
            found += [(starter, head)] if starter is not None else []
        for checkpoint, head in found:
            for context in (64, 128, 200):
                peak = measured(checkpoint, head, context)
                worst = max(worst, abs(reckoned(checkpoint, context).total - peak) / peak)
            count += 1
    return {"worst_percent": 100 * worst, "checkpoints": count}


def _scroll() -> dict[str, float]:
    from PySide6.QtCore import QEventLoop, QTimer
    from PySide6.QtWidgets import QLabel, QPushButton, QTableView

    from workbench.app import make_application
    from workbench.panes.hub import HubPane
    from workbench.runtime.jobs import Runner
    from workbench.runtime.session import Session

    application = make_application(["bench"])
    runner = Runner()
    pane = HubPane(Session(), runner)
    pane.resize(1440, 900)
    pane.show()
    table: Any = pane.findChild(QTableView, "hub.results")
    pane.findChild(QPushButton, "hub.run_search").click()
    status = pane.findChild(QLabel, "hub.search_status")
    _turn_until(lambda: "…" not in status.text())
    bar = table.verticalScrollBar()
    times: list[float] = []
    begun_all = time.monotonic()
    while table.model().rowCount() < _ROWS and time.monotonic() - begun_all < 300:
        loop = QEventLoop()
        begun = time.perf_counter()
        bar.setValue(bar.value() + table.viewport().height() // 2)
        table.viewport().repaint()
        # Whatever else waits for the window, such as the next page that has come.
        QTimer.singleShot(0, loop.quit)
        loop.exec()
        times.append((time.perf_counter() - begun) * 1000)
        QTimer.singleShot(4, loop.quit)
        loop.exec()
    rows = table.model().rowCount()
    pane.close()
    runner.shut_down()
    application.quit()
    times.sort()
    return {"p95_ms": times[int(0.95 * len(times))], "median_ms": statistics.median(times), "worst_ms": times[-1],
            "frames": len(times), "rows": rows}  # fmt: skip


def sides() -> dict[str, Callable[..., dict[str, float]]]:
    """What `child` can be asked for."""
    return {"hub-scrolling": scrolling, "hub-estimates": estimates}


@contextlib.contextmanager
def _server() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("done")
        process.join()


def _serve(pipe: Any) -> None:
    from tests.hub_server import HubServer

    with HubServer() as server:
        for number in range(_ROWS):
            server.add(
                f"someone/a-model-with-a-name-{number:05}", {}, downloads=10**7 - number, likes=number,
                pipeline_tag="text-generation", lastModified="2026-11-01T10:00:00.000Z", library_name="transformers",
                tags=["license:apache-2.0", "transformers", "safetensors", "en"], config={"model_type": "llama"},
                safetensors={"parameters": {"BF16": 1_000_000 + number}, "total": 1_000_000 + number},
            )  # fmt: skip
        pipe.send(server.url)
        pipe.recv()

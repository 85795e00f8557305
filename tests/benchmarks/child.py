"""One side of a comparison, in a process of its own; ends with a line of JSON."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks import curves, data, hub, hub_search, inspector, presets, writing

_PROMPT = "The history of the printing press begins"
_TOKENS = 64
_VOCABULARY = 151_936
#: Every knob that acts on the scores of a decoder, at a value where it has something to do.
_ALL_ON: dict[str, Any] = {
    "do_sample": True, "temperature": 0.9, "top_h": 0.9, "top_k": 200, "top_p": 0.95, "min_p": 0.01, "typical_p": 0.98,
    "epsilon_cutoff": 1e-4, "eta_cutoff": 1e-4, "repetition_penalty": 1.1, "no_repeat_ngram_size": 3,
    "min_new_tokens": 8, "bad_words_ids": ((7,), (8, 9)), "sequence_bias": (((11,), 2.0),), "suppress_tokens": (3, 4),
    "begin_suppress_tokens": (5,), "exponential_decay_length_penalty": (1, 1.1), "remove_invalid_values": True,
    "renormalize_logits": True,
}  # fmt: skip


def _since_start() -> float:
    return time.time() - float(os.environ["STARTED"])


def bare_window() -> dict[str, float]:
    """A window with a plot in it and nothing else, until its first paint."""
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication, QMainWindow

    app = QApplication(sys.argv[:1])
    import pyqtgraph

    window = QMainWindow()
    window.setCentralWidget(pyqtgraph.PlotWidget())
    window.resize(1440, 900)
    seconds: list[float] = []
    window.show()
    QTimer.singleShot(0, lambda: (seconds.append(_since_start()), app.quit()))
    app.exec()
    return {"seconds": seconds[0]}


def window() -> dict[str, float]:
    """The workbench, until its first paint."""
    from workbench.app import make_application

    app = make_application(sys.argv[:1])
    workbench = _workbench()
    seconds: list[float] = []
    # Before the warm-up's own slot: what is measured ends with the first paint.
    workbench.window.painted.disconnect()
    workbench.window.painted.connect(lambda: (seconds.append(_since_start()), app.quit()))
    workbench.window.show()
    app.exec()
    workbench.runner.shut_down()
    return {"seconds": seconds[0]}


def generation(rounds: int) -> dict[str, float]:
    """Greedy generation in the Playground against plain ``generate()``, in turn, with equal text."""
    driver = _Driver()
    model = driver.load("smollm2")
    driver.greedy(8)
    ours, plain = [], []
    for _ in range(rounds):
        ids = driver.greedy(_TOKENS)
        # The job's own clock: from the worker's start to its end, without the waits of the driver.
        job = next(job for job in reversed(driver.workbench.runner.jobs) if job.pane == "playground")
        ours.append(len(ids) / job.elapsed)
        result: list[tuple[list[int], float]] = []
        driver.call(lambda *, task: _plain(model), result.append)
        expected, seconds = result[0]
        if ids != expected:
            raise SystemExit(f"the text differs: {ids} against {expected}")
        plain.append(len(expected) / seconds)
    ratio = statistics.median(a / b for a, b in zip(ours, plain, strict=True))
    driver.close()
    return {"ours": statistics.median(ours), "plain": statistics.median(plain), "ratio": ratio}


def slider(moves: int, *, uncut: bool = False) -> dict[str, float]:
    """Moves of sliders, all processors on, until the whole trace is repainted: its columns and its funnel.

    Args:
        moves: How many.
        uncut: Whether top_k and top_h are off, and the repetition penalty is moved.
    """
    import numpy
    from PySide6.QtWidgets import QTableView, QWidget

    from workbench.engine.values import Logits, Sampling, Step

    driver = _Driver()
    driver.load("smollm2")
    pane = driver.tour_window.pane("probabilities")
    driver.tour_window.arrange((("playground",), ("probabilities",)))
    driver.greedy(2)
    generator = numpy.random.default_rng(0)
    values = (generator.standard_normal(_VOCABULARY) * 3).astype(numpy.float32)
    logits = Logits((values.view(numpy.uint32) >> 16).astype(numpy.uint16), "bfloat16")
    session = driver.workbench.session
    session.add_step(Step(len(session.steps), 5, "x", logits, Sampling(), 0.1, 0.1, 1))
    session.set_selection(len(session.encoding.tokens) + len(session.steps) - 1)
    driver.tour.turn(200)
    table = pane.findChild(QTableView, "probabilities.table")
    funnel = pane.findChild(QWidget, "probabilities.funnel")
    knobs = [("playground.temperature", 0.2, 1.8), ("playground.top_k", 1, 200), ("playground.top_p", 0.1, 0.99)]
    if uncut:
        # With nothing cut before them, ties at the top-p limit lie among all of the entries.
        knobs[1] = ("playground.repetition_penalty", 1.0, 1.8)
    times = []
    driver.tour.check("playground.do_sample", True)
    session.set_sampling(replace(session.sampling, **(_ALL_ON | ({"top_k": 0, "top_h": 1.0} if uncut else {}))))
    for shown in (False, True):
        driver.tour.check("probabilities.trace", shown)
    for number in range(moves):
        name, low, high = knobs[number % 3]
        value = low + (high - low) * ((number * 37) % 100) / 100
        driver.tour.turn(5)
        begun = time.perf_counter()
        driver.tour.knob(name, value)
        table.viewport().repaint()
        funnel.repaint()
        times.append((time.perf_counter() - begun) * 1000)
    acts = len(table.acts)
    driver.close()
    if acts < len(_ALL_ON) - (5 if uncut else 3):
        raise SystemExit(f"only {acts} processors were on")
    times.sort()
    return {"p95_ms": times[int(0.95 * len(times))], "median_ms": statistics.median(times), "acts": acts}


def train_window() -> dict[str, float]:
    """Fine-tune MiniLM in the Trainer pane with its plots in view."""
    from PySide6.QtWidgets import QWidget

    driver = _Driver()
    driver.load("minilm")
    driver.tour_window.show_pane("trainer")
    tour = driver.tour
    tour.wait(lambda: tour.find(QWidget, "trainer.start").isEnabled(), 60, "the sample read")
    pane: Any = driver.tour_window.pane("trainer")
    spec = _train_spec(Path(tempfile.mkdtemp()))
    pane.start_run(spec)
    tour.wait(lambda: bool(driver.workbench.runner.active), 60, "the run started")
    tour.wait_idle(900)
    driver.close()
    return {"steps_per_second": _steps_per_second(spec.output_dir)}


def train_plain() -> dict[str, float]:
    """The script that Show code gives for the same run."""
    from workbench.engine import codegen

    with tempfile.TemporaryDirectory() as folder:
        spec = _train_spec(Path(folder))
        exec(compile(codegen.train(spec), "train.py", "exec"), {"__name__": "__main__"})
        return {"steps_per_second": _steps_per_second(spec.output_dir)}


def memory_window() -> dict[str, float]:
    """Resident memory of the workbench after loading SmolLM2 and generating."""
    driver = _Driver()
    driver.load("smollm2")
    driver.greedy(_TOKENS)
    megabytes = _resident()
    driver.close()
    return {"mb": megabytes}


def memory_plain() -> dict[str, float]:
    """Resident memory of the script that Show code gives for the same."""
    from workbench.engine import codegen, starters
    from workbench.engine.values import Sampling

    checkpoint = starters.installed("smollm2")
    sampling = Sampling(do_sample=False, max_new_tokens=_TOKENS)
    script = codegen.generate(checkpoint, _PROMPT, None, sampling, "bfloat16", "cpu")
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(script, "generate.py", "exec"), names)
    return {"mb": _resident()}


def _workbench() -> Any:
    from PySide6.QtCore import QSettings

    from workbench.app import Workbench
    from workbench.runtime.settings import Settings

    folder = tempfile.mkdtemp()
    return Workbench(Settings(QSettings(f"{folder}/bench.ini", QSettings.Format.IniFormat)))


class _Driver:
    """A window driven by the tour's hands."""

    def __init__(self) -> None:
        from workbench.app import make_application
        from workbench.tour import Tour

        sys.setswitchinterval(0.001)
        self.app = make_application(sys.argv[:1])
        self.app.setQuitOnLastWindowClosed(False)
        self.tour = Tour(Path(tempfile.mkdtemp()), fast=True)
        self.workbench = self.tour.workbench
        self.tour_window = self.tour.window
        self.tour.open_window()

    def load(self, key: str) -> Any:
        self.tour_window.show_pane("hub")
        self.tour.load_starter(key)
        return self.workbench.session.model

    def greedy(self, tokens: int) -> list[int]:
        from PySide6.QtWidgets import QWidget

        tour = self.tour
        if "playground" not in self.tour_window.visible_panes():
            self.tour_window.show_pane("playground")
        tour.find(QWidget, "playground.prompt").setPlainText(_PROMPT)
        tour.check("playground.do_sample", False)
        tour.knob("playground.max_new_tokens", tokens)
        tour.generate(tokens)
        return [step.token_id for step in self.workbench.session.steps]

    def call(self, function: Callable[..., Any], then: Callable[[Any], Any]) -> None:
        from workbench.runtime.jobs import Job, Lane

        job = Job("Measuring", function)
        job.succeeded.connect(then)
        self.workbench.runner.start(job, Lane.MODEL)
        self.tour.wait(lambda: not job.active, 600, "the plain side")

    def close(self) -> None:
        self.tour.close()


def _plain(model: Any) -> tuple[list[int], float]:
    inputs = model.tokenizer(_PROMPT, return_tensors="pt").to(model.device)
    begun = time.perf_counter()
    output = model.model.generate(**inputs, do_sample=False, max_new_tokens=_TOKENS)
    seconds = time.perf_counter() - begun
    return output[0, inputs["input_ids"].shape[1] :].tolist(), seconds


def _train_spec(folder: Path) -> Any:
    from workbench.engine import paths, starters
    from workbench.engine.values import DataSource, TrainSpec

    checkpoint = starters.installed("minilm")
    spec = TrainSpec(
        task="text-classification",
        checkpoint=checkpoint,
        data=DataSource(paths.asset("samples/movie_reviews.csv")),
        columns={"text": "text", "label": "label"},
        output_dir=folder / "run",
    )
    return replace(
        spec, rows=1200, max_steps=60, max_length=48, learning_rate=2e-4, freeze_layers=2, bf16=True, eval_steps=1000
    )


def _steps_per_second(folder: Path) -> float:
    state = next(folder.rglob("trainer_state.json"))
    history = json.loads(state.read_text(encoding="utf-8"))["log_history"]
    last = next(entry for entry in reversed(history) if "train_steps_per_second" in entry)
    return float(last["train_steps_per_second"])


def _resident() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    sides: dict[str, Callable[..., dict[str, float]]] = {
        "bare-window": bare_window,
        "window": window,
        "generation": lambda: generation(int(rest[0])),
        "slider": lambda: slider(int(rest[0])),
        "slider-uncut": lambda: slider(int(rest[0]), uncut=True),
        "train-window": train_window,
        "train-plain": train_plain,
        "memory-window": memory_window,
        "memory-plain": memory_plain,
        "large-file": data.large_file,
    }
    of_writing = writing.sides(_Driver) | curves.sides(_Driver, _train_spec) | inspector.sides(_Driver)
    of_writing |= hub.sides() | hub_search.sides() | presets.sides()
    print(json.dumps(of_writing[verb](*rest) if verb in of_writing else sides[verb]()))

"""``make bench``: what the window costs, measured side by side with the same work without it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean

from tests.benchmarks.figures import Figure, median_ratio

_CHILD = [sys.executable, "-m", "tests.benchmarks.child"]


def _child(*arguments: str) -> dict[str, float]:
    """Run one side of a comparison in a process of its own and read the JSON line it ends with."""
    environment = {**os.environ, "STARTED": repr(time.time()), "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if not environment.get("DISPLAY"):
        environment["QT_QPA_PLATFORM"] = "offscreen"
    done = subprocess.run(
        [*_CHILD, *arguments], env=environment, capture_output=True, text=True, timeout=1800, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def first_window(rounds: int) -> Iterator[Figure]:
    """First painted window over a bare PySide6 + pyqtgraph window."""
    _child("window"), _child("bare-window")
    pairs = [(_child("window")["seconds"], _child("bare-window")["seconds"]) for _ in range(rounds)]
    ours, theirs = zip(*pairs, strict=True)
    detail = (
        f"{sorted(ours)[rounds // 2] * 1000:.0f} ms over {sorted(theirs)[rounds // 2] * 1000:.0f} ms, {rounds} pairs"
    )
    yield Figure("first painted window over a bare one", median_ratio(ours, theirs), "x", 1.5, True, detail)


def tour_gaps(fast: bool) -> Iterator[Figure]:
    """Event-loop gaps over the whole tour."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "workbench", "--tour", folder, *(["--fast"] if fast else [])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the tour failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        loop = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))["event_loop"]
    detail = f"{loop['ticks']} ticks; worst in: {loop['worst'][0][0]}"
    yield Figure("largest event-loop gap over the tour", loop["largest_gap_ms"], "ms", 100, True, detail)
    yield Figure("99th-percentile event-loop gap over the tour", loop["p99_gap_ms"], "ms", 33, True)


def generation(rounds: int) -> Iterator[Figure]:
    """Tokens per second with recording and display over plain ``generate()``, with equal text."""
    result = _child("generation", str(rounds))
    detail = f"{result['ours']:.1f} over {result['plain']:.1f} tokens/s, {rounds} pairs, equal text"
    yield Figure("tokens/s in the window over plain generate()", result["ratio"], "x", 0.97, False, detail)


def slider(moves: int) -> Iterator[Figure]:
    """Slider to repainted trace at 151,936 entries, all processors on."""
    result = _child("slider", str(moves))
    detail = f"median {result['median_ms']:.1f} ms, {moves} moves, {result['acts']:.0f} processors on"
    yield Figure("slider to repainted trace (p95)", result["p95_ms"], "ms", 16, True, detail)
    result = _child("slider-uncut", str(moves))
    detail = f"median {result['median_ms']:.1f} ms, {moves} moves, {result['acts']:.0f} processors on"
    yield Figure("the same without top_k and top_h (p95)", result["p95_ms"], "ms", 16, True, detail)


def writing(rounds: int, fast: bool) -> Iterator[Figure]:
    """Recording at a large vocabulary, faster paths, branching, the first token, Stop, and scrolling."""
    result = _child("large-vocabulary", str(rounds))
    detail = f"{result['ours']:.1f} over {result['plain']:.1f} tokens/s, {rounds} pairs, equal text"
    yield Figure("tokens/s recorded over plain, 151,936 entries", result["ratio"], "x", 0.97, False, detail)
    result = _child("thread-settings", str(rounds))
    detail = (
        f"{result['own']:.1f} tokens/s, {result['one']:.1f} on one thread; best other {result['best']:.0f}; equal text"
    )
    yield Figure("tokens/s at torch's own threads over others", result["ratio"], "x", 0.97, False, detail)
    if not fast:
        result = _child("compiled", str(rounds))
        detail = (
            f"{result['built']:.1f} over {result['plain']:.1f} tokens/s in float32, equal text; first run "
            f"{result['first_s']:.0f} s"
        )
        yield Figure("tokens/s of a compiled model over the plain one", result["gain"], "x", 1.0, False, detail)
    result = _child("branching", str(rounds))
    detail = f"{result['reused_ms']:.0f} over {result['anew_ms']:.0f} ms, {result['tokens']:.0f} tokens in, equal text"
    yield Figure("first token of a branch, anew over reused", result["gain"], "x", 2.0, False, detail)
    result = _child("first-token", str(2 * rounds))
    detail = f"{result['ours_ms']:.0f} over {result['plain_ms']:.0f} ms from the click, {2 * rounds} pairs"
    yield Figure("first token after Generate over plain generate()", result["extra_ms"], "ms", 20, True, detail)
    result = _child("stopping", str(rounds))
    yield Figure("tokens that come after Stop", result["tokens"], "tokens", 1, True, f"worst of {rounds}")
    result = _child("scrolling")
    detail = f"median {result['median_ms']:.1f} ms, 300 frames"
    yield Figure("frame while scrolling 20,000 tokens (p95)", result["p95_ms"], "ms", 16, True, detail)


def training(rounds: int) -> Iterator[Figure]:
    """Training steps per second over the same Trainer without a window."""
    pairs = []
    for number in range(rounds):
        order = ("train-window", "train-plain") if number % 2 == 0 else ("train-plain", "train-window")
        speeds = {name: _child(name)["steps_per_second"] for name in order}
        pairs.append((speeds["train-window"], speeds["train-plain"]))
    ours, theirs = zip(*pairs, strict=True)
    middle = rounds // 2
    detail = f"{sorted(ours)[middle]:.2f} over {sorted(theirs)[middle]:.2f} steps/s, {rounds} pairs"
    yield Figure("training steps/s over Trainer alone", median_ratio(ours, theirs), "x", 0.97, False, detail)


def curves(frames: int, rounds: int) -> Iterator[Figure]:
    """Frames of a long curve, gaps of the event loop while a run is drawn, and Stop."""
    result = _child("curve-frames", str(frames))
    detail = f"median {result['median_ms']:.1f} ms, {frames} frames; {result['whole_p95_ms']:.1f} ms with linked plots"
    yield Figure("frame of a loss of 1,000,000 points (p95)", result["p95_ms"], "ms", 16, True, detail)
    result = _child("training-gaps")
    detail = f"{result['ticks']:.0f} ticks, {result['steps']:.0f} steps, every one drawn"
    yield Figure("largest event-loop gap while training", result["largest_ms"], "ms", 100, True, detail)
    yield Figure("99th-percentile gap while training", result["p99_ms"], "ms", 33, True)
    result = _child("training-stop", str(rounds))
    yield Figure("steps from Stop to stopped", result["steps"], "steps", 1, True, f"worst of {rounds}")


def presets(splits: int) -> Iterator[Figure]:
    """Held-out accuracy of the presets of the Trainer over random splits, and of a script without the workbench."""
    for preset, bar in (("quick", 80), ("good", 85)) if splits else ():
        runs = [_child("preset", preset, str(split)) for split in range(splits)]
        script = _child("preset-plain", preset, "0")
        if any(script[name] != runs[0][name] for name in ("percent", "loss")):
            raise SystemExit(f"the script of {preset} gets {script['percent']} %, the workbench {runs[0]['percent']}")
        percents = sorted(run["percent"] for run in runs)
        took = ", ".join(
            f"{sorted(run[name] for run in runs)[splits // 2]:.0f} {words}"
            for name, words in (("seconds", "s of training"), ("cpu", "CPU s in all"))
        )
        detail = f"{percents[0]:.1f} to {percents[-1]:.1f} % over {splits} splits, {took}; equal script"
        yield Figure(f"held-out accuracy of the preset {preset}", mean(percents), "%", bar, False, detail)


def large_file() -> Iterator[Figure]:
    """Previewing and profiling a generated JSONL of 1 GB."""
    result = _child("large-file")
    detail = f"{result['rows']:,.0f} rows; read in {result['read_s']:.0f} s, profiled in {result['profile_s']:.0f} s"
    yield Figure("first rows of a JSONL of 1 GB", result["first_s"], "s", 1, True, detail)
    yield Figure("memory over start for preview and profile of 1 GB", result["mb"], "MB", 300, True)


def memory() -> Iterator[Figure]:
    """Resident memory over the same script without a window."""
    ours, plain = _child("memory-window")["mb"], _child("memory-plain")["mb"]
    detail = f"{ours:.0f} MB over {plain:.0f} MB, SmolLM2 loaded and 64 tokens generated"
    yield Figure("resident memory over the same script", ours - plain, "MB", 250, True, detail)


def hub(rounds: int) -> Iterator[Figure]:
    """Fetching and listing checkpoints."""
    result = _child("hub-throughput", str(rounds))
    detail = f"{result['ours'] / 1e6:.0f} over {result['theirs'] / 1e6:.0f} MB/s, {rounds} pairs, hashes compared"
    yield Figure("download over snapshot_download alone", result["ratio"], "x", 0.95, False, detail)
    result = _child("hub-opening", str(2 * rounds))
    detail = f"first of the process {result['first_ms']:.0f} ms, 300 cached revisions"
    yield Figure("Hub pane to its first rows", result["median_ms"], "ms", 100, True, detail)
    result = _child("hub-gaps")
    detail = f"{result['ticks']:.0f} ticks in {result['seconds']:.1f} s, the largest {result['largest_ms']:.0f} ms"
    yield Figure("99th-percentile gap while four downloads run", result["p99_ms"], "ms", 33, True, detail)
    result = _child("hub-scrolling")
    detail = f"median {result['median_ms']:.1f} ms, worst {result['worst_ms']:.0f} ms, {result['frames']:.0f} frames"
    yield Figure("frame while scrolling 10,000 results (p95)", result["p95_ms"], "ms", 16, True, detail)
    result = _child("hub-estimates")
    detail = f"worst of {result['checkpoints']:.0f} checkpoints at 64, 128 and 200 tokens, by torch's profiler"
    yield Figure("Fits estimate off the measured peak", result["worst_percent"], "%", 10, True, detail)


def inspector(rounds: int, keys: int) -> Iterator[Figure]:
    """A megabyte in the Tokenizer pane, keys in a text of 10,000 tokens, and a batch in Tasks."""
    result = _child("large-text", str(rounds))
    detail = f"{result['tokens']:,.0f} tokens in {result['total_s']:.2f} s, {rounds} rounds"
    yield Figure("first tokens of 1 MB seen", result["first_ms"], "ms", 100, True, detail)
    detail = f"median of {rounds} rounds, the worst {result['worst_gap_ms']:.0f} ms"
    yield Figure("largest event-loop gap with 1 MB", result["gap_ms"], "ms", 33, True, detail)
    yield Figure("all tokens of 1 MB over the tokenizer alone", result["ratio"], "x", 0.9, False, f"{rounds} pairs")
    result = _child("keystroke", str(keys))
    detail = f"median {result['median_ms']:.1f} ms, {keys} keys"
    yield Figure("key to repainted chips, 10,000 tokens (p95)", result["p95_ms"], "ms", 33, True, detail)
    result = _child("task-batch", str(rounds))
    detail = f"{result['ours']:,.0f} over {result['plain']:,.0f} rows/s, {rounds} pairs, equal scores"
    yield Figure("rows/s of a batch over pipeline()", result["ratio"], "x", 0.95, False, detail)


def main() -> int:
    """Measure, print a line a figure, write ``bench.json``.

    Returns:
        0 when every bar is met, else 1.
    """
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", help="measure figures of this name only: " + ", ".join(_MEASURES))
    parser.add_argument("--fast", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    rounds = 3 if options.fast else 5
    measures: dict[str, Callable[[], Iterator[Figure]]] = {
        "first-window": lambda: first_window(rounds + 2),
        "generation": lambda: generation(rounds),
        "slider": lambda: slider(100 if options.fast else 400),
        "writing": lambda: writing(rounds, options.fast),
        "training": lambda: training(rounds),
        "curves": lambda: curves(300 if options.fast else 600, rounds),
        "presets": lambda: presets(0 if options.fast else 8),
        "large-file": large_file,
        "hub": lambda: hub(rounds),
        "inspector": lambda: inspector(rounds, 120 if options.fast else 360),
        "memory": memory,
        "tour": lambda: tour_gaps(options.fast),
    }
    figures: list[Figure] = []
    for name, measure in measures.items():
        if options.only in (None, name):
            for figure in measure():
                figures.append(figure)
                print(figure.line(), flush=True)
    document = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "figures": [figure.as_json() for figure in figures],
    }
    options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(figure.ok for figure in figures) else 1


_MEASURES = (
    "first-window",
    "generation",
    "slider",
    "writing",
    "training",
    "curves",
    "presets",
    "large-file",
    "hub",
    "inspector",
    "memory",
    "tour",
)

if __name__ == "__main__":
    sys.exit(main())

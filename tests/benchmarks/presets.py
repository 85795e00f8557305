"""What the presets of the Trainer reach on the film reviews, each side of a comparison for `child`."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def ours(preset: str, seed: int) -> dict[str, float]:
    """A run by a preset, as the Trainer pane makes it; the seed draws the tenth that is held out, too."""
    from workbench.engine.train import fine_tune

    with tempfile.TemporaryDirectory() as folder:
        cpu = time.process_time()
        result = fine_tune(_spec(preset, seed, Path(folder)))
        cpu = time.process_time() - cpu
    last = next(point for point in reversed(result.points) if point.eval_loss is not None)
    seconds = next(point.seconds for point in reversed(result.points) if point.loss is not None)
    return {"percent": 100 * last.metrics["accuracy"], "loss": last.eval_loss or 0.0, "seconds": seconds, "cpu": cpu}


def plain(preset: str, seed: int) -> dict[str, float]:
    """The script that Show code gives for it, which uses transformers alone."""
    from workbench.engine import codegen

    with tempfile.TemporaryDirectory() as folder:
        spec = _spec(preset, seed, Path(folder))
        exec(compile(codegen.train(spec), "train.py", "exec"), {"__name__": "__main__"})
        told = json.loads((spec.output_dir / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    last = next(entry for entry in reversed(told) if "eval_loss" in entry)
    return {"percent": 100 * last["eval_accuracy"], "loss": last["eval_loss"]}


def _spec(preset: str, seed: int, folder: Path) -> Any:
    from workbench.engine import models, paths, starters
    from workbench.engine.train import recommended
    from workbench.engine.values import DataSource, TrainSpec

    checkpoint = starters.installed("minilm")
    return TrainSpec(
        task="text-classification",
        checkpoint=checkpoint,
        data=DataSource(paths.asset("samples/movie_reviews.csv")),
        columns={"text": "text", "label": "label"},
        output_dir=folder / "run",
        seed=seed,
        **recommended(models.describe(checkpoint), "text-classification", preset),
    )


def sides() -> dict[str, Callable[..., dict[str, float]]]:
    """The sides of these comparisons, by name."""
    return {
        "preset": lambda preset, seed: ours(preset, int(seed)),
        "preset-plain": lambda preset, seed: plain(preset, int(seed)),
    }

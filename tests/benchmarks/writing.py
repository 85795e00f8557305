"""What recording, branching and showing cost where text is written; each a side of a comparison for `child`."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

_PROMPT = "The history of the printing press begins"
_PROMPTS = (
    _PROMPT,
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):",
    "The capital of France is Paris, and the capital of Italy is",
    "Question: Why is the sky blue? Answer:",
)
_LARGE = 151_936


def large_vocabulary(rounds: int) -> dict[str, float]:
    """Tokens per second of the engine's loop over plain ``generate()`` at a vocabulary of 151,936, in turn."""
    model = _large_model()
    from workbench.engine import generate
    from workbench.engine.values import Sampling

    knobs = Sampling(do_sample=False, max_new_tokens=32)
    ours, plain = [], []
    for number in range(rounds + 1):
        begun = time.perf_counter()
        result = generate.run(model, _PROMPT, (), knobs)
        mine = len(result.steps) / (time.perf_counter() - begun)
        inputs = model.tokenizer(_PROMPT, return_tensors="pt")
        begun = time.perf_counter()
        output = model.model.generate(**inputs, do_sample=False, max_new_tokens=32)
        theirs = (output.shape[1] - inputs["input_ids"].shape[1]) / (time.perf_counter() - begun)
        if output[0, inputs["input_ids"].shape[1] :].tolist() != list(result.ids):
            raise SystemExit("the text differs")
        if number:
            ours.append(mine)
            plain.append(theirs)
    ratio = statistics.median(one / other for one, other in zip(ours, plain, strict=True))
    return {"ours": statistics.median(ours), "plain": statistics.median(plain), "ratio": ratio}


def thread_settings(rounds: int) -> dict[str, float]:
    """Tokens per second at torch's own number of threads over the best of other numbers, with equal text, in turn."""
    from workbench.engine import generate, models, starters
    from workbench.engine.values import Sampling, Strategy

    model = models.load(starters.installed("smollm2"))
    knobs = Sampling(do_sample=False, max_new_tokens=100, min_new_tokens=100)
    cores = os.cpu_count() or 1
    others = sorted({1, max(1, cores // 2), cores} if cores > 2 else {1, cores})
    speeds: dict[int, list[float]] = {count: [] for count in (0, *others)}
    generate.run(model, _PROMPT, (), replace(knobs, max_new_tokens=8))
    for prompt in _PROMPTS[: max(5, rounds)]:
        texts = set()
        for count, found in speeds.items():
            begun = time.perf_counter()
            result = generate.run(model, prompt, (), knobs, strategy=Strategy(threads=count))
            found.append(len(result.ids) / (time.perf_counter() - begun))
            texts.add(result.ids)
        if len(texts) > 1:
            raise SystemExit("the text differs")
    own = speeds.pop(0)
    ratios = {
        count: statistics.median(one / other for one, other in zip(own, found, strict=True))
        for count, found in speeds.items()
    }
    best = min(ratios, key=lambda count: ratios[count])
    return {
        "ratio": ratios[best],
        "best": float(best),
        "own": statistics.median(own),
        "one": statistics.median(speeds[1]),
    }


def compiled(rounds: int) -> dict[str, float]:
    """Tokens per second of a compiled model over the plain one, in float32, with equal text, in turn."""
    from workbench.engine import generate, models, starters
    from workbench.engine.generate import strategies
    from workbench.engine.values import Sampling, Strategy

    model = models.load(starters.installed("smollm2"), dtype="float32")
    if why := strategies.supports(model)["compiled"]:
        raise SystemExit(why)
    knobs = Sampling(do_sample=False, max_new_tokens=100, min_new_tokens=100)
    ways = (Strategy(compiled=True), Strategy())
    begun = time.perf_counter()
    generate.run(model, _PROMPT, (), replace(knobs, max_new_tokens=8), strategy=ways[0])
    first = time.perf_counter() - begun
    speeds: tuple[list[float], list[float]] = ([], [])
    for prompt in _PROMPTS[: max(5, rounds)]:
        texts = set()
        for way, found in zip(ways, speeds, strict=True):
            begun = time.perf_counter()
            result = generate.run(model, prompt, (), knobs, strategy=way)
            found.append(len(result.ids) / (time.perf_counter() - begun))
            texts.add(result.ids)
        if len(texts) > 1:
            raise SystemExit("the text differs")
    gain = statistics.median(one / other for one, other in zip(*speeds, strict=True))
    return {
        "gain": gain,
        "built": statistics.median(speeds[0]),
        "plain": statistics.median(speeds[1]),
        "first_s": first,
    }


def branching(rounds: int) -> dict[str, float]:
    """Time to the first token of a branch 512 tokens in, with what attention computed before and without."""
    from workbench.engine import generate, models, starters
    from workbench.engine.values import Sampling

    # In half precision a reused cache can lead to another token than a recomputed one, so it is not reused there.
    model = models.load(starters.installed("smollm2"), dtype="float32")
    knobs = Sampling(do_sample=False, max_new_tokens=16)
    long = " ".join([_PROMPT] * 72)
    reused, anew = [], []
    for number in range(rounds + 1):
        kept = generate.KeptCache()
        grown = generate.run(model, long, (), knobs, kept=kept)
        start, steps = grown.start, grown.steps[:-4]
        one = replace(knobs, max_new_tokens=1)
        texts = []
        for cache, times in ((kept, reused), (None, anew)):
            begun = time.perf_counter()
            texts.append(generate.branch(model, start, steps, 500, one, kept=cache).ids)
            if number:
                times.append(time.perf_counter() - begun)
        if texts[0] != texts[1]:
            raise SystemExit("the text differs")
    gain = statistics.median(slow / fast for fast, slow in zip(reused, anew, strict=True))
    return {
        "reused_ms": statistics.median(reused) * 1000,
        "anew_ms": statistics.median(anew) * 1000,
        "gain": gain,
        "tokens": float(len(start.context_ids) + len(steps)),
    }


def first_token(rounds: int, driver: Any) -> dict[str, float]:
    """From the click on Generate to the first token in the window, over plain ``generate()`` of one token."""
    model = driver.load("smollm2")
    session, tour = driver.workbench.session, driver.tour
    driver.greedy(4)
    ours, plain = [], []
    for _ in range(rounds):
        came: list[float] = []

        def note(step: object, came: list[float] = came) -> None:
            came.append(time.perf_counter())

        session.step_added.connect(note)
        begun = time.perf_counter()
        tour.click("playground.generate")
        tour.wait(lambda came=came: bool(came), 60, "the first token")
        ours.append(came[0] - begun)
        tour.wait_idle(60)
        session.step_added.disconnect(note)
        result: list[float] = []
        driver.call(lambda *, task: _one(model), result.append)
        plain.append(result[0])
        tour.turn(50)
    driver.close()
    return {
        "ours_ms": statistics.median(ours) * 1000,
        "plain_ms": statistics.median(plain) * 1000,
        "extra_ms": statistics.median(ours) * 1000 - statistics.median(plain) * 1000,
    }


def stopping(rounds: int, driver: Any) -> dict[str, float]:
    """Tokens that still come after Stop is pressed."""
    driver.load("smollm2")
    session, tour = driver.workbench.session, driver.tour
    driver.greedy(4)
    tour.knob("playground.max_new_tokens", 200)
    late = []
    for _ in range(rounds):
        tour.click("playground.generate")
        tour.wait(lambda: len(session.steps) >= 6, 120, "six tokens")
        job = next(job for job in reversed(driver.workbench.runner.jobs) if job.pane == "playground" and job.active)
        sent = int(job._latest.done) if job._latest is not None else 0
        tour.click("playground.stop")
        tour.wait_idle(60)
        late.append(len(session.steps) - sent)
    driver.close()
    return {"tokens": float(max(late))}


def scrolling(driver: Any) -> dict[str, float]:
    """Frames while a record of 20,000 tokens is scrolled through."""
    from PySide6.QtWidgets import QAbstractScrollArea

    from workbench.engine.values import Sampling, Start, Step

    model = driver.load("smollm2")
    session, tour = driver.workbench.session, driver.tour
    driver.tour_window.arrange((("playground",), ("probabilities",)))
    from workbench.engine import generate

    words = [" the", " quick", " brown", " fox", " jumps", ",", " and", " tokens", ".\n", " come"]
    steps = [
        Step(number, 10, words[number % 10], None, Sampling(), 0.01, 0.5 ** (number % 11), 1 + number % 50, 3.0, 0.5)
        for number in range(20_000)
    ]
    encoding = generate.prepare(model, _PROMPT)
    key = session.begin(Start(encoding))
    session.end(key, "length", steps=steps)
    tour.turn(1500)
    area = driver.tour_window.pane("playground").findChild(QAbstractScrollArea, "playground.output")
    bar = area.verticalScrollBar()
    times = []
    for number in range(300):
        value = bar.maximum() * ((number * 37) % 300) // 300 if number % 3 == 0 else bar.value() + area.height() // 2
        begun = time.perf_counter()
        bar.setValue(value)
        area.viewport().repaint()
        times.append((time.perf_counter() - begun) * 1000)
        tour.turn(1)
    driver.close()
    times.sort()
    return {"p95_ms": times[int(0.95 * len(times))], "median_ms": statistics.median(times)}


def _one(model: Any) -> float:
    inputs = model.tokenizer(_PROMPT, return_tensors="pt").to(model.device)
    begun = time.perf_counter()
    model.model.generate(**inputs, do_sample=False, max_new_tokens=1)
    return time.perf_counter() - begun


def _large_model() -> Any:
    """A model as large as small Qwens are in width, with a few layers, random weights and SmolLM2's tokenizer."""
    import torch
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    from workbench.engine import models, starters
    from workbench.engine.values import Checkpoint

    folder = Path(tempfile.mkdtemp())
    source = starters.installed("smollm2").path
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, folder / name)
    config = Qwen3Config(
        vocab_size=_LARGE,
        hidden_size=896,
        intermediate_size=2432,
        num_hidden_layers=8,
        num_attention_heads=14,
        num_key_value_heads=2,
        head_dim=64,
        tie_word_embeddings=True,
        max_position_embeddings=4096,
    )
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config).to(torch.bfloat16)
    model.generation_config = GenerationConfig(eos_token_id=_LARGE - 1, pad_token_id=0)
    model.save_pretrained(folder)
    del model
    made = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert made["vocab_size"] == _LARGE
    return models.load(Checkpoint("large vocabulary", folder))


def sides(driver: Callable[[], Any]) -> dict[str, Callable[..., dict[str, float]]]:
    """The verbs of `child`, by name."""
    return {
        "large-vocabulary": lambda rounds: large_vocabulary(int(rounds)),
        "thread-settings": lambda rounds: thread_settings(int(rounds)),
        "compiled": lambda rounds: compiled(int(rounds)),
        "branching": lambda rounds: branching(int(rounds)),
        "first-token": lambda rounds: first_token(int(rounds), driver()),
        "stopping": lambda rounds: stopping(int(rounds), driver()),
        "scrolling": lambda: scrolling(driver()),
    }

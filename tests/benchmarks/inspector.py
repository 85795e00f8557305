"""What the Tokenizer pane and a batch in Tasks cost beside the library; each a side of a comparison for `child`."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BYTES = 1_000_000
_TOKENS = 10_000
_ROWS = 10_000
_WORDS = "the film was good bad café naïve plot story actors wonderful terrible slow fast dark light “quoted” 日本"


def large_text(rounds: int, driver: Any) -> dict[str, float]:
    """A megabyte pasted: until tokens are seen, until all are there, and the gaps of the event loop meanwhile."""
    from PySide6.QtCore import QMimeData, QTimer

    text, chips, table, pane = _tokenizer_pane(driver)
    # Half of it on one line, as minified code and logs are.
    long = f"{_text(_BYTES // 2)} {_text(_BYTES // 2).replace(chr(10), ' ')}"
    tokenizer = driver.workbench.session.model.tokenizer
    count = len(tokenizer(long, verbose=False)["input_ids"])
    firsts, totals, gaps, ratios = [], [], [], []
    for _ in range(rounds + 1):
        text.set_text("")
        driver.tour.wait(lambda: not pane.busy and not chips.chips, 60, "an empty text")
        driver.tour.turn(300)
        begun = time.perf_counter()
        tokenizer(long, verbose=False)
        plain = time.perf_counter() - begun
        ticks: list[float] = []
        timer = QTimer(interval=1)
        timer.timeout.connect(lambda ticks=ticks: ticks.append(time.perf_counter()))
        timer.start()
        driver.tour.turn(100)
        painted = _Painted(chips)
        there: list[float] = []

        def note(there: list[float] = there) -> None:
            if table.model().rowCount() == count:
                there.append(time.perf_counter())

        table.model().modelReset.connect(note)
        pasted = QMimeData()
        pasted.setText(long)
        begun = time.perf_counter()
        text.insertFromMimeData(pasted)
        driver.tour.wait(lambda there=there: bool(there), 120, "all tokens")
        totals.append(there[0] - begun)
        driver.tour.wait(lambda: not pane.busy, 120, "the text decoded back")
        driver.tour.turn(100)
        timer.stop()
        table.model().modelReset.disconnect(note)
        firsts.append(painted.times[0] - begun)
        ratios.append(plain / totals[-1])
        gaps.append(max(after - before for before, after in itertools.pairwise(ticks)))
    driver.close()
    return {
        "first_ms": statistics.median(firsts[1:]) * 1000,
        "gap_ms": statistics.median(gaps[1:]) * 1000,
        "worst_gap_ms": max(gaps[1:]) * 1000,
        "total_s": statistics.median(totals[1:]),
        "ratio": statistics.median(ratios[1:]),
        "tokens": count,
    }


def keystroke(number: int, driver: Any) -> dict[str, float]:
    """Keys typed into a text of 10,000 tokens, one after another, each until its chips are repainted."""
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QTextCursor
    from PySide6.QtTest import QTest

    text, chips, table, pane = _tokenizer_pane(driver)
    tokenizer = driver.workbench.session.model.tokenizer
    long = _text(8 * _TOKENS)
    ids = tokenizer(long, verbose=False)["input_ids"][:_TOKENS]
    text.set_text(tokenizer.decode(ids))
    driver.tour.wait(lambda: not pane.busy and table.model().rowCount() >= _TOKENS - 10, 60, "10,000 tokens")
    text.setFocus()
    cursor = text.textCursor()
    times = []
    for stroke in range(number):
        if stroke % 40 == 0:
            # Here and there: at the beginning, in the middle and at the end.
            cursor.setPosition((stroke // 40 % 3) * (text.document().characterCount() - 1) // 2)
            cursor.movePosition(QTextCursor.MoveOperation.EndOfWord)
            text.setTextCursor(cursor)
            driver.tour.turn(400)
        painted = _Painted(chips, shown=lambda: pane.encoding.text if pane.encoding else "")
        begun = time.perf_counter()
        QTest.keyClick(text, Qt.Key.Key_Space if stroke % 6 == 5 else Qt.Key(Qt.Key.Key_A + stroke % 26))
        wanted = text.text()
        driver.tour.wait(lambda painted=painted, wanted=wanted: wanted in painted.texts, 60, "the chips of a key")
        times.append((painted.times[painted.texts.index(wanted)] - begun) * 1000)
        driver.tour.turn(60)
    driver.tour.wait(lambda: not pane.busy, 60, "the whole text encoded")
    if list(pane.encoding.input_ids) != tokenizer(text.text(), verbose=False)["input_ids"]:
        raise SystemExit("the ids differ")
    driver.close()
    times.sort()
    return {"p95_ms": times[int(0.95 * len(times))], "median_ms": statistics.median(times)}


def batch(rounds: int) -> dict[str, float]:
    """Rows a second of a batch in Tasks over ``pipeline()`` with the same batch_size, in turn, with equal scores."""
    import tempfile

    from transformers import pipeline

    from tests import tiny
    from workbench.engine import models
    from workbench.engine.tasks import batch as many
    from workbench.engine.values import TaskInput, TaskOptions

    checkpoint = tiny.build_tiny_bert(Path(tempfile.mkdtemp()) / "bert", "AutoModelForSequenceClassification")
    model = models.load(checkpoint, device="cpu")
    texts = _texts(_ROWS)
    made = pipeline("text-classification", model=model.model, tokenizer=model.tokenizer, device="cpu")
    ours, plain = [], []
    size = 32
    rows = [TaskInput(text) for text in texts]
    for number in range(rounds + 1):
        begun = time.perf_counter()
        mine = many.run(model, "text-classification", rows, TaskOptions(top_k=1), batch_size=size)
        seconds = time.perf_counter() - begun
        begun = time.perf_counter()
        theirs = made(texts, batch_size=size, truncation=True)
        expected = time.perf_counter() - begun
        for row, entry in zip(mine, theirs, strict=True):
            line = row.lines[0]
            if line["label"] != entry["label"] or abs(line["score"] - entry["score"]) > 1e-4:
                raise SystemExit(f"row {row.number} differs: {line} against {entry}")
        if number:
            ours.append(_ROWS / seconds)
            plain.append(_ROWS / expected)
    ratio = statistics.median(one / other for one, other in zip(ours, plain, strict=True))
    return {"ours": statistics.median(ours), "plain": statistics.median(plain), "ratio": ratio}


class _Painted:
    """When a strip of chips was painted, and which text it showed."""

    def __init__(self, chips: Any, shown: Callable[[], str] = str) -> None:
        from PySide6.QtCore import QEvent, QObject

        painted = self
        self.times: list[float] = []
        self.texts: list[str] = []

        class Filter(QObject):
            def eventFilter(self, watched: QObject, event: QEvent) -> bool:
                if event.type() == QEvent.Type.Paint and chips.chips:
                    painted.times.append(time.perf_counter())
                    painted.texts.append(shown())
                return False

        self._filter = Filter()
        chips.viewport().installEventFilter(self._filter)


def _tokenizer_pane(driver: Any) -> tuple[Any, Any, Any, Any]:
    from PySide6.QtWidgets import QWidget

    driver.load("smollm2")
    driver.tour_window.arrange((("tokenizer",),))
    pane = driver.tour_window.pane("tokenizer")
    driver.tour.turn(500)
    driver.tour.wait(lambda: not pane.busy, 60, "the tokenizer")
    text, chips, table = (pane.findChild(QWidget, f"tokenizer.{name}") for name in ("text", "chips", "table"))
    return text, chips, table, pane


def _text(size: int) -> str:
    draw = random.Random(0)
    parts, written = [], 0
    while written < size:
        line = " ".join(draw.choices(_WORDS.split(), k=draw.randint(5, 40)))
        parts.append(line)
        written += len(line.encode()) + 1
    return "\n".join(parts)


def _texts(count: int) -> list[str]:
    draw = random.Random(0)
    return [" ".join(draw.choices(_WORDS.split(), k=draw.randint(3, 25))) for _ in range(count)]


def sides(driver: Callable[[], Any]) -> dict[str, Callable[..., dict[str, float]]]:
    """The verbs of `child`, by name."""
    return {
        "large-text": lambda rounds: large_text(int(rounds), driver()),
        "keystroke": lambda number: keystroke(int(number), driver()),
        "task-batch": lambda rounds: batch(int(rounds)),
    }

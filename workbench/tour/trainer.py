"""MiniLM learns to tell good reviews from bad ones: the rows, the batches, the run, and what came of it."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QLabel, QSlider, QTableView, QWidget

from workbench.engine import paths, starters, tokens
from workbench.engine.task import Task
from workbench.runtime.jobs import Lane
from workbench.tour.guide import Step, Tour
from workbench.tour.tasks import NEGATIVE, POSITIVE
from workbench.widgets.bar_chart import LabelBars
from workbench.widgets.data_table import DataTable
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.probability_table import format_percent
from workbench.widgets.small_curve import SmallCurve
from workbench.widgets.token_strip import TokenStrip

_REVIEWS = "samples/movie_reviews.csv"
#: Tokens a row is cut at, and rows that are looked at of the batches.
_LENGTH, _LOOKS = 48, 5


def see_data(tour: Tour) -> None:
    """Look through the reviews; labels and lengths are those that csv and the tokenizer count."""
    tour.window.show_pane("trainer")
    tour.wait(lambda: tour.find(QAbstractButton, "trainer.start").isEnabled(), 60, "the sample read")
    tour.choose("trainer.checkpoint", "MiniLM")
    tour.click("trainer.preset_quick")
    tour.choose_tab("trainer.views", "Data")
    said = tour.find(QLabel, "trainer.data_summary")
    tour.wait(lambda: "can be used" in said.text(), 60, "the rows looked through")
    rows, lengths = tour.ask("Count the reviews to check against them", _count, Lane.IO)
    tour.require(said.text().startswith(f"{len(rows):,} rows"), f"{len(rows)} rows: {said.text()}")
    bars = {label: words for label, _, words in tour.find(LabelBars, "trainer.label_counts").bars}
    counted = {
        label: f"{count:,} · {format_percent(count / len(rows), 1)}"
        for label, count in Counter(row["label"] for row in rows).items()
    }
    tour.require(bars == counted, f"labels as csv counts them: {bars} against {counted}")
    told = tour.find(QLabel, "trainer.lengths_text").text()
    found = re.search(r"half have ([\d,]+) tokens or more, the longest ([\d,]+)", told)
    median, longest = (int(number.replace(",", "")) for number in found.groups()) if found else (0, 0)
    # Of many rows only some are drawn, so both are close to those of all rows and need not equal them.
    near = abs(median - lengths[len(lengths) // 2]) <= 1 and longest in lengths[-50:]
    tour.require(near, f"lengths as the tokenizer counts them: {told} against {lengths[-1]:,} at most")
    tour.choose_tab("trainer.findings", "Lengths")
    tour.picture("trainer-data")


def settle(tour: Tour) -> None:
    """Set the run up; the schedule is drawn before it begins."""
    rows, steps = (1600, 48) if tour.fast else (3000, -1)
    tour.choose_tab("trainer.steps", "3")
    tour.choose_tab("trainer.views", "Probes")
    tour.set_number("trainer.rows", rows)
    tour.set_number("trainer.max_steps", steps)
    tour.set_number("trainer.max_length", _LENGTH)
    tour.find(QWidget, "trainer.probes").setPlainText(f"{POSITIVE}\n{NEGATIVE}")
    tour.set_number("trainer.probe_steps", 12)
    tour.unfold("trainer.group_schedule")
    curve = tour.find(SmallCurve, "trainer.schedule")
    expected = _steps(rows, steps)
    tour.wait(lambda: len(curve.values) == expected, 60, f"the learning rate of {expected} steps")
    tour.bring("trainer.schedule")
    tour.picture("trainer-schedule")
    tour.click("trainer.group_schedule")
    tour.choose_tab("trainer.steps", "1")


def see_batches(tour: Tour) -> None:
    """Look at the first batches, whose rows are the tokenizer's, and make three steps on trial."""
    tour.choose_tab("trainer.views", "Batches")
    tour.click("trainer.look")
    table = tour.find(DataTable, "trainer.batch_rows")
    tour.wait(lambda: table.model().rowCount() > 0, 120, "the first batches")
    known = tour.ask("Encode the reviews to check against them", _encode, Lane.IO)
    strip = tour.find(TokenStrip, "trainer.row_tokens")
    labels = tour.column(table, "label")
    for number in range(_LOOKS):
        table.setCurrentIndex(table.model().index(number, 0))
        ids = tuple(int(found.group(1)) for chip in strip.chips if (found := re.fullmatch(r"id (\d+)", chip.tip)))
        tour.require(labels[number] in known.get(ids, ()), f"row {number + 1} as the tokenizer encodes it: {ids}")
    tour.click("trainer.dry_run")
    told = tour.find(QLabel, "trainer.dry_run_result")
    tour.wait(lambda: told.text(), 120, "three steps on trial")
    tour.wait_idle()
    tour.report["dry_run"] = told.text()
    tour.require("a step" in told.text(), f"it tells the time of a step: {told.text()}")
    tour.picture("trainer-batches")


def fine_tune(tour: Tour) -> None:
    """Fine-tune on the reviews until the loss has fallen."""
    foreseen = tour.find(SmallCurve, "trainer.schedule").values
    tour.click("trainer.start")
    tour.wait(lambda: len(_points(tour)) >= 12, 300, "twelve points of the loss curve")
    tour.picture("trainer-running")
    tour.wait_idle(1800)
    points = _points(tour)
    losses = [point.loss for point in points if point.loss is not None]
    rates = [point.learning_rate for point in points if point.learning_rate is not None]
    evals = [point for point in points if point.eval_loss is not None]
    tour.require(len(losses) >= 12 and bool(evals), "losses and an evaluation")
    third = max(1, len(losses) // 3)
    first, last = sum(losses[:third]) / third, sum(losses[-third:]) / third
    tour.report["train_losses"] = [round(loss, 4) for loss in losses]
    tour.report["eval_loss"] = round(evals[-1].eval_loss or 0.0, 4)
    tour.report["accuracy"] = round(evals[-1].metrics.get("accuracy", 0.0), 4)
    tour.require(last < first, f"the loss fell: {first:.3f} to {last:.3f}")
    tour.require(tour.report["accuracy"] > (0.5 if tour.fast else 0.7), f"accuracy {tour.report['accuracy']}")
    apart = max(abs(used - drawn) for used, drawn in zip(rates, foreseen, strict=True))
    tour.require(apart < 1e-12, f"the learning rate went as it was drawn before: {apart} apart")
    tour.picture("trainer")


def evaluate(tour: Tour) -> None:
    """Evaluate the result row by row; the rows add up to what the Trainer of the library measured."""
    tour.choose_tab("trainer.views", "Evaluation")
    tour.click("trainer.evaluate_result")
    table = tour.find(QTableView, "trainer.after_rows")
    tour.wait(lambda: table.model().rowCount() > 0, 120, "every held-out row")
    tour.wait_idle()
    rights, guesses = tour.column(table, "right"), tour.column(table, "guessed")
    share = sum(map(str.__eq__, rights, guesses)) / len(rights)
    loss = sum(map(float, tour.column(table, "loss"))) / len(rights)
    measured = next(point for point in reversed(_points(tour)) if point.eval_loss is not None)
    accuracy = measured.metrics["accuracy"]
    # The run may compute in bfloat16 and the evaluation computes in float32, so a row or two may tip over.
    near = abs(share - accuracy) * len(rights) < 2.5
    tour.require(near, f"the accuracy of the rows is that of the run: {share}, {accuracy}")
    told = {row[0]: row[1] for row in tour.cells(tour.find(QTableView, "trainer.after_metrics"))}
    tour.require(told["Accuracy"] == format_percent(share, 1), f"it is told as the rows have it: {told}")
    tour.require(abs(loss - measured.eval_loss) < 0.01, f"and so is their loss: {loss}, {measured.eval_loss}")
    pairs = Counter(zip(rights, guesses, strict=True))
    matrix = tour.find(QTableView, "trainer.confusion")
    names = [str(matrix.model().headerData(i, Qt.Orientation.Vertical)) for i in range(matrix.model().rowCount())]
    shown = {
        (right, guess): int(cell)
        for right, row in zip(names, tour.cells(matrix), strict=True)
        for guess, cell in zip(names, row, strict=True)
    }
    tour.require(shown == {pair: pairs[pair] for pair in shown}, f"confused as in the rows: {shown} against {pairs}")
    tour.picture("trainer-evaluation")


def see_probes(tour: Tour) -> None:
    """Go back over what the model made of two sentences while it learned."""
    tour.choose_tab("trainer.views", "Probes")
    steps = max(point.step for point in _points(tour))
    asked = sorted({*range(0, steps + 1, 12), steps})
    plot = tour.find(LinePlot, "trainer.probe_plot")
    drawn = [x for x, _ in plot.points("positive")]
    tour.require(drawn == asked, f"asked after these steps: {drawn} against {asked}")
    slider = tour.find(QSlider, "trainer.probe_step")
    slider.setValue(0)
    said = tour.find(QLabel, "trainer.probe_where").text()
    tour.require(said == "Before the first step", f"the first round: {said}")
    slider.setValue(slider.maximum())
    tour.picture("trainer-probes")


def see_runs(tour: Tour) -> None:
    """Find the run in the list; its losses are those that the Trainer of the library wrote down."""
    pane: Any = tour.window.pane("trainer")
    folder = pane.result.checkpoint.path
    tour.choose_tab("trainer.views", "Runs")
    table = tour.find(QTableView, "trainer.runs")
    tour.wait(lambda: tour.column(table, "run")[:1] == [folder.name], 30, f"{folder.name} first in the list")
    tour.wait_idle()
    row = dict(zip(tour.headers(table), tour.cells(table, 1)[0], strict=True))
    steps = max(point.step for point in _points(tour))
    tour.require((row["state"], row["steps"]) == ("finished", f"{steps} of {steps}"), f"it has ended: {row}")
    history = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    written = {entry["step"]: entry["loss"] for entry in history if "loss" in entry}
    apart = [
        point.step
        for point in _points(tour)
        if point.loss is not None and abs(point.loss - written.get(point.step, 1e9)) > 1e-3
    ]
    tour.require(not apart, f"the losses are those of trainer_state.json, but for the steps {apart}")
    tour.picture("trainer-runs")
    tour.choose_tab("trainer.views", "Run")


def use_result(tour: Tour) -> None:
    """Load what was made and classify with it; it answers as the last probes did."""
    last = [y for _, y in tour.find(LinePlot, "trainer.probe_plot").points("positive")][-1]
    before = tour.session.model
    tour.click("trainer.use_result")
    tour.wait(lambda: tour.session.model is not before and tour.session.model is not None, 120, "the result loaded")
    tour.wait_idle()
    tour.window.show_pane("tasks")
    tour.choose("tasks.task", "text-classification")
    answers = {}
    for text in (NEGATIVE, POSITIVE):
        tour.find(QWidget, "tasks.text").setPlainText(text)
        answers[text] = tour.run_task().items
    tour.report["answers"] = {text: [items[0].label, round(items[0].score, 4)] for text, items in answers.items()}
    score = next(item.score for item in answers[POSITIVE] if item.label == "positive")
    tour.report["last_probe"] = round(last, 4)
    tour.require(abs(score - last) < 0.02, f"it answers as the last probe did: {score} against {last}")
    if not tour.fast:
        found = [answers[POSITIVE][0].label, answers[NEGATIVE][0].label]
        tour.require(found == ["positive", "negative"], f"right: {found}")
    tour.picture("tasks")


def _points(tour: Tour) -> Any:
    pane: Any = tour.window.pane("trainer")
    return pane.points


def _steps(rows: int, steps: int) -> int:
    # The preset holds a tenth out, makes batches of 16, and goes through the rows once.
    return steps if steps > 0 else -(-(rows * 9 // 10) // 16)


def _count(*, task: Task) -> tuple[list[dict[str, str]], list[int]]:
    """The reviews, and the tokens of each in rising order."""
    rows = _read()
    encoded = _tokenizer(task)([row["text"] for row in rows])["input_ids"]
    return rows, sorted(map(len, encoded))


def _encode(*, task: Task) -> dict[tuple[int, ...], set[str]]:
    """The labels of each review, by its ids."""
    rows = _read()
    encoded = _tokenizer(task)([row["text"] for row in rows], truncation=True, max_length=_LENGTH)["input_ids"]
    known: dict[tuple[int, ...], set[str]] = {}
    for row, ids in zip(rows, encoded, strict=True):
        known.setdefault(tuple(ids), set()).add(row["label"])
    return known


def _read() -> list[dict[str, str]]:
    with paths.asset(_REVIEWS).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _tokenizer(task: Task) -> tokens.Tokenizer:
    checkpoint = starters.installed("minilm")
    assert checkpoint is not None
    return tokens.load_tokenizer(checkpoint, task=task)


STEPS: tuple[tuple[str, Step], ...] = (
    ("look through the reviews", see_data),
    ("set the run up", settle),
    ("look at the batches", see_batches),
    ("fine-tune MiniLM on the reviews", fine_tune),
    ("evaluate the result", evaluate),
    ("look back over the probes", see_probes),
    ("find the run in the list", see_runs),
    ("use the result", use_result),
)

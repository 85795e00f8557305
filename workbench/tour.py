"""The tour: the main job with nobody at the mouse, a picture of each pane, and a report that says how it went."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from PySide6.QtCore import QMessageLogContext, QSettings, Qt, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QAbstractButton, QLabel, QTableView, QWidget

from workbench.app import Workbench, make_application
from workbench.driver import Driver, DriverError
from workbench.engine import hub, models, starters
from workbench.runtime.heartbeat import Heartbeat
from workbench.runtime.jobs import Job, Lane, State
from workbench.runtime.settings import Settings

_TEXT = "The quick brown fox jumps over the lazy dog. 你好, שלום, café 👩‍🚀!"
_PROMPT = "The capital of France is"
_QUESTION = "Name three colours of the rainbow."
_SCORED = "The capital of France is Paris, and the capital of Italy is Rome. Colourless green ideas sleep furiously."
_POSITIVE = "A warm, funny and beautifully acted film."
_NEGATIVE = "A dull, lifeless mess that wastes its cast."


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

    # The steps, in order.

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Name and method of each step."""
        return [
            ("open the window", self.open_window),
            ("get the starters", self.get_starters),
            ("load SmolLM2", self.load_chat_model),
            ("tokenize", self.tokenize),
            ("generate greedily", self.generate_greedily),
            ("branch at a token", self.grow_branch),
            ("search with beams", self.search_with_beams),
            ("chat while moving sliders", self.sample_live),
            ("see the probabilities", self.see_probabilities),
            ("score a sentence", self.see_score),
            ("compare two settings", self.compare_settings),
            ("embed with MiniLM", self.embed),
            ("fine-tune MiniLM on the reviews", self.fine_tune),
            ("use the result", self.use_result),
            ("see all jobs", self.see_jobs),
            ("look at the dark theme and Present", self.see_looks),
        ]

    def open_window(self) -> None:
        """Show the window and wait for the warm-up."""
        self.window.resize(1440, 900)
        with self.waiting(self.window.painted, 60):
            self.window.show()
        self.report["first_paint_s"] = round(time.perf_counter() - self.started, 3)
        self.wait(lambda: self.workbench.is_warm, 180, "torch and transformers imported")

    def get_starters(self) -> None:
        """Fetch what is missing, through the shelf."""
        self.window.show_pane("hub")
        for starter in starters.STARTERS:
            if not starters.installed(starter.key):
                self.click(f"hub.starter_{starter.key}")
                self.wait(lambda key=starter.key: starters.installed(key) is not None, 900, f"{starter.name} fetched")
        self.wait_idle()

    def load_chat_model(self) -> None:
        """Load SmolLM2 from the shelf."""
        self._load_starter("smollm2")
        self.require(
            self.session.model is not None and self.session.model.head == "AutoModelForCausalLM", "a causal LM"
        )
        self.picture("hub")

    def tokenize(self) -> None:
        """See ids that equal the tokenizer's."""
        self.window.show_pane("tokenizer")
        text = self.find(QWidget, "tokenizer.text")
        text.setPlainText(_TEXT)
        table = self.find(QTableView, "tokenizer.table")
        model = self._model()
        expected = model.tokenizer(_TEXT)["input_ids"]
        self.wait(lambda: table.model().rowCount() == len(expected), 30, f"{len(expected)} rows of tokens")
        column = self._column(table, "id")
        shown = [int(table.model().index(row, column).data()) for row in range(len(expected))]
        self.require(shown == expected, f"ids equal the tokenizer's: {shown} against {expected}")
        self.picture("tokenizer")

    def generate_greedily(self) -> None:
        """Generate, and hold the ids against plain ``generate()``."""
        self.window.show_pane("playground")
        tokens = 16 if self.fast else 48
        self.find(QWidget, "playground.prompt").setPlainText(_PROMPT)
        self.check("playground.do_sample", False)
        self.knob("playground.max_new_tokens", tokens)
        self._generate("playground.generate", tokens)
        shown = [step.token_id for step in self.session.steps]
        expected = self._plain(max_new_tokens=tokens)
        self.require(shown == expected, f"ids equal generate()'s: {shown} against {expected}")
        seconds = sum(step.seconds for step in self.session.steps[1:])
        self.report["tokens_per_second"] = round((len(shown) - 1) / seconds, 2) if seconds else None
        self.report["greedy_text"] = "".join(step.text for step in self.session.steps)
        self.picture("playground")

    def grow_branch(self) -> None:
        """Take another token than the model did, and hold what follows against plain ``generate()``."""
        place, tokens = 3, 12
        pane: Any = self.window.pane("playground")
        step = self.session.steps[place]
        self.require(step.logits is not None, "the step kept its logits")
        order = step.logits.float32().argsort()[::-1]
        other = next(int(token_id) for token_id in order if token_id != step.token_id)
        kept = [each.token_id for each in self.session.steps[:place]]
        self.knob("playground.max_new_tokens", tokens)
        pane.branch_at(place, other)
        self.wait_idle()
        shown = [each.token_id for each in self.session.steps]
        expected = [*kept, other, *self._plain([*kept, other], max_new_tokens=tokens)]
        self.require(shown == expected, f"the branch's ids equal generate()'s: {shown} against {expected}")
        self.require(len(self.session.branches) == 2, "the first text is still there")
        self.picture("playground-branches")

    def search_with_beams(self) -> None:
        """Search with four beams, and hold the best one against plain ``generate()``."""
        self.knob("playground.num_beams", 4)
        self.click("playground.generate")
        self.wait_idle()
        shown = [step.token_id for step in self.session.steps]
        expected = self._plain(max_new_tokens=12, num_beams=4)
        self.require(shown == expected, f"the best beam equals generate()'s: {shown} against {expected}")
        self.picture("playground-beams")
        self.knob("playground.num_beams", 1)

    def sample_live(self) -> None:
        """Chat; the sliders act on the running generation."""
        tokens = 32 if self.fast else 96
        self.check("playground.do_sample", True)
        self.check("playground.chat_mode", True)
        self.knob("playground.max_new_tokens", tokens)
        self.knob("playground.temperature", 0.3)
        self.find(QWidget, "playground.chat_input").setPlainText(_QUESTION)
        self.click("playground.chat_send")
        self.wait(lambda: len(self.session.steps) >= 4, 120, "four tokens")
        self.knob("playground.temperature", 1.2)
        self.knob("playground.top_k", 20)
        self.wait_idle()
        temperatures = {step.sampling.temperature for step in self.session.steps}
        self.require(temperatures == {0.3, 1.2}, f"the slider acted on the running generation: {temperatures}")
        self.picture("playground-chat")

    def see_probabilities(self) -> None:
        """Move a slider; the distribution follows without a model run."""
        self.window.show_pane("probabilities", beside=True)
        table = self.find(QTableView, "probabilities.table")
        length = len(self.session.encoding.tokens) if self.session.encoding else 0
        self.session.set_selection(length + min(5, len(self.session.steps) - 1))
        self.wait(lambda: table.model().rowCount() > 0, 10, "a distribution")
        jobs_before = len(self.workbench.runner.jobs)
        seen = set()
        for temperature in (0.2, 0.5, 0.8, 1.1, 1.4, 1.0):
            self.knob("playground.temperature", temperature)
            self.turn()
            rows = min(5, table.model().rowCount())
            seen.add(
                tuple(
                    str(table.model().index(row, column).data())
                    for row in range(rows)
                    for column in range(table.model().columnCount())
                )
            )
        self.require(len(seen) >= 4, "the distribution followed the slider")
        self.require(len(self.workbench.runner.jobs) == jobs_before, "no model ran for it")
        self.picture("playground-probabilities")

    def see_score(self) -> None:
        """Score a sentence, and hold the perplexity against the loss of the library."""
        self.window.show_pane("score")
        self.find(QWidget, "score.text").setPlainText(_SCORED)
        self.click("score.run")
        pane: Any = self.window.pane("score")
        self.wait(lambda: pane.reading is not None, 120, "a score")
        self.wait_idle()
        shown = pane.reading.scores[0]
        expected = self._plain_loss(_SCORED)
        self.require(
            abs(math.log(shown.perplexity) - expected) < 1e-3,
            f"the perplexity is that of the loss: {math.log(shown.perplexity)} against {expected}",
        )
        self.report["perplexity"] = round(shown.perplexity, 3)
        self.report["bits_per_byte"] = round(shown.bits_per_byte, 4)
        table = self.find(QTableView, "score.table")
        self.require(table.model().rowCount() == len(shown.tokens), "a row for each token")
        pane.select(len(shown.tokens) - 2)
        self.picture("score")

    def compare_settings(self) -> None:
        """Let SmolLM2 write greedily and by sampling, and see where the texts part."""
        self.window.show_pane("compare")
        self.find(QWidget, "compare.prompt").setPlainText(_PROMPT)
        self.choose("compare.what", "Two settings")
        held = self.session.sampling
        greedy = replace(held, do_sample=False, max_new_tokens=24)
        self.session.set_sampling(greedy)
        self.click("compare.take_a")
        self.session.set_sampling(replace(held, temperature=1.0, max_new_tokens=24))
        self.click("compare.take_b")
        self.click("compare.run")
        self.wait_idle()
        verdict = self.find(QLabel, "compare.verdict").text()
        self.require("part at token" in verdict, f"it says where they part: {verdict}")
        self.report["compare"] = verdict
        self.picture("compare")
        self.session.set_sampling(held)

    def embed(self) -> None:
        """Load MiniLM and embed three sentences."""
        self.window.show_pane("hub")
        self._load_starter("minilm")
        self.window.show_pane("tasks")
        self.choose("tasks.task", "feature-extraction")
        self.find(QWidget, "tasks.text").setPlainText(f"{_POSITIVE}\n{_NEGATIVE}\nWhere is the station?")
        self._run_task()
        self.picture("tasks-embeddings")

    def fine_tune(self) -> None:
        """Fine-tune on the reviews until the loss has fallen."""
        self.window.show_pane("trainer")
        rows, steps = (1600, 72) if self.fast else (3000, -1)
        self.wait(lambda: self.find(QAbstractButton, "trainer.start").isEnabled(), 60, "the sample read")
        self.choose("trainer.checkpoint", "MiniLM")
        self.click("trainer.recommended")
        self.set_number("trainer.rows", rows)
        self.set_number("trainer.max_steps", steps)
        self.click("trainer.start")
        self.wait(lambda: len(self._train_points()) >= 12, 300, "twelve points of the loss curve")
        self.picture("trainer-running")
        self.wait_idle(1800)
        points = self._train_points()
        losses = [point.loss for point in points if point.loss is not None]
        evals = [point for point in points if point.eval_loss is not None]
        self.require(len(losses) >= 12 and bool(evals), "losses and an evaluation")
        third = max(1, len(losses) // 3)
        first, last = sum(losses[:third]) / third, sum(losses[-third:]) / third
        self.report["train_losses"] = [round(loss, 4) for loss in losses]
        self.report["eval_loss"] = round(evals[-1].eval_loss or 0.0, 4)
        self.report["accuracy"] = round(evals[-1].metrics.get("accuracy", 0.0), 4)
        self.require(last < first, f"the loss fell: {first:.3f} to {last:.3f}")
        self.require(self.report["accuracy"] > (0.5 if self.fast else 0.7), f"accuracy {self.report['accuracy']}")
        self.picture("trainer")

    def use_result(self) -> None:
        """Load what was made and classify with it."""
        before = self.session.model
        self.click("trainer.use_result")
        self.wait(lambda: self.session.model is not before and self.session.model is not None, 120, "the result loaded")
        self.wait_idle()
        self.window.show_pane("tasks")
        self.choose("tasks.task", "text-classification")
        answers = {}
        for text in (_POSITIVE, _NEGATIVE):
            self.find(QWidget, "tasks.text").setPlainText(text)
            self._run_task()
            answers[text] = self._tasks().result.items[0]
        self.report["answers"] = {text: [item.label, round(item.score, 4)] for text, item in answers.items()}
        if not self.fast:
            self.require(
                [answers[_POSITIVE].label, answers[_NEGATIVE].label] == ["positive", "negative"], f"right: {answers}"
            )
        self.picture("tasks")

    def see_jobs(self) -> None:
        """All work is listed and none of it failed."""
        self.window.show_pane("jobs")
        table = self.find(QTableView, "jobs.table")
        self.wait(lambda: table.model().rowCount() >= 5, 10, "the work of this tour")
        failed = [job.title for job in self.workbench.runner.jobs if job.state is State.FAILED]
        self.require(not failed, f"no job failed: {failed}")
        self.picture("jobs")

    def see_looks(self) -> None:
        """The dark theme, and Present."""
        self.window.settings.theme = "dark"
        self.window.apply_theme()
        self.window.show_pane("trainer")
        self.picture("dark")
        self.window.settings.theme = "light"
        self.window.show_pane("tokenizer")
        self.window.set_presenting(True)
        self.picture("present")
        self.window.set_presenting(False)

    # What steps are made of.

    def _load_starter(self, key: str) -> None:
        before = self.session.model
        self.click(f"hub.starter_{key}")
        self.wait(lambda: self.session.model is not before and self.session.model is not None, 300, f"{key} loaded")
        self.wait_idle()

    def _generate(self, button: str, tokens: int) -> None:
        self.click(button)
        self.wait(lambda: len(self.session.steps) > 0, 120, "the first token")
        self.wait_idle()
        self.require(0 < len(self.session.steps) <= tokens, f"{len(self.session.steps)} tokens of at most {tokens}")

    def _plain(self, behind: Sequence[int] = (), **settings: Any) -> list[int]:
        """What plain ``generate()`` writes greedily behind the prompt and some more ids."""
        model = self._model()

        def generate(**_: object) -> list[int]:
            ids = model.tokenizer(_PROMPT, return_tensors="pt")["input_ids"].to(model.device)
            ids = ids.new_tensor([[*ids[0].tolist(), *behind]])
            output = model.model.generate(ids, attention_mask=ids.new_ones(ids.shape), do_sample=False, **settings)
            return output[0, ids.shape[1] :].tolist()

        results = self._on_model("Checking against generate()", generate)
        return results[0] if results else []

    def _plain_loss(self, text: str) -> float:
        model = self._model()

        def loss(**_: object) -> float:
            inputs = model.tokenizer(text, return_tensors="pt").to(model.device)
            return model.model(**inputs, labels=inputs["input_ids"]).loss.item()

        results = self._on_model("Checking against the loss", loss)
        return results[0] if results else math.nan

    def _on_model(self, title: str, work: Callable[..., Any]) -> list[Any]:
        results: list[Any] = []
        job = Job(title, work)
        job.succeeded.connect(results.append)
        self.workbench.runner.start(job, Lane.MODEL)
        self.wait(lambda: not job.active, 300, title)
        return results

    def _run_task(self) -> None:
        before = self._tasks().result
        self.click("tasks.run")
        self.wait(lambda: self._tasks().result is not before and self._tasks().result is not None, 120, "a result")
        self.wait_idle()

    def _tasks(self) -> Any:
        return self.window.pane("tasks")

    def _train_points(self) -> Any:
        pane: Any = self.window.pane("trainer")
        return pane.points

    def _model(self) -> models.LoadedModel:
        if self.session.model is None:
            raise DriverError("no model is loaded")
        return self.session.model

    def _column(self, table: QTableView, header: str) -> int:
        model = table.model()
        names = [str(model.headerData(i, Qt.Orientation.Horizontal)).lower() for i in range(model.columnCount())]
        if header not in names:
            raise DriverError(f"the table has no column {header}: {names}")
        return names.index(header)

    def picture(self, name: str) -> None:
        """Save the window as it is, once what is due has been painted. The time for it is not the program's."""
        self.window.resize(1440, 900)
        self.turn(600)
        self.heartbeat.stop()
        self.window.grab().save(str(self.folder / f"{name}.png"))
        self.heartbeat.start()

    # Running it.

    def run(self) -> int:
        """Do every step; a failed one is written down and the next ones still run.

        Returns:
            0 when every step did what it should, else 1.
        """
        self.heartbeat.start()
        for name, step in self.steps():
            begun = time.perf_counter()
            self._marks.append((begun, name))
            try:
                step()
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
        self._close()
        if trainer.result is not None:
            # The tour leaves nothing behind but its pictures and its report.
            hub.delete(trainer.result.checkpoint)
        self._finish_report()
        return 1 if self.report["failures"] else 0

    def _on_unexpected(self, what: str, why: str, details: str) -> None:
        self.report["failures"].setdefault(f"{what} {why}", details)

    def _close(self) -> None:
        for job in self.workbench.runner.active:
            job.cancel()
        try:
            self.wait_idle(120)
        except DriverError as error:
            self.report["failures"]["close"] = str(error)
        self.window.close()
        self._settings_dir.cleanup()

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
                "memory_mb": round(models.memory().process / 1e6),
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


def run(folder: Path, *, fast: bool = False) -> int:
    """Take the tour.

    Args:
        folder: Where pictures and ``report.json`` go; made when missing.
        fast: Fewer tokens and training steps.

    Returns:
        The exit status: 0 only when every step did what it should.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    folder.mkdir(parents=True, exist_ok=True)
    sys.setswitchinterval(0.001)
    app = make_application(sys.argv[:1])
    app.setQuitOnLastWindowClosed(False)
    if app.platformName() == "offscreen":
        qInstallMessageHandler(_pass_on)
    return Tour(folder, fast=fast).run()


def _pass_on(_kind: QtMsgType, _context: QMessageLogContext, message: str) -> None:
    # The offscreen platform complains of every window that it has no window manager.
    if not message.startswith("This plugin does not support"):
        print(message, file=sys.stderr, flush=True)

"""Every run is listed with its state and its curve, whoever wrote it; runs are compared and deleted."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from workbench.engine import models, paths
from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.task import Cancelled, Silent
from workbench.engine.train import Wishes, fine_tune, resume, runs
from workbench.engine.train.card import write_card
from workbench.engine.train.folder import CURVE
from workbench.engine.train.runs import RunState
from workbench.engine.values import Checkpoint, TrainPoint, TrainSpec

pytestmark = pytest.mark.usefixtures("workbench_data")


class Person(Silent):
    """Presses Stop when ``until`` says so of a part."""

    def __init__(self, until: Callable[[Any], object]) -> None:
        self.cancelled = False
        self._until = until

    def send(self, part: object) -> None:
        self.cancelled |= bool(self._until(part))

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


@pytest.fixture
def spec(spec: TrainSpec) -> TrainSpec:
    """12 steps, where runs are looked for."""
    return replace(spec, output_dir=paths.runs_dir() / "tiny", epochs=2.0)


def _step(step: int) -> Callable[[Any], bool]:
    return lambda part: isinstance(part, TrainPoint) and part.loss is not None and part.step == step


def _listed(name: str = "tiny") -> runs.Run:
    (run,) = [run for run in runs.list_runs() if run.name == name]
    return run


def test_a_run_is_listed_while_it_goes_on_and_in_every_state_after(spec: TrainSpec) -> None:
    seen: list[runs.Run] = []

    def look(part: Any) -> bool:
        if isinstance(part, TrainPoint):
            seen.append(_listed())
        return _step(8)(part)

    fine_tune(spec, task=Person(look))
    assert {run.state for run in seen} == {RunState.RUNNING}
    assert {run.resume_step for run in seen} == {None}
    assert [run.step for run in seen] == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9]
    stopped = _listed()
    assert (stopped.state, stopped.step, stopped.total, stopped.resume_step) == (RunState.STOPPED, 9, 12, 9)
    assert stopped.result is not None
    assert stopped.result.path == spec.output_dir

    result = resume(spec.output_dir)
    finished = _listed()
    assert (finished.state, finished.step, finished.resume_step) == (RunState.FINISHED, 12, None)
    assert runs.curve(spec.output_dir) == result.points
    last = result.points[-1]
    assert (finished.eval_loss, finished.metrics) == (last.eval_loss, last.metrics)
    assert finished.loss == [point.loss for point in result.points if point.loss is not None][-1]
    assert finished.spec == spec

    lines = (spec.output_dir / CURVE).read_text().splitlines(keepends=True)
    (spec.output_dir / CURVE).write_text("".join(lines[:-1]))
    assert _listed().state is RunState.INTERRUPTED


def test_a_run_that_failed_says_why(spec: TrainSpec) -> None:
    with pytest.raises(WorkbenchError):
        fine_tune(replace(spec, learning_rate=1e30, warmup_steps=0))
    run = _listed()
    assert run.state is RunState.FAILED
    assert "learning rate" in run.why
    assert run.step >= 1
    assert (run.result, run.resume_step) == (None, None)


def test_what_was_saved_on_the_way_is_a_run_that_does_not_go_on(spec: TrainSpec) -> None:
    wishes = Wishes()
    fine_tune(spec, wishes=wishes, task=Person(lambda part: _step(3)(part) and wishes.ask("save")))
    saved = _listed("tiny-step-3")
    assert (saved.state, saved.step, saved.resume_step) == (RunState.STOPPED, 3, None)
    assert saved.result is not None
    assert models.load(saved.result).missing == ()
    assert [point.step for point in runs.curve(saved.folder)] == [1, 2, 3]


@pytest.mark.parametrize("only_checkpoints", [False, True])
def test_a_folder_of_any_trainer_opens_as_a_run(
    spec: TrainSpec, tmp_path: Path, tiny_bert_classifier: Checkpoint, only_checkpoints: bool
) -> None:
    import torch
    import transformers

    theirs = tmp_path / "theirs"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert_classifier.path, trust_remote_code=False)
    rows = [{**tokenizer(f"a film {n}"), "labels": n % 2} for n in range(16)]
    trainer = transformers.Trainer(
        model=transformers.AutoModelForSequenceClassification.from_pretrained(
            tiny_bert_classifier.path, trust_remote_code=False
        ),
        args=transformers.TrainingArguments(
            str(theirs), max_steps=6, logging_steps=2, eval_strategy="steps", eval_steps=3, save_steps=3,
            per_device_train_batch_size=4, report_to="none", disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
            dataloader_pin_memory=False,
        ),
        train_dataset=rows, eval_dataset=rows[:4], processing_class=tokenizer,
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda prediction: {"luck": 0.5},
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    if not only_checkpoints:
        trainer.save_state()
    opened = runs.open_run(theirs)
    assert (opened.state, opened.step, opened.total, opened.own) == (RunState.FINISHED, 6, 6, False)
    assert (opened.spec, opened.resume_step) == (None, None)
    assert opened.metrics == {"luck": 0.5}
    assert opened.settings["train_batch_size"] == 4
    logged = [entry for entry in trainer.state.log_history if "loss" in entry or "eval_loss" in entry]
    assert [(p.step, p.loss, p.eval_loss, p.grad_norm) for p in runs.curve(theirs)] == [
        (e["step"], e.get("loss"), e.get("eval_loss"), e.get("grad_norm")) for e in logged
    ]
    assert opened.result is not None
    assert models.load(opened.result).missing == ()
    assert [run.folder for run in runs.list_runs()] == [theirs]
    assert runs.delete(opened) == 0
    assert theirs.is_dir()
    assert runs.list_runs() == ()


def test_what_is_no_run_is_told_and_not_listed(tmp_path: Path) -> None:
    (tmp_path / "trainer_state.json").write_text("[1")
    with pytest.raises(InputError, match="as a run"):
        runs.open_run(tmp_path)
    (paths.runs_dir() / "empty").mkdir(parents=True)
    (paths.runs_dir() / "damaged").mkdir()
    (paths.runs_dir() / "damaged" / "run.toml").write_text("= 3")
    (paths.data_dir() / "run_folders.json").write_text('["/nowhere", 3]')
    assert runs.list_runs() == ()
    assert runs.curve(paths.runs_dir() / "empty") == ()


def test_one_damaged_run_hides_no_other_and_loses_no_more_than_its_damaged_lines(spec: TrainSpec) -> None:
    fine_tune(replace(spec, max_steps=2))
    for name in ("curve", "other-version"):
        shutil.copytree(spec.output_dir, spec.output_dir.with_name(name))
    whole = runs.curve(spec.output_dir)
    with (spec.output_dir.with_name("curve") / CURVE).open("a", encoding="utf-8") as file:
        file.write('{"step": "x"}\n{"step": 3}\n[]\n{"step": 3, "total": 4, "epoch": 1.0, "metrics": 5}\n\0\n{"st')
    record = spec.output_dir.with_name("other-version") / "run.toml"
    record.write_text(record.read_text().replace(spec.task, "never-heard"), encoding="utf-8")
    listed = {run.name: run for run in runs.list_runs()}
    assert set(listed) == {"tiny", "curve", "other-version"}
    assert runs.curve(listed["curve"].folder) == whole
    assert (listed["other-version"].spec, listed["tiny"].spec is None) == (None, False)


def test_runs_are_compared_by_what_differs(spec: TrainSpec) -> None:
    fine_tune(replace(spec, max_steps=2))
    fine_tune(replace(spec, max_steps=2, learning_rate=5e-4, seed=3, output_dir=spec.output_dir.with_name("other")))
    chosen = (_listed("tiny"), _listed("other"))
    assert dict(runs.differences(chosen)) == {"learning_rate": (1e-3, 5e-4), "seed": (0, 3)}
    assert runs.differences(chosen[:1]) == ()


def test_tensorboard_files_hold_the_curve(spec: TrainSpec) -> None:
    from tensorboardX.proto import event_pb2

    result = fine_tune(replace(spec, epochs=1.0))
    folder = runs.write_tensorboard(_listed())
    (file,) = runs.write_tensorboard(_listed()).iterdir()
    assert folder == spec.output_dir / "runs"
    content, events, at = file.read_bytes(), [], 0
    while at < len(content):
        # A record is its length, a checksum of it, the event, and a checksum of that.
        (length,) = struct.unpack_from("<Q", content, at)
        events.append(event_pb2.Event.FromString(content[at + 12 : at + 12 + length]))
        at += 16 + length
    scalars = [(value.tag, event.step, value.simple_value) for event in events for value in event.summary.value]
    losses = [(p.step, p.loss) for p in result.points if p.loss is not None]
    assert [(step, value) for tag, step, value in scalars if tag == "train/loss"] == [
        (step, pytest.approx(loss, rel=1e-6)) for step, loss in losses
    ]
    last = result.points[-1]
    assert {tag: value for tag, _, value in scalars if tag.startswith("eval/")} == {
        "eval/loss": pytest.approx(last.eval_loss, rel=1e-6),
        **{f"eval/{name}": pytest.approx(value, rel=1e-6) for name, value in last.metrics.items()},
    }


def test_a_run_is_deleted_whole_but_not_while_it_goes_on(spec: TrainSpec) -> None:
    refused: list[str] = []

    def look(part: Any) -> bool:
        if _step(2)(part):
            with pytest.raises(InputError, match="It is running") as failure:
                runs.delete(_listed())
            refused.append(failure.value.remedy)
        return False

    fine_tune(spec, task=Person(look))
    assert refused == ["Stop it first."]
    run = _listed()
    assert runs.delete(run) == run.size > 100_000
    assert list(paths.runs_dir().iterdir()) == []
    shutil.copytree(spec.checkpoint.path, paths.data_dir() / "elsewhere")
    with pytest.raises(InputError, match="does not lie in"):
        runs.delete(replace(run, folder=paths.data_dir() / "elsewhere"))
    assert (paths.data_dir() / "elsewhere" / "config.json").exists()


def test_the_card_says_what_made_the_run_and_no_path_of_this_machine(spec: TrainSpec, tmp_path: Path) -> None:
    base = Checkpoint("base", tmp_path / "base")
    shutil.copytree(spec.checkpoint.path, base.path)
    (base.path / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    result = fine_tune(replace(spec, checkpoint=base))
    text = (result.checkpoint.path / "README.md").read_text(encoding="utf-8")
    card = ModelCard(text)
    assert card.data.license == "mit"
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-classification"
    measured = {each.metric_type: each.metric_value for each in card.data.eval_results}
    last = result.points[-1]
    assert measured == {"loss": last.eval_loss, **last.metrics}
    run = _listed()
    assert run.record is not None
    for words in (run.record.fingerprint, "reviews.csv", "48 rows trained on, 12 held out", "seed 0", "transformers 5",
                  "| learning_rate | 0.001 |", "labels: 0, 1"):  # fmt: skip
        assert words in text
    assert str(tmp_path) not in text
    assert json.loads((result.checkpoint.path / "training_args.json").read_text())["learning_rate"] == 1e-3
    model = models.load(result.checkpoint).model
    for head, told in (("license: other\nlicense_name: house", ("other", "house")), ("language: en", (None, None))):
        (base.path / "README.md").write_text(f"---\n{head}\n---\n", encoding="utf-8")
        card = ModelCard.load(write_card(run.record, result.points, model, tmp_path))
        assert (card.data.license, card.data.get("license_name")) == told

"""Runs of the real Trainer on tiny checkpoints: the curve, stopping, exactness, and every refusal."""

from __future__ import annotations

import json
import math
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from tests import forked
from workbench.engine import models
from workbench.engine.codegen.train import train as train_script
from workbench.engine.errors import CheckpointError, DataError, InputError, NotSupported, WorkbenchError
from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.train import callbacks, fine_tune
from workbench.engine.values import Checkpoint, DataSource, TrainPoint, TrainSpec

GOOD = ("a wonderful film", "the best I have seen in years!", "what a good book about the city")
BAD = ("a terrible film", "the worst I have seen in years.", "a lazy book, the worst of the city")


class Recorder(Silent):
    """Keeps what a run says; ``until`` looks at each part and says when the person presses Stop."""

    def __init__(self, until: Callable[[Any], bool] = lambda part: False) -> None:
        self.points: list[TrainPoint] = []
        self.progress: list[Progress] = []
        self.lines: list[str] = []
        self.cancelled = False
        self._until = until

    def report(self, progress: Progress) -> None:
        self.progress.append(progress)
        self.cancelled |= self._until(progress)

    def send(self, part: object) -> None:
        assert isinstance(part, TrainPoint)
        self.points.append(part)
        self.cancelled |= self._until(part)

    def log(self, line: str) -> None:
        self.lines.append(line)

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    rows = [
        (f"{text} {number}", label)
        for number in range(10)
        for label, texts in (("good", GOOD), ("bad", BAD))
        for text in texts
    ]
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows), encoding="utf-8")
    return path


@pytest.fixture
def classify(tiny_bert: Checkpoint, reviews: Path, tmp_path: Path) -> TrainSpec:
    """60 rows, 48 of them trained on: 6 steps of 8 rows an epoch."""
    return TrainSpec(
        task="text-classification",
        checkpoint=tiny_bert,
        data=DataSource(reviews),
        columns={"text": "text", "label": "label"},
        output_dir=tmp_path / "runs" / "tiny",
        eval_fraction=0.2,
        batch_size=8,
        max_length=24,
        learning_rate=1e-3,
        threads=1,
    )


@pytest.fixture
def continue_text(classify: TrainSpec, tiny_llama: Checkpoint) -> TrainSpec:
    return replace(
        classify, task="text-generation", checkpoint=tiny_llama, columns={"text": "text"}, max_length=32, batch_size=4
    )


def _history(folder: Path) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return history


def test_the_curve_is_the_log_history_and_the_result_is_a_checkpoint(classify: TrainSpec) -> None:
    task = Recorder()
    result = fine_tune(replace(classify, epochs=2.0, eval_steps=4), task=task)

    logged = [entry for entry in _history(result.checkpoint.path) if "loss" in entry or "eval_loss" in entry]
    assert [(p.step, p.loss, p.learning_rate, p.grad_norm, p.eval_loss, p.epoch) for p in task.points] == [
        (e["step"], e.get("loss"), e.get("learning_rate"), e.get("grad_norm"), e.get("eval_loss"), e["epoch"])
        for e in logged
    ]
    assert [p.step for p in task.points if p.loss is not None] == list(range(1, 13))
    evaluations = [p for p in task.points if p.eval_loss is not None]
    assert [p.step for p in evaluations] == [4, 8, 12]
    assert all(set(p.metrics) == {"accuracy", "f1"} for p in evaluations)
    assert all(p.total == 12 for p in task.points)
    assert result.points == tuple(task.points)
    assert (result.stopped, result.train_rows, result.eval_rows, result.labels) == (False, 48, 12, ("bad", "good"))
    assert task.progress[-1] == Progress(12, 12, "steps", "Saving")

    assert {file.name for file in result.checkpoint.path.iterdir()} >= {
        "config.json", "model.safetensors", "tokenizer.json", "trainer_state.json", "run.toml",
    }  # fmt: skip
    assert not list(classify.output_dir.parent.glob(".*"))
    loaded = models.load(result.checkpoint)
    assert loaded.head == "AutoModelForSequenceClassification"
    assert loaded.missing == ()
    assert loaded.facts.labels == ("bad", "good")
    assert loaded.model.config.use_cache
    assert {file.suffix for file in result.checkpoint.path.iterdir()} == {
        ".json",
        ".jsonl",
        ".md",
        ".safetensors",
        ".toml",
    }


def test_it_learns(classify: TrainSpec) -> None:
    result = fine_tune(replace(classify, epochs=8.0, learning_rate=5e-3))
    last = [point for point in result.points if point.metrics][-1]
    assert last.metrics["accuracy"] == 1.0
    assert last.metrics["f1"] == 1.0


def test_a_causal_model_learns_in_blocks_and_tells_its_perplexity(continue_text: TrainSpec) -> None:
    task = Recorder()
    result = fine_tune(replace(continue_text, epochs=4.0, learning_rate=1e-2), task=task)
    evaluations = [point for point in task.points if point.eval_loss is not None]
    assert [set(point.metrics) for point in evaluations] == [{"perplexity", "token_accuracy"}] * 4
    assert evaluations[-1].metrics["perplexity"] == math.exp(evaluations[-1].eval_loss or 0.0)
    assert evaluations[-1].metrics["perplexity"] < evaluations[0].metrics["perplexity"] / 2
    assert any("blocks of 32 tokens" in line for line in task.lines)
    loaded = models.load(result.checkpoint)
    assert loaded.head == "AutoModelForCausalLM"
    assert loaded.facts.has_chat_template
    assert loaded.model.config.use_cache


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 2.0, "eval_steps": 5},
        {"bf16": True, "freeze_layers": 1, "group_by_length": True, "gradient_accumulation_steps": 2, "epochs": 2.0},
        {"task": "text-generation"},
    ],
    ids=["evaluated between", "frozen, bf16, grouped, accumulated", "causal"],
)
def test_losses_equal_those_of_the_script(
    classify: TrainSpec, continue_text: TrainSpec, changes: dict[str, Any], tmp_path: Path
) -> None:
    spec = replace(continue_text if changes.get("task") == "text-generation" else classify, seed=3, **changes)
    result = fine_tune(spec)
    theirs_dir = tmp_path / "by script"
    (tmp_path / "script.py").write_text(train_script(replace(spec, output_dir=theirs_dir)), encoding="utf-8")
    done = forked.run("script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    keys = ("step", "loss", "grad_norm", "learning_rate", "eval_loss", "eval_accuracy", "eval_f1")
    ours, theirs = (
        [{key: entry[key] for key in keys if key in entry} for entry in _history(folder)]
        for folder in (result.checkpoint.path, theirs_dir)
    )
    assert len([entry for entry in ours if "loss" in entry]) >= 3
    assert ours == theirs
    weights = [(folder / "model.safetensors").read_bytes() for folder in (result.checkpoint.path, theirs_dir)]
    assert weights[0] == weights[1]


def test_accumulating_batches_does_not_scale_the_loss(classify: TrainSpec, tmp_path: Path) -> None:
    plain = fine_tune(replace(classify, max_steps=1, batch_size=8))
    accumulated = fine_tune(
        replace(classify, max_steps=1, batch_size=4, gradient_accumulation_steps=2, output_dir=tmp_path / "two")
    )
    # Dropout differs between one batch of 8 and two of 4; a doubled loss would be 1.39 instead of 0.69.
    assert accumulated.points[0].loss == pytest.approx(plain.points[0].loss, rel=0.1)
    assert accumulated.points[0].loss == pytest.approx(math.log(2), rel=0.1)


def test_stop_finishes_the_step_and_keeps_the_checkpoint(classify: TrainSpec) -> None:
    task = Recorder(until=lambda part: isinstance(part, TrainPoint) and part.step == 3)
    result = fine_tune(replace(classify, epochs=5.0), task=task)
    assert result.stopped
    assert [point.step for point in result.points] == [1, 2, 3, 4]
    assert _history(result.checkpoint.path)[-1]["step"] == 4
    assert models.load(result.checkpoint).missing == ()


def test_stop_leaves_an_evaluation_at_once(classify: TrainSpec) -> None:
    task = Recorder(until=lambda part: isinstance(part, Progress) and part.note.startswith("Evaluating, batch 2 of"))
    result = fine_tune(replace(classify, eval_fraction=0.9, batch_size=2, eval_steps=1), task=task)
    assert result.stopped
    assert [(point.step, point.eval_loss) for point in result.points] == [(1, None)]
    assert not any("batch 3 of" in progress.note for progress in task.progress)
    assert models.load(result.checkpoint).missing == ()


def test_stop_between_accumulated_batches(classify: TrainSpec) -> None:
    task = Recorder(until=lambda part: isinstance(part, TrainPoint) and part.step == 1)
    result = fine_tune(replace(classify, batch_size=4, gradient_accumulation_steps=4), task=task)
    assert [point.step for point in result.points] == [1]
    assert result.stopped


def test_stop_before_the_first_step_leaves_nothing(classify: TrainSpec) -> None:
    task = Recorder(until=lambda part: isinstance(part, Progress) and part.note == "Encoding")
    with pytest.raises(Cancelled):
        fine_tune(classify, task=task)
    assert not list(classify.output_dir.parent.glob("*"))


def test_nan_ends_the_run_and_names_the_step(classify: TrainSpec) -> None:
    task = Recorder()
    with pytest.raises(WorkbenchError, match=r"stopped at step \d+: .* is (not a number|infinite)") as failure:
        fine_tune(replace(classify, learning_rate=1e30, warmup_steps=0, epochs=4.0), task=task)
    assert "learning rate" in failure.value.why
    assert task.points
    assert all(math.isfinite(point.loss) for point in task.points if point.loss is not None)
    assert not (classify.output_dir / "config.json").exists()


def test_frozen_layers_stay_as_they_were(classify: TrainSpec, tiny_bert: Checkpoint) -> None:
    result = fine_tune(replace(classify, freeze_layers=1))
    before, after = (
        models.load(checkpoint).model.base_model.state_dict() for checkpoint in (tiny_bert, result.checkpoint)
    )
    changed = {name for name in before if name in after and not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("encoder.layer.1.") for name in changed)


def test_a_decoder_can_be_given_a_classification_head(classify: TrainSpec, tiny_llama: Checkpoint) -> None:
    result = fine_tune(replace(classify, checkpoint=tiny_llama))
    assert models.load(result.checkpoint).head == "AutoModelForSequenceClassification"
    assert result.points[-1].metrics["accuracy"] >= 0.0


def test_a_result_can_be_trained_on_with_other_labels(
    classify: TrainSpec, tiny_bert_classifier: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "three.jsonl"
    path.write_text(
        "".join(json.dumps({"text": text, "label": n % 3}) + "\n" for n, text in enumerate((*GOOD, *BAD) * 4)),
        encoding="utf-8",
    )
    result = fine_tune(replace(classify, checkpoint=tiny_bert_classifier, data=DataSource(path)))
    assert result.labels == ("0", "1", "2")
    assert models.load(result.checkpoint).facts.labels == ("0", "1", "2")


def test_rows_without_text_or_label_are_left_out_and_named(classify: TrainSpec, tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text(classify.data.path.read_text() + '" ",good\n"no label",\n', encoding="utf-8")
    task = Recorder()
    result = fine_tune(replace(classify, data=DataSource(path), max_steps=1), task=task)
    assert "  gaps.csv, line 62: the text is empty" in task.lines
    assert "  gaps.csv, line 63: the label is empty" in task.lines
    assert result.train_rows + result.eval_rows == 60


def test_threads_are_given_back(classify: TrainSpec) -> None:
    before = torch.get_num_threads()
    fine_tune(replace(classify, max_steps=1, threads=before + 1))
    assert torch.get_num_threads() == before


def test_models_can_be_loaded_between_the_steps(classify: TrainSpec, tiny_llama: Checkpoint) -> None:
    loaded: list[str] = []
    threads: list[threading.Thread] = []

    def load() -> None:
        loaded.append(models.load(tiny_llama, dtype="bfloat16").dtype)

    def on_part(part: object) -> bool:
        if isinstance(part, TrainPoint) and part.step % 6 == 2:
            threads.append(threading.Thread(target=load))
            threads[-1].start()
        return False

    result = fine_tune(replace(classify, epochs=6.0), task=Recorder(until=on_part))
    for thread in threads:
        thread.join()
    assert loaded == ["bfloat16"] * 6
    assert {str(weight.dtype) for weight in models.load(result.checkpoint).model.parameters()} == {"torch.float32"}
    assert models.LOAD_LOCK.acquire(blocking=False)
    models.LOAD_LOCK.release()


def test_the_lock_is_given_back_when_a_step_fails(classify: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("in the middle of a step")

    monkeypatch.setattr(callbacks.Watch, "on_step_end", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        fine_tune(classify)
    free: list[bool] = []

    def try_it() -> None:
        free.append(models.LOAD_LOCK.acquire(timeout=1))
        models.LOAD_LOCK.release()

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert free == [True]


@pytest.mark.parametrize(
    ("changes", "kind", "told"),
    [
        ({"columns": {"text": "review", "label": "label"}}, DataError, "no column “review”"),
        ({"rows": 6, "eval_fraction": 0.1}, DataError, "at least 2"),
        ({"columns": {"text": "text", "label": "text"}}, InputError, "same column"),
        ({"columns": {"text": "text"}}, InputError, "No column is chosen for the label"),
        ({"eval_fraction": 1.0}, InputError, "between 0 and 1"),
        ({"learning_rate": 0.0}, InputError, "above 0"),
        ({"learning_rate": math.nan}, InputError, "above 0"),
        ({"batch_size": 0}, InputError, "at least 1"),
        ({"epochs": 0.0}, InputError, "neither epochs nor steps"),
        ({"max_length": 4096}, InputError, "context is 128"),
        ({"freeze_layers": 7}, InputError, "has 2"),
        ({"task": "translation"}, InputError, "translation"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_heavy(
    classify: TrainSpec, changes: dict[str, Any], kind: type[WorkbenchError], told: str
) -> None:
    with pytest.raises(kind) as failure:
        fine_tune(replace(classify, **changes))
    assert told in str(failure.value)
    assert failure.value.remedy
    assert not classify.output_dir.exists()


def test_one_label_and_too_many_labels_are_refused(classify: TrainSpec, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("text,one,many\n" + "".join(f"text {n},same,{n / 7}\n" for n in range(20)), encoding="utf-8")
    with pytest.raises(DataError, match="nothing to tell apart"):
        fine_tune(replace(classify, data=DataSource(path), columns={"text": "text", "label": "one"}))
    with pytest.raises(DataError, match="20 different values in 20 rows"):
        fine_tune(replace(classify, data=DataSource(path), columns={"text": "text", "label": "many"}))


def test_rows_with_half_characters_are_left_out_and_named(classify: TrainSpec, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    lines = [json.dumps({"text": f"text {n}", "label": "ab"[n % 2]}) for n in range(20)]
    lines[4] = '{"text": "half \\ud83d", "label": "a"}'
    path.write_text("\n".join(lines), encoding="utf-8")
    task = Recorder()
    result = fine_tune(replace(classify, data=DataSource(path), max_steps=1), task=task)
    assert result.train_rows + result.eval_rows == 19
    assert any("broken.jsonl, line 5: the text holds half a character" in line for line in task.lines)


def test_a_taken_folder_is_not_touched(classify: TrainSpec) -> None:
    classify.output_dir.mkdir(parents=True)
    (classify.output_dir / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="exists already"):
        fine_tune(classify)
    assert [file.name for file in classify.output_dir.iterdir()] == ["mine.txt"]


def test_too_little_text_for_a_block_is_refused(continue_text: TrainSpec) -> None:
    with pytest.raises(DataError, match="less than one block of 256"):
        fine_tune(replace(continue_text, rows=8, max_length=256))


def test_heads_and_tokenizers_that_are_not_there_are_refused(
    classify: TrainSpec, tiny_bert: Checkpoint, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        (bare / name).write_bytes((tiny_bert.path / name).read_bytes())
    with pytest.raises(CheckpointError, match="no tokenizer"):
        fine_tune(replace(classify, checkpoint=Checkpoint("bare", bare)))
    config = json.loads((tiny_bert.path / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps(config | {"model_type": "vit", "architectures": ["ViTModel"]}))
    (bare / "tokenizer.json").write_bytes((tiny_bert.path / "tokenizer.json").read_bytes())
    with pytest.raises(NotSupported, match="no AutoModelForSequenceClassification"):
        fine_tune(replace(classify, checkpoint=Checkpoint("bare", bare)))


def test_a_tokenizer_that_cannot_pad_is_refused_and_one_with_an_end_token_pads_with_it(
    classify: TrainSpec, continue_text: TrainSpec, tmp_path: Path
) -> None:
    made = []
    for name, checkpoint in (("bert", classify.checkpoint), ("llama", continue_text.checkpoint)):
        folder = tmp_path / name
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.path, trust_remote_code=False)
        tokenizer.pad_token = None
        shutil.copytree(checkpoint.path, folder)
        tokenizer.save_pretrained(folder)
        made.append(Checkpoint(name, folder))
    with pytest.raises(CheckpointError, match=r"neither a pad token nor an end token.*Choose a checkpoint"):
        fine_tune(replace(classify, checkpoint=made[0]))
    assert not classify.output_dir.exists()
    result = fine_tune(replace(classify, checkpoint=made[1], max_steps=2))
    loaded = models.load(result.checkpoint)
    assert loaded.tokenizer is not None
    assert loaded.model.config.pad_token_id == loaded.tokenizer.eos_token_id


def test_a_full_disk_is_told_before_the_run(classify: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(classify.data.path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(WorkbenchError, match="has 1 MB free"):
        fine_tune(classify)

"""Adapters, frozen bodies and the like: counted before, as the script makes them, loadable after."""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import forked
from workbench.engine import models
from workbench.engine.adapters import AdapterFolder, adapter_in
from workbench.engine.codegen.train import train as train_script
from workbench.engine.errors import CheckpointError, InputError, NotSupported, UnsafeRefused, WorkbenchError
from workbench.engine.task import Silent
from workbench.engine.train import dry_run, fine_tune, record
from workbench.engine.train.means import limits
from workbench.engine.train.methods import ADAPTERS, layout, linear_layers, merge, no_bits
from workbench.engine.train.own_adapter import names_of
from workbench.engine.train.wishes import Wishes
from workbench.engine.values import Checkpoint, DataSource, Method, TrainPoint, TrainSpec

WORDS = (("wonderful", "good"), ("terrible", "bad"), ("best", "good"), ("worst", "bad"))


@pytest.fixture
def classify(tiny_bert: Checkpoint, tmp_path: Path) -> TrainSpec:
    """40 rows, 32 of them trained on: 4 steps of 8 rows."""
    path = tmp_path / "reviews.csv"
    rows = [f"a {word} film {number},{label}" for number in range(10) for word, label in WORDS]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return TrainSpec(
        task="text-classification",
        checkpoint=tiny_bert,
        data=DataSource(path),
        columns={"text": "text", "label": "label"},
        output_dir=tmp_path / "runs" / "tiny",
        eval_fraction=0.2,
        batch_size=8,
        max_length=24,
        learning_rate=1e-2,
        threads=1,
    )


@pytest.fixture
def continue_text(classify: TrainSpec, tiny_llama: Checkpoint) -> TrainSpec:
    return replace(
        classify, task="text-generation", checkpoint=tiny_llama, columns={"text": "text"}, max_length=16, batch_size=4
    )


def _history(folder: Path) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return history


def _curve(folder: Path) -> list[dict[str, Any]]:
    keys = ("step", "loss", "grad_norm", "learning_rate", "eval_loss", "eval_accuracy", "eval_f1")
    return [{key: entry[key] for key in keys if key in entry} for entry in _history(folder)]


def _logits(model: Any) -> torch.Tensor:
    ids = torch.tensor([[2, 40, 41, 42, 3], [2, 50, 51, 52, 3]])
    with torch.inference_mode():
        return model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits


class Losses(Silent):
    """Keeps the log of a run, and stops it never."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.points: list[TrainPoint] = []

    def log(self, line: str) -> None:
        self.lines.append(line)

    def send(self, part: object) -> None:
        if isinstance(part, TrainPoint):
            self.points.append(part)


@pytest.mark.parametrize("kind", list(ADAPTERS))
def test_an_adapter_learns_beside_frozen_weights_and_loads_merged(
    classify: TrainSpec, tiny_bert: Checkpoint, kind: str
) -> None:
    from peft import PeftModel

    spec = replace(classify, method=Method(kind, rank=4, alpha=8), max_steps=3)
    before = (tiny_bert.path / "model.safetensors").read_bytes()
    task = Losses()
    counted = layout(spec, ("bad", "good"))
    result = fine_tune(spec, task=task)
    assert f"{counted.trained:,} of {counted.total:,} weights are trained." in task.lines
    assert counted.trained < counted.total / 3
    assert counted.heads == ("bert.pooler.dense", "classifier"), "the checkpoint has no weights for either"
    assert (tiny_bert.path / "model.safetensors").read_bytes() == before

    folder = result.checkpoint.path
    assert not (folder / "model.safetensors").exists()
    assert not list(folder.rglob("*.bin"))
    adapter = adapter_in(folder)
    assert adapter is not None
    assert (adapter.base, adapter.pickled) == (tiny_bert.path, False)
    loaded = models.load(result.checkpoint)
    assert (loaded.head, loaded.facts.labels, loaded.missing) == (
        "AutoModelForSequenceClassification", ("bad", "good"), (),
    )  # fmt: skip
    assert type(loaded.model).__name__ == "BertForSequenceClassification"
    assert loaded.facts.weight_bytes > len(before), "what is loaded is the base and the adapter"
    assert any(adapter.kind in note and "merged" in note for note in loaded.notes)
    # The library's own way from the same files: whatever the fresh head is drawn as, the adapter brings its own.
    base = models.load(tiny_bert, head="AutoModelForSequenceClassification", labels=("bad", "good"), seed=9).model
    theirs = PeftModel.from_pretrained(base, folder)
    assert torch.allclose(_logits(loaded.model), _logits(theirs), atol=1e-5)
    assert torch.equal(_logits(loaded.model), _logits(theirs.merge_and_unload()))


@pytest.mark.parametrize(
    "changes",
    [
        {"method": Method("lora", rank=4, alpha=8, dropout=0.1)},
        {"method": Method("dora", rank=2, targets=("attention.self.query", "attention.self.value"))},
        {"method": Method("head"), "early_stopping_patience": 1, "epochs": 6.0, "early_stopping_threshold": 9.0},
        {"activation_checkpointing": True, "label_smoothing_factor": 0.1, "neftune_noise_alpha": 5.0},
        {"arguments": {"optim": "sgd", "max_grad_norm": 0.5, "lr_scheduler_kwargs": {"num_cycles": 2}},
         "lr_scheduler_type": "cosine_with_restarts"},
        {"task": "text-generation", "method": Method("lora", rank=4), "bf16": True, "activation_checkpointing": True,
         "gradient_accumulation_steps": 2},
    ],
    ids=["lora", "dora on two layers", "head, early stopping", "smoothed, noisy", "further arguments", "causal lora"],
)  # fmt: skip
def test_losses_and_weights_equal_those_of_the_script(
    classify: TrainSpec, continue_text: TrainSpec, changes: dict[str, Any], tmp_path: Path
) -> None:
    spec = replace(continue_text if changes.get("task") == "text-generation" else classify, seed=3, **changes)
    result = fine_tune(spec)
    theirs = tmp_path / "by script"
    (tmp_path / "script.py").write_text(train_script(replace(spec, output_dir=theirs)), encoding="utf-8")
    done = forked.run("script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert _curve(result.checkpoint.path) == _curve(theirs)
    assert len([point for point in result.points if point.loss is not None]) >= 2
    name = "adapter_model.safetensors" if spec.method.is_adapter else "model.safetensors"
    assert (result.checkpoint.path / name).read_bytes() == (theirs / name).read_bytes()
    assert models.load(Checkpoint("script", theirs)).missing == ()


def test_a_frozen_body_stays_as_it_was(classify: TrainSpec, tiny_bert: Checkpoint) -> None:
    result = fine_tune(replace(classify, method=Method("head")))
    before, after = (models.load(one).model.base_model.state_dict() for one in (tiny_bert, result.checkpoint))
    changed = {name for name in before if name in after and not torch.equal(before[name], after[name])}
    assert not {name for name in changed if not name.startswith("pooler.")}
    assert models.load(result.checkpoint).missing == ()


def test_a_head_that_is_the_embeddings_cannot_be_trained_alone(continue_text: TrainSpec) -> None:
    with pytest.raises(InputError, match="there is none to train"):
        fine_tune(replace(continue_text, method=Method("head")))


def test_the_layers_are_offered_without_reading_weights(continue_text: TrainSpec, tiny_llama: Checkpoint) -> None:
    names = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    counted = layout(replace(continue_text, method=Method("lora")), ())
    assert counted.layers == tuple(
        (f"{'self_attn' if name[0] in 'qkvo' else 'mlp'}.{name}", 2) for name in names[:4] + names[4:]
    )
    one = layout(replace(continue_text, method=Method("lora", targets=("self_attn.q_proj",))), ())
    assert one.trained == 2 * (8 * 32 + 32 * 8)
    full = layout(continue_text, ())
    assert full.trained == full.total == models.load(tiny_llama).parameters
    assert linear_layers(models.load(tiny_llama).model) == counted.layers


def test_a_layer_that_is_not_there_is_named(classify: TrainSpec) -> None:
    with pytest.raises(InputError, match="Could not add LoRA to tiny-bert") as failure:
        layout(replace(classify, method=Method("lora", targets=("no_such_layer",))), ("bad", "good"))
    assert "no_such_layer" in failure.value.why


@pytest.mark.parametrize("task", ["text-classification", "text-generation"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1], ids=["plain", "smoothed"])
def test_accumulating_scales_no_loss_of_an_adapter(
    classify: TrainSpec, continue_text: TrainSpec, task: str, smoothing: float, tmp_path: Path
) -> None:
    spec = continue_text if task == "text-generation" else classify
    spec = replace(spec, method=Method("lora"), label_smoothing_factor=smoothing, max_steps=1)
    plain = fine_tune(replace(spec, batch_size=8)).points[0]
    twice = fine_tune(replace(spec, batch_size=4, gradient_accumulation_steps=2, output_dir=tmp_path / "twice")).points[
        0
    ]
    assert twice.loss == pytest.approx(plain.loss, rel=0.05), "twice as much where it is scaled"
    assert twice.grad_norm == pytest.approx(plain.grad_norm, rel=0.3)


def test_a_loss_that_is_no_number_is_never_drawn_as_zero(classify: TrainSpec) -> None:
    spec = replace(classify, method=Method("lora"), learning_rate=1e38, warmup_steps=0, epochs=4.0)
    task = Losses()
    with pytest.raises(WorkbenchError, match=r"stopped at step \d+: .* is (not a number|infinite)"):
        fine_tune(spec, task=task)
    assert task.points
    assert all(point.loss and math.isfinite(point.loss) for point in task.points)


def test_no_token_is_ever_written(classify: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hf_" + "s3cr3t" * 6
    monkeypatch.setenv("HF_TOKEN", secret)
    wishes = Wishes()
    wishes.ask("save")
    fine_tune(replace(classify, method=Method("lora"), max_steps=2), wishes=wishes)
    written = [file for file in classify.output_dir.parent.rglob("*") if file.is_file()]
    assert {file.parent.name for file in written} >= {"tiny"}
    assert not [file for file in written if secret.encode() in file.read_bytes()]
    assert not [file for file in written if file.suffix in (".bin", ".pt", ".pkl")]
    with pytest.raises(InputError, match="pickled"):
        fine_tune(replace(classify, output_dir=classify.output_dir / "b", arguments={"hub_token": secret}))


def test_early_stopping_ends_the_run_and_says_nothing_of_the_person(classify: TrainSpec) -> None:
    spec = replace(classify, early_stopping_patience=2, early_stopping_threshold=9.0, eval_steps=1, epochs=5.0)
    result = fine_tune(spec)
    evaluations = [point for point in result.points if point.eval_loss is not None]
    assert [point.step for point in evaluations] == [1, 2, 3], "the first sets the mark, two are no better"
    assert not result.stopped


def test_an_evaluation_by_hand_does_not_count_for_early_stopping(classify: TrainSpec) -> None:
    spec = replace(classify, early_stopping_patience=1, early_stopping_threshold=9.0, epochs=2.0)
    wishes = Wishes()
    wishes.ask("evaluate")
    result = fine_tune(spec, wishes=wishes)
    assert result.points[-1].step == 8, "one evaluation per epoch, the second no better than the first"


def test_an_adapter_is_merged_into_a_checkpoint_of_its_own(classify: TrainSpec, tmp_path: Path) -> None:
    result = fine_tune(replace(classify, method=Method("lora"), max_steps=2))
    whole = merge(result.checkpoint.path, tmp_path / "merged")
    assert adapter_in(whole.path) is None
    ours, theirs = (models.load(one).model for one in (result.checkpoint, whole))
    assert torch.equal(_logits(ours), _logits(theirs))
    assert models.load(whole).facts.labels == ("bad", "good")
    with pytest.raises(InputError, match="exists already"):
        merge(result.checkpoint.path, whole.path)
    with pytest.raises(CheckpointError, match="no adapter"):
        merge(whole.path, tmp_path / "again")
    again = replace(classify, checkpoint=result.checkpoint, output_dir=tmp_path / "again")
    with pytest.raises(NotSupported, match="Train its own adapter further"):
        fine_tune(replace(again, method=Method("lora")))
    assert fine_tune(replace(again, checkpoint=whole, max_steps=1)).points


@pytest.fixture
def adapted(classify: TrainSpec, tmp_path: Path) -> TrainSpec:
    """A run of 2 steps that starts from an adapter."""
    result = fine_tune(replace(classify, method=Method("lora", rank=4), max_steps=2))
    return replace(classify, checkpoint=result.checkpoint, max_steps=2, output_dir=tmp_path / "runs" / "on", seed=3)


@pytest.mark.parametrize("kind", ["own", "full", "head"])
def test_an_adapter_is_trained_further_or_merged_first_as_its_script_does(
    kind: str, adapted: TrainSpec, tiny_bert: Checkpoint, tmp_path: Path
) -> None:
    spec = replace(adapted, method=Method(kind))
    assert spec.checkpoint.path.is_dir()
    before = models.load(spec.checkpoint, dtype="float32").model
    seen = layout(spec, ("bad", "good"))
    result = fine_tune(spec)
    after = models.load(result.checkpoint, dtype="float32")
    assert after.missing == ()
    assert after.facts.labels == ("bad", "good")
    learned = {
        name for name, weight in before.state_dict().items() if not torch.equal(weight, after.model.state_dict()[name])
    }
    assert any("attention.self.query" in name for name in learned) == (kind != "head")
    assert ("bert.embeddings.word_embeddings.weight" in learned) == (kind == "full")
    assert any(name.startswith("classifier") for name in learned)
    assert seen.trained < seen.total or kind == "full"

    own = adapter_in(result.checkpoint.path)
    assert (own is not None) == (kind == "own")
    assert own is None or (own.base, own.config["r"]) == (tiny_bert.path, 4)
    theirs = tmp_path / "by script"
    code = train_script(replace(spec, output_dir=theirs))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, {"__name__": "__main__"})
    assert _curve(result.checkpoint.path) == _curve(theirs)
    name = "model.safetensors" if own is None else "adapter_model.safetensors"
    assert (result.checkpoint.path / name).read_bytes() == (theirs / name).read_bytes()


def test_an_adapter_that_was_trained_further_names_what_it_named_before(tmp_path: Path) -> None:
    named = AdapterFolder(tmp_path, "LORA", "owner/base", tmp_path / "snapshots" / "abc", False, {"revision": "abc"})
    assert names_of(named) == ("owner/base", "abc")
    folder = tmp_path / "base"
    folder.mkdir()
    assert names_of(AdapterFolder(tmp_path, "LORA", "base", folder, False, {})) == (str(folder.resolve()), None)


def test_an_adapter_that_does_not_fit_is_refused(adapted: TrainSpec, tiny_bert: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "three.csv"
    path.write_text("text,label\n" + "".join(f"film {n},{'abc'[n % 3]}\n" for n in range(24)), encoding="utf-8")
    own = replace(adapted, method=Method("own"))
    for changes, told in (
        ({"data": DataSource(path)}, "other labels"),
        ({"checkpoint": tiny_bert}, "no adapter"),
        ({"task": "fill-mask", "columns": {"text": "text"}}, "made for AutoModelForSequenceClassification"),
    ):
        with pytest.raises(NotSupported, match=told):
            fine_tune(replace(own, **changes))


def test_an_adapter_without_its_base_or_with_a_pickle_is_refused(classify: TrainSpec) -> None:
    result = fine_tune(replace(classify, method=Method("lora"), max_steps=1))
    file = result.checkpoint.path / "adapter_config.json"
    config = json.loads(file.read_text())
    for change, kind, told in (
        ({"base_model_name_or_path": "nobody/nothing"}, CheckpointError, "not on this machine"),
        ({"base_model_name_or_path": None}, CheckpointError, "does not name"),
        ({"peft_type": "PREFIX_TUNING"}, NotSupported, "can't be merged"),
        ({"megatron_config": {"a": 1}}, NotSupported, "can't be merged"),
    ):
        file.write_text(json.dumps(config | change))
        with pytest.raises(kind, match=told):
            models.load(result.checkpoint)
    file.write_text(json.dumps(config))
    weights = result.checkpoint.path / "adapter_model.safetensors"
    weights.rename(weights.with_name("adapter_model.bin"))
    with pytest.raises(UnsafeRefused, match="pickled"):
        models.load(result.checkpoint)


def test_a_hub_checkpoint_is_named_by_its_id(classify: TrainSpec, tiny_bert: Checkpoint) -> None:
    hub = replace(tiny_bert, name="somebody/tiny-bert", source="hub", revision="abc123")
    result = fine_tune(replace(classify, checkpoint=hub, method=Method("lora"), max_steps=1))
    config = json.loads((result.checkpoint.path / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("somebody/tiny-bert", "abc123")
    card = (result.checkpoint.path / "README.md").read_text()
    assert str(tiny_bert.path) not in card


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": Method("magic")}, "no method"),
        ({"method": Method("lora", rank=0)}, "at least 1"),
        ({"method": Method("lora", dropout=1.0)}, "below 1"),
        ({"method": Method("full", bits=8)}, "below a new adapter"),
        ({"method": Method("lora"), "freeze_layers": 1}, "full training alone"),
        ({"bf16": True, "fp16": True}, "exclude one another"),
        ({"label_smoothing_factor": 1.0}, "Label smoothing"),
        ({"neftune_noise_alpha": -1.0}, "negative"),
    ],
)
def test_methods_that_cannot_work_are_refused_at_once(classify: TrainSpec, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        fine_tune(replace(classify, **changes))
    assert not classify.output_dir.exists()


def test_why_weights_cannot_be_packed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else found(name))
    assert "not installed" in no_bits("cuda:0")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found("json"))
    assert "computes on mps" in no_bits("mps")
    assert no_bits("cuda:0") == no_bits("cpu") == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"torch_compile": True}, "C\\+\\+ compiler, and there is none.*Switch Compile off"),
        ({"fp16": True}, "float16 needs a GPU.*Switch float16 off"),
        ({"method": Method("lora", bits=4)}, "bitsandbytes, which packs.*is not installed.*full precision"),
    ],
    ids=["compile", "float16", "bits"],
)
def test_what_this_machine_has_no_means_for_is_refused_before_the_rows_are_read(
    classify: TrainSpec, changes: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import importlib.util

    if torch.accelerator.is_available():
        pytest.skip("a GPU has the means")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else found(name))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    classify.data.path.unlink()
    for door in (fine_tune, dry_run):
        with pytest.raises(NotSupported, match=told):
            door(replace(classify, **changes))
    assert not classify.output_dir.exists()


def test_a_compiled_model_learns_and_is_saved_plain(
    classify: TrainSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limits().torch_compile:
        pytest.skip(limits().torch_compile)
    # Without dropout a compiled step adds up in another order, and that is all.
    still = tmp_path / "still"
    shutil.copytree(classify.checkpoint.path, still)
    config = json.loads((still / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (still / "config.json").write_text(json.dumps(config))
    # Cut alike, since of batches of another length the compiler makes other code.
    spec = replace(classify, checkpoint=Checkpoint("still", still), max_steps=2, max_length=4)
    plain = fine_tune(replace(spec, output_dir=tmp_path / "plain"))
    # In a process of its own: the compiler keeps threads. One of them, or it begins with a Python for each core.
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    asked = record.write(record.Record(replace(spec, torch_compile=True)), tmp_path).rename(tmp_path / "asked.toml")
    done = forked.run("-m", "workbench", "train", str(asked), timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    points = [line for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "point" and "loss" in line]
    losses = [point.loss for point in plain.points if point.loss is not None]
    assert [point["loss"] for point in points] == pytest.approx(losses, rel=1e-4)
    assert models.load(Checkpoint("compiled", spec.output_dir)).missing == ()


def test_scripts_are_laid_out_as_ruff_does(classify: TrainSpec, continue_text: TrainSpec, tmp_path: Path) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    named = {"peft_type": "LORA", "base_model_name_or_path": str(classify.checkpoint.path)}
    (adapter / "adapter_config.json").write_text(json.dumps(named), encoding="utf-8")
    adapted = replace(classify, checkpoint=Checkpoint("adapter", adapter))
    specs = [
        *(replace(adapted, method=Method(kind)) for kind in ("own", "full", "head")),
        *(replace(classify, method=Method(kind)) for kind in ("head", *ADAPTERS)),
        replace(classify, method=Method("lora", bits=4), early_stopping_patience=2, fp16=True),
        replace(continue_text, method=Method("lora", bits=8, targets=("self_attn.q_proj", "self_attn.v_proj"))),
        replace(classify, freeze_layers=1, arguments={"lr_scheduler_kwargs": {"num_cycles": 2, "name": "it's"}}),
        replace(classify, load_best_model_at_end=True, metric_for_best_model="f1"),
        replace(
            classify, task="text2text-generation", columns={"source": "text", "target": "label"},
            head_options={"predict_with_generate": "yes"}, load_best_model_at_end=True,
        ),
    ]  # fmt: skip
    for number, spec in enumerate(specs):
        (folder / f"script_{number}.py").write_text(train_script(spec), encoding="utf-8")
    for command in (("format", "--diff"), ("check", "--select=F,I,B,UP", "--ignore=B905")):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length=120", str(folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[:3000]


def test_label_smoothing_is_refused_where_there_is_no_single_label(classify: TrainSpec) -> None:
    with pytest.raises(InputError, match="smooth nothing"):
        fine_tune(replace(classify, task="text-regression", label_smoothing_factor=0.1))


@pytest.mark.skipif(bool(no_bits("cpu")), reason="bitsandbytes packs weights into 8 bits; it is an extra")
@pytest.mark.filterwarnings("ignore:MatMul8bitLt")
@pytest.mark.logs("MatMul8bitLt|Failed to load CPU gemm_4bit_forward")
def test_a_packed_base_learns_as_the_script_does(classify: TrainSpec, tmp_path: Path) -> None:
    spec = replace(classify, method=Method("lora", bits=8), max_steps=3)
    result = fine_tune(spec)
    theirs = tmp_path / "by script"
    (tmp_path / "script.py").write_text(train_script(replace(spec, output_dir=theirs)), encoding="utf-8")
    done = forked.run("script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert _curve(result.checkpoint.path) == _curve(theirs)
    assert models.load(result.checkpoint).missing == ()
    assert "quantization_config" not in json.loads((result.checkpoint.path / "config.json").read_text())

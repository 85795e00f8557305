"""Loading keeps what is stored, says what is fresh, runs nothing of the checkpoint, and words every failure."""

from __future__ import annotations

import json
import logging
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.engine import codegen, loadable, machine, models
from workbench.engine.errors import CheckpointError, NotSupported, OutOfMemory, UnsafeRefused, WorkbenchError
from workbench.engine.models import load
from workbench.engine.task import Cancelled, Silent
from workbench.engine.values import Checkpoint, Sampling, TaskInput, TaskOptions

Change = Callable[[Path], object]


@pytest.fixture
def copy(tiny_llama: Checkpoint, tmp_path: Path) -> Checkpoint:
    """The tiny llama in a folder that may be damaged."""
    shutil.copytree(tiny_llama.path, tmp_path / "copy")
    return Checkpoint(name="copy", path=tmp_path / "copy")


def config(**changes: Any) -> Change:
    def change(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def cut(keep: int) -> Change:
    def change(folder: Path) -> None:
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:keep])

    return change


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without(*names: str) -> Change:
    return lambda folder: [(folder / name).unlink() for name in names]


def index_of_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}})
    )


def test_load_keeps_the_stored_weights(tiny_llama: Checkpoint) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    loaded = load(tiny_llama)
    plain = AutoModelForCausalLM.from_pretrained(tiny_llama.path, dtype="auto")
    assert all(torch.equal(a, b) for a, b in zip(loaded.model.parameters(), plain.parameters(), strict=True))
    assert (loaded.head, loaded.dtype, loaded.missing, loaded.notes) == ("AutoModelForCausalLM", "float32", (), ())
    assert loaded.parameters == sum(weight.numel() for weight in plain.parameters())
    assert loaded.tokenizer is not None and not loaded.model.training


def test_a_fresh_head_is_named_as_such(tiny_llama: Checkpoint) -> None:
    loaded = load(tiny_llama, head="AutoModelForSequenceClassification", labels=["bad", "so-so", "good"])
    assert loaded.missing == ("score.weight",)
    assert loaded.model.config.id2label == {0: "bad", 1: "so-so", 2: "good"}
    assert any("untrained" in note for note in loaded.notes)


def test_another_number_of_labels_makes_the_head_fresh(tiny_bert_classifier: Checkpoint) -> None:
    assert load(tiny_bert_classifier).missing == ()
    fresh = load(tiny_bert_classifier, num_labels=5)
    assert fresh.missing == ("classifier.bias", "classifier.weight")
    assert fresh.model.num_labels == 5


def test_dtype_and_attention_are_as_asked(tiny_llama: Checkpoint) -> None:
    loaded = load(tiny_llama, dtype="bfloat16", attn_implementation="eager")
    assert loaded.dtype == "bfloat16"
    assert loaded.model.config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (without("config.json"), CheckpointError, "no config.json"),
        (without("model.safetensors"), CheckpointError, "no weights"),
        (cut(-1000), CheckpointError, "cut off"),
        (cut(500), CheckpointError, "cut off"),
        (cut(5), CheckpointError, "no safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"PK" * 999), CheckpointError, "no safetensors"),
        (index_of_missing, CheckpointError, "1 of 1 weight files are missing"),
        (config(hidden_size=64), CheckpointError, "384×32 in the file, 384×64"),
        (config(hidden_size="wide"), CheckpointError, "expected int"),
        (config(num_attention_heads=3), CheckpointError, "config.json"),
        (config(model_type="quux"), CheckpointError, "quux"),
        (config(model_type=None), CheckpointError, "model_type"),
        (config(model_type="quux", auto_map={"AutoModel": "code.Model"}), UnsafeRefused, "code"),
        (config(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}), NotSupported, "bitsandb"),
        (config(vocab_size=10**13), OutOfMemory, "memory"),
        (as_pickle, UnsafeRefused, "pickled"),
        (lambda folder: (folder / "adapter_config.json").write_text("{}"), NotSupported, "adapter"),
    ],
)
def test_bad_checkpoints_are_worded(copy: Checkpoint, change: Change, kind: type[WorkbenchError], said: str) -> None:
    change(copy.path)
    with pytest.raises(kind) as caught:
        load(copy)
    assert said in caught.value.why
    assert caught.value.what.endswith("copy.") and caught.value.remedy


def test_remote_code_of_a_known_architecture_is_left_alone(copy: Checkpoint) -> None:
    config(auto_map={"AutoModelForCausalLM": "evil.Model"})(copy.path)
    (copy.path / "evil.py").write_text("raise SystemExit('ran')")
    assert type(load(copy).model).__name__ == "LlamaForCausalLM"


def test_a_kernel_named_in_the_config_is_not_fetched(copy: Checkpoint) -> None:
    config(attn_implementation="user/kernel", _attn_implementation="user/kernel")(copy.path)
    assert load(copy).model.config._attn_implementation == "sdpa"
    with pytest.raises(UnsafeRefused):
        load(copy, attn_implementation="user/kernel")


@pytest.mark.parametrize("change", [without("tokenizer.json", "tokenizer_config.json"), None])
def test_without_a_usable_tokenizer_the_model_still_loads(copy: Checkpoint, change: Change | None) -> None:
    if change:
        change(copy.path)
    else:
        (copy.path / "tokenizer.json").write_text("{")
    loaded = load(copy)
    assert loaded.tokenizer is None
    assert any("tokenizer" in note for note in loaded.notes)


def test_layers_that_the_files_lack_are_no_fresh_head(copy: Checkpoint) -> None:
    config(num_hidden_layers=4)(copy.path)
    loaded = load(copy)
    assert len(loaded.missing) == 18
    assert any("body" in note for note in loaded.notes)


def test_a_load_that_lacks_most_weights_says_that_all_is_chance(copy: Checkpoint) -> None:
    config(num_hidden_layers=40, architectures=["MistralForCausalLM"])(copy.path)
    (note,) = load(copy, head="AutoModelForCausalLM").notes
    assert re.search(r"not those of LlamaForCausalLM: \d\d% of its weights are in none of them.* is chance", note)
    assert note.endswith("They were saved as MistralForCausalLM; load it with that head.")


def test_a_backbone_that_is_only_made_by_name_is_refused_with_what_can_be_loaded(copy: Checkpoint) -> None:
    config(model_type="timm_backbone")(copy.path)
    with pytest.raises(CheckpointError, match="timm_wrapper") as caught:
        load(copy)
    assert "reads no folder" in caught.value.why


def test_a_head_the_architecture_lacks_is_not_supported(tiny_llama: Checkpoint) -> None:
    with pytest.raises(NotSupported, match="AutoModelForMultipleChoice"):
        load(tiny_llama, head="AutoModelForMultipleChoice")


def test_more_than_there_is_memory_for_is_refused_first(
    tiny_llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(process=1, total=10, available=10))
    with pytest.raises(OutOfMemory, match="weights need"):
        load(tiny_llama)


def test_nothing_is_printed_or_logged(
    tiny_bert: Checkpoint, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    load(tiny_bert, head="AutoModelForTokenClassification", num_labels=3)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_cancel_does_not_wait_for_the_lock(tiny_llama: Checkpoint) -> None:
    class Stopped(Silent):
        asked = threading.Event()

        def report(self, progress: object) -> None:
            if "weights" in str(progress):
                self.asked.set()

        def check(self) -> None:
            if self.asked.is_set():
                raise Cancelled

    held = threading.Event()
    release = threading.Event()

    def training() -> None:
        with models.LOAD_LOCK:
            held.set()
            release.wait(30)

    thread = threading.Thread(target=training)
    thread.start()
    held.wait(30)
    try:
        with pytest.raises(Cancelled):
            load(tiny_llama, task=Stopped())
    finally:
        release.set()
        thread.join()


def test_the_load_report_has_memory_and_tied_weights(tiny_llama: Checkpoint) -> None:
    loaded = load(tiny_llama)
    assert loaded.tied == ("lm_head.weight = model.embed_tokens.weight",)
    assert loaded.attention == "sdpa" and load(tiny_llama, attn_implementation="eager").attention == "eager"
    before, after = loaded.memory
    assert before > 0 and after > 0


def test_what_is_too_large_is_tried_when_it_is_asked_for(
    tiny_llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadable, "free", lambda device="cpu": 1000)
    with pytest.raises(OutOfMemory):
        load(tiny_llama)
    assert load(tiny_llama, tight=True).missing == ()


def test_layers_are_spread_where_accelerate_places_them(tiny_llama: Checkpoint) -> None:
    import torch

    spread, whole = load(tiny_llama, device="spread"), load(tiny_llama)
    ids = torch.tensor([[5, 6, 7]], device=spread.device)
    assert torch.equal(spread.model(ids).logits.cpu(), whole.model(ids.cpu()).logits)


def test_each_part_has_the_attention_that_the_library_chooses_unless_one_is_asked_for(
    tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    import transformers as t

    # As a whole it has no sdpa, and its text backbone has.
    reads = t.BertConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    sees = t.SwinConfig(
        image_size=32, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=2, out_features=["stage1", "stage2"]
    )
    sides = {f"{side}_{part}": 2 for side in ("encoder", "decoder") for part in ("attention_heads", "ffn_dim")}
    config = t.GroundingDinoConfig(
        backbone_config=sees, text_config=reads, d_model=32, num_queries=5, encoder_layers=1, decoder_layers=2,
        num_feature_levels=3, **sides,
    )  # fmt: skip
    t.GroundingDinoForObjectDetection(config).save_pretrained(tmp_path)

    def chosen(model: object) -> dict[str, str]:
        return {
            name: part.config._attn_implementation for name, part in model.named_modules() if hasattr(part, "config")
        }

    plain = chosen(t.AutoModelForZeroShotObjectDetection.from_pretrained(tmp_path))
    assert set(plain.values()) == {"sdpa", "eager"}
    loaded = load(Checkpoint("tiny", tmp_path), device="cpu")
    assert chosen(loaded.model) == plain and loaded.attn_implementation is None
    eager = load(Checkpoint("tiny", tmp_path), device="cpu", attn_implementation="eager")
    assert set(chosen(eager.model).values()) == {"eager"} and eager.attn_implementation == "eager"
    code = codegen.task(
        eager.checkpoint, "zero-shot-object-detection", TaskInput(labels=("fox",)), TaskOptions(), "float32", "cpu",
        eager.head, eager.attn_implementation,
    )  # fmt: skip
    llama = load(tiny_llama, attn_implementation="eager")
    known, asked = (llama.dtype, llama.device), {"attention": llama.attn_implementation}
    codes = (
        code,
        codegen.generate(llama.checkpoint, "The", None, Sampling(), *known, **asked),
        codegen.probabilities(llama.checkpoint, [5, 6], Sampling(), *known, **asked),
        codegen.score(llama.checkpoint, "The fox", *known, window=8, overlap=4, **asked),
    )
    assert all('attn_implementation="eager"' in each for each in codes)

"""A checkpoint's folder is described in milliseconds, without torch, as transformers would see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.engine import facts
from workbench.engine.errors import CheckpointError
from workbench.engine.facts import describe
from workbench.engine.values import Checkpoint


def test_tables_are_those_of_transformers() -> None:
    from transformers.models.auto import configuration_auto, modeling_auto

    for name, read in facts.auto_tables().items():
        real = getattr(modeling_auto, name, None) or getattr(configuration_auto, name)
        assert set(real) <= set(read), name
        if name != "CONFIG_MAPPING_NAMES":
            classes = {key: (value,) if isinstance(value, str) else value for key, value in real.items()}
            assert classes.items() <= read.items(), name


def test_tiny_llama_is_described(tiny_llama: Checkpoint) -> None:
    seen = describe(tiny_llama)
    assert (seen.model_type, seen.trained_head, seen.heads[0]) == (
        "llama",
        "AutoModelForCausalLM",
        "AutoModelForCausalLM",
    )
    assert seen.heads[-1] == "AutoModel"
    assert (seen.layers, seen.hidden_size, seen.attention_heads, seen.kv_heads, seen.context) == (2, 32, 4, 2, 256)
    assert (seen.weights, seen.dtype, seen.remote_code) == ("safetensors", "float32", False)
    assert seen.weight_bytes == (tiny_llama.path / "model.safetensors").stat().st_size
    assert seen.has_tokenizer and seen.has_chat_template


def test_classifier_names_its_labels(tiny_bert_classifier: Checkpoint) -> None:
    seen = describe(tiny_bert_classifier)
    assert seen.labels == ("NEGATIVE", "POSITIVE")
    assert seen.heads[0] == "AutoModelForSequenceClassification"
    assert "AutoModelForCausalLM" not in seen.heads


def test_describe_imports_neither_torch_nor_transformers(tiny_llama: Checkpoint) -> None:
    script = (
        "import sys; from pathlib import Path; from workbench.engine.facts import describe;"
        "from workbench.engine.values import Checkpoint;"
        f"describe(Checkpoint(name='x', path=Path({str(tiny_llama.path)!r})));"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    root = Path(facts.__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\x00", '"model_type"'])
def test_garbage_config_is_worded(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        describe(Checkpoint(name="broken", path=tmp_path))
    assert "config.json" in caught.value.why and caught.value.remedy


def test_odd_values_in_config_are_left_out(tmp_path: Path) -> None:
    odd = {"model_type": 7, "architectures": "Llama", "hidden_size": "big", "id2label": {"x": 1}, "vocab_size": True}
    (tmp_path / "config.json").write_text(json.dumps(odd))
    seen = describe(Checkpoint(name="odd", path=tmp_path))
    assert (seen.model_type, seen.architectures, seen.labels) == ("", (), ())
    assert (seen.hidden_size, seen.vocab_size, seen.weights) == (None, None, "none")


def test_a_checkpoint_of_timm_is_told_though_it_names_no_architecture(tmp_path: Path) -> None:
    config = {"architecture": "resnet18", "num_classes": 1000, "pretrained_cfg": {"tag": "a1_in1k"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    seen = describe(Checkpoint("resnet18", tmp_path))
    assert (seen.model_type, seen.trained_head) == ("timm_wrapper", "AutoModelForImageClassification")


def test_an_index_can_not_point_outside_the_folder(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors", "b": "model-1.safetensors", "c": ".."}}))
    assert facts.shards(index) == ("model-1.safetensors",)


@pytest.mark.parametrize(
    ("made", "said"),
    [("adapter_config.json", "adapter"), ("model.gguf", "llama.cpp"), ("notes.txt", "no config.json")],
)
def test_folders_that_are_no_checkpoint_say_what_they_are(tmp_path: Path, made: str, said: str) -> None:
    (tmp_path / made).write_text("{}")
    with pytest.raises(CheckpointError) as caught:
        describe(Checkpoint(name="folder", path=tmp_path))
    assert said in caught.value.why
    # The window itself converts these.
    assert ("Import" in caught.value.remedy) == (made == "model.gguf")


def test_missing_folder_and_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no folder"):
        describe(Checkpoint(name="gone", path=tmp_path / "gone"))
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is a file"):
        describe(Checkpoint(name="file", path=tmp_path / "file"))

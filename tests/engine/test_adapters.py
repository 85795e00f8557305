"""Adapters as peft saves them, without a config.json of their own, load over the checkpoint that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from tests import tiny_extras
from workbench.engine import codegen, hub, models, tokens
from workbench.engine.errors import CheckpointError, NotSupported
from workbench.engine.values import Checkpoint, Sampling

_LORA = {"r": 4, "init_lora_weights": False}


def _adapter(base: Checkpoint, auto: Any, config: peft.PeftConfig, folder: Path, **more: Any) -> Checkpoint:
    model = auto.from_pretrained(base.path, **more)
    peft.get_peft_model(model, config).save_pretrained(folder)
    assert not (folder / "config.json").exists()
    return hub.open_folder(folder)


def test_a_bare_adapter_is_loaded_over_its_base_with_the_tokenizer_of_that(
    tiny_llama: Checkpoint, tmp_path: Path, workbench_data: Path
) -> None:
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], **_LORA)
    adapter = _adapter(tiny_llama, transformers.AutoModelForCausalLM, config, tmp_path / "lora")
    facts = models.describe(adapter)
    assert (facts.model_type, facts.trained_head) == ("llama", "AutoModelForCausalLM")
    assert facts.has_tokenizer and facts.has_chat_template and adapter.complete
    assert [each.path for each in hub.local_checkpoints()] == [adapter.path]
    loaded = models.load(adapter)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_llama.path)
    wanted = peft.PeftModel.from_pretrained(plain, str(adapter.path)).merge_and_unload().eval()
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(loaded.model(ids).logits, wanted(ids).logits)
    assert loaded.missing == () and "LORA" in " ".join(loaded.notes)
    assert tokens.load_tokenizer(adapter).get_vocab() == loaded.tokenizer.get_vocab()
    names: dict[str, Any] = {}
    exec(codegen.probabilities(adapter, [5, 6, 7], Sampling(), "float32", "cpu"), names)
    assert torch.equal(names["logits"], loaded.model(ids).logits[:, -1])
    exec(codegen.generate(adapter, "The", None, Sampling(do_sample=False, max_new_tokens=2), "float32", "cpu"), names)


def test_a_base_of_the_hub_is_called_by_its_name(tiny_llama: Checkpoint, tmp_path: Path) -> None:
    base = tmp_path / "models--someone--tiny" / "snapshots" / "0e53011"
    base.parent.mkdir(parents=True)
    base.symlink_to(tiny_llama.path)
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], **_LORA)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "lora")
    loaded = models.load(Checkpoint("lora", tmp_path / "lora"))
    assert "merged into someone/tiny in memory" in " ".join(loaded.notes)


def test_a_classifier_has_as_many_labels_as_its_adapter_brings(
    tiny_bert: Checkpoint, tmp_path: Path, workbench_data: Path
) -> None:
    config = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query"], **_LORA)
    auto = transformers.AutoModelForSequenceClassification
    adapter = _adapter(tiny_bert, auto, config, tmp_path / "three", num_labels=3)
    loaded = models.load(adapter)
    assert loaded.head == "AutoModelForSequenceClassification"
    assert loaded.facts.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert loaded.model.config.num_labels == 3 and "classifier.weight" not in loaded.missing


def test_what_an_adapter_lacks_is_named(tiny_llama: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    settings = {"peft_type": "LORA", "base_model_name_or_path": "someone/large"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match="someone/large"):
        models.describe(Checkpoint("adapter", tmp_path))
    settings = {"peft_type": "PROMPT_TUNING", "base_model_name_or_path": str(tiny_llama.path)}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(NotSupported, match="PROMPT_TUNING"):
        models.load(Checkpoint("adapter", tmp_path))


@pytest.fixture
def hearing(tmp_path: Path) -> Checkpoint:
    """Granite Speech as it is published: whole weights, and beside them an adapter for what is heard."""
    folder = tmp_path / "granite"
    tiny_extras.granite(folder)
    config = json.loads((folder / "config.json").read_text()) | {"has_lora_adapter": True}
    (folder / "config.json").write_text(json.dumps(config))
    model = transformers.GraniteSpeechForConditionalGeneration.from_pretrained(str(folder))
    model.add_adapter(peft.LoraConfig(target_modules=["q_proj", "v_proj"], **_LORA))
    whole = (folder / "model.safetensors").read_bytes()
    model.save_pretrained(str(folder))
    # The library names weights beneath an adapter otherwise, and does not find them again; published ones are plain.
    (folder / "model.safetensors").write_bytes(whole)
    return Checkpoint("granite", folder)


def test_an_adapter_for_sounds_is_on_for_them_alone(hearing: Checkpoint) -> None:
    loaded = models.load(hearing)
    plain = transformers.GraniteSpeechForConditionalGeneration.from_pretrained(hearing.path).eval()
    assert "is on for sounds" in " ".join(loaded.notes)
    ids = torch.tensor([[5, 6, 7]])
    features = torch.zeros(1, 20, 160)
    spoken = torch.tensor([[plain.config.audio_token_index] * 6 + [5, 6, 7]])
    heard = {"input_features": features, "input_features_mask": torch.ones(1, 6, dtype=torch.bool)}
    with torch.inference_mode():
        by_adapter = plain(spoken, **heard).logits
        assert not torch.equal(plain(ids).logits, loaded.model(ids).logits)
        assert torch.equal(loaded.model(spoken, **heard).logits, by_adapter)
        # Its own generate() without a sound, which is what the Playground shows for a text alone.
        told = {"max_new_tokens": 3, "do_sample": False, "output_logits": True, "return_dict_in_generate": True}
        alone = plain.generate(ids, **told).logits
    names: dict[str, Any] = {}
    exec(codegen.probabilities(hearing, ids[0].tolist(), Sampling(), "float32", "cpu", head=loaded.head), names)
    torch.testing.assert_close(names["logits"], alone[0])


def test_an_adapter_that_a_whole_checkpoint_does_not_ask_for_is_refused(hearing: Checkpoint) -> None:
    config = json.loads((hearing.path / "config.json").read_text()) | {"has_lora_adapter": False}
    (hearing.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(NotSupported, match="which of them is meant"):
        models.load(hearing)

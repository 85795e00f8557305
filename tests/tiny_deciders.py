"""A decision head beside the weights of a model that writes, as those of vLLM and JEV are published."""

from __future__ import annotations

import json
from pathlib import Path

CODES = tuple("ABCDEFGH")


def beside(folder: Path) -> None:
    """Put a head into the folder of a checkpoint: its settings, and a weight of shape ``(codes, hidden_size)``.

    Args:
        folder: Of a checkpoint of an architecture that `AutoModelForDecision` loads, with any head.
    """
    import torch
    from safetensors.torch import save_file

    config = json.loads((folder / "config.json").read_text("utf-8"))
    width = config.get("text_config", config)["hidden_size"]
    said = {"codes": CODES, "temperature": 0.7, "prompt": "pplx"}
    (folder / "decision_config.json").write_text(json.dumps(said), "utf-8")
    weight = torch.randn(len(CODES), width, generator=torch.Generator().manual_seed(0))
    save_file({"weight": weight}, folder / "readout.safetensors", metadata={"format": "pt"})


def with_adapter(folder: Path) -> None:
    """Put JEV's head into the folder of a checkpoint: its settings, what it was calibrated to, and its own adapter."""
    import torch
    import transformers as t
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import save_file

    config = json.loads((folder / "config.json").read_text("utf-8"))
    ranges = {"noul": [0, 2], "score": [2, 5], "choice": [5, 13]}
    slots = {"verbalizers": ["false", "true", *"012", *CODES], "ranges": ranges, "num_slots": 13}
    (folder / "judge_config.json").write_text(json.dumps({"slots": slots, "softcap": 30.0}), "utf-8")
    (folder / "calibration.json").write_text(json.dumps({"per_kind": dict.fromkeys(ranges, 1.5)}), "utf-8")
    drawn = torch.Generator().manual_seed(0)
    head = {"proj.weight": torch.randn(13, config["hidden_size"], generator=drawn), "proj.bias": torch.zeros(13)}
    save_file(head, folder / "head.safetensors", metadata={"format": "pt"})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = t.AutoModelForDecision.from_pretrained(folder)
        # Drawn at random, or it would change nothing.
        told = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        get_peft_model(model, told).save_pretrained(folder / "adapter")

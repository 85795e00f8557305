"""Tiny checkpoints of many families: random weights from small configs, all with the tiny llama's tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.values import Checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
_WINDOW = 12
_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}

#: Config class of each family and what it is given.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}),
    "llama": ("LlamaConfig", _SIZES),
    "qwen3": ("Qwen3Config", _SIZES | {"head_dim": 8}),
    "gemma3": (
        "Gemma3TextConfig",
        _SIZES | {"head_dim": 8, "sliding_window": _WINDOW, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "mistral": ("MistralConfig", _SIZES | {"sliding_window": _WINDOW}),
    "mixtral": ("MixtralConfig", _SIZES | _EXPERTS | {"sliding_window": None}),
    "mamba": ("MambaConfig", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}),
    "phi": ("PhiConfig", _SIZES | {"num_key_value_heads": 4}),
    "gpt_neox": ("GPTNeoXConfig", _SIZES),
    "opt": ("OPTConfig", _SIZES | {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "bloom": ("BloomConfig", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "falcon": ("FalconConfig", _SIZES | {"alibi": False}),
    "granite": ("GraniteConfig", _SIZES),
    "olmo2": ("Olmo2Config", _SIZES),
    "lfm2": ("Lfm2Config", _SIZES | {"layer_types": ["conv", "full_attention"]}),
}
#: Families whose whole cache can be cut at any point.
CUTTABLE = frozenset(
    {"gpt2", "llama", "qwen3", "mixtral", "phi", "gpt_neox", "opt", "bloom", "falcon", "granite", "olmo2"}
)
#: Families that attend through a sliding window, which can be cut until it is full.
SLIDING = frozenset({"gemma3", "mistral"})


def build(name: str, folder: Path, like: Checkpoint) -> Checkpoint:
    """Save a tiny checkpoint of a family.

    Args:
        name: One of `FAMILIES`.
        folder: Made when missing.
        like: Its tokenizer is taken.
    """
    import torch
    import transformers

    kind, given = FAMILIES[name]
    tokenizer = transformers.AutoTokenizer.from_pretrained(like.path)
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config: PreTrainedConfig = getattr(transformers, kind)(
        vocab_size=len(tokenizer), initializer_range=0.2, **given, **ids
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
    model.generation_config = transformers.GenerationConfig(**ids)
    model.save_pretrained(folder)
    for file in like.path.iterdir():
        if file.name.startswith(("tokenizer", "special_tokens", "chat_template")):
            shutil.copy(file, folder / file.name)
    return Checkpoint(name=f"tiny-{name}", path=folder)

"""Tiny configs of any architecture: the default one with its sizes cut down, and what some need besides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.census import odd

#: Numbers of layers, by the names that configs have for them.
_LAYERS = {"num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers", "depth",
           "num_decoder_layers", "num_encoder_layers", "decoder_num_hidden_layers", "layers", "resampler_depth",
           "num_blocks", "vision_layers", "text_layers", "num_mtp_layers"}  # fmt: skip
#: Lists with an entry a layer.
_BY_LAYER = {"layer_types", "mlp_layer_types", "layers_block_type", "block_types", "attention_types", "mlp_types"}
#: Sizes that have to fit a picture, a sound or a window and not one another.
_FITS = re.compile(
    "image_size|patch|max_|min_|token|num_quer|length|stride|kernel|window|resolution|base_size|tile|spatial|temporal"
    "|seq|position|num_channels|in_channels|grid|latents|crop|pool|downsample|scale|merge|theta|_id|index|local|conv"
    "|reduction|size_per_head|lags|num_mel|input_feat|type_vocab"
)
_WIDE = re.compile("hidden|dim|size|embed|width|inter|ffn|mlp|d_ff|d_model|rank|channels|projection|n_inner|n_embd")
_STAGED = re.compile("(encoder_|neck_|decoder_)?(hidden_sizes|embed_dims|depths)")
_SAYINGS = {"transformers_version", "architectures", "id2label", "label2id", "_name_or_path", "torch_dtype", "dtype",
            "_attn_implementation", "attn_implementation", "quantization_config", "per_layer_config"}  # fmt: skip
#: Which layers' states a backbone gives.
_ENDS = {"out_features", "_out_features", "out_indices", "_out_indices", "stage_names"}
_AS_IT_IS = {"rope_parameters", "rope_scaling", "task_specific_params"}

#: How much is cut, from much to nothing: layers that stay, the width (None leaves it as it is), and heads of keys.
LEVELS: tuple[tuple[int, int | None, int], ...] = (
    (2, 64, 2), (2, 64, 4), (6, 64, 4), (99, 64, 4), (2, None, 2), (99, None, 2),
)  # fmt: skip
#: Parameters above which a model is not tiny.
MOST = 130_000_000


def configs(kind: str, name: str, ids: dict[str, int]) -> Iterator[Callable[[], Any]]:
    """What makes configs of an architecture, from the smallest to its default one; some it does not allow.

    Args:
        kind: The ``model_type``.
        name: The model class.
        ids: The tokens of its tokenizer; ``len(ids)`` is the size of its vocabulary.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    make = CONFIG_MAPPING[kind]
    if whole := odd.WHOLE.get(name, odd.WHOLE.get(kind)):
        yield partial(make, **whole)
        return
    base = {name: value for name, value in make().to_dict().items() if name != "model_type"}
    for layers, width, keys in LEVELS:
        settings = _vocabulary(_shrunk(base, layers, width, keys), len(ids))
        changes = odd.CHANGED.get(kind, {}) | odd.CHANGED.get(name, {})
        yield partial(make, **_merged(settings, changes))


def _merged(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    out = dict(settings)
    for name, value in changes.items():
        known = out.get(name)
        if value == "empty":
            out[name] = {}
        else:
            out[name] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return out


def _shrunk(settings: dict[str, Any], layers: int, width: int | None, keys: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in settings.items():
        if not isinstance(name, str):
            return settings
        if name in _SAYINGS or (name in _ENDS and layers < 99):
            continue
        if isinstance(value, dict):
            if "mrope_section" in value and width is not None:
                value = {**value, "mrope_section": [2, 3, 3]}
            out[name] = value if name in _AS_IT_IS else _shrunk(value, layers, width, keys)
        elif name in _BY_LAYER:
            if isinstance(value, list) and value:
                out[name] = _some(value, layers)
        elif isinstance(value, int) and not isinstance(value, bool):
            out[name] = _smaller(name, value, layers, width, keys)
        elif layers < 99 and width is not None and _STAGED.fullmatch(name) and _are_counts(value):
            # Each stage has layers and a width of its own.
            out[name] = [min(each, 1) if "depth" in name else max(8, each // 8) for each in value]
        else:
            out[name] = value
    return out


def _are_counts(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(type(each) is int for each in value)


def _some(kinds: list[Any], layers: int) -> list[Any]:
    """As many layers with one of each kind among them, where there is room."""
    first = kinds[:layers]
    others = [kind for number, kind in enumerate(kinds) if kind not in first and kinds.index(kind) == number]
    return [*first[: max(1, layers - len(others))], *others][:layers]


def _smaller(name: str, value: int, layers: int, width: int | None, keys: int) -> int:
    if name in _LAYERS:
        return min(value, layers)
    if width is None or _FITS.search(name):
        return value
    if name.endswith("head_dim") or name in ("d_kv", "kv_channels", "attention_head_size"):
        return min(value, 16)
    if name.endswith("attention_heads") or name in ("n_head", "num_heads", "n_heads", "heads", "attn_heads"):
        return min(value, 4)
    if name.endswith("key_value_heads") or name == "num_kv_heads":
        return min(value, keys)
    if name in ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"):
        return min(value, 4)
    if name in ("num_experts_per_tok", "moe_k", "moe_topk", "top_k_experts"):
        return min(value, 2)
    if name in ("n_group", "topk_group"):
        return 1
    return width if value >= 128 and _WIDE.search(name) and "vocab" not in name else value


def _vocabulary(settings: dict[str, Any], size: int) -> dict[str, Any]:
    out = {}
    for name, value in settings.items():
        if not isinstance(name, str):
            return settings
        if isinstance(value, dict) and name != "vq_config":
            value = _vocabulary(value, size)
        elif name.startswith("vocab_size") and isinstance(value, int) and value > 300:
            value = size
        elif name in odd.IDS and value is not None and not isinstance(value, list):
            value = odd.IDS[name]
        elif name.endswith(("_token_id", "_token_index")) and isinstance(value, int) and value >= size:
            value = size - 1
        out[name] = value
    return out


def tie(config: Any, marks: dict[str, int]) -> None:
    """Let a config and its parts name the ids that its tokenizer has for pictures, sounds and the rest, and fit heads.

    Args:
        config: Changed.
        marks: The ids, by what they stand for.
    """
    from transformers import PreTrainedConfig

    for name, value in list(vars(config).items()):
        if isinstance(value, PreTrainedConfig):
            tie(value, marks)
        # The models of Qwen2's kind take heads of 128 for granted where nothing is said.
        default = (16, 24, 24) if re.match(r"qwen2(_5)?_(vl|omni)", config.model_type) else ()
        if name == "rope_parameters" and isinstance(value, dict) and sum(value.get("mrope_section", default)) > 8:
            # Of heads that were made 16 wide.
            sections = value.get("mrope_section", list(default))
            value["mrope_section"] = [2, 3, 3] if getattr(config, "head_dim", 16) == 16 else sections
        found = re.fullmatch(r"_?(\w+?)_token_(?:id|index)", name)
        if found and found[1] in marks:
            setattr(config, name, marks[found[1]])
    if getattr(config, "pad_token_id", 0) is None:
        config.pad_token_id = 0
